//! Who the master is, as sentinels say it: sentinels that are down, behind, or know nothing. Real ones hand over in `crash`.

use std::time::{Duration, Instant};

use queue_core::QueueName;
use queue_core::store::{ConnectError, StoreError, StoreOptions, connect, connect_with};
use queue_tests::{PATIENCE, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A sentinel that says the same whatever happens; its address.
async fn sentinel(master: Option<u16>) -> String {
    let answer = match master.map(|port| port.to_string()) {
        Some(port) => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()),
        None => "*-1\r\n".to_owned(),
    };
    that_says(answer).await
}

/// The same, with the words of the protocol.
async fn that_says(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(read @ 1..) = client.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
                    let greetings = "+OK\r\n".repeat(text.matches("setinfo").count());
                    let asked = if text.contains("get-master-addr-by-name") { &*answer } else { "" };
                    if client.write_all(format!("{greetings}{asked}").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn refused(url: &str) -> String {
    refused_with(url, StoreOptions::default()).await
}

async fn refused_with(url: &str, options: StoreOptions) -> String {
    let error = connect_with(url, options).await.map(drop).unwrap_err();
    let mut text = format!("{error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// One that is down, one that knows nothing, one that is behind, and one that is right: the last is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_that_names_a_master_is_believed() {
    let master = RedisServer::start(&[]);
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (ignorant, behind, right) =
        (sentinel(None).await, sentinel(Some(replica.port())).await, sentinel(Some(master.port())).await);
    let url = format!("redis+sentinel://{down},{ignorant},{behind},{right}/mymaster/3");
    let store = connect(&url).await.unwrap();
    assert_eq!(store.queues().await.unwrap(), []);
    let message = queue_tests::message(&QueueName::new("q").unwrap(), &queue_core::TaskId::random());
    store.enqueue(&[message]).await.unwrap();
    assert!(master.command_in(3, &["LLEN", "q"]).starts_with(":1"), "it went into database 3 of the master");
}

/// A replica is no master, whoever says so; and nobody is asked for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_believed_to_be_the_master() {
    let master = RedisServer::start(&[]);
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let behind = sentinel(Some(replica.port())).await;
    let why = refused(&format!("redis+sentinel://:s3cret@{behind}/mymaster")).await;
    assert!(why.contains("Unauthorized") && !why.contains("s3cret"), "{why}");
    let why = refused(&format!("redis+sentinel://{behind}/mymaster")).await;
    assert!(why.contains("no master yet"), "{why}");
    let ignorant = sentinel(None).await;
    let why = refused(&format!("sentinel://{ignorant}/0?master_name=other")).await;
    assert!(why.contains("knows no master `other`"), "{why}");
}

/// A sentinel that refuses the login is named, and the words of the URL that are its login; the store's own are not blamed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_a_sentinel_refuses_is_told_as_the_sentinels() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let guarded = format!("127.0.0.1:{}", server.port());
    let closed = that_says("-NOAUTH Authentication required.\r\n".to_owned()).await;
    for (sentinel, query) in [
        (&guarded, "?sentinel_password=wr0ng"),
        (&guarded, "?sentinel_user=ann&sentinel_password=wr0ng"),
        (&closed, ""),
    ] {
        let url = format!("redis+sentinel://:s3cret@{sentinel}/mymaster{query}");
        let why = refused(&url).await;
        assert!(!why.contains("s3cret") && !why.contains("wr0ng"), "{why}");
        let Err(ConnectError::Store(error)) = connect(&url).await.map(drop) else { panic!("it is refused") };
        assert!(matches!(error, StoreError::SentinelLogin { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("sentinel {sentinel} of store")), "{said}");
        assert!(said.ends_with("refused the login for sentinels"), "{said}");
        let hint = error.hint();
        assert!(hint.contains("sentinel_password") && hint.contains("sentinel_user"), "{hint}");
    }
}

/// A master that greets, and then does not say that it is one, has the time of one connection for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_falls_silent_made_no_connection() {
    let silent = that_says(String::new()).await;
    let (_, port) = silent.rsplit_once(':').unwrap();
    let url = format!("redis+sentinel://{}/mymaster", sentinel(Some(port.parse().unwrap())).await);
    let began = Instant::now();
    loop {
        let options = StoreOptions { connect_timeout: Duration::from_millis(500), ..StoreOptions::default() };
        let why = refused_with(&url, options).await;
        if why.contains("no connection within 500ms") {
            return;
        }
        // A busy host, on which the sentinel was too slow.
        assert!(began.elapsed() < PATIENCE, "{why}");
    }
}
