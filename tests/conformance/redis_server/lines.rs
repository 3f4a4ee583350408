//! Lines that break, go silent, and servers that go away and come back.

use std::time::Duration;

use queue_core::store::{ConnectError, Settled, StoreError};
use queue_core::{Client, JobError};
use queue_tests::{
    Bench, Driver, Fault, PATIENCE, Proxy, RedisServer, SECOND, done, labels, result, wait_for, wait_until, with_result,
};

use crate::chords::begun;
use crate::drain::drain;

/// A server that forgot our scripts is given them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_may_be_flushed() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    let flush = || server.command(&["SCRIPT", "FLUSH"]);
    flush();
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    flush();
    let taken = worker.take(3).await;
    assert_eq!(labels(&taken), ["m1", "m2", "m3"]);
    flush();
    assert_eq!(worker.finish(&taken[0]).await, Settled::Done);
    flush();
    assert_eq!(worker.return_all(&taken[1..]).await, 2);
    flush();
    let _ = worker.pulse().await;
    flush();
    assert_eq!(bench.counts("mail").await.ready, 2);
    flush();
    worker.close().await.unwrap();
}

/// All connections are killed, again and again; after at most an error or two everything works, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_may_be_killed() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    for round in 0..5 {
        let message = bench.message("mail", &format!("m{round}"));
        bench.store.enqueue(&[message]).await.unwrap();
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        wait_until("the store is back", || async { bench.store.now().await.is_ok() }).await;
        wait_until("the worker is back", || async { worker.beat().await.is_ok() && worker.held().await.is_ok() }).await;
        let delivery = wait_for("a lease", || async {
            worker.lease(&worker.request(1)).await.ok().and_then(|mut came| came.pop())
        })
        .await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        let settled =
            wait_for("a settlement", || async { worker.settle(&[queue_tests::done(&delivery)]).await.ok() }).await;
        assert_eq!(settled, [Settled::Done], "what was held is still ours");
        wait_until("the store is back", || async { bench.store.now().await.is_ok() }).await;
        wait_until("the heartbeat is back", || async { worker.beat().await.is_ok() }).await;
    }
    assert_eq!(drain(&bench, "mail", &[&worker], 0).await, Vec::<String>::new());
}

/// A worker whose waiting line was killed is woken by the next push all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_wait_wakes_again() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    for round in 0..3 {
        let waiting = worker.clone();
        let wait = tokio::spawn(async move {
            loop {
                // Like a worker does: an error, or nothing, and it asks again.
                if let Ok(came) = waiting.lease(&waiting.request(1)).await
                    && !came.is_empty()
                {
                    return came;
                }
                if let Ok(came) = waiting.wait(&waiting.request(1), PATIENCE).await
                    && !came.is_empty()
                {
                    return came;
                }
            }
        });
        wait_until("it waits", || async { server.command(&["CLIENT", "LIST"]).contains("cmd=blmove") }).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        let name = format!("m{round}");
        wait_until("it is sent", || async { bench.store.enqueue(&[bench.message("mail", &name)]).await.is_ok() }).await;
        let came = wait.await.unwrap();
        assert_eq!(labels(&came), [name]);
        wait_until("it settles", || async { worker.settle(&[queue_tests::done(&came[0])]).await.is_ok() }).await;
    }
}

/// A caller waiting for a result gets it although the line was cut meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_result_wait_goes_on() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (store, id) = (bench.store.clone(), bench.id("r1"));
    let wait = tokio::spawn(async move { store.wait_result(&id, |_| true, PATIENCE).await });
    wait_until("it waits", || async { server.command(&["PUBSUB", "CHANNELS"]).contains("r1") }).await;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let result = queue_tests::result(&bench.id("r1"), "SUCCESS", 1);
    wait_until("it is stored", || async { bench.store.put_results(std::slice::from_ref(&result)).await.is_ok() }).await;
    assert_eq!(wait.await.unwrap().unwrap(), Some(result.meta));
}

/// A server that says nothing is an error after the response timeout, not a wait for ever; then it works again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_an_error() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    // As long as a busy host may take before there is silence.
    let bench = Bench::hasty(Driver::Redis, &proxy.url(), 3 * SECOND).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = worker.take_one().await;
    proxy.silence(true);
    let (queue, (message, request)) = (bench.queue("mail"), ([bench.message("mail", "m2")], worker.request(1)));
    let done = [queue_tests::done(&delivery)];
    let all = tokio::join!(
        bench.store.enqueue(&message),
        worker.lease(&request),
        worker.settle(&done),
        worker.beat(),
        bench.store.counts(&queue)
    );
    for error in [all.0.unwrap_err(), all.1.unwrap_err(), all.2.unwrap_err(), all.3.unwrap_err(), all.4.unwrap_err()] {
        assert!(matches!(error, StoreError::Unreachable { .. }) && error.is_transient(), "{error:?}");
    }
    proxy.silence(false);
    proxy.cut();
    wait_until("the store is back", || async { bench.store.now().await.is_ok() }).await;
    wait_until("it settles", || async { worker.settle(&[queue_tests::done(&delivery)]).await.is_ok() }).await;
    wait_until("it beats", || async { worker.beat().await.is_ok() }).await;
    // The enqueue that got no answer may have arrived, or not.
    let arrived = bench.counts("mail").await;
    assert!(arrived.ready + arrived.leased <= 1);
}

