//! A server that cuts connections.

use queue_core::QueueName;
use queue_tests::{Fault, Proxy, RedisServer, script_hash};

use crate::scene::{Ran, Scene, queue_nowhere};

/// A server of the test's own with a job in it, and a proxy before it.
async fn behind_proxy() -> (RedisServer, Proxy) {
    let server = RedisServer::start(&[]);
    let sent = queue_nowhere(&["--url", &server.url(), "enqueue", "t.x"]);
    assert_eq!(sent.code, Some(0), "{sent}");
    let proxy = Proxy::start(server.address()).await;
    (server, proxy)
}

fn run(proxy: &Proxy, args: &[&str]) -> Ran {
    queue_nowhere(&[&["--url", &proxy.url()], args].concat())
}

/// A connection that breaks while the store is opened is made anew, at whichever step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_outlives_a_cut_connection() {
    let (_server, proxy) = behind_proxy().await;
    let mut cuts = 0;
    for step in ["CLIENT", "INFO", "SCRIPT", "TIME"] {
        for fault in [Fault::CutRequest(0), Fault::CutReply(0)] {
            proxy.arm(step, fault);
            let ran = run(&proxy, &["status"]);
            assert_eq!(ran.code, Some(0), "{step} {fault:?}: {ran}");
            cuts += usize::from(!proxy.disarm());
        }
    }
    // A server may be asked for less than all of it.
    assert!(cuts >= 4 && cuts == proxy.lost(), "{cuts} {}", proxy.lost());
}

/// What only looks has done nothing: nothing is to be sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_is_cut_off_is_nothing_to_send_again() {
    let (_server, proxy) = behind_proxy().await;
    for (args, step) in [
        (&["status"][..], "SMEMBERS"),
        (&["workers"], "ZRANGE"),
        (&["jobs"], "LRANGE"),
        (&["job", "nobody"], "LRANGE"),
        (&["result", "nobody"], "MGET"),
        (&["inspect", "revoked"], "PUBSUB"),
    ] {
        // The command by itself: the scripts that are loaded have its name in them.
        proxy.arm(&format!("\r\n{step}\r\n"), Fault::CutReply(0));
        let ran = run(&proxy, args);
        if proxy.disarm() {
            continue;
        }
        assert!(ran.code != Some(0), "{ran}");
        assert!(!ran.stderr.contains("idempotency key") && !ran.stderr.contains("may have happened"), "{ran}");
    }
    assert!(proxy.lost() >= 4, "{}", proxy.lost());
}

/// That nobody knows where a job is instead says nothing else of its result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_that_is_cut_off_is_no_other_end() {
    let (_server, proxy) = behind_proxy().await;
    for (args, code) in [(&["result", "nobody"][..], 1), (&["result", "nobody", "--wait", "10ms"], 5)] {
        proxy.arm("\r\nSMEMBERS\r\n", Fault::CutReply(0));
        let ran = run(&proxy, args);
        assert!(!proxy.disarm(), "it was looked for: {ran}");
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(ran.stderr.contains("could not be looked up"), "{ran}");
    }
}

/// A reply that is lost on the way says how far it got, and that it may be further; the same command goes on, and no job is two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mending_that_is_cut_off_says_what_is_known() {
    let (server, proxy) = behind_proxy().await;
    let shop = Scene::at(&server.url()).await;
    shop.fill().await;
    let counted = async || {
        let counts = shop.store.counts(&QueueName::new("mail").unwrap()).await.unwrap();
        (counts.ready, counts.dead)
    };
    assert_eq!(counted().await, (2, 2));
    let cut = |script: &str, args: &[&str], said: &str| {
        proxy.arm(&script_hash(script), Fault::CutReply(0));
        let ran = run(&proxy, args);
        assert!(!proxy.disarm() && ran.code == Some(3), "{ran}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("idempotency"), "{ran}");
    };
    let retry = ["retry", "--queue", "mail", "--yes"];
    cut("dead_retry", &retry, "0 put back before that, and perhaps one batch more");
    assert_eq!(counted().await, (4, 0));
    let again = run(&proxy, &retry);
    assert_eq!((again.code, counted().await), (Some(1), (4, 0)), "{again}");
    cut("purge", &["purge", "--queue", "mail", "--state", "ready", "--yes"], "some or all may have been deleted");
    assert_eq!(counted().await, (0, 0));
}
