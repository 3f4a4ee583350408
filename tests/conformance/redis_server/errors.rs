//! A server that refuses: each refusal is an error of its own, and nothing happened.

use std::time::Duration;

use bytes::Bytes;
use queue_core::store::{
    ConnectError, Delivery, JobState, Outgoing, Settled, Settlement, StoreError, StoreOptions, connect, connect_with,
};
use queue_core::{Client, Priority, TaskId};
use queue_tests::{
    Bench, Chord, Driver, PATIENCE, RedisServer, SECOND, TestWorker, dead_letter, done, labels, result, wait_until,
    with_chord, with_follow, with_result,
};

/// Full without eviction: the enqueue says so, writes nothing of its batch, and who has a message can still finish it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_says_so() {
    let server = RedisServer::start(&["--maxmemory", "16mb", "--maxmemory-policy", "noeviction"]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    let big = Bytes::from(vec![b'x'; 256 * 1024]);
    let message = |n: usize| Outgoing { payload: big.clone(), ..bench.message("mail", &format!("m{n}")) };
    bench.store.enqueue(&[message(1000), message(1001), bench.message("mail", "small")]).await.unwrap();
    let held = worker.take(3).await;
    let mut accepted = 0;
    let error = loop {
        match bench.store.enqueue(&[message(2 * accepted), message(2 * accepted + 1)]).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100, "16 MiB should be full by now");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.is_transient() && !error.outcome_unknown());
    assert_eq!(bench.counts("mail").await.ready as usize, 2 * accepted);

    // Full to the brim, and beyond.
    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    // What needs room is refused as a whole; what only makes room is not.
    let needy = with_result(done(&held[2]), result(&bench.id("small"), "SUCCESS", 1));
    let refused = worker.settle(std::slice::from_ref(&needy)).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(worker.finish(&held[0]).await, Settled::Done);
    assert_eq!(worker.finish(&held[1]).await, Settled::Done);
    server.command(&["CONFIG", "SET", "maxmemory", "64mb"]);
    assert_eq!(worker.settle_one(needy).await, Settled::Done);
}

/// No password, a wrong one, the right one; and never in a message.
#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = RedisServer::start(&["--requirepass", "open sesame"]);
    let url = |login: &str| format!("redis://{login}{}/0", server.address());
    for login in ["", ":s3cret@", "default:s3cret@", "nobody:s3cret@"] {
        let Err(ConnectError::Store(error)) = connect(&url(login)).await else { panic!("{login:?} got in") };
        assert!(matches!(error, StoreError::Unauthorized { .. }), "{login:?}: {error:?}");
        assert!(!error.is_transient());
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    let store = connect(&url(":open%20sesame@")).await.unwrap();
    store.now().await.unwrap();
    assert!(!format!("{} {store:?}", store.display_url()).contains("sesame"));
    // Nor that of where the results are.
    let options = StoreOptions::with_results(Some(format!("redis://:open%20sesame@{}/1", server.address())));
    let store = connect_with(&url(":open%20sesame@"), options).await.unwrap();
    store.get_results(&[TaskId::random()]).await.unwrap();
    let client = Client::new(store);
    assert!(!format!("{client:?}").contains("sesame"), "{client:?}");
}

/// More ends than go into one step: what an earlier step did has happened, so an error that a later one met does not say that
/// nothing has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_step_that_is_refused_hides_none_before_it() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (chord, foreign) = (Chord::new(&bench, "chord"), Chord::new(&bench, "foreign"));
    server.command(&["SET", &format!("celery-taskset-meta-{}.j", foreign.group), "no sorted set"]);
    let part = |n: i64| with_chord(Settlement::early(), chord.part(&format!("m{n}"), Some(n), "1"));
    let mut ends: Vec<Settlement> = (0..249).map(part).collect();
    let worker = bench.worker("a", &["mail"]).await;
    ends.push(with_chord(Settlement::early(), foreign.part("m", Some(0), "1")));
    let error = worker.settle(&ends).await.unwrap_err();
    assert!(server.command(&["ZCARD", &format!("celery-taskset-meta-{}.j", chord.group)]).trim() != ":0");
    assert!(error.outcome_unknown() && error.is_transient(), "{error:?}");
    // Of what one step takes nothing happened, and the error says what it is.
    let error = worker.settle(&ends[248..]).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }) && !error.outcome_unknown(), "{error:?}");
}