/// A heartbeat waits for its own line only, also where it gives back what nobody came for: that of the others is served by a runtime
/// that may be blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_gives_back_on_its_own_line() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    // Longer than this test waits.
    let bench = Bench::at(Driver::Redis, &proxy.url(), |options| options.response_timeout = 600 * SECOND).await;
    let direct = bench.reopen(&server.url()).await.unwrap();
    let (chord, worker) = begun(&bench, 1).await;
    assert_eq!(chord.finish(&bench, &worker, "m1", 0).await, Settled::Done);

    // From this question on the line for all commands is dead.
    proxy.arm(":dead\r\n", Fault::SwallowRequest);
    let (store, queue) = (bench.store.clone(), bench.queue("mail"));
    let stuck = tokio::spawn(async move { store.counts(&queue).await });
    wait_until("nobody answers", || async { proxy.lost() == 1 }).await;
    let queue = bench.queue("mail");
    wait_until("the dispatch is given back", || async {
        let beat = tokio::time::timeout(PATIENCE, worker.beat()).await;
        assert!(beat.is_ok(), "the heartbeat waits for another line");
        direct.counts(&queue).await.unwrap().suspects == 1
    })
    .await;
    stuck.abort();
}

/// A wait for a result ends in its time, and says that the store was not heard, however long the server may take for an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_on_a_silent_server_ends_in_time() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |options| options.response_timeout = 10 * PATIENCE).await;
    proxy.silence(true);
    let job = Client::new(bench.store.clone()).job::<u64>(bench.id("r1"));
    let waited = tokio::time::timeout(PATIENCE, job.get(Duration::from_millis(100))).await.expect("it ends");
    assert!(matches!(waited, Err(JobError::Store(StoreError::Unreachable { unknown: false, .. }))), "{waited:?}");
}

/// Waits that are all too short to notice that a line is dead do not keep it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_waits_leave_a_dead_line() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::hasty(Driver::Redis, &proxy.url(), 6 * SECOND).await;
    let id = bench.id("r1");
    let looks = || async { bench.store.wait_result(&id, |_| true, Duration::from_millis(10)).await };
    assert_eq!(looks().await.unwrap(), None);
    proxy.black_hole();
    wait_until("the line is dead", || async { looks().await.is_err() }).await;
    wait_until("it is made anew", || async { looks().await.is_ok() }).await;
}

/// With results elsewhere an end begins with the question which deliveries stand. A server that loads its file does not know: the end
/// is tried again, since going on without its result would lose that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_costs_no_result() {
    let (server, results) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |options| options.results = Some(results.url())).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let ends = [with_result(done(&worker.take_one().await), result(&bench.id("m1"), "SUCCESS", 1))];
    server.save_and_kill();
    server.restart_loading();
    wait_until("the line is made anew", || async { bench.store.now().await.is_ok() }).await;
    // It has loaded everything when the answer comes, and takes the next step.
    proxy.delay(2 * SECOND);
    let (first, ()) = tokio::join!(worker.settle(&ends), async {
        wait_until("it is asked", || async { server.command(&["INFO", "commandstats"]).contains("cmdstat_lpos") })
            .await;
        server.load_fast();
    });
    proxy.delay(Duration::ZERO);
    let settled = match first {
        Ok(settled) => settled,
        Err(_) => wait_for("an end", || async { worker.settle(&ends).await.ok() }).await,
    };
    assert_eq!(settled, [Settled::Done]);
    assert!(bench.result("m1").await.is_some());
}

/// Who signs off while it begins to wait is on no list afterwards: nobody might be left to take it off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_begins_late_registers_nobody() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| {}).await;
    for turns in 0..100 {
        let worker = bench.worker("a", &["mail"]).await;
        let waiting = worker.clone();
        let wait = tokio::spawn(async move { waiting.wait(&waiting.request(1), PATIENCE).await });
        for _ in 0..20 * turns {
            tokio::task::yield_now().await;
        }
        worker.close().await.unwrap();
        wait.abort();
    }
    // What was written to a connection before it was closed is read by then.
    wait_until("all lines are closed", || async {
        server.command(&["CLIENT", "LIST"]).matches("cmd=blmove").count() == 0
    })
    .await;
    assert_eq!(server.command(&["KEYS", "*:workers"]).trim(), "*0");
}

/// No server there: an error that says so, with the address, at once.
#[tokio::test]
async fn nobody_is_there() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://user:secret@{address}/0");
    let Err(ConnectError::Store(error)) = queue_core::store::connect(&url).await else { panic!("connected?") };
    assert!(matches!(error, StoreError::Unreachable { unknown: false, .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()));
    assert!(!format!("{error} {error:?}").contains("secret"));
}

/// A server that goes away and comes back with its data: who held a message still holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_not_death() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    proxy.refuse(true);
    proxy.cut();
    assert!(matches!(b.beat().await, Err(StoreError::Unreachable { .. })));
    bench.advance(Duration::from_secs(600));
    proxy.refuse(false);
    for _ in 0..3 {
        let beat = wait_for("the line is back", || async { b.beat().await.ok() }).await;
        assert_eq!(beat.reclaimed, 0);
    }
    assert!(!wait_for("the line is back", || async { a.beat().await.ok() }).await.fenced);
    let settled = wait_for("an answer", || async { a.settle(&[queue_tests::done(&delivery)]).await.ok() }).await;
    assert_eq!(settled, [Settled::Done]);
}

/// A slow line is only slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_line_is_only_slow() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    proxy.delay(Duration::from_millis(30));
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    assert_eq!(worker.finish_all().await, ["m1", "m2"]);
}
