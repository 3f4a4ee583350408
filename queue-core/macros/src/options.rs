//! Reads what stands in `#[task(…)]`, and writes it as `TaskOptions`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{LitBool, LitInt, LitStr, Result};

const KNOWN: &str = "`name`, `queue`, `priority`, `max_retries`, `backoff`, `time_limit`, `soft_time_limit`, `expires`, \
                     `ignore_result`, `acks`, `track_started`";

/// What stands in `#[task(…)]`, checked.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) builtin: bool,
    queue: Option<String>,
    priority: Option<i64>,
    max_retries: Option<u32>,
    backoff: Option<(Duration, Duration, bool)>,
    time_limit: Option<Duration>,
    soft_time_limit: Option<Duration>,
    expires: Option<Duration>,
    ignore_result: bool,
    acks_early: bool,
    track_started: bool,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = Self::default();
        let mut seen = Vec::new();
        let parser = syn::meta::parser(|meta| {
            let Some(name) = meta.path.get_ident().map(ToString::to_string) else {
                return Err(meta.error(format!("unknown option; there are {KNOWN}")));
            };
            if seen.contains(&name) {
                return Err(meta.error(format!("`{name}` is given twice")));
            }
            options.read(&name, &meta)?;
            seen.push(name);
            Ok(())
        });
        parser.parse2(tokens)?;
        Ok(options)
    }

    fn read(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match name {
            "name" => self.name = Some(name_text(meta)?),
            "queue" => self.queue = Some(queue_text(meta)?),
            "priority" => self.priority = Some(priority(meta)?),
            "max_retries" => self.max_retries = Some(max_retries(meta)?),
            "backoff" => self.backoff = Some(backoff(meta)?),
            "time_limit" => self.time_limit = Some(duration(meta)?),
            "soft_time_limit" => self.soft_time_limit = Some(duration(meta)?),
            "expires" => self.expires = Some(duration(meta)?),
            "ignore_result" => self.ignore_result = flag(meta)?,
            "acks" => self.acks_early = acks_early(meta)?,
            "track_started" => self.track_started = flag(meta)?,
            "builtin" => self.builtin = flag(meta)?,
            _ => return Err(meta.error(format!("unknown option `{name}`; there are {KNOWN}"))),
        }
        Ok(())
    }

    /// The expression that makes the `TaskOptions`.
    pub(crate) fn expression(&self) -> TokenStream {
        let queue = optional(self.queue.as_ref().map(|name| quote!(#name)));
        let max_retries = optional(self.max_retries.map(|retries| quote!(#retries)));
        let time_limit = optional(self.time_limit.map(duration_tokens));
        let soft_time_limit = optional(self.soft_time_limit.map(duration_tokens));
        let expires = optional(self.expires.map(duration_tokens));
        let priority = self.priority.map(|value| quote!(priority: ::queue_core::__private::Priority::new(#value),));
        let backoff = self.backoff.map(|(factor, max, jitter)| {
            let (factor, max) = (duration_tokens(factor), duration_tokens(max));
            quote!(backoff: ::queue_core::Backoff { factor: #factor, max: #max, jitter: #jitter },)
        });
        let (ignore_result, acks_early, track_started) = (self.ignore_result, self.acks_early, self.track_started);
        quote! {
            ::queue_core::__private::TaskOptions {
                queue: #queue,
                #priority
                max_retries: #max_retries,
                #backoff
                time_limit: #time_limit,
                soft_time_limit: #soft_time_limit,
                expires: #expires,
                ignore_result: #ignore_result,
                acks_early: #acks_early,
                track_started: #track_started,
                ..::core::default::Default::default()
            }
        }
    }
}

fn optional(tokens: Option<TokenStream>) -> TokenStream {
    match tokens {
        Some(tokens) => quote!(::core::option::Option::Some(#tokens)),
        None => quote!(::core::option::Option::None),
    }
}

fn duration_tokens(duration: Duration) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}

fn name_text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let literal: LitStr = meta.value()?.parse()?;
    match literal.value() {
        name if name.is_empty() => Err(syn::Error::new(literal.span(), "a task's name must not be empty")),
        name => Ok(name),
    }
}

/// The rules of `queue_core::QueueName`, which says them at run time.
fn queue_text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let literal: LitStr = meta.value()?.parse()?;
    let name = literal.value();
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        let text = "a queue's name has 1 to 255 bytes and no control characters";
        return Err(syn::Error::new(literal.span(), text));
    }
    Ok(name)
}

fn priority(meta: &ParseNestedMeta<'_>) -> Result<i64> {
    let literal: LitInt = meta.value()?.parse()?;
    match literal.base10_parse::<i64>()? {
        value @ 0..=9 => Ok(value),
        _ => Err(syn::Error::new(literal.span(), "a priority is 0 (goes first) to 9 (goes last)")),
    }
}

fn max_retries(meta: &ParseNestedMeta<'_>) -> Result<u32> {
    let literal: LitInt = meta.value()?.parse()?;
    literal.base10_parse().map_err(|_| syn::Error::new(literal.span(), "a number of retries is 0 to 4294967295"))
}

fn flag(meta: &ParseNestedMeta<'_>) -> Result<bool> {
    if meta.input.peek(syn::Token![=]) { Ok(meta.value()?.parse::<LitBool>()?.value) } else { Ok(true) }
}

fn acks_early(meta: &ParseNestedMeta<'_>) -> Result<bool> {
    let literal: LitStr = meta.value()?.parse()?;
    match literal.value().as_str() {
        "early" => Ok(true),
        "late" => Ok(false),
        _ => Err(syn::Error::new(
            literal.span(),
            "`acks` is \"late\" (after the run; the default) or \"early\" (before it)",
        )),
    }
}

fn duration(meta: &ParseNestedMeta<'_>) -> Result<Duration> {
    let literal: LitStr = text_of_time(meta)?;
    let read = parse_duration(&literal.value());
    read.map_err(|why| {
        syn::Error::new(literal.span(), format!("not a length of time: {why}; write \"30s\" or \"1h 30m\""))
    })
}

fn text_of_time(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let value = meta.value()?;
    let at = value.fork();
    value.parse().map_err(|_| at.error("a length of time is a text with its unit; write \"30s\" or \"1h 30m\""))
}

fn backoff(meta: &ParseNestedMeta<'_>) -> Result<(Duration, Duration, bool)> {
    let literal: LitStr = text_of_time(meta)?;
    let read = parse_backoff(&literal.value());
    read.map_err(|why| {
        let text = format!("not a backoff: {why}; write \"2s..10m\", \"5s\" or \"2s..10m, no jitter\"");
        syn::Error::new(literal.span(), text)
    })
}

fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    match humantime::parse_duration(text.trim()) {
        Ok(Duration::ZERO) => Err("it must be longer than zero".to_owned()),
        Ok(duration) => Ok(duration),
        Err(why) => Err(format!("{text:?}: {why}")),
    }
}

/// `"first..longest"` or `"always"`, and perhaps `, no jitter`.
fn parse_backoff(text: &str) -> std::result::Result<(Duration, Duration, bool), String> {
    let (range, jitter) = match text.split_once(',') {
        Some((range, rest)) if rest.trim() == "no jitter" => (range, false),
        Some((_, rest)) => return Err(format!("{:?} is not \"no jitter\"", rest.trim())),
        None => (text, true),
    };
    let (first, longest) = match range.split_once("..") {
        Some((first, longest)) => (parse_duration(first)?, parse_duration(longest)?),
        None => (parse_duration(range)?, parse_duration(range)?),
    };
    if first > longest {
        return Err("the first wait is longer than the longest".to_owned());
    }
    Ok((first, longest, jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn backoff_is_a_range_or_one_wait() {
        assert_eq!(parse_backoff("2s..10m"), Ok((2 * SECOND, 600 * SECOND, true)));
        assert_eq!(parse_backoff("5s"), Ok((5 * SECOND, 5 * SECOND, true)));
        assert_eq!(parse_backoff("1s .. 1m, no jitter"), Ok((SECOND, 60 * SECOND, false)));
    }

    #[test]
    fn wrong_backoffs_say_why() {
        for (text, why) in [
            ("1m..2s", "longer than the longest"),
            ("2..10", "time unit needed"),
            ("0s..1s", "longer than zero"),
            ("1s..2s, jitter", "is not \"no jitter\""),
        ] {
            let error = parse_backoff(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