/// A replica takes no writes, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_read_only() {
    let primary = RedisServer::start(&[]);
    let port = primary.address().rsplit_once(':').unwrap().1.to_owned();
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port]);
    wait_until("the replica is in step", || async { replica.command(&["INFO"]).contains("master_link_status:up") })
        .await;
    let refused = match connect(&replica.url()).await {
        Ok(store) => {
            let bench = Bench::at(Driver::Redis, &primary.url(), |_| ()).await;
            store.enqueue(&[bench.message("mail", "m1")]).await.unwrap_err()
        }
        Err(ConnectError::Store(error)) => error,
        Err(other) => panic!("{other:?}"),
    };
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
}

/// A key of another type under a queue's name: an error, and the key stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_is_an_error() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    server.command(&["SET", bench.queue("mail").as_str(), "hello"]);
    let error = bench.store.enqueue(&[bench.message("mail", "m1")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. } | StoreError::Foreign { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
    assert!(server.command(&["GET", bench.queue("mail").as_str()]).contains("hello"));
}

/// For a worker such a key is no error of the store: it has the other queues meanwhile, waits for them in the server, and has this
/// one again at the first heartbeat that finds it free. What was due for it has stayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_is_left_out() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let mail = bench.queue("mail").to_string();
    for key in [mail.clone(), format!("{{{mail}}}:suspects")] {
        bench.enqueue_in(60 * SECOND, "mail", "due").await;
        server.command(&["SET", &key, "hello"]);
        let only = bench.worker("a", &["mail"]).await;
        assert_eq!(labels(&only.take(10).await), Vec::<String>::new());
        assert_eq!(labels(&only.wait_for(10, Duration::from_millis(10)).await), Vec::<String>::new());
        let both = bench.worker("b", &["mail", "news"]).await;
        bench.enqueue_in(60 * SECOND, "news", "n1").await;
        bench.advance(61 * SECOND);
        for worker in [&only, &both] {
            worker.pulse().await;
        }
        assert_eq!(labels(&both.take(10).await), ["n1"]);
        let (came, ()) = tokio::join!(next(&both), async {
            wait_until("it waits", || async { server.command(&["INFO", "clients"]).contains("blocked_clients:1\r") })
                .await;
            bench.enqueue("news", &["n2"]).await;
        });
        assert_eq!(labels(&came), ["n2"]);
        only.pulse().await;
        both.pulse().await;
        assert_eq!(labels(&only.take(10).await), Vec::<String>::new());
        assert!(server.command(&["GET", &key]).contains("hello"));

        server.command(&["DEL", &key]);
        only.pulse().await;
        assert_eq!(labels(&only.take(10).await), ["due"]);
        only.close().await.unwrap();
        both.close().await.unwrap();
        server.command(&["FLUSHALL"]);
    }
}

/// What the worker leases next: as a worker does, it waits when there is nothing, and looks again when the wait is over.
async fn next(worker: &TestWorker) -> Vec<Delivery> {
    let mut came = worker.take(10).await;
    while came.is_empty() {
        came = worker.wait_for(10, PATIENCE).await;
        if came.is_empty() {
            came = worker.take(10).await;
        }
    }
    came
}

