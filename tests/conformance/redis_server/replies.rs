//! A reply that is lost: the step happened, and nobody was told.

use queue_core::store::{Settled, StoreError};
use queue_tests::{
    Bench, Driver, PATIENCE, Proxy, RedisServer, SECOND, TestWorker, done, labels, redis_url, result, script_hash,
    wait_until, with_follow, with_result,
};

use crate::drain::drain;

/// A bench behind a proxy, before the process's own server.
async fn behind_proxy() -> (Bench, Proxy) {
    let address = redis_url().trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let proxy = Proxy::start(address).await;
    (Bench::at(Driver::Redis, &proxy.url(), |_| ()).await, proxy)
}

/// Empties the queue with a worker whose line, to the server at `url`, never breaks beside the one whose line did.
async fn drain_with_both(bench: &Bench, url: &str, a: &TestWorker, expected: usize) -> Vec<String> {
    let direct = bench.reopen(url).await.unwrap();
    let b = bench.worker_on(&direct, "b", &["mail"]).await;
    // The first call after a cut may still find the line broken.
    wait_until("the line is back", || async { a.beat().await.is_ok() && a.held().await.is_ok() }).await;
    wait_until("the store is back", || async { bench.store.now().await.is_ok() }).await;
    wait_until("the worker leases again", || async { a.give_back(&[]).await.is_ok() }).await;
    drain(bench, "mail", &[a, &b], expected).await
}

/// A lease whose reply is lost: its messages are found, and handed out or given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_strands_nothing() {
    let (bench, proxy) = behind_proxy().await;
    let a = bench.worker("a", &["mail"]).await;
    for round in 0..5 {
        bench.enqueue("mail", &["m1", "m2", "m3"]).await;
        proxy.lose_reply(&script_hash("lease"));
        let came = a.lease(&a.request(2)).await.unwrap_or_default();
        assert_eq!(proxy.lost(), round + 1, "the fault should have happened");
        for delivery in &came {
            assert_eq!(a.finish(delivery).await, Settled::Done);
        }
        let mut all = drain_with_both(&bench, &redis_url(), &a, 3 - came.len()).await;
        all.extend(labels(&came));
        all.sort();
        assert_eq!(all, ["m1", "m2", "m3"]);
    }
}

/// A settlement whose reply is lost happened once, whoever asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_settlement_happens_once() {
    let (bench, proxy) = behind_proxy().await;
    let a = bench.worker("a", &["mail"]).await;
    for round in 0..5 {
        let name = format!("m{round}");
        bench.enqueue("mail", &[&name]).await;
        let delivery = queue_tests::wait_for("a lease", || async {
            a.lease(&a.request(1)).await.ok().and_then(|mut came| came.pop())
        })
        .await;
        let settlement = with_result(done(&delivery), result(&bench.id(&name), "SUCCESS", round));
        let settlement = [with_follow(settlement, bench.message("next", &name))];
        proxy.lose_reply(&script_hash("settle"));
        let mut answer = a.settle(&settlement).await;
        assert_eq!(proxy.lost(), round + 1);
        if let Err(error) = &answer {
            assert!(error.outcome_unknown(), "{error:?}");
        }
        for _ in 0..1000 {
            match answer {
                Ok(_) => break,
                Err(StoreError::Unreachable { .. }) => answer = a.settle(&settlement).await,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(answer.is_ok(), "{answer:?}");
        assert!(bench.result(&name).await.is_some());
        assert_eq!(bench.counts("next").await.ready as usize, round + 1);
        assert_eq!(a.held().await.unwrap(), 0);
    }
}

/// The end of a task that was acknowledged early has no lease to fence it: it is written once all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_end_of_an_early_one_happens_once() {
    let (bench, proxy) = behind_proxy().await;
    let a = bench.worker("a", &["mail"]).await;
    // The queue's name is known by then.
    bench.enqueue("next", &["n0"]).await;
    let end = with_follow(queue_core::store::Settlement::early(), bench.message("next", "n1"));
    proxy.lose_reply(&script_hash("settle"));
    let lost = a.settle(std::slice::from_ref(&end)).await;
    assert!(lost.is_err() && proxy.lost() == 1);
    let again = queue_tests::wait_for("an answer", || async { a.settle(std::slice::from_ref(&end)).await.ok() }).await;
    assert_eq!(again, [Settled::LeaseLost]);
    assert_eq!(bench.counts("next").await.ready, 2);
}

