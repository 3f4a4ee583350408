use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// How long a connection may take to be made anew: less than until the next ping.
const SOON: Duration = Duration::from_secs(20);
const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

/// Says yes to what a client asks, until it subscribes.
async fn until_it_subscribes(stream: &mut TcpStream) {
    let mut asked = [0; 4096];
    loop {
        let length = stream.read(&mut asked).await.unwrap();
        assert!(length > 0, "it went away");
        let asked = String::from_utf8_lossy(&asked[..length]).to_uppercase();
        if asked.contains("SUBSCRIBE") {
            return;
        }
        for _ in 0..asked.matches('*').count() {
            stream.write_all(b"+OK\r\n").await.unwrap();
        }
    }
}

/// Whether the connection is made anew when this happens to the lines before the server has answered the subscription. The
/// server does not say any more.
async fn is_made_anew_after(happens: impl FnOnce(&Lines)) -> bool {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", server.local_addr().unwrap());
    let connector = Connector {
        client: redis::Client::open(&*url).unwrap(),
        sentinels: None,
        url,
        connect_timeout: SOON,
        response_timeout: Duration::from_secs(2),
        lines: Arc::default(),
        broken: Arc::default(),
    };
    let lines = Arc::clone(&connector.lines);
    let hub = Hub::new(connector, "celery-task-meta-*");
    let _subscription = hub.subscribe("c".to_owned(), |_| {});
    let (mut first, _) = server.accept().await.unwrap();
    until_it_subscribes(&mut first).await;
    happens(&lines);
    first.write_all(SUBSCRIBED).await.unwrap();
    tokio::time::timeout(SOON, server.accept()).await.is_ok()
}

#[tokio::test]
async fn a_switch_while_it_subscribes_is_heard() {
    assert!(is_made_anew_after(Lines::switch).await);
}

#[tokio::test]
async fn a_doubt_while_it_subscribes_is_heard() {
    assert!(is_made_anew_after(Lines::cast_doubt).await);
}
