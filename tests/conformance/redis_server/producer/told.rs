//! Whatever happens to its line, at whichever byte, what a send says is true: `Ok` is exactly once in the store, a known error is
//! not at all, an unknown one at most once; and the caller's second send with the same key makes it exactly once. True at
//! once, and still when all the others have been sent.

use std::sync::Arc;
use std::time::Duration;

use queue_core::QueueName;
use queue_core::store::Store;
use queue_tests::{Bench, Driver, Fault, PATIENCE, Proxy, RedisServer, wait_until};

use super::{ALL, How, PATIENT, TASK, client, stored_in};

fn any_fault(random: &mut fastrand::Rng) -> Fault {
    match random.u8(0..7) {
        0 | 1 => Fault::CutRequest(random.usize(0..3000)),
        2 | 3 => Fault::CutReply(random.usize(0..8)),
        4 => Fault::SwallowRequest,
        5 => Fault::SwallowReply,
        _ => [Fault::CloseTowardsServer, Fault::CloseTowardsClient, Fault::Drip(PATIENT / 2)][random.usize(0..3)],
    }
}

impl How {
    /// Whether a second try is safe, so that the client makes one.
    fn is_retried(self) -> bool {
        !matches!(self, Self::Plain)
    }

    fn has_key(self) -> bool {
        matches!(self, Self::Keyed | Self::KeyedLater | Self::Group)
    }
}

/// What was said of one send: how many messages its queue may have.
struct Said {
    case: String,
    queue: QueueName,
    may_have: Vec<u64>,
}

/// A server of its own, the line to it, and what was said of all that was sent.
struct Line {
    _server: RedisServer,
    proxy: Proxy,
    bench: Bench,
    direct: Arc<dyn Store>,
    retry_for: Duration,
    said: Vec<Said>,
}

impl Line {
    async fn new(retry_for: Duration) -> Self {
        let server = RedisServer::start(&[]);
        let proxy = Proxy::start(server.address()).await;
        let bench = Bench::hasty(Driver::Redis, &proxy.url(), PATIENT).await;
        let direct = Bench::at(Driver::Redis, &server.url(), |_| ()).await.store;
        Self { _server: server, proxy, bench, direct, retry_for, said: Vec::new() }
    }

    /// Sends until the fault strikes a send: a host that stands still may keep one from the line.
    async fn strike(&mut self, how: How, fault: Fault, is_known: bool, case: &str) {
        for attempt in 1..=5 {
            if self.send(how, fault, is_known, format!("{case}, attempt {attempt}")).await {
                return;
            }
        }
        panic!("{case}: the fault has struck no send");
    }

    /// Sends to a queue of its own, whose name the store may know, with the fault on the line; whether it struck.
    async fn send(&mut self, how: How, fault: Fault, is_known: bool, case: String) -> bool {
        let name = format!("mail{}", self.said.len());
        let (queue, key) = (self.bench.queue(&name), self.bench.id(&name).to_string());
        let client = client(&self.bench, self.retry_for, matches!(how, How::Numbered));
        // Asked for now, so that the fault hits the send itself.
        wait_until("the line is back", || async { client.ask_store_time().await.is_ok() }).await;
        if is_known {
            let first = format!("{key} first");
            wait_until("one is there", || async { How::Keyed.send_to(&queue, &client, &first).await.is_ok() }).await;
        }
        let (none, all) = (u64::from(is_known), u64::from(is_known) + how.size());
        self.proxy.arm(TASK, fault);
        let sent = how.send_to(&queue, &client, &key).await;
        let struck = !self.proxy.disarm();
        let may_have = match &sent {
            Ok(()) => vec![all],
            Err(error) if error.outcome_unknown() => {
                assert!(error.is_transient(), "{case}: {error:?}");
                let is_tried_again = how.is_retried() && !self.retry_for.is_zero();
                assert!(!is_tried_again, "{case}: was to be tried again: {error:?}");
                vec![none, all]
            }
            Err(_) => vec![none],
        };
        let mut said = Said { case: format!("{case}: {sent:?}"), queue, may_have };
        self.check(&said).await;
        if how.has_key() {
            let again = || async { how.send_to(&said.queue, &client, &key).await.is_ok() };
            wait_until("the second send is taken", again).await;
            said.case.push_str(", sent again");
            said.may_have = vec![all];
            self.check(&said).await;
        }
        self.said.push(said);
        struck
    }

    async fn check(&self, Said { case, queue, may_have }: &Said) {
        let now = stored_in(&*self.direct, queue).await;
        assert!(may_have.contains(&now), "{case}: {now} are there, not {may_have:?}");
    }
}

async fn what_it_says_is_true(retry_for: Duration) {
    let mut line = Line::new(retry_for).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..6 {
        for how in ALL {
            let (fault, is_known) = (any_fault(&mut random), random.bool());
            let case = format!("seed {seed}, round {round}: {how:?}, {fault:?}, queue known: {is_known}");
            line.strike(how, fault, is_known, &case).await;
        }
    }
    // Nothing has come since that was known not to have come, and nothing twice.
    for said in &line.said {
        line.check(said).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_says_what_happened() {
    what_it_says_is_true(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_is_tried_again_happens_once() {
    what_it_says_is_true(PATIENCE).await;
}