/// An enqueue whose reply is lost says that it does not know, or knows better; never twice, never a plain no.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_enqueue_is_told() {
    let (bench, proxy) = behind_proxy().await;
    for round in 0..5 {
        let queue = format!("mail{round}");
        proxy.lose_reply(&script_hash("enqueue"));
        let came = bench.store.enqueue(&[bench.message(&queue, "m1"), bench.message(&queue, "m2")]).await;
        assert_eq!(proxy.lost(), round + 1);
        if let Err(error) = &came {
            assert!(error.outcome_unknown(), "it arrived, and the answer was {error:?}");
        }
        let counts =
            queue_tests::wait_for("the line is back", || async { bench.store.counts(&bench.queue(&queue)).await.ok() })
                .await;
        assert_eq!(counts.ready, 2);
    }
}

/// A heartbeat whose reply is lost leaves what it promoted or took back where it is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_heartbeat_strands_nothing() {
    let (bench, proxy) = behind_proxy().await;
    let a = bench.worker("a", &["mail"]).await;
    let doomed = bench.worker("doomed", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    bench.enqueue_in(SECOND, "mail", "m2").await;
    assert_eq!(doomed.take(1).await.len(), 1);
    let beat = script_hash("beat");
    for _ in 0..10 {
        bench.advance(2 * SECOND);
        let before = proxy.lost();
        // A host that stands still may keep a heartbeat from the line.
        wait_until("the reply to a heartbeat is lost", || async {
            proxy.lose_reply(&beat);
            let _ = a.beat().await;
            proxy.lost() > before
        })
        .await;
        proxy.disarm();
        let _ = a.beat().await;
    }
    let _ = bench.bury(&[&a]).await;
    assert_eq!(drain_with_both(&bench, &redis_url(), &a, 2).await, ["m1", "m2"]);
}

/// Giving back with a lost reply leaves each message in one place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_give_back_strands_nothing() {
    let (bench, proxy) = behind_proxy().await;
    let a = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    let tags: Vec<_> = a.take(2).await.iter().map(|delivery| delivery.tag.clone()).collect();
    proxy.lose_reply(&script_hash("give_back"));
    let _ = a.give_back(&tags).await;
    assert_eq!(proxy.lost(), 1);
    wait_until("an answer", || async { a.give_back(&tags).await.is_ok() }).await;
    assert_eq!(drain_with_both(&bench, &redis_url(), &a, 2).await, ["m1", "m2"]);
}

/// A waiting line that is cut in the moment the message comes: the message is not stranded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_wakening_strands_nothing() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    let a = bench.worker("a", &["mail"]).await;
    let direct = bench.reopen(&server.url()).await.unwrap();
    for round in 0..5 {
        proxy.lose_reply("BLMOVE");
        let waiting = a.clone();
        let wait = tokio::spawn(async move { waiting.wait(&waiting.request(1), PATIENCE).await.unwrap_or_default() });
        let waits = || async { server.command(&["INFO", "clients"]).contains("blocked_clients:1\r") };
        wait_until("it waits in the store", waits).await;
        let name = format!("m{round}");
        direct.enqueue(&[bench.message("mail", &name)]).await.unwrap();
        wait_until("the server moves it, and nobody hears", || async { proxy.lost() == round + 1 }).await;
        assert!(wait.await.unwrap().is_empty());
        assert_eq!(drain_with_both(&bench, &server.url(), &a, 1).await, [name]);
    }
}

/// A move that comes late, when the worker's line is long dead, puts a message into hands that know nothing of it: the
/// heartbeat's count finds it. (The test makes that move itself; see `docs/redis-layout.md` for the key.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_nobody_heard_of_is_found() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let a = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    let known = a.take_one().await;
    let list = bench.queue("mail").to_string();
    let held = format!("{{{list}}}:held:{}", a.incarnation());
    let moved = server.command(&["LMOVE", &list, &held, "RIGHT", "LEFT"]);
    assert!(moved.starts_with('$'), "{moved}");
    assert_eq!(a.held().await.unwrap(), 2);

    assert_eq!(a.finish(&known).await, Settled::Done);
    assert_eq!(drain(&bench, "mail", &[&a], 1).await, ["m2"]);
}

/// A move that comes late, after its worker has signed off or was reclaimed, is refused by the server: the message stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_move_is_refused() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (gone, dead) = (bench.worker("gone", &["mail"]).await, bench.worker("dead", &["mail"]).await);
    let b = bench.worker("b", &["mail"]).await;
    gone.close().await.unwrap();
    let _ = bench.bury(&[&b]).await;
    bench.enqueue("mail", &["m1"]).await;
    let list = bench.queue("mail").to_string();
    for worker in [&gone, &dead] {
        for kind in ["held", "suspects:held"] {
            let held = format!("{{{list}}}:{kind}:{}", worker.incarnation());
            let moved = server.command(&["LMOVE", &list, &held, "RIGHT", "LEFT"]);
            assert!(moved.starts_with("-WRONGTYPE"), "{kind}: {moved}");
        }
    }
    assert_eq!(b.finish_all().await, ["m1"]);
}
