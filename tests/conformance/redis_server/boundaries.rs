//! A process that dies between two commands.

use queue_core::store::WorkerSpec;
use queue_tests::{Bench, Boundary, Driver, RedisServer, Side};

/// It may have written down who it is, but then until when, too: at whichever of its commands it died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dies_signing_on_leaves_no_name_for_ever() {
    let server = RedisServer::start(&[]);
    let mut cuts = 0;
    for nth in 1.. {
        let cut = Boundary::start(server.address(), nth, Side::Before).await;
        let url = cut.url();
        let signed_on = tokio::select! {
            () = cut.reached() => false,
            () = sign_on(&url) => true,
        };
        assert_eq!(server.command(&["EVAL", NO_END, "0"]), "*0\r\n", "before command {nth}");
        if signed_on {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 5, "it was cut at {cuts} commands only");
}

/// The descriptions of workers that never expire.
const NO_END: &str = "local names = {} \
    for _, key in ipairs(redis.call('KEYS', 'queue:worker:*')) do \
      if redis.call('TTL', key) < 0 then names[#names + 1] = key end \
    end \
    return names";

async fn sign_on(url: &str) {
    let bench = Bench::at(Driver::Redis, url, |_| ()).await;
    let spec = WorkerSpec {
        incarnation: "w".into(),
        hostname: "w@test".into(),
        pid: std::process::id(),
        concurrency: 1,
        queues: vec![bench.queue("mail")],
    };
    drop(bench.store.consumer(spec).await.unwrap());
}
