//! The proxy before a server that answers when the test says so.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::PATIENCE;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

struct Scene {
    proxy: Proxy,
    server: TcpListener,
}

impl Scene {
    async fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).await;
        Self { proxy, server }
    }

    /// Both ends of a new connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(&self.proxy.address).await.unwrap();
        (client, self.server.accept().await.unwrap().0)
    }
}

/// The next that comes here is this.
async fn comes(to: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    tokio::time::timeout(PATIENCE, to.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, expected);
}

/// Nothing comes here any more.
async fn ends(to: &mut TcpStream) {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, to.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "");
}

#[tokio::test]
async fn the_right_reply_is_lost_however_all_is_cut_up() {
    let scene = Scene::new().await;
    let (mut client, mut server) = scene.connect().await;
    scene.proxy.lose_reply("get");
    client.write_all(&[PING, &GET[..10]].concat()).await.unwrap();
    comes(&mut server, PING).await;
    client.write_all(&[&GET[10..], PING].concat()).await.unwrap();
    comes(&mut server, &[GET, PING].concat()).await;
    server.write_all(b"+PONG\r\n$1\r\n").await.unwrap();
    comes(&mut client, b"+PONG\r\n").await;
    assert_eq!(scene.proxy.lost(), 0, "it has not come");
    server.write_all(b"x\r\n+PONG\r\n").await.unwrap();
    ends(&mut client).await;
    assert_eq!((scene.proxy.lost(), scene.proxy.disarm()), (1, false));
}

#[tokio::test]
async fn a_fault_is_taken_back_until_the_reply_is_there() {
    let scene = Scene::new().await;
    let (mut client, mut server) = scene.connect().await;
    scene.proxy.swallow_reply("");
    client.write_all(GET).await.unwrap();
    comes(&mut server, GET).await;
    assert!(scene.proxy.disarm());
    server.write_all(b"$-1\r\n").await.unwrap();
    comes(&mut client, b"$-1\r\n").await;
    assert_eq!(scene.proxy.lost(), 0);
}

#[tokio::test]
async fn a_fault_whose_reply_will_not_come_is_for_the_next() {
    let scene = Scene::new().await;
    scene.proxy.lose_reply("GET");
    let (mut client, mut server) = scene.connect().await;
    client.write_all(GET).await.unwrap();
    comes(&mut server, GET).await;
    drop(client);
    ends(&mut server).await;
    let (mut client, mut server) = scene.connect().await;
    client.write_all(&[PING, GET].concat()).await.unwrap();
    comes(&mut server, &[PING, GET].concat()).await;
    server.write_all(b"+PONG\r\n$-1\r\n").await.unwrap();
    comes(&mut client, b"+PONG\r\n").await;
    ends(&mut client).await;
    assert_eq!(scene.proxy.lost(), 1);
}

#[tokio::test]
async fn what_is_cut_off_is_the_command_with_the_text() {
    let scene = Scene::new().await;
    let (mut client, mut server) = scene.connect().await;
    scene.proxy.arm("GET", Fault::CutRequest(3));
    client.write_all(&[PING, GET].concat()).await.unwrap();
    comes(&mut server, &[PING, &GET[..3]].concat()).await;
    ends(&mut server).await;
    ends(&mut client).await;
    assert_eq!((scene.proxy.lost(), scene.proxy.disarm()), (1, false));
}
