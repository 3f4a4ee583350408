//! Encryption as Celery's URLs ask for it: `rediss://host:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ssl/shop-ca.pem`.
//!
//! Without parameters a server's certificate must come from one of the public authorities that are compiled in. The parameters
//! are those of Celery's URLs (kombu hands them to redis-py), so that one URL serves both.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates};
use url::Url;

/// What a URL asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// `ssl_cert_reqs=none`: whoever answers is taken for the server.
    unchecked: bool,
    /// `ssl_check_hostname=false`: the certificate may be another host's.
    any_host: bool,
    /// `ssl_ca_certs`: who has signed the server's certificate, instead of the public authorities.
    authority: Option<PathBuf>,
    /// `ssl_certfile` and `ssl_keyfile`: who we are.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Takes these parameters out of `url`: the URL without them, and what they say.
///
/// # Errors
///
/// What is wrong with which parameter, for people. No value is quoted.
pub(crate) fn take_out(url: &str) -> Result<(Cow<'_, str>, Tls), String> {
    if !url.split_once('?').is_some_and(|(_, query)| query.contains("ssl_")) {
        return Ok((Cow::Borrowed(url), Tls::default()));
    }
    let mut parsed = Url::parse(url).map_err(|why| why.to_string())?;
    let pairs: Vec<_> = parsed.query_pairs().into_owned().collect();
    let (ours, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name.starts_with("ssl_"));
    let mut tls = Tls::default();
    for (name, value) in &ours {
        if parsed.scheme() != "rediss" {
            return Err("parameters that begin with `ssl_` are for encrypted lines: `rediss://`".to_owned());
        }
        tls.set(name, value)?;
    }
    if tls.certificate.is_some() != tls.key.is_some() {
        return Err("`ssl_certfile` and `ssl_keyfile` go together".to_owned());
    }
    parsed.set_query(None);
    if !others.is_empty() {
        parsed.query_pairs_mut().extend_pairs(others);
    }
    Ok((Cow::Owned(parsed.into()), tls))
}

impl Tls {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let file = || Some(PathBuf::from(value));
        match name {
            "ssl_cert_reqs" => {
                self.unchecked = match &*value.to_ascii_lowercase() {
                    "none" | "cert_none" => true,
                    // For a client Python makes no difference between these two.
                    "required" | "cert_required" | "optional" | "cert_optional" => false,
                    _ => return Err("`ssl_cert_reqs` is `required`, `optional` or `none`".to_owned()),
                }
            }
            "ssl_check_hostname" => {
                self.any_host = match &*value.to_ascii_lowercase() {
                    "true" | "1" | "yes" => false,
                    "false" | "0" | "no" => true,
                    _ => return Err("`ssl_check_hostname` is `true` or `false`".to_owned()),
                }
            }
            "ssl_ca_certs" => self.authority = file(),
            "ssl_certfile" => self.certificate = file(),
            "ssl_keyfile" => self.key = file(),
            _ => {
                return Err("of the parameters that begin with `ssl_` there are `ssl_cert_reqs`, `ssl_ca_certs`, \
                            `ssl_certfile`, `ssl_keyfile` and `ssl_check_hostname`"
                    .to_owned());
            }
        }
        Ok(())
    }

    /// What makes connections to `place`, the URL without these parameters. Reads the files.
    ///
    /// # Errors
    ///
    /// Which file cannot be read, or is no certificate; or what is wrong with the URL.
    pub(super) fn client(&self, place: impl IntoConnectionInfo) -> Result<Client, String> {
        let unusable = |error: RedisError| format!("not a Redis URL: {error}");
        let info = place.into_connection_info().map_err(unusable)?;
        match info.addr() {
            ConnectionAddr::TcpTls { host, port, insecure, .. } if *self != Self::default() => {
                let insecure = *insecure || self.unchecked;
                let addr = ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params: None };
                self.secured(info.set_addr(addr))
            }
            _ => Client::open(info).map_err(unusable),
        }
    }

    fn secured(&self, info: ConnectionInfo) -> Result<Client, String> {
        let unusable = |error: RedisError| format!("TLS cannot be set up: {error}");
        let client = Client::build_with_tls(info, self.certificates()?).map_err(unusable)?;
        if !self.any_host {
            return Ok(client);
        }
        let info = client.get_connection_info().clone();
        let mut addr = info.addr().clone();
        addr.set_danger_accept_invalid_hostnames(true);
        Client::open(info.set_addr(addr)).map_err(unusable)
    }

    fn certificates(&self) -> Result<TlsCertificates, String> {
        let held = |name, path: &Option<PathBuf>, what| path.as_deref().map(|path| read(name, path, what)).transpose();
        let certificate = held("ssl_certfile", &self.certificate, "CERTIFICATE")?;
        let client_tls = certificate.zip(held("ssl_keyfile", &self.key, "PRIVATE KEY")?);
        let client_tls = client_tls.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        Ok(TlsCertificates { client_tls, root_cert: held("ssl_ca_certs", &self.authority, "CERTIFICATE")? })
    }
}

/// A PEM file that holds such a thing: one without any would only show when the server is not believed.
fn read(name: &str, path: &Path, what: &str) -> Result<Vec<u8>, String> {
    let found = std::fs::read(path);
    let found = found.map_err(|error| format!("the file of `{name}` cannot be read: {}: {error}", path.display()))?;
    if memchr::memmem::find(&found, format!("{what}-----").as_bytes()).is_none() {
        return Err(format!("the file of `{name}` holds no {} in PEM: {}", what.to_lowercase(), path.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_out_of_the_url() {
        let url = "rediss://:s3cret@host:6380/2?ssl_cert_reqs=CERT_NONE&prefix=a&ssl_ca_certs=%2Fetc%2Fca.pem&ssl_check_hostname=false";
        let (rest, tls) = take_out(url).unwrap();
        assert_eq!(rest, "rediss://:s3cret@host:6380/2?prefix=a");
        let expected = Tls { unchecked: true, any_host: true, authority: Some("/etc/ca.pem".into()), ..Tls::default() };
        assert_eq!(tls, expected);
        for url in ["rediss://host/0?prefix=a", "redis://host", "rediss://host/0#insecure"] {
            assert_eq!(take_out(url).unwrap(), (Cow::Borrowed(url), Tls::default()));
        }
    }

    #[test]
    fn what_celery_takes_is_taken() {
        for (value, unchecked) in [("none", true), ("CERT_NONE", true), ("required", false), ("CERT_OPTIONAL", false)] {
            let url = format!("rediss://host/0?ssl_cert_reqs={value}");
            assert_eq!(take_out(&url).unwrap().1, Tls { unchecked, ..Tls::default() });
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_not_quoted() {
        for (url, word) in [
            ("rediss://host?ssl_cert_reqs=s3cret", "`required`"),
            ("rediss://host?ssl_check_hostname=s3cret", "`true`"),
            ("rediss://host?ssl_s3cret=1", "ssl_ca_certs"),
            ("redis://host?ssl_ca_certs=s3cret", "rediss://"),
            ("redis://host?ssl_s3cret=1", "rediss://"),
            ("rediss://host?ssl_certfile=s3cret", "go together"),
        ] {
            let why = take_out(url).unwrap_err();
            assert!(why.contains(word) && !why.contains("s3cret"), "{url}: {why}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let tls = Tls { authority: Some("/nowhere/ca.pem".into()), ..Tls::default() };
        let why = tls.client("rediss://host/0").unwrap_err();
        assert!(why.contains("ssl_ca_certs") && why.contains("/nowhere/ca.pem"), "{why}");
    }
}
