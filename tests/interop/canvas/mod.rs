//! Workflows: what a Python worker makes of them, Rust workers and mixed fleets make of them as well.
//!
//! A Python client calls every workflow of [`cases`] on three queues, whose workers are one in Python, one in Rust, and one of
//! each. What the Python worker did is held against a snapshot, what the others did against that.

mod cases;
mod composed_in_rust;

use std::collections::HashMap;
use std::time::Instant;

use queue_core::store::QueueCounts;
use queue_core::{Client, QueueName};
use queue_tests::{CeleryVersion, PATIENCE, PythonClient, wait_until};
use serde_json::{Value, json};

use self::cases::{CASES, Case, DIFFERENT_ON_RUST, NOT_IN_5_3, NOT_YET_ON_RUST};
use crate::on_celery;
use crate::scene::Scene;

/// Set, the cases of both lists run on Rust workers, too: what fails is what is missing.
const ALL: &str = "INTEROP_ALL";

async fn workflows(scene: &Scene) {
    let python = [scene.celery.worker("py", &[]), scene.celery.worker("mixed", &[])];
    let _rust = [scene.rust_worker("rust"), scene.rust_worker("mixed")];
    let rust = scene.rust_client("rust").await;
    let mut client = scene.celery.client();
    client.run("nodes = {'py': ['python-py'], 'rust': ['rust-rust'], 'mixed': ['python-mixed', 'rust-mixed']}");
    python.iter().for_each(|worker| worker.ready());

    let version = scene.celery.version();
    let cases: Vec<&Case> = CASES.iter().filter(|case| is_sound(version, case)).collect();
    let on_rust: Vec<&Case> = cases.iter().copied().filter(|case| runs_on_rust(case)).collect();
    start(&mut client, "py", &cases);
    for queue in ["rust", "mixed"] {
        start(&mut client, queue, &on_rust);
    }

    client.run("drain('py')");
    let expected: HashMap<&str, Value> =
        cases.iter().map(|case| (case.name, outcome(&mut client, "py", case))).collect();
    snapshot(version, &cases, &expected);

    for queue in ["rust", "mixed"] {
        let deadline = Instant::now() + PATIENCE;
        let mut missing = Vec::new();
        for case in &on_rust {
            let expected = &expected[case.name];
            let woken = wakes(&mut client, queue, case, expected, deadline);
            let found = outcome_until(&mut client, queue, case, expected, deadline);
            if found != *expected {
                missing.push(format!("{}: {}\n  expected {expected}\n  found    {found}", case.name, case.call));
            } else if !woken {
                missing.push(format!("{}: {}\n  is stored, but whoever waits is not told", case.name, case.call));
            }
        }
        assert!(missing.is_empty(), "{} differ on `{queue}`:\n{}", missing.len(), missing.join("\n"));
        // Nothing is left that would happen later.
        drained(&rust, queue).await;
        for case in &on_rust {
            assert_eq!(outcome(&mut client, queue, case), expected[case.name], "{} on `{queue}`, later", case.name);
        }
    }
}

/// Whether Rust workers are expected to run it as Python's do.
fn runs_on_rust(case: &Case) -> bool {
    let not_yet = case.name.split(' ').any(|word| NOT_YET_ON_RUST.contains(&word));
    let left_out = not_yet || names(DIFFERENT_ON_RUST).contains(&case.name);
    !left_out || std::env::var_os(ALL).is_some()
}

/// Whether this version of Celery does it as the latest.
fn is_sound(version: CeleryVersion, case: &Case) -> bool {
    version != CeleryVersion::V5_3 || !names(NOT_IN_5_3).contains(&case.name)
}

fn names(list: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    list.iter().map(|(name, _)| *name).collect()
}

fn key(queue: &str, case: &Case) -> String {
    format!("{}@{queue}", case.name)
}

fn start(client: &mut PythonClient, queue: &str, cases: &[&Case]) {
    let there = if queue == "rust" { "py" } else { queue };
    for case in cases {
        client.run(&format!("start({}, '{queue}', '{there}', {})", json!(key(queue, case)), json!(case.call)));
    }
}

fn outcome(client: &mut PythonClient, queue: &str, case: &Case) -> Value {
    client.run(&format!("outcome({})", json!(key(queue, case))))
}

/// Whether a caller who waits for it is woken, as he should be when it becomes final.
fn wakes(client: &mut PythonClient, queue: &str, case: &Case, expected: &Value, deadline: Instant) -> bool {
    let becomes_final = ["SUCCESS", "FAILURE", "REVOKED"].contains(&expected["result"]["state"].as_str().unwrap_or(""));
    let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64().max(0.01);
    let get = format!("started[{}].get(timeout={left}, propagate=False)", json!(key(queue, case)));
    !becomes_final || client.try_run(&get).is_ok()
}

/// The outcome, once it is as expected; or what it is at the deadline.
fn outcome_until(client: &mut PythonClient, queue: &str, case: &Case, expected: &Value, deadline: Instant) -> Value {
    let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
    let (key, expected) = (json!(key(queue, case)), json!(expected.to_string()));
    client.run(&format!("until(lambda: outcome({key}) == json.loads({expected}), {left}); outcome({key})"))
}

/// Waits until the queue holds nothing but dead letters.
async fn drained(client: &Client, queue: &str) {
    let queue = QueueName::new(queue).unwrap();
    wait_until("an empty queue", || async {
        let QueueCounts { ready, scheduled, leased, .. } = client.store().counts(&queue).await.unwrap();
        ready + scheduled + leased == 0
    })
    .await;
}

/// What Celery does, for people to read and for us to notice when it changes.
fn snapshot(version: CeleryVersion, cases: &[&Case], outcomes: &HashMap<&str, Value>) {
    let mut text = String::new();
    for case in cases {
        let outcome = &outcomes[case.name];
        text.push_str(&format!("{}: {}\n    {}\n", case.name, case.call, outcome["result"]));
        if outcome["noted"].as_array().is_some_and(|noted| !noted.is_empty()) {
            text.push_str(&format!("    noted {}\n", outcome["noted"]));
        }
    }
    let name = match version {
        CeleryVersion::Latest => "latest",
        CeleryVersion::V5_3 => "v5_3",
    };
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn each_name_is_of_one_workflow() {
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{name} is there twice");
    }
    for word in NOT_YET_ON_RUST {
        assert!(names.iter().any(|name| name.split(' ').any(|known| known == *word)), "no name has the word {word}");
    }
    for (name, _) in DIFFERENT_ON_RUST.iter().chain(NOT_IN_5_3) {
        assert!(names.contains(name), "nothing is called {name}");
    }
}

on_celery!(workflows);