/// Nor does it hurt the others where a worker dies, or ends, that holds messages of such a queue: they are extended, and theirs go
/// back; what has no place to go to waits for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_hurts_no_other_queue() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let mail = bench.queue("mail").to_string();
    let (dies, lives) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail", "news"]).await);
    let watches = bench.worker("c", &["news"]).await;
    bench.enqueue("mail", &["m1"]).await;
    assert_eq!(labels(&dies.take(1).await), ["m1"]);
    bench.enqueue("news", &["n1"]).await;
    assert_eq!(labels(&lives.take(1).await), ["n1"]);
    let suspects = format!("{{{mail}}}:suspects");
    server.command(&["SET", &suspects, "hello"]);
    bench.bury(&[&lives, &watches]).await;
    assert_eq!((bench.counts("news").await.leased, watches.take(1).await.len()), (1, 0), "it beats");
    server.command(&["DEL", &suspects]);
    bench.bury(&[&lives, &watches]).await;
    let again = lives.take_one().await;
    assert!(again.suspect);

    server.command(&["SET", &suspects, "hello"]);
    let closed = lives.close().await.unwrap_err();
    assert!(matches!(closed, StoreError::Foreign { .. }), "{closed:?}");
    assert_eq!(labels(&watches.take(1).await), ["n1"]);
}

/// The keys beside a list without which it is not to be taken from.
const BESIDE: [&str; 4] = ["workers", "silent", "scheduled", "deaths"];

/// Something else at a key beside a list leaves that list out. The others are leased from, waited on and kept alive, and this one
/// again once the key is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_beside_a_list_keeps_up_no_other() {
    for name in BESIDE {
        let server = RedisServer::start(&[]);
        let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
        let key = format!("{{{}}}:{name}", bench.queue("mail"));
        server.command(&["SET", &key, "hello"]);
        let (worker, other) = (bench.worker("a", &["mail", "news"]).await, bench.worker("b", &["news"]).await);
        bench.enqueue("mail", &["m1"]).await;
        worker.pulse().await;
        bench.enqueue("news", &["n1"]).await;
        assert_eq!(labels(&worker.take(9).await), ["n1"], "{name}");
        let (mut waited, ()) = tokio::join!(worker.wait_for(1, PATIENCE), bench.enqueue("news", &["n2"]));
        waited.extend(worker.take(9).await);
        assert_eq!(labels(&waited), ["n2"], "{name}");
        assert_eq!(bench.bury(&[&worker, &other]).await, 0);
        assert_eq!((bench.counts("news").await.leased, other.take(9).await.len()), (2, 0), "{name}: it beats");
        assert!(bench.store.workers().await.unwrap().iter().any(|one| *one.incarnation == *worker.incarnation()));
        assert!(server.command(&["GET", &key]).contains("hello"));

        server.command(&["DEL", &key]);
        worker.pulse().await;
        assert_eq!(labels(&worker.take(9).await), ["m1"], "{name}");
    }
}

/// Where it comes under a worker, that ends what it holds and gives back what it does not, and what a dead one held is taken back
/// once the key is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_under_a_worker_loses_nothing() {
    for name in BESIDE {
        let server = RedisServer::start(&[]);
        let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
        let key = format!("{{{}}}:{name}", bench.queue("mail"));
        let (dies, lives) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
        bench.enqueue("mail", &["m1", "m2", "m3", "m4"]).await;
        assert_eq!(labels(&dies.take(1).await), ["m1"]);
        let held = lives.take(2).await;
        server.command(&["RENAME", &key, "aside"]);
        server.command(&["SET", &key, "hello"]);
        // It may not have heard of it yet: what it takes is its own.
        lives.return_all(&lives.take(1).await).await;
        bench.bury(&[&lives]).await;
        assert_eq!(lives.take(9).await.len(), 0, "{name}");
        assert_eq!(lives.finish(&held[0]).await, Settled::Done);

        server.command(&["DEL", &key]);
        server.command(&["RENAME", "aside", &key]);
        bench.bury(&[&lives]).await;
        let again = lives.take(9).await;
        assert_eq!(labels(&again), ["m1", "m4"], "{name}");
        server.command(&["SET", &key, "hello"]);
        lives.close().await.unwrap();
        let left = server.command(&["LRANGE", bench.queue("mail").as_str(), "0", "-1"]);
        assert!(["m3", "m4"].iter().all(|label| left.contains(label)), "{name}: {left}");
    }
}

