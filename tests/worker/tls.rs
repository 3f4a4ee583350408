//! A server behind TLS: who is believed, and that all of a worker goes over such lines, outages too.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use queue_core::store::{ConnectError, StoreError, StoreOptions, connect_with};
use queue_tests::{Bench, Driver, RedisServer, Sentinel};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::scene::{SOON, Stage, client, worker};
use crate::tasks::*;

/// A server with a certificate of an authority that nobody knows, and a client's of the same.
struct Secured {
    server: RedisServer,
    port: u16,
    dir: TempDir,
    flags: Vec<String>,
}

impl Secured {
    /// For the host `name`; `clients` is Redis's `tls-auth-clients`.
    fn start(name: &str, clients: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path(), name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = settings(dir.path(), clients).into_iter().chain([("tls-port", port.to_string())]);
        let flags: Vec<String> = settings.flat_map(|(name, value)| [format!("--{name}"), value]).collect();
        let server = RedisServer::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        Self { server, port, dir, flags }
    }

    fn url(&self, query: &str) -> String {
        format!("rediss://127.0.0.1:{}/0{query}", self.port)
    }

    /// As Celery has it in its URLs.
    fn file(&self, parameter: &str, name: &str) -> String {
        format!("{parameter}={}", self.dir.path().join(name).display())
    }

    /// Why a store with such a URL does not open, if it doesn't.
    async fn refusal(&self, query: &str) -> Option<String> {
        let refused = connect_with(&self.url(query), StoreOptions::default()).await.err()?;
        let mut said = vec![refused.to_string()];
        let mut cause = std::error::Error::source(&refused);
        while let Some(error) = cause {
            said.push(error.to_string());
            cause = error.source();
        }
        Some(said.join(": "))
    }
}

/// How a server is told of its certificates.
fn settings(dir: &Path, clients: &str) -> [(&'static str, String); 4] {
    let file = |name: &str| dir.join(name).display().to_string();
    [
        ("tls-cert-file", file("server.pem")),
        ("tls-key-file", file("server.key")),
        ("tls-ca-cert-file", file("ca.pem")),
        ("tls-auth-clients", clients.to_owned()),
    ]
}

/// Writes an authority, and what it says of the server and of a client.
fn certificates(dir: &Path, server: &str) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority of the tests");
    std::fs::write(dir.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    for (file, name) in [("server", server), ("client", "shop")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(dir.join(format!("{file}.pem")), signed.pem()).unwrap();
        std::fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_over_encrypted_lines_after_an_outage() {
    let secured = Secured::start("127.0.0.1", "no");
    let url = secured.url(&format!("?ssl_cert_reqs=required&{}", secured.file("ssl_ca_certs", "ca.pem")));
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let stage = Stage::default();
    let worker = worker(&bench, &stage).start(client(&bench)).await.unwrap();
    let jobs = client(&bench).send_many((0..300).map(|n| add.s(n, 1))).await.unwrap();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.get(SOON).await.unwrap(), n + 1);
    }
    queue_tests::wait_until("somebody waits on an encrypted line", || async {
        secured.server.command(&["CLIENT", "LIST"]).contains("blmove")
    })
    .await;
    secured.server.kill();
    secured.server.restart(&secured.flags.iter().map(String::as_str).collect::<Vec<_>>());
    queue_tests::wait_until("the store is back", || async { bench.store.now().await.is_ok() }).await;
    assert_eq!(client(&bench).send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap(), 3);
    worker.shutdown();
    worker.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_finds_its_master_by_sentinels_behind_tls() {
    let secured = Secured::start("127.0.0.1", "no");
    let lines: Vec<_> =
        settings(secured.dir.path(), "no").into_iter().map(|(name, value)| format!("{name} {value}")).collect();
    let sentinel = Sentinel::over_tls(secured.port, &lines.join("\n"));
    let known = sentinel.tls_url(&format!("?{}", secured.file("ssl_ca_certs", "ca.pem")));
    queue_tests::wait_until("the sentinel answers", || async {
        connect_with(&known, StoreOptions::default()).await.is_ok()
    })
    .await;
    let refused = connect_with(&sentinel.tls_url(""), StoreOptions::default()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("UnknownIssuer"), "{refused:?}");
    let bench = Bench::at(Driver::Redis, &known, |_| ()).await;
    let stage = Stage::default();
    let worker = worker(&bench, &stage).start(client(&bench)).await.unwrap();
    let jobs = client(&bench).send_many((0..50).map(|n| add.s(n, 1))).await.unwrap();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.get(SOON).await.unwrap(), n + 1);
    }
    worker.shutdown();
    worker.wait().await.unwrap();
}

