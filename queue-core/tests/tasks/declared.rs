//! What a function with `#[task]` becomes.

use std::time::Duration;

use queue_core::Backoff;
use queue_core::prelude::*;
use queue_core::task::registered;
use serde::{Deserialize, Serialize};

use crate::recorder::Bench;

/// Adds.
#[task(
    name = "app.add",
    queue = "math",
    priority = 3,
    max_retries = 3,
    backoff = "2s..10m, no jitter",
    time_limit = "30s",
    soft_time_limit = "20s",
    expires = "1h",
    acks = "early",
    ignore_result,
    track_started = true
)]
pub(crate) async fn add(x: i64, y: i64) -> TaskResult<i64> {
    Ok(x + y)
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Order {
    id: u64,
}

#[task]
fn ship(order: Order, note: Option<String>) -> Order {
    drop(note);
    order
}

// The names that generated code could clash with.
#[task]
async fn run(s: u8, delay: u8, message: u8, value: String) -> u8 {
    let _ = (delay, message, value);
    s
}

#[task]
async fn r#type(r#match: u8) -> u8 {
    r#match
}

#[cfg(any())]
#[task]
async fn configured_out_above() {}

#[task]
#[cfg(any())]
async fn configured_out_below() {}

#[task]
#[deprecated = "use `add`"]
#[allow(clippy::manual_async_fn, reason = "to see that attributes travel")]
async fn old() {}

mod nested {
    pub(crate) mod deep {
        use queue_core::task;

        #[task]
        pub(crate) async fn add(words: Vec<String>, between: String) -> std::io::Result<String> {
            Ok(words.join(&between))
        }
    }
    pub(crate) use deep::add;
}

fn definition_of<T: Task>(_: T) -> &'static queue_core::task::TaskDef {
    T::DEF
}

#[test]
fn options_are_as_written() {
    let options = (definition_of(add).options)();
    let seconds = Duration::from_secs;
    assert_eq!(definition_of(add).name, "app.add");
    assert_eq!(options.queue, Some("math"));
    assert_eq!(options.priority.get(), 3);
    assert_eq!(options.max_retries, Some(3));
    assert_eq!(options.backoff, Backoff { factor: seconds(2), max: seconds(600), jitter: false });
    assert_eq!(options.time_limit, Some(seconds(30)));
    assert_eq!(options.soft_time_limit, Some(seconds(20)));
    assert_eq!(options.expires, Some(seconds(3600)));
    assert!(options.acks_early && options.ignore_result && options.track_started);
}

#[test]
fn options_that_are_not_given_have_the_documented_defaults() {
    let options = (definition_of(ship).options)();
    assert_eq!((options.queue, options.max_retries, options.time_limit), (None, None, None));
    assert_eq!(options.backoff, Backoff::default());
    assert!(!options.acks_early && !options.ignore_result && !options.track_started);
}

#[test]
fn names_are_paths_with_dots() {
    assert_eq!(ship.name(), "tasks.declared.ship");
    assert_eq!(nested::add.name(), "tasks.declared.nested.deep.add");
    assert_eq!(r#type.name(), "tasks.declared.type");
}

#[test]
fn every_task_is_registered_once_with_its_file() {
    let found: Vec<_> = registered().filter(|def| def.name == "app.add").collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].file.ends_with("declared.rs"), "{}", found[0].file);
    assert!(registered().any(|def| def.name == "tasks.declared.nested.deep.add"));
    assert!(!registered().any(|def| def.name.contains("configured_out")));
}

#[tokio::test]
async fn the_plain_function_is_there_for_unit_tests() {
    assert_eq!(add.run(2, 3).await.unwrap(), 5);
    assert_eq!(ship.run(Order { id: 7 }, None), Order { id: 7 });
    assert_eq!(run.run(1, 2, 3, "four".to_owned()).await, 1);
    assert_eq!(nested::add.run(vec!["a".into(), "b".into()], "-".into()).await.unwrap(), "a-b");
}

#[test]
fn a_task_costs_nothing_and_its_calls_may_be_spawned() {
    fn spawnable<T: Send + 'static>(_: &T) {}
    let borrowed = "-".to_owned();
    let sending = nested::add.delay(vec![], borrowed.as_str());
    drop(borrowed);
    spawnable(&sending);
    assert_eq!(std::mem::size_of_val(&add), 0);
}

#[tokio::test]
async fn typed_calls_become_json_arguments() {
    let bench = Bench::new();
    let message = bench.message(ship.s(Order { id: 7 }, Some("fast".to_owned()))).await;
    assert_eq!(message.task, "tasks.declared.ship");
    assert_eq!(message.args.as_str(), r#"[{"id":7},"fast"]"#);
    let message = bench.message(run.s(1, 2, 3, "a &str")).await;
    assert_eq!(message.args.as_str(), r#"[1,2,3,"a &str"]"#);
}
