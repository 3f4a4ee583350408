//! A send without a key that is not to be tried again pays nothing for those that have one, or are.

use queue_core::{Call, Client};
use queue_tests::{Bench, Driver, RedisServer};

const SENDS: u64 = 100;

/// How often the server has done each of these, for scripts too.
fn done<const N: usize>(server: &RedisServer, commands: [&str; N]) -> [u64; N] {
    let stats = server.command(&["INFO", "commandstats"]);
    commands.map(|command| {
        let start = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&start)?.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    })
}

/// It is one `LPUSH` each, no script, and no key that says who sent it or that it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_send_is_one_push() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (client, queue) = (Client::new(bench.store.clone()), bench.queue("mail"));
    let count = || done(&server, ["lpush", "evalsha", "eval", "set", "hset", "multi"]);
    let before = count();
    for _ in 0..SENDS {
        client.send(Call::named("t").queue(queue.as_str())).await.unwrap();
    }
    let after = count();
    let more: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(more, [SENDS, 0, 0, 0, 0, 0]);
    assert_eq!(bench.counts("mail").await.ready, SENDS);
    for keys in ["queue:producer:*", "queue:sent:*", "queue:once:*"] {
        assert_eq!(server.command(&["KEYS", keys]), "*0\r\n", "{keys}");
    }
}