#[tokio::test]
async fn who_is_not_known_is_not_believed() {
    let secured = Secured::start("127.0.0.1", "no");
    let known = secured.file("ssl_ca_certs", "ca.pem");
    let refused = secured.refusal("").await.unwrap();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    for query in [format!("?{known}"), "?ssl_cert_reqs=CERT_NONE".to_owned(), "#insecure".to_owned()] {
        assert_eq!(secured.refusal(&query).await, None, "{query}");
    }
    let refused = secured.refusal(&format!("?{}", secured.file("ssl_ca_certs", "nothing.pem"))).await.unwrap();
    assert!(refused.contains("nothing.pem"), "{refused}");
    let refused = secured.refusal(&format!("?{}", secured.file("ssl_ca_certs", "server.key"))).await.unwrap();
    assert!(refused.contains("ssl_ca_certs"), "{refused}");
}

#[tokio::test]
async fn another_host_s_certificate_is_taken_only_where_that_was_said() {
    let secured = Secured::start("redis.shop.example", "no");
    let known = secured.file("ssl_ca_certs", "ca.pem");
    let refused = secured.refusal(&format!("?{known}")).await.unwrap();
    assert!(refused.contains("not valid for name"), "{refused}");
    assert_eq!(secured.refusal(&format!("?{known}&ssl_check_hostname=false")).await, None);
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_told() {
    let secured = Secured::start("127.0.0.1", "yes");
    let known = secured.file("ssl_ca_certs", "ca.pem");
    let who = format!("{}&{}", secured.file("ssl_certfile", "client.pem"), secured.file("ssl_keyfile", "client.key"));
    assert!(secured.refusal(&format!("?{known}")).await.is_some());
    assert_eq!(secured.refusal(&format!("?{known}&{who}")).await, None);
}

/// A line that is not encrypted, to a server that expects one that is, is closed; the other way round nobody ever answers.
#[tokio::test]
async fn a_line_of_the_wrong_kind_is_an_error() {
    let secured = Secured::start("127.0.0.1", "no");
    let plain = format!("redis://127.0.0.1:{}/0", secured.port);
    let refused =
        connect_with(&plain, StoreOptions { connect_timeout: SOON, response_timeout: SOON, ..StoreOptions::default() })
            .await;
    assert!(matches!(refused, Err(ConnectError::Store(StoreError::Unreachable { .. }))), "{refused:?}");
    let encrypted = format!("rediss://127.0.0.1:{}/0#insecure", secured.server.port());
    let options = StoreOptions { connect_timeout: Duration::from_millis(200), ..StoreOptions::default() };
    let refused = connect_with(&encrypted, options).await;
    assert!(matches!(refused, Err(ConnectError::Store(StoreError::Unreachable { .. }))), "{refused:?}");
}

/// A server that waits for a line of its own protocol answers no handshake: who asked learns for how long, and what to look at.
#[tokio::test]
async fn a_port_without_tls_is_told() {
    let server = RedisServer::start(&[]);
    let url = server.url().replace("redis://", "rediss://");
    let options = StoreOptions { connect_timeout: Duration::from_millis(300), ..StoreOptions::default() };
    let Err(ConnectError::Store(error)) = connect_with(&url, options).await else { panic!("it got in") };
    assert!(matches!(error, StoreError::Unreachable { unknown: false, .. }), "{error:?}");
    assert!(error.hint().contains("does it speak TLS there"), "{}", error.hint());
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "no connection within 300ms");
}
