//! Ends that are told by where they stand in what the worker holds: looked at as little as may be, and never wrong for it.

use queue_core::store::{Delivery, Settled, Settlement};
use queue_tests::{Bench, Driver, RedisServer, TestWorker, done, labels, result, with_result};

const JOBS: usize = 12;

/// A worker that holds so many messages, and the key of the list in which they are.
struct Hands {
    server: RedisServer,
    bench: Bench,
    worker: TestWorker,
    held: Vec<Delivery>,
    key: String,
}

impl Hands {
    async fn full() -> Self {
        let sent: Vec<_> = (0..JOBS).map(|n| format!("m{n:02}")).collect();
        Self::of(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    async fn of(sent: &[&str]) -> Self {
        let server = RedisServer::start(&[]);
        let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
        bench.enqueue("mail", sent).await;
        let worker = bench.worker("a", &["mail"]).await;
        let held = worker.take(sent.len()).await;
        let key = format!("{{{}}}:held:{}", bench.queue("mail"), worker.incarnation());
        assert_eq!(held.len(), sent.len());
        Self { server, bench, worker, held, key }
    }

    /// Something is put right after the message at this place, as seen from the end where the oldest lie.
    fn insert_after(&self, place: usize) {
        let pivot = String::from_utf8(self.held[place].payload().to_vec()).unwrap();
        let answer = self.server.command(&["LINSERT", &self.key, "BEFORE", &pivot, "foreign"]);
        assert!(answer.starts_with(':') && answer != ":-1\r\n", "{answer}");
    }

    fn has_foreign(&self) -> bool {
        self.server.command(&["LPOS", &self.key, "foreign"]).starts_with(':')
    }

    /// How often the server has run a command since it started.
    fn ran(&self, command: &str) -> u64 {
        let stats = self.server.command(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    fn ends(&self, places: impl IntoIterator<Item = usize>) -> Vec<Settlement> {
        places.into_iter().map(|place| done(&self.held[place])).collect()
    }

    async fn settle(&self, places: impl IntoIterator<Item = usize>) -> Vec<Settled> {
        self.worker.settle(&self.ends(places)).await.unwrap()
    }

    /// Somebody puts another message where the one at this place lies; the list is as long as before.
    fn replace(&self, place: usize, message: &str) {
        let answer = self.server.command(&["LSET", &self.key, &format!("-{}", place + 1), message]);
        assert!(answer.starts_with("+OK"), "{answer}");
    }

    fn length(&self) -> String {
        self.server.command(&["LLEN", &self.key])
    }

    /// What another worker finds when this one has signed off.
    async fn left(&self) -> Vec<String> {
        self.worker.close().await.unwrap();
        labels(&self.bench.worker("b", &["mail"]).await.take(JOBS).await)
    }
}

/// Ends in order, and with a few that stay between, cost no comparison of each; with results as without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_ends_are_not_compared() {
    let hands = Hands::full().await;
    assert_eq!(hands.settle([1, 2, 3, 4]).await, [Settled::Done; 4]);
    let stored: Vec<_> = (5..9)
        .map(|place| {
            with_result(done(&hands.held[place]), result(&hands.bench.id(&format!("m{place:02}")), "SUCCESS", 1))
        })
        .collect();
    assert_eq!(hands.worker.settle(&stored).await.unwrap(), [Settled::Done; 4]);
    for place in 5..9 {
        assert!(hands.bench.result(&format!("m{place:02}")).await.is_some());
    }
    // Two windows with the first one staying: two ends and two that stay. `lrange` is what a lease reads.
    assert_eq!((hands.ran("lindex"), hands.ran("lrem"), hands.ran("lrange")), (4, 0, 1));
    assert_eq!(hands.left().await, ["m00", "m09", "m10", "m11"]);
}

/// Something else lies among them, wherever: each end is compared, and only what ended goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_message_among_them_stays() {
    for (side, pivot) in [("BEFORE", 0), ("AFTER", 0), ("BEFORE", 3), ("AFTER", 5)] {
        let hands = Hands::full().await;
        let pivot = String::from_utf8(hands.held[pivot].payload().to_vec()).unwrap();
        hands.server.command(&["LINSERT", &hands.key, side, &pivot, "foreign"]);
        assert_eq!(hands.settle(0..6).await, [Settled::Done; 6], "{side}");
        assert_eq!(hands.length(), format!(":{}\r\n", JOBS - 6 + 1));
        assert!(hands.has_foreign(), "{side}: it is gone");
    }
}

/// One of them is not there any more: it is told to be lost, and what lies in its place stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_gone_is_lost_and_no_other_goes_for_it() {
    for gone in [0, 2, 5] {
        let hands = Hands::full().await;
        let message = String::from_utf8(hands.held[gone].payload().to_vec()).unwrap();
        assert_eq!(hands.server.command(&["LREM", &hands.key, "1", &message]), ":1\r\n");
        let mut expected = [Settled::Done; 6];
        expected[gone] = Settled::LeaseLost;
        assert_eq!(hands.settle(0..6).await, expected);
        assert_eq!(hands.left().await, ["m06", "m07", "m08", "m09", "m10", "m11"]);
    }
}

/// What stays is looked at where it should lie: another there stays too, and nothing is put where it was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_must_lie_where_it_should() {
    let hands = Hands::full().await;
    let absent = String::from_utf8(hands.held[1].payload().to_vec()).unwrap();
    hands.replace(1, "foreign");
    assert_eq!(hands.settle([0, 2, 3, 4]).await, [Settled::Done; 4]);
    assert_eq!(hands.server.command(&["LPOS", &hands.key, &absent]), "$-1\r\n");
    assert!(hands.has_foreign(), "it is gone");
    assert_eq!(hands.length(), format!(":{}\r\n", JOBS - 4));
}

