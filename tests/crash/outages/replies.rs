//! Replies that never come: the step happened, and the worker did not hear of it.

use queue_tests::{Bench, Driver, Proxy, RedisServer};

use super::site::Producer;
use crate::scene::Scene;

/// What is lost, and how.
struct Loss {
    /// The name of a script, or what else the request has in it.
    what: &'static str,
    /// The connection stays open, and nothing comes on it any more.
    silently: bool,
}

/// The hash of a script, as the server knows it.
fn hash(server: &RedisServer, name: &str) -> String {
    let file = format!("{}/../queue-core/src/store/redis/lua/{name}.lua", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(file).unwrap();
    let answer = server.command(&["SCRIPT", "LOAD", &source]);
    answer.lines().nth(1).unwrap().to_owned()
}

/// One worker under load loses the reply to one step, again and again. Nothing is stranded, nothing runs twice.
async fn strands_nothing(loss: Loss) {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &server.url(), "j").await;
    let text = if loss.what == "BLMOVE" { loss.what.to_owned() } else { hash(&server, loss.what) };
    let worker = scene.worker_at(&proxy.url(), 4, &[("CRASH_RESPONSE_MS", "1000")]);
    let (going, rounds) = (producer.go_on(), if loss.silently { 2 } else { 5 });
    for round in 1..=rounds {
        if loss.silently {
            proxy.swallow_reply(&text)
        } else {
            proxy.lose_reply(&text)
        }
        queue_tests::wait_until("a reply is lost", || async { proxy.lost() >= round }).await;
        let so_far = scene.written("done").len();
        scene.until_written("done", so_far + 20).await;
    }
    producer.stop(going).await;
    scene.close(&server.url(), &[&producer], vec![worker]).await;
    scene.nobody_was_taken_for_dead();
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
