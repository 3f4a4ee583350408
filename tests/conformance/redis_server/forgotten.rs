//! A server that forgets everything under a living worker: restarted without its file, or flushed.

use queue_core::store::WorkerInfo;
use queue_tests::{Bench, Driver, RedisServer, SECOND, TestWorker};

async fn workers(bench: &Bench) -> Vec<WorkerInfo> {
    bench.store.workers().await.unwrap()
}

/// Not at some later heartbeat: until then nobody can tell whose leases these are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_heartbeat_describes_the_worker_again() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail", "news"]).await;
    let before = workers(&bench).await;
    for _ in 0..3 {
        worker.pulse().await;
        server.command(&["FLUSHALL"]);
        bench.advance(SECOND);
        worker.pulse().await;
        let now = workers(&bench).await;
        let tell = |of: &[WorkerInfo]| {
            of.iter().map(|it| (it.hostname.clone(), it.queues.clone(), it.started)).collect::<Vec<_>>()
        };
        assert_eq!(tell(&now), tell(&before));
        assert_eq!(now[0].incarnation, worker.incarnation());
    }
    // A heartbeat keeps it.
    let key = format!("queue:worker:{}", worker.incarnation());
    server.command(&["EXPIRE", &key, "10"]);
    worker.pulse().await;
    let left: u32 = server.command(&["TTL", &key]).trim_matches([':', '\r', '\n']).parse().unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    worker.close().await.unwrap();
    assert_eq!(workers(&bench).await.len(), 0);
}

/// Under the name by which it goes on: another, whose lease nobody extends, would be taken for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_reclaimed_is_registered_by_its_present_name_only() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    let other = bench.worker("b", &["mail"]).await;
    bench.bury(&[&other]).await;
    other.close().await.unwrap();
    assert!(worker.pulse().await.fenced);
    server.command(&["FLUSHALL"]);
    worker.pulse().await;
    assert_eq!(registered(&server, &bench), [format!("{}~1", worker.incarnation())]);
    worker.consume(&[bench.queue("mail")]).await.unwrap();
    assert_eq!(registered(&server, &bench), [format!("{}~1", worker.incarnation())]);
    assert_eq!(reclaimed(&bench, &worker).await, Vec::<String>::new());
}

/// Which names are registered on the list `mail`.
fn registered(server: &RedisServer, bench: &Bench) -> Vec<String> {
    let key = format!("{{{}}}:workers", bench.queue("mail"));
    let reply = server.command(&["ZRANGE", &key, "0", "-1"]);
    reply.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect()
}

/// Whom this worker takes for dead in half a minute.
async fn reclaimed(bench: &Bench, worker: &TestWorker) -> Vec<String> {
    let mut dead = Vec::new();
    for _ in 0..15 {
        bench.advance(std::time::Duration::from_secs(2));
        dead.extend(worker.pulse().await.dead_workers);
    }
    dead
}
