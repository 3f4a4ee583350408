//! A TCP proxy between a driver and its server that loses replies, cuts, delays, half-closes and goes silent.

mod line;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::line::Ends;

/// Stands between a driver and its server. Clones share the faults.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: String,
    faults: Arc<Faults>,
    _accepting: Arc<Accepting>,
}

/// What becomes of one request, which is one command, or of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many bytes of the request, and of what came with it, reach the server, then the connection is cut.
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

impl Fault {
    fn is_of_a_reply(self) -> bool {
        matches!(self, Self::CutReply(_) | Self::SwallowReply | Self::CloseTowardsClient | Self::Drip(_))
    }
}

#[derive(Debug)]
struct Accepting(JoinHandle<()>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A fault that has not happened.
#[derive(Debug)]
struct Armed {
    /// What the request contains.
    text: Vec<u8>,
    fault: Fault,
    /// Which reply it is to happen to, once there was such a request.
    met: Option<u64>,
}

/// What hangs on a reply.
#[derive(Debug, Clone, Copy, Default)]
enum Hangs {
    #[default]
    Nothing,
    /// A fault.
    Armed(u64),
    /// Its request was late.
    Late,
}

#[derive(Debug)]
struct Faults {
    armed: Mutex<Option<Armed>>,
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
                // Before it is counted, and before the server is there: what ends all connections ends this one from now on.
                let ends = Ends::of(&shared);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let server = shared.server.lock().unwrap().clone();
                tokio::spawn(line::serve(client, server, ends, Arc::clone(&shared)));
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

    /// Lets `fault` happen to the next request that contains `text` (any, when empty), or to its reply; to that of another one
    /// where the connection ends before the reply comes.
    pub fn arm(&self, text: &str, fault: Fault) {
        *self.faults.armed.lock().unwrap() = Some(Armed { text: text.as_bytes().to_vec(), fault, met: None });
    }

    /// Takes back an armed fault that has not happened; true when there was one. One of a reply happens when that comes, which
    /// may be after what was asked for is seen elsewhere.
    pub fn disarm(&self) -> bool {
        self.faults.armed.lock().unwrap().take().is_some()
    }

    /// How often an armed fault happened so far: a request was held up, or a reply did not go on as it came.
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

impl Faults {
    /// What happens to this command, and what hangs on its reply.
    fn meets(&self, command: &[u8]) -> (Option<Fault>, Hangs) {
        let has = |text: &[u8]| text.is_empty() || command.windows(text.len()).any(|at| at.eq_ignore_ascii_case(text));
        let mut armed = self.armed.lock().unwrap();
        let Some(meets) = armed.as_mut().filter(|armed| armed.met.is_none() && has(&armed.text)) else {
            return (None, Hangs::Nothing);
        };
        if meets.fault.is_of_a_reply() {
            let mark = fastrand::u64(..);
            meets.met = Some(mark);
            return (None, Hangs::Armed(mark));
        }
        let fault = meets.fault;
        *armed = None;
        (Some(fault), if fault == Fault::Late { Hangs::Late } else { Hangs::Nothing })
    }

    /// What happens to the reply on which this hangs; nothing where that was taken back.
    fn strikes(&self, hangs: Hangs) -> Option<Fault> {
        match hangs {
            Hangs::Nothing => None,
            Hangs::Late => Some(Fault::Late),
            Hangs::Armed(mark) => {
                let mut armed = self.armed.lock().unwrap();
                armed.take_if(|armed| armed.met == Some(mark)).map(|armed| armed.fault)
            }
        }
    }

    /// The reply on which this hangs will not come: it is for another one.
    fn spares(&self, hangs: Hangs) {
        let Hangs::Armed(mark) = hangs else { return };
        let mut armed = self.armed.lock().unwrap();
        if let Some(armed) = armed.as_mut().filter(|armed| armed.met == Some(mark)) {
            armed.met = None;
        }
    }
}

#[cfg(test)]
mod tests;
