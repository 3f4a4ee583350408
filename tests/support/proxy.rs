//! A TCP proxy between a driver and its server that loses replies, cuts, delays and goes silent.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands between a driver and its server. Clones share the faults.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: String,
    faults: Arc<Faults>,
    _accepting: Arc<Accepting>,
}

#[derive(Debug)]
struct Accepting(JoinHandle<()>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Faults {
    /// What the connection is in whose reply will be lost.
    lose: Mutex<Option<Vec<u8>>>,
    lost: AtomicUsize,
    delay_ms: AtomicU64,
    silent: watch::Sender<bool>,
    refusing: watch::Sender<bool>,
    /// Its value is how often all connections were cut.
    cuts: watch::Sender<u64>,
    connections: AtomicUsize,
}

impl Proxy {
    /// A proxy in front of `server` (`host:port`).
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let faults = Arc::new(Faults {
            lose: Mutex::new(None),
            lost: AtomicUsize::new(0),
            delay_ms: AtomicU64::new(0),
            silent: watch::Sender::new(false),
            refusing: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, faults, _accepting: Arc::new(Accepting(accepting)) }
    }

    /// The URL of database 0 behind it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// The next request that contains `text` (any, when empty) reaches the server; its reply is lost and the
    /// connection cut.
    pub fn lose_reply(&self, text: &str) {
        *self.faults.lose.lock().unwrap() = Some(text.as_bytes().to_vec());
    }

    /// Takes back a [`Proxy::lose_reply`] that has not happened; true when there was one.
    pub fn disarm(&self) -> bool {
        self.faults.lose.lock().unwrap().take().is_some()
    }

    /// How many replies were lost so far.
    pub fn lost(&self) -> usize {
        self.faults.lost.load(Ordering::SeqCst)
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.faults.connections.load(Ordering::SeqCst)
    }

    /// Cuts every connection now.
    pub fn cut(&self) {
        self.faults.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Holds every reply back for this long.
    pub fn delay(&self, by: Duration) {
        self.faults.delay_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// While silent, nothing passes either way, and connections stay open.
    pub fn silence(&self, silent: bool) {
        self.faults.silent.send_replace(silent);
    }

    /// While refusing, every new connection is closed at once.
    pub fn refuse(&self, refusing: bool) {
        self.faults.refusing.send_replace(refusing);
    }
}

async fn serve(client: TcpStream, server: String, faults: Arc<Faults>) {
    if *faults.refusing.borrow() {
        return;
    }
    let Ok(upstream) = TcpStream::connect(&server).await else { return };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    let mut cuts = faults.cuts.subscribe();
    // Whether this connection's next reply is to be lost.
    let losing = Arc::new(Mutex::new(false));
    tokio::select! {
        () = requests(from_client, to_server, &faults, &losing) => {}
        () = replies(from_server, to_client, &faults, &losing) => {}
        _ = cuts.changed() => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults, losing: &Mutex<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        speaking(faults).await;
        arm(&buffer[..read], faults, losing);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn arm(request: &[u8], faults: &Faults, losing: &Mutex<bool>) {
    let mut lose = faults.lose.lock().unwrap();
    let hit = lose.as_ref().is_some_and(|text| {
        text.is_empty() || request.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
    });
    if hit {
        *lose = None;
        *losing.lock().unwrap() = true;
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults, losing: &Mutex<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *losing.lock().unwrap() {
            faults.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        speaking(faults).await;
        tokio::time::sleep(Duration::from_millis(faults.delay_ms.load(Ordering::SeqCst))).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn speaking(faults: &Faults) {
    let mut silent = faults.silent.subscribe();
    // The sender lives in `faults`, so this cannot fail.
    let _ = silent.wait_for(|silent| !silent).await;
}