/// Of two equal messages it is not known which goes first: neither says where something stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_messages_hide_nothing() {
    // The second of the last two stands where the first would, if there were nothing else.
    let hands = Hands::of(&["a", "b", "e", "e", "f"]).await;
    hands.insert_after(1);
    assert_eq!(hands.settle(0..4).await, [Settled::Done; 4]);
    assert!(hands.has_foreign() && hands.length() == ":2\r\n");
    // The other one of two goes, and makes room for something between.
    let hands = Hands::of(&["d", "a", "b", "c", "d", "f"]).await;
    hands.insert_after(1);
    assert_eq!(hands.settle([4]).await, [Settled::Done]);
    assert_eq!(hands.settle(0..4).await, [Settled::Done; 4]);
    assert!(hands.has_foreign() && hands.length() == ":2\r\n");
}

/// In another order among themselves they are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_changes_nothing() {
    let hands = Hands::full().await;
    let [one, two] = [1, 2].map(|place| String::from_utf8(hands.held[place].payload().to_vec()).unwrap());
    hands.replace(1, &two);
    hands.replace(2, &one);
    assert_eq!(hands.settle([0, 2, 3, 4]).await, [Settled::Done; 4]);
    assert_eq!(hands.left().await, ["m01", "m05", "m06", "m07", "m08", "m09", "m10", "m11"]);
}

/// A new connection may lead to a server that has forgotten, or to another: by it each end is compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_another_connection_each_is_compared() {
    let hands = Hands::full().await;
    // As many as before, and the last where it was: by where they stand nobody could tell.
    hands.replace(2, "foreign");
    hands.server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let answers = loop {
        if let Ok(answers) = hands.worker.settle(&hands.ends(0..6)).await {
            break answers;
        }
    };
    let mut expected = [Settled::Done; 6];
    expected[2] = Settled::LeaseLost;
    assert_eq!(answers, expected);
    assert_eq!(hands.ran("lindex"), 0);
    assert!(hands.has_foreign(), "it is gone");
}

/// Reclaimed meanwhile: all are lost, and nothing is touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reclaimed_is_lost() {
    let hands = Hands::full().await;
    hands.server.command(&["DEL", &hands.key]);
    hands.server.command(&["SET", &hands.key, ""]);
    assert_eq!(hands.settle(0..6).await, [Settled::LeaseLost; 6]);
    assert_eq!(hands.server.command(&["TYPE", &hands.key]), "+string\r\n");
}

/// What was given back, or ended by another call, is not looked for among what is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_before_does_not_count() {
    let hands = Hands::full().await;
    let back = hands.worker.return_all(&hands.held[1..2]).await;
    assert_eq!((back, hands.settle([4]).await), (1, vec![Settled::Done]));
    let listed = hands.ran("lrange");
    assert_eq!(hands.settle([0, 2, 3, 5]).await, [Settled::Done; 4]);
    // One window in which nothing stays, found where it should be: nothing had to be listed.
    assert_eq!((hands.ran("lindex"), hands.ran("lrange") - listed), (1, 0));
    assert_eq!(hands.left().await, ["m06", "m07", "m08", "m09", "m10", "m11", "m01"]);
}