/// A suspect ends whole, with its result, and a dead letter is retried once, whatever is where deaths are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_counts_no_deaths_ends_nothing_half_way() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (dies, lives) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue("mail", &["m1", "m2"]).await;
    assert_eq!(dies.take(2).await.len(), 2);
    bench.bury(&[&lives]).await;
    let (first, key) = (lives.take(1).await, format!("{{{}}}:deaths", bench.queue("mail")));
    server.command(&["SET", &key, "hello"]);
    let end = with_result(done(&first[0]), result(&bench.id("m1"), "SUCCESS", 1));
    assert_eq!(lives.settle_one(end).await, Settled::Done);
    assert!(bench.result("m1").await.is_some());
    // Nor is one taken, before a heartbeat has seen the key.
    assert_eq!((lives.take(1).await.len(), bench.counts("mail").await.leased), (0, 0));

    server.command(&["DEL", &key]);
    lives.pulse().await;
    let second = lives.take(1).await;
    assert_eq!(lives.settle_one(dead_letter(&second[0], "no")).await, Settled::Done);
    server.command(&["SET", &key, "hello"]);
    let job = bench.page("mail", JobState::Dead, 9).await.jobs.remove(0);
    assert_eq!(bench.store.retry_dead(&[(job.key, job.payload)]).await.unwrap(), 1);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.dead), (1, 0));
}

/// Who cannot be registered takes nothing, so that nothing lies where nobody looks for it: no suspect, and nothing that it waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_registered_takes_nothing() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let mail = bench.queue("mail").to_string();
    let key = |name: &str| format!("{{{mail}}}:{name}");
    let (dies, lives) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail", "news"]).await);
    bench.enqueue("mail", &["m1"]).await;
    assert_eq!(labels(&dies.take(1).await), ["m1"]);
    bench.bury(&[&lives]).await;
    let waits = bench.worker("c", &["mail"]).await;
    server.command(&["SET", &key("workers"), "hello"]);
    assert_eq!(labels(&lives.take(9).await), Vec::<String>::new());
    assert_eq!(server.command(&["LLEN", &key("suspects")]), ":1\r\n");
    assert_eq!(server.command(&["EXISTS", &key(&format!("suspects:held:{}", lives.incarnation()))]), ":0\r\n");

    bench.enqueue("mail", &["m2"]).await;
    assert_eq!(labels(&waits.wait_for(1, Duration::from_millis(300)).await), Vec::<String>::new());
    assert_eq!(server.command(&["LLEN", &mail]), ":1\r\n");
    assert_eq!(server.command(&["EXISTS", &key(&format!("held:{}", waits.incarnation()))]), ":0\r\n");

    server.command(&["DEL", &key("workers")]);
    lives.pulse().await;
    assert_eq!(labels(&lives.take(9).await), ["m1", "m2"]);
}

/// Where nobody can be revoked any more, nobody is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_that_cannot_be_read_hold_up_nobody() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    server.command(&["SET", "queue:revoked", "hello"]);
    let worker = bench.worker("a", &["mail"]).await;
    let id = queue_core::TaskId::random();
    for _ in 0..2 {
        assert_eq!(worker.revoked(&[&id]).await.unwrap(), [false]);
    }
    server.command(&["DEL", "queue:revoked"]);
    bench.store.revoke(std::slice::from_ref(&id), 600 * SECOND).await.unwrap();
    wait_until("it hears of it", || async { worker.revoked(&[&id]).await.unwrap() == [true] }).await;
}

