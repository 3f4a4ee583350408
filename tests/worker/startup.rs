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

queue_tests::on_driver!(sqlite_memory, SqliteMemory: task_without_its_state_is_refused, queue_name_that_is_none_is_refused);
