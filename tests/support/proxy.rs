//! A TCP proxy between a driver and its server that loses replies, cuts, delays, half-closes and goes silent.

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

/// What becomes of one request or of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many bytes of the request reach the server, then the connection is cut.
    CutRequest(usize),
    /// The request reaches the server, so many bytes of the reply come back, then the connection is cut.
    CutReply(usize),
    /// A black hole: the request goes nowhere, the connection stays open.
    SwallowRequest,
    /// The request reaches the server, the reply goes nowhere, the connection stays open.
    SwallowReply,
    /// The request reaches the server, which is then told that no more will come.
    CloseTowardsServer,
    /// The request reaches the server; the client is told that no more will come, and gets no reply.
    CloseTowardsClient,
    /// The reply comes byte by byte, each so late.
    Drip(Duration),
    /// The request reaches the server only when it is [released](Proxy::release), whatever has become of the client.
    Late,
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
    /// What the request contains that something happens to, and what.
    armed: Mutex<Option<(Vec<u8>, Fault)>>,
    /// How often an armed fault happened.
    happened: AtomicUsize,
    /// Where new connections lead.
    server: Mutex<String>,
    /// Its value is how often all connections there were became black holes.
    holes: watch::Sender<u64>,
    /// Its value is how often the servers' halves of all connections were closed.
    halves: watch::Sender<u64>,
    delay_ms: AtomicU64,
    silent: watch::Sender<bool>,
    refusing: watch::Sender<bool>,
    released: watch::Sender<bool>,
    /// How many late requests were delivered and answered.
    late: watch::Sender<usize>,
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
            armed: Mutex::new(None),
            happened: AtomicUsize::new(0),
            server: Mutex::new(server),
            holes: watch::Sender::new(0),
            halves: watch::Sender::new(0),
            delay_ms: AtomicU64::new(0),
            silent: watch::Sender::new(false),
            refusing: watch::Sender::new(false),
            released: watch::Sender::new(false),
            late: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let server = shared.server.lock().unwrap().clone();
                tokio::spawn(serve(client, server, Arc::clone(&shared)));
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
        self.arm(text, Fault::CutReply(0));
    }

    /// The same, but the connection stays open: that reply and all behind it never come.
    pub fn swallow_reply(&self, text: &str) {
        self.arm(text, Fault::SwallowReply);
    }

    /// New connections lead to another server; those there are stay where they are.
    pub fn lead_to(&self, server: String) {
        *self.faults.server.lock().unwrap() = server;
    }

    /// Every connection there is stays open, and nothing comes on it any more, for ever; the server does not know them. New ones
    /// are well.
    pub fn black_hole(&self) {
        self.faults.holes.send_modify(|holes| *holes += 1);
    }

    /// Closes the server's half of every connection: the client reads the end, and what it writes still arrives.
    pub fn half_close(&self) {
        self.faults.halves.send_modify(|halves| *halves += 1);
    }

    /// Lets `fault` happen to the next request that contains `text` (any, when empty).
    pub fn arm(&self, text: &str, fault: Fault) {
        *self.faults.armed.lock().unwrap() = Some((text.as_bytes().to_vec(), fault));
    }

    /// Takes back an armed fault that has not happened; true when there was one.
    pub fn disarm(&self) -> bool {
        self.faults.armed.lock().unwrap().take().is_some()
    }

    /// How often an armed fault happened so far.
    pub fn lost(&self) -> usize {
        self.faults.happened.load(Ordering::SeqCst)
    }

    /// Delivers late requests from now on; waits until `count` of them were answered.
    pub async fn release(&self, count: usize) {
        self.faults.released.send_replace(true);
        // The sender lives in `faults`, so this cannot fail.
        let _ = self.faults.late.subscribe().wait_for(|late| *late >= count).await;
        self.faults.released.send_replace(false);
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
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let (mut cuts, mut holes) = (faults.cuts.subscribe(), faults.holes.subscribe());
    // What happens to this connection's next reply.
    let next = Arc::new(Mutex::new(None));
    tokio::select! {
        () = requests(&mut from_client, &mut to_server, &faults, &next) => {}
        () = replies(&mut from_server, &mut to_client, &faults, &next) => {}
        _ = cuts.changed() => {}
        // The server's end is gone, the client's stays open.
        _ = holes.changed() => {
            drop((from_server, to_server));
            std::future::pending::<()>().await;
        }
    }
}

async fn requests(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, faults: &Faults, next: &Mutex<Option<Fault>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        speaking(faults).await;
        let request = &buffer[..read];
        match meets(request, faults) {
            Some(Fault::CutRequest(bytes)) => {
                let _ = to.write_all(&request[..bytes.min(read)]).await;
                return;
            }
            Some(Fault::SwallowRequest) => std::future::pending().await,
            Some(Fault::Late) => {
                *next.lock().unwrap() = Some(Fault::Late);
                let _ = faults.released.subscribe().wait_for(|released| *released).await;
            }
            after => *next.lock().unwrap() = after,
        }
        if to.write_all(request).await.is_err() {
            return;
        }
        let fault = *next.lock().unwrap();
        if fault == Some(Fault::CloseTowardsServer) {
            let _ = to.shutdown().await;
        }
        // The client of a late one has gone; the reply is waited for all the same.
        if matches!(fault, Some(Fault::CloseTowardsServer | Fault::Late)) {
            std::future::pending().await
        }
    }
}

/// What happens to this request.
fn meets(request: &[u8], faults: &Faults) -> Option<Fault> {
    let mut armed = faults.armed.lock().unwrap();
    let hit = |text: &[u8]| request.windows(text.len().max(1)).any(|window| window.eq_ignore_ascii_case(text));
    let (_, fault) = armed.take_if(|(text, _)| text.is_empty() || hit(text))?;
    faults.happened.fetch_add(1, Ordering::SeqCst);
    Some(fault)
}

async fn replies(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, faults: &Faults, next: &Mutex<Option<Fault>>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut halves = faults.halves.subscribe();
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = halves.changed() => {
                let _ = to.shutdown().await;
                return std::future::pending().await;
            }
        };
        let Ok(read @ 1..) = read else { return };
        let reply = &buffer[..read];
        let fault = next.lock().unwrap().take();
        match fault {
            Some(Fault::CutReply(bytes)) => {
                let _ = to.write_all(&reply[..bytes.min(read)]).await;
                return;
            }
            Some(Fault::SwallowReply) => std::future::pending().await,
            Some(Fault::CloseTowardsClient) => {
                let _ = to.shutdown().await;
                std::future::pending().await
            }
            Some(Fault::Drip(pause)) => {
                for byte in reply {
                    tokio::time::sleep(pause).await;
                    if to.write_all(std::slice::from_ref(byte)).await.is_err() {
                        return;
                    }
                }
                continue;
            }
            Some(Fault::Late) => {
                faults.late.send_modify(|late| *late += 1);
                return;
            }
            Some(Fault::CutRequest(_) | Fault::SwallowRequest | Fault::CloseTowardsServer) | None => {}
        }
        speaking(faults).await;
        tokio::time::sleep(Duration::from_millis(faults.delay_ms.load(Ordering::SeqCst))).await;
        if to.write_all(reply).await.is_err() {
            return;
        }
    }
}

async fn speaking(faults: &Faults) {
    let mut silent = faults.silent.subscribe();
    // The sender lives in `faults`, so this cannot fail.
    let _ = silent.wait_for(|silent| !silent).await;
}
