//! What a URL says: where the server is, how it is spoken to, and how its keys are named.

use redis::{Client, ConnectionAddr};

use super::options::RedisOptions;
use super::sentinel::{self, Sentinels};
use super::tls;
use crate::store::url::{is_cut, lacks_host};

/// See the module.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) client: Client,
    pub(super) sentinels: Option<Sentinels>,
    pub(super) named: RedisOptions,
}

impl Place {
    /// Takes `url` apart; its parameters stand before `named`. Reads the files of certificates.
    ///
    /// # Errors
    ///
    /// What is wrong, for people, and without secrets.
    pub(super) fn of(url: &str, named: RedisOptions) -> Result<Self, String> {
        Self::taken_from(url, named).map_err(|why| unquoted(url, why))
    }

    fn taken_from(url: &str, named: RedisOptions) -> Result<Self, String> {
        let (plain, sentinels) = sentinel::take_out(url)?;
        let (plain, tls) = tls::take_out(&plain)?;
        let (place, named) = named.with_url(&plain)?;
        if place.starts_with("rediss") {
            // Fails only where the process has chosen a provider before, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = tls.client(&*place)?;
        let sentinels = sentinels.map(|sentinels| sentinels.secured(&tls)).transpose()?;
        let addr = client.get_connection_info().addr();
        if matches!(addr, ConnectionAddr::TcpTls { insecure: true, .. }) {
            tracing::warn!(host = %addr, "the store's certificate is not checked: whoever answers there is believed");
        }
        Ok(Self { client, sentinels, named })
    }
}

/// Looks whether [`Place::of`] could take `url` apart, without reading a file.
///
/// # Errors
///
/// As there.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let parts = || {
        let (plain, _) = sentinel::take_out(url)?;
        let (plain, _) = tls::take_out(&plain)?;
        url::Url::parse(&plain).map_err(|why| why.to_string())?;
        RedisOptions::default().with_url(&plain).map(drop)
    };
    parts().map_err(|why| unquoted(url, why))
}

/// What is wrong quotes what stands behind the `?` of `url`, or where its hosts should be, as it came, which may be of a password.
fn unquoted(url: &str, why: String) -> String {
    if is_cut(url) {
        "what is wrong is not shown, since it may quote a password; in a password `?` is written as `%3F`, in \
         a parameter `@` as `%40`"
            .to_owned()
    } else if lacks_host(url) {
        "what follows a `:` there is no port; behind a login there is an `@`, and then the host".to_owned()
    } else {
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for url in [
            "rediss://:pass?ssl_ca_certs=s3cret@host",
            "rediss://:?s3cret@host",
            "redis://:?s3cret@host",
            "redis://:?steps=s3cret@host",
            "redis+sentinel://:?s3cret@host/mymaster",
            "redis://host/0?pass=s3&s3cret",
            "redis+sentinel://host/mymaster/0?sentinel_password=s3&s3cret",
        ] {
            let placed = Place::of(url, RedisOptions::default()).unwrap_err();
            let checked = check(url).err().unwrap_or_default();
            assert!(!placed.contains("s3cret") && !checked.contains("s3cret"), "{url}: {placed}, {checked}");
            assert_eq!(placed.contains("%3F"), url.contains('@'), "{url}: {placed}");
        }
    }

    #[test]
    fn a_password_without_its_host_is_not_shown() {
        for url in [
            "redis://:s3cret/0",
            "rediss://me:s3cret",
            "redis+sentinel://me:s3cret/mymaster",
            "redis+sentinel://:s3/s3cret/s3cret",
            "sentinel://h1:26379/0;sentinel://me:s3cret/0?master_name=m",
        ] {
            for why in [Place::of(url, RedisOptions::default()).unwrap_err(), check(url).unwrap_err()] {
                assert!(why.contains("no port") && !why.contains("s3"), "{url}: {why}");
            }
        }
    }
}
