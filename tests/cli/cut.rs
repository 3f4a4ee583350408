//! A server that cuts connections.

use queue_tests::{Fault, Proxy, RedisServer};

use crate::scene::{Ran, queue_nowhere};

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
