//! What is refused at the start.

use queue_tests::Bench;
use queue_worker::{Exit, Worker, WorkerError};

use crate::scene::{Stage, client, worker};

async fn task_without_its_state_is_refused(bench: &Bench) {
    let refused = Worker::new().queue("q").start(client(bench)).await;
    let Err(error) = refused else { panic!("it started") };
    assert!(matches!(&error, WorkerError::MissingState { state, .. } if state.contains("Stage")), "{error}");
    assert!(error.hint().contains("Stage"), "{}", error.hint());
    assert_eq!(error.exit(), Exit::Failure);
}

async fn queue_name_that_is_none_is_refused(bench: &Bench) {
    let refused = worker(bench, &Stage::default()).queue("a\u{6}b").start(client(bench)).await;
    let Err(error) = refused else { panic!("it started") };
    assert!(matches!(error, WorkerError::QueueName(_)), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
}

/// More than the worker could count its slots with.
async fn more_than_a_worker_can_hold_is_refused(bench: &Bench) {
    let stage = Stage::default();
    let absurd = [
        worker(bench, &stage).concurrency(usize::MAX),
        worker(bench, &stage).prefetch(usize::MAX),
        worker(bench, &stage).autoscale(usize::MAX, 1),
    ];
    for worker in absurd {
        let Err(error) = worker.start(client(bench)).await else { panic!("it started") };
        assert!(error.to_string().contains("at most 100000 are possible"), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}

queue_tests::on_driver! {
    sqlite_memory, SqliteMemory:
    task_without_its_state_is_refused,
    queue_name_that_is_none_is_refused,
    more_than_a_worker_can_hold_is_refused,
}
