//! Any text is a store's URL or refused, and a password is never in what is shown of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::store::{StoreUrl, UrlError};
use queue_fuzz::parts::{parts, text};

const SECRET: &str = "Hunter2Hunter2";

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let Some(plain) = text(&mut inputs) else { return };
    let _ = StoreUrl::parse(plain).map(|url| url.masked()).map_err(|error| shown(&error));
    // Around a password whatever may stand there by mistake.
    let mut next = || text(&mut inputs).unwrap_or_default();
    let (scheme, user, more, host) = (next(), next(), next(), next());
    let whole = user.replace('/', "");
    if scheme.contains(':') || host.contains('@') {
        return;
    }
    // It learns the secret, and puts it where a name stands, also in two halves.
    if [scheme, user, &whole, more, host].iter().any(|part| part.contains(SECRET)) {
        return;
    }
    for url in [
        format!("redis://{user}:{SECRET}{more}@{host}"),
        format!("rediss://{user}:{more}{SECRET}@{host}"),
        format!("{scheme}://:{SECRET}@{host}"),
        format!("{scheme}:{user}:{SECRET}@{host}"),
        format!("redis:/{user}:{SECRET}@{host}"),
        format!("{user}:{SECRET}{more}@{host}"),
        format!(":{SECRET}@{host}"),
        format!("redis+sentinel://{user}:{more}{SECRET}@{host}"),
        format!("redis://{host}/0?pass={SECRET}"),
        format!("redis://:{SECRET}{more}"),
        format!("redis+sentinel://{whole}:{SECRET}{more}"),
    ] {
        if url.starts_with("sqlite:") {
            continue;
        }
        let said = match StoreUrl::parse(&url) {
            Ok(url) => url.masked(),
            Err(error) => shown(&error),
        };
        assert!(!said.contains(SECRET), "{url:?}: {said}");
    }
});

fn shown(error: &UrlError) -> String {
    format!("{error} {error:?} {}", error.hint())
}
