//! A store that goes away and comes back, and replies that never arrive.

use queue_core::prelude::*;
use queue_tests::{Bench, Driver, Fault, Proxy, redis_url, script_hash, wait_until};

use crate::control::{ask, name, until_it_answers};
use crate::scene::{SOON, Stage, client, settled, worker};
use crate::tasks::*;

/// A bench behind a proxy, and a client that goes around it.
pub(crate) async fn behind_proxy() -> (Bench, Proxy, Client) {
    let address = redis_url().trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let proxy = Proxy::start(address).await;
    let bench = Bench::at(Driver::Redis, &proxy.url(), |_| ()).await;
    let direct = bench.reopen(&redis_url()).await.unwrap();
    let direct = Client::with_options(direct, client(&bench).options().clone());
    (bench, proxy, direct)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_that_ends_while_the_store_is_away_is_settled_when_it_is_back() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    let worker = worker(&bench, &stage).start(client(&bench)).await.unwrap();
    let job = direct.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    proxy.refuse(true);
    proxy.cut();
    stage.open();
    stage.heard("ended", 1).await;
    assert!(job.meta().await.unwrap().is_none());
    proxy.refuse(false);
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    // And it goes on with what came meanwhile.
    assert_eq!(direct.send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap(), 3);
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().succeeded, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_replies_neither_lose_a_job_nor_run_it_twice() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    let worker = worker(&bench, &stage).start(client(&bench)).await.unwrap();
    // Whatever comes first, what leases them, what ends them.
    let texts = [String::new(), script_hash("lease"), script_hash("settle")];
    for (round, text) in texts.iter().cycle().take(30).enumerate() {
        proxy.lose_reply(text);
        let jobs = direct.send_many((0..10).map(|n| say.s((round * 10 + n).to_string()))).await.unwrap();
        for job in &jobs {
            job.get(SOON).await.unwrap();
        }
        wait_until("a reply is lost", || async { proxy.lost() == round + 1 }).await;
    }
    let mut said = stage.said();
    said.sort_by_key(|line| line.parse::<u32>().unwrap());
    assert_eq!(said, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
    wait_until("the line is back", || async { bench.store.now().await.is_ok() }).await;
    settled(&bench).await;
    worker.shutdown();
    worker.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_one_whose_acknowledgement_or_end_gets_no_reply_runs_once() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    stage.open();
    let worker = worker(&bench, &stage).start(client(&bench)).await.unwrap();
    for round in 1..=20 {
        let id = bench.id(&format!("j{round}"));
        // By turns: the acknowledgement names the message, the end stores a result.
        let end = format!("celery-task-meta-{id}");
        proxy.lose_reply(if round % 2 == 1 { "t.hold_early" } else { &end });
        let job = direct.send(hold_early.s().task_id(id.as_str())).await.unwrap();
        assert_eq!(job.get(SOON).await.unwrap(), 7);
        wait_until("a reply is lost", || async { proxy.lost() == round }).await;
        assert_eq!(stage.count("ended"), round);
    }
    worker.abort();
    worker.wait().await.unwrap();
}

/// It would lie in the worker's hands, kept alive by its heartbeat and run by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_of_a_queue_that_is_consumed_no_more_goes_back_by_another_line_too() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    let (q, other) = (bench.queue("q"), bench.queue("other"));
    let worker = worker(&bench, &stage).hostname(name(&bench)).queue(other.as_str());
    let worker = worker.start(client(&bench)).await.unwrap();
    until_it_answers(&bench).await;
    ask(&bench, "cancel_consumer", json!({"queue": q.as_str()})).await;
    // A wait that began before brings it.
    proxy.arm(&script_hash("give_back"), Fault::CutRequest(0));
    direct.send(say.s("left")).await.unwrap();
    wait_until("its way back is cut", || async { proxy.lost() == 1 }).await;
    wait_until("it lies there again", || async {
        let counts = direct.store().counts(&q).await.unwrap();
        (counts.ready, counts.leased) == (1, 0)
    })
    .await;
    assert_eq!(stage.count("left"), 0);
    worker.shutdown();
    worker.wait().await.unwrap();
}
