//! Each example program, run as its reader runs it: it ends well, and its last line says what came of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop right there")]

use std::path::Path;
use std::process::Command;

use queue_tests::{RedisServer, bin};

/// Runs an example with these variables; what it printed, checked for its last line.
fn run(example: &str, env: &[(&str, &str)], last_line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut program = Command::new(bin(&format!("examples/{example}")));
    for variable in ["QUEUE_URL", "SMTP_URL", "MAIL_DIR"] {
        program.env_remove(variable);
    }
    let output = program.current_dir(&home).env("TMPDIR", home.path()).envs(env.iter().copied()).output().unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{printed}\n{said}", output.status);
    assert_eq!(printed.lines().last(), Some(last_line), "{printed}\n{said}");
    printed.into_owned()
}

const QUICKSTART: &str = "quickstart: 5 orders, 4 completed, 1 in the dead letters, 4 e-mails";

#[test]
fn quickstart_on_a_file() {
    let printed = run("quickstart", &[], QUICKSTART);
    for line in ["order #3: paid at attempt 3", "order #4: the card ending in 0002 was refused"] {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
}

#[test]
fn quickstart_on_redis_twice() {
    let server = RedisServer::start(&[]);
    run("quickstart", &[("QUEUE_URL", &server.url())], QUICKSTART);
    run("quickstart", &[("QUEUE_URL", &server.url())], QUICKSTART);
}

#[test]
fn smtp() {
    let printed = run("smtp", &[], "smtp: 1 mail to ann@example.com about \"Order Confirmation #1\"");
    assert!(printed.contains("Thank you for your order #1!"), "{printed}");
}

#[test]
fn embedded() {
    let printed = run("embedded", &[], "embedded: order 1 completed, the service and its worker have stopped");
    assert!(printed.contains("\"status\":\"completed\""), "{printed}");
}

/// Runs the script of an example whose other half is Python; what it printed, checked for its last line.
fn run_script(script: &str, args: &[&str], last_line: &str) -> String {
    let examples = bin("examples/django-worker").parent().unwrap().to_owned();
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).join(script);
    let output = Command::new(script).args(args).env("EXAMPLES", examples).output().unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{printed}\n{said}", output.status);
    assert_eq!(printed.lines().last(), Some(last_line), "{printed}\n{said}");
    printed.into_owned()
}

const DJANGO: &str = "django: 3 orders, 2 completed, 1 card refused, 3 e-mails";

#[test]
fn django_with_a_rust_worker() {
    run_script("django/run", &[], DJANGO);
}

#[test]
fn django_with_the_python_worker_it_had_before() {
    run_script("django/run", &["python"], DJANGO);
}

#[test]
fn rust_calls_python() {
    let last_line = "rust_calls_python: 4 results and 1 UnknownCurrency";
    let printed = run_script("rust_calls_python/run", &[], last_line);
    assert!(printed.contains("250.00 CZK are 10.0000 EUR"), "{printed}");
}