/// A settlement that cannot be done as a whole is not done at all: its follow-up's queue is no list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_settlement_does_not_happen() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = worker.take_one().await;
    server.command(&["SET", bench.queue("next").as_str(), "hello"]);
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", 1));
    let settlement = with_follow(settlement, bench.message("good", "n1"));
    let settlement = with_follow(settlement, bench.message("next", "n2"));
    let error = worker.settle(std::slice::from_ref(&settlement)).await.unwrap_err();
    assert!(!error.outcome_unknown(), "{error:?}");
    assert!(bench.result("m1").await.is_none());
    assert_eq!((bench.counts("good").await.ready, worker.held().await.unwrap()), (0, 1));

    server.command(&["DEL", bench.queue("next").as_str()]);
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    assert_eq!((bench.counts("good").await.ready, bench.counts("next").await.ready), (1, 1));
}

/// What the server may do to us is said at the start.
#[tokio::test]
async fn an_evicting_server_is_warned_of() {
    let keeps = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let evicts = RedisServer::start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let durability = async |server: &RedisServer| connect(&server.url()).await.unwrap().durability().await.unwrap();
    assert_eq!(durability(&keeps).await.warnings, Vec::<String>::new());
    let warnings = durability(&evicts).await.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("allkeys-lru")), "{warnings:?}");
}

/// What may not be counted is not told as nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_count_is_no_count() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let _held = worker.take_one().await;
    // All keys but those of what workers hold.
    let lists = format!("~{}*", bench.queue("mail"));
    let rules = ["on", ">pw", "+@all", &lists, "~*:suspects", "~*:scheduled", "~*:dead", "~*:workers"];
    server.command(&[&["ACL", "SETUSER", "limited"], &rules[..]].concat());
    let limited = bench.reopen(&format!("redis://limited:pw@{}/0", server.address())).await.unwrap();
    let refused = limited.counts(&bench.queue("mail")).await;
    assert!(matches!(refused, Err(StoreError::Unauthorized { .. })), "{refused:?}");
    assert_eq!(bench.counts("mail").await.leased, 1);
}

/// What deletes, purges and puts back goes list by list: what fails when some of it is done does not say that nothing happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_half_mended_is_not_told_as_nothing() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let low = |label| Outgoing { priority: Priority::LOWEST, ..bench.message("mail", label) };
    let worker = bench.worker("a", &["mail"]).await;
    bench.store.enqueue(&[bench.message("mail", "dead"), low("dead and low")]).await.unwrap();
    for delivery in worker.take(2).await {
        assert_eq!(worker.settle_one(dead_letter(&delivery, "x")).await, Settled::Done);
    }
    bench.store.enqueue(&[bench.message("mail", "ready"), low("ready and low")]).await.unwrap();
    let by_step = async |state| {
        let mut jobs = bench.page("mail", state, 10).await.jobs;
        jobs.sort_by_key(|job| job.step);
        jobs
    };
    let (ready, dead) = (by_step(JobState::Ready).await, by_step(JobState::Dead).await);
    let lowest = format!("{}\u{6}\u{16}9", bench.queue("mail"));
    server.command(&["DEL", &lowest]);
    server.command(&["SET", &lowest, "hello"]);

    let mut keys: Vec<_> = ready.into_iter().map(|job| job.key).collect();
    assert!(bench.store.delete(&keys).await.unwrap_err().outcome_unknown(), "one of them is deleted");
    keys.remove(0);
    assert!(!bench.store.delete(&keys).await.unwrap_err().outcome_unknown(), "none is");
    let mut letters: Vec<_> = dead.into_iter().map(|job| (job.key, job.payload)).collect();
    assert!(bench.store.retry_dead(&letters).await.unwrap_err().outcome_unknown(), "one of them is put back");
    letters.remove(0);
    assert!(!bench.store.retry_dead(&letters).await.unwrap_err().outcome_unknown(), "none is");
    let purged = async || bench.store.purge(&bench.queue("mail"), JobState::Ready).await.unwrap_err();
    assert!(purged().await.outcome_unknown(), "what was put back is purged");
    assert!(!purged().await.outcome_unknown(), "nothing is");
    server.command(&["DEL", &lowest]);
    assert_eq!(bench.store.retry_dead(&letters).await.unwrap(), 1);
    assert_eq!(labels(&worker.take(10).await), ["dead and low"]);
}
