//! How the keys of a Celery application are named, where it was told to name them otherwise than by default.

use url::Url;

/// Settings that all programs on one Redis must agree on. Each is a setting of Celery, and a parameter of the URL:
/// `redis://host/0?prefix=shop_&steps=0,5&sep=:&result_prefix=shop`.
///
/// ```
/// # use queue_core::store::redis::RedisOptions;
/// let options = RedisOptions { prefix: "shop_".to_owned(), ..RedisOptions::default() };
/// assert_eq!(options.steps, [0, 3, 6, 9]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Before every key and channel but those of results, as it is. Default: nothing. URL: `prefix`.
    /// Celery: `broker_transport_options["global_keyprefix"]`.
    pub prefix: String,
    /// Before the keys and channels of results and groups; an underscore is put in between unless it ends in one of `: _ - .`
    /// Default: nothing. URL: `result_prefix`. Celery: `result_backend_transport_options["global_keyprefix"]`.
    pub result_prefix: String,
    /// Which priorities have a list of their own; one in between goes to the next lower. Ascending, from 0, up to 9. Default:
    /// 0, 3, 6, 9. URL: `steps`, with commas. Celery: `broker_transport_options["priority_steps"]`.
    pub steps: Vec<u8>,
    /// Between a queue's name and its step in the name of a list. No queue may have it in its name. Default: the bytes 6 and
    /// 22. URL: `sep`. Celery: `broker_transport_options["sep"]`.
    pub sep: String,
    /// Before the channels of remote control and events, `{db}` standing for the database's number. Default: `/{db}.`; empty is
    /// none. URL: `fanout_prefix`. Celery: `broker_transport_options["fanout_prefix"]`, whose `False` is the empty one.
    pub fanout_prefix: String,
}

impl Default for RedisOptions {
    fn default() -> Self {
        let (prefix, result_prefix) = (String::new(), String::new());
        let (sep, fanout_prefix) = ("\u{6}\u{16}".to_owned(), "/{db}.".to_owned());
        Self { prefix, result_prefix, steps: vec![0, 3, 6, 9], sep, fanout_prefix }
    }
}

/// Those taken here.
const OURS: [&str; 5] = ["`prefix`", "`result_prefix`", "`steps`", "`sep`", "`fanout_prefix`"];
/// What the client itself understands after the `?`.
const CLIENTS: [&str; 4] = ["protocol", "db", "user", "pass"];

impl RedisOptions {
    /// Takes the parameters out of `url`: the URL without them, and these options with them.
    ///
    /// # Errors
    ///
    /// What is wrong with which parameter, for people. It quotes what stands behind the `?`.
    pub(crate) fn with_url(mut self, url: &str) -> Result<(String, Self), String> {
        let Some((place, _)) = url.split_once('?') else {
            self.check()?;
            return Ok((url.to_owned(), self));
        };
        let parsed = Url::parse(url).map_err(|why| why.to_string())?;
        let mut kept = Vec::new();
        for (name, value) in parsed.query_pairs() {
            if CLIENTS.contains(&&*name) { kept.push((name, value)) } else { self.set(&name, &value)? }
        }
        self.check()?;
        let mut rest = Url::parse(place).map_err(|why| why.to_string())?;
        if !kept.is_empty() {
            rest.query_pairs_mut().extend_pairs(kept);
        }
        rest.set_fragment(parsed.fragment());
        Ok((rest.to_string(), self))
    }

    /// The prefix of results as their own URL has it, else `usual`.
    pub(super) fn of_results(self, usual: &str) -> Result<String, String> {
        let Self { prefix, result_prefix, steps, sep, fanout_prefix } = self;
        let default = Self::default();
        if steps != default.steps || sep != default.sep || fanout_prefix != default.fanout_prefix {
            return Err("`steps`, `sep` and `fanout_prefix` are of messages, not of results".to_owned());
        }
        let named = [prefix, result_prefix, usual.to_owned()].into_iter().find(|prefix| !prefix.is_empty());
        Ok(named.unwrap_or_default())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "prefix" => value.clone_into(&mut self.prefix),
            "result_prefix" => value.clone_into(&mut self.result_prefix),
            "sep" => value.clone_into(&mut self.sep),
            "fanout_prefix" => value.clone_into(&mut self.fanout_prefix),
            "steps" => self.steps = steps(value)?,
            // Not named: what stands there may be the end of a password, behind an `&`.
            _ => return Err(format!("a parameter is none of ours, which are {}", OURS.join(", "))),
        }
        Ok(())
    }

    /// Refuses what would make two queues one list, or a message go nowhere.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.sep.is_empty() {
            return Err("`sep` is empty".to_owned());
        }
        let ascending = self.steps.windows(2).all(|pair| pair[0] < pair[1]);
        if self.steps.first() != Some(&0) || !ascending || self.steps.last() > Some(&9) {
            return Err(format!("`steps` are not right; {STEPS}"));
        }
        Ok(())
    }
}

fn steps(text: &str) -> Result<Vec<u8>, String> {
    let number = |step: &str| step.trim().parse().ok();
    // Not quoted: a value may be of a password, as little of the URL as will do is shown.
    text.split(',')
        .map(number)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("a part of `steps` is not a number; {STEPS}"))
}

/// What `steps` are.
const STEPS: &str = "they are ascending from 0, up to 9: `0,3,6,9`";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<(String, RedisOptions), String> {
        RedisOptions::default().with_url(url)
    }

    #[test]
    fn parameters_are_taken_out_of_the_url() {
        let (url, found) =
            options("redis://:s3cret@host/2?prefix=shop_&steps=0,1,2&sep=%3A&result_prefix=r&fanout_prefix=").unwrap();
        assert_eq!(url, "redis://:s3cret@host/2");
        let expected = RedisOptions {
            prefix: "shop_".into(),
            result_prefix: "r".into(),
            steps: vec![0, 1, 2],
            sep: ":".into(),
            fanout_prefix: String::new(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn without_parameters_the_url_stays_as_it_is() {
        let text = "rediss://host:6380/0#insecure";
        assert_eq!(options(text).unwrap(), (text.to_owned(), RedisOptions::default()));
        let kept = "redis://host/0?protocol=resp3";
        assert_eq!(options(kept).unwrap().0, kept);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (query, word) in [
            ("prefx=a", "`prefix`"),
            ("sep=", "sep"),
            ("steps=3,6", "ascending"),
            ("steps=0,s3cret", "not a number"),
            ("s3cret", "`prefix`"),
            ("steps=0,10", "up to 9"),
        ] {
            let why = options(&format!("redis://host/0?{query}")).unwrap_err();
            assert!(why.contains(word), "{query}: {why}");
            // The value of a parameter may be the end of a password.
            assert!(!why.contains("s3cret"), "{query}: {why}");
        }
    }
}
