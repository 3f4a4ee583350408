//! Bodies that are done at once are run one after the other; one that is not holds up none of the others.

use queue_core::prelude::*;
use queue_tests::{Bench, wait_until};
use queue_worker::WorkerHandle;

use crate::scene::{SOON, Stage, client, settled, start, worker};

/// Does what it is told, and says so first.
#[task(name = "t.moody")]
async fn moody(mood: String, stage: State<Stage>) {
    stage.say(&*mood);
    match mood.as_str() {
        "block" => stage.opened_blocking(),
        "block in place" => tokio::task::block_in_place(|| stage.opened_blocking()),
        "wait" => stage.opened().await,
        _ => {}
    }
}

/// So many bodies done at once leave a worker in no doubt that the next will be, too.
const MANY: usize = 10;

/// A worker with so many slots that has seen the task be done at once, often, and the moods of one lease's jobs, in order.
async fn send(bench: &Bench, stage: &Stage, moods: &[&str]) -> WorkerHandle {
    let client = client(bench);
    let worker = worker(bench, stage).concurrency(16).start(client.clone()).await.unwrap();
    for _ in 0..MANY {
        client.send(moody.s("first".to_owned())).await.unwrap().get(SOON).await.unwrap();
    }
    client.send_many(moods.iter().map(|mood| moody.s((*mood).to_owned()))).await.unwrap();
    worker
}

async fn finish(worker: WorkerHandle, stage: &Stage, jobs: u64) {
    stage.open();
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().succeeded, jobs + MANY as u64);
}

/// The thread that it runs on is lost, what was done on it before is not: the ends reach the store.
async fn body_that_blocks_holds_up_no_other(bench: &Bench) {
    let stage = Stage::default();
    let worker = send(bench, &stage, &["quick", "block", "quick", "quick", "quick"]).await;
    stage.heard("block", 1).await;
    stage.heard("quick", 4).await;
    wait_until("the others are settled", || async { bench.counts("q").await.leased == 1 }).await;
    finish(worker, &stage, 5).await;
}

async fn body_that_waits_becomes_a_task_of_its_own(bench: &Bench) {
    let stage = Stage::default();
    let worker = send(bench, &stage, &["wait", "quick", "wait", "quick"]).await;
    stage.heard("wait", 2).await;
    stage.heard("quick", 2).await;
    wait_until("the others are settled", || async { bench.counts("q").await.leased == 2 }).await;
    finish(worker, &stage, 4).await;
}

/// All that take from the line are held up, though the runtime has threads: there are more.
async fn line_that_is_held_up_is_relieved(bench: &Bench) {
    let stage = Stage::default();
    let moods = ["block in place", "block in place", "block in place", "quick", "quick"];
    let worker = send(bench, &stage, &moods).await;
    stage.heard("block in place", 3).await;
    stage.heard("quick", 2).await;
    finish(worker, &stage, 5).await;
}

/// A job that is still in the line when the worker is told to hurry is given back, and not begun any more.
async fn what_is_cut_off_in_the_line_is_not_begun(bench: &Bench) {
    const BLOCKED: usize = 12;
    let stage = Stage::default();
    // There is one more runner every second: so many stand in the way of the last two for longer than a host may be busy.
    let worker = send(bench, &stage, &[&["block in place"; BLOCKED][..], &["late"; 2]].concat()).await;
    stage.heard("block in place", 2).await;
    worker.abort();
    let report = worker.wait().await.unwrap();
    assert_eq!(bench.counts("q").await.ready as usize, BLOCKED + 2);
    assert_eq!((report.succeeded, report.given_back), (MANY as u64, BLOCKED + 2));
    let begun = stage.said().len();
    stage.open();
    let open = Stage::default();
    open.open();
    let next = start(bench, &open).await;
    settled(bench).await;
    next.shutdown();
    assert_eq!(next.wait().await.unwrap().succeeded as usize, BLOCKED + 2);
    assert_eq!(stage.said().len(), begun);
}

queue_tests::conformance!(
    body_that_blocks_holds_up_no_other,
    body_that_waits_becomes_a_task_of_its_own,
    line_that_is_held_up_is_relieved,
    what_is_cut_off_in_the_line_is_not_begun,
);
