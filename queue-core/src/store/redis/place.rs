//! What a URL says: where the server is, how it is spoken to, and how its keys are named.

use redis::{Client, ConnectionAddr};

use super::options::RedisOptions;
use super::sentinel::{self, Sentinels};
use super::tls;
use crate::store::url::is_cut;

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
        let (plain, sentinels) = sentinel::take_out(url)?;
        let (plain, tls) = tls::take_out(&plain)?;
        let (place, named) = named.with_url(&plain)?;
        if place.starts_with("rediss") {
            // Fails only where the process has chosen a provider before, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // What is wrong names files, and a file that is none may be the end of a password.
        let quoted = |why| if is_cut(url) { "a file that its parameters name cannot be used".to_owned() } else { why };
        let client = tls.client(&*place).map_err(quoted)?;
        let sentinels = sentinels.map(|sentinels| sentinels.secured(&tls)).transpose().map_err(quoted)?;
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
    let (plain, _) = sentinel::take_out(url)?;
    let (plain, _) = tls::take_out(&plain)?;
    url::Url::parse(&plain).map_err(|why| why.to_string())?;
    RedisOptions::default().with_url(&plain).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        let why = Place::of("rediss://:pass?ssl_ca_certs=s3cret@host", RedisOptions::default()).unwrap_err();
        assert!(!why.contains("s3cret"), "{why}");
    }
}
