//! Replies that never come: the step happened, and the worker did not hear of it.

use queue_tests::{Proxy, RedisServer, script_hash, wait_until};

use super::site::Site;

/// What is lost, and how.
struct Loss {
    /// The name of a script, or what else the request has in it.
    what: &'static str,
    /// The connection stays open, and nothing comes on it any more.
    silently: bool,
}

/// One worker under load loses the reply to one step, again and again. Nothing is stranded, nothing runs twice.
async fn strands_nothing(loss: Loss) {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let mut site = Site::at(&server.url()).await;
    let text = if loss.what == "BLMOVE" { loss.what.to_owned() } else { script_hash(loss.what) };
    site.hire_at(&proxy.url(), 4, &[("CRASH_RESPONSE_MS", "3000")]);
    site.load();
    let rounds = if loss.silently { 2 } else { 5 };
    for round in 1..=rounds {
        if loss.silently {
            proxy.swallow_reply(&text)
        } else {
            proxy.lose_reply(&text)
        }
        wait_until("a reply is lost", || async { proxy.lost() >= round }).await;
        site.until_more(20).await;
    }
    site.close().await;
    site.nobody_was_taken_for_dead();
}

macro_rules! losses {
    ($($case:ident: $what:literal, $silently:literal;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                strands_nothing(Loss { what: $what, silently: $silently }).await;
            }
        )+
    };
}

losses! {
    of_a_lease_with_its_connection: "lease", false;
    of_a_lease_in_silence: "lease", true;
    of_a_wait_with_its_connection: "BLMOVE", false;
    of_a_wait_in_silence: "BLMOVE", true;
    of_a_settle_with_its_connection: "settle", false;
    of_a_settle_in_silence: "settle", true;
    of_a_heartbeat_with_its_connection: "beat", false;
    of_a_heartbeat_in_silence: "beat", true;
}
