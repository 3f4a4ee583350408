//! Python on the same lists: kombu pushes with LPUSH and takes with BRPOP.

use std::collections::HashSet;

use queue_core::store::{Outgoing, Settled};
use queue_core::{Priority, QueueName};
use queue_tests::{Bench, PATIENCE, label, labels};

async fn connection(bench: &Bench) -> ::redis::aio::MultiplexedConnection {
    let config = ::redis::AsyncConnectionConfig::new().set_response_timeout(None);
    ::redis::Client::open(bench.url()).unwrap().get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// What Python pushes, we lease; what we enqueue, Python pops: byte for byte, oldest first.
async fn lists_are_kombus(bench: &Bench) {
    let mut python = connection(bench).await;
    let queue = bench.queue("mail");
    for label in ["m1", "m2"] {
        let message = bench.message("mail", label);
        let _: i64 =
            ::redis::cmd("LPUSH").arg(queue.as_str()).arg(&message.payload[..]).query_async(&mut python).await.unwrap();
    }
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(worker.finish_all().await, ["m1", "m2"]);

    bench.enqueue("mail", &["m3", "m4"]).await;
    for label in ["m3", "m4"] {
        let (_, popped): (String, Vec<u8>) =
            ::redis::cmd("BRPOP").arg(queue.as_str()).arg(1).query_async(&mut python).await.unwrap();
        assert_eq!(popped, bench.message("mail", label).payload);
    }
}

/// Priorities are kombu's lists: the queue's name, and the name with `\x06\x16` and the step.
async fn steps_are_kombus(bench: &Bench) {
    let mut python = connection(bench).await;
    let queue = bench.queue("mail");
    for step in [3, 6, 9] {
        let key = format!("{queue}\u{6}\u{16}{step}");
        let message = Outgoing { priority: Priority::new(step), ..bench.message("mail", &format!("ours{step}")) };
        bench.store.enqueue(&[message]).await.unwrap();
        let (_, popped): (String, Vec<u8>) =
            ::redis::cmd("BRPOP").arg(&key).arg(1).query_async(&mut python).await.unwrap();
        assert_eq!(label(&popped), format!("ours{step}"));
        let theirs = bench.message("mail", &format!("theirs{step}"));
        let _: i64 = ::redis::cmd("LPUSH").arg(&key).arg(&theirs.payload[..]).query_async(&mut python).await.unwrap();
    }
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(worker.finish_all().await, ["theirs3", "theirs6", "theirs9"]);
}

/// Rust workers that wait and Python's BRPOP on the same list: every message reaches one of them, once.
async fn python_may_consume_too(bench: &Bench) {
    let queue: QueueName = bench.queue("mail");
    let python = {
        let (mut connection, queue) = (connection(bench).await, queue.clone());
        tokio::spawn(async move {
            let mut popped = Vec::new();
            loop {
                let came: Option<(String, Vec<u8>)> =
                    ::redis::cmd("BRPOP").arg(queue.as_str()).arg(1).query_async(&mut connection).await.unwrap();
                match came {
                    Some((_, message)) if label(&message) == "last" => return popped,
                    Some((_, message)) => popped.push(label(&message)),
                    None => {}
                }
            }
        })
    };
    let worker = bench.worker("a", &["mail"]).await;
    let rust = {
        let worker = worker.clone();
        tokio::spawn(async move {
            let mut finished = Vec::new();
            loop {
                let mut came = worker.take(2).await;
                if came.is_empty() {
                    came = worker.wait_for(2, PATIENCE / 100).await;
                }
                for delivery in came {
                    if label(delivery.payload()) == "last" {
                        assert_eq!(worker.return_all(std::slice::from_ref(&delivery)).await, 1);
                        return finished;
                    }
                    assert_eq!(worker.finish(&delivery).await, Settled::Done);
                    finished.push(label(delivery.payload()));
                }
            }
        })
    };
    for n in 0..200 {
        bench.enqueue("mail", &[&format!("m{n}")]).await;
    }
    // One for each of them; the Rust worker gives its own back, or Python takes both.
    bench.enqueue("mail", &["last"]).await;
    let popped = python.await.unwrap();
    bench.enqueue("mail", &["last"]).await;
    let mut all = rust.await.unwrap();
    all.extend(popped);
    let different: HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (200, 200));
}

/// A suspect that goes back does not show up in Python's list as a second message.
async fn python_sees_no_doubles(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(labels(&a.take(1).await), ["m1"]);
    assert_eq!(bench.bury(&[&b]).await, 1);
    let mut python = connection(bench).await;
    let mut seen = b.finish_all().await;
    let rest: Vec<Vec<u8>> =
        ::redis::cmd("LRANGE").arg(bench.queue("mail").as_str()).arg(0).arg(-1).query_async(&mut python).await.unwrap();
    seen.extend(rest.iter().map(|message| label(message)));
    seen.sort();
    assert_eq!(seen, ["m1", "m2"]);
}

queue_tests::on_driver!(redis, Redis: lists_are_kombus, steps_are_kombus, python_may_consume_too, python_sees_no_doubles);
