//! One clear line and a hint for everything that is not as it should be; and no password in it.

use crate::looks_like;
use crate::scene::{Scene, program, queue_nowhere};

#[test]
fn looking_at_a_missing_file_does_not_make_it() {
    let dir = tempfile::tempdir().unwrap();
    for command in [&["status"][..], &["jobs"], &["job", "x"], &["workers"], &["retry", "--all", "--yes"]] {
        let output = program(dir.path()).args(command).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(dir.path().read_dir().unwrap().next().is_none(), "{command:?} made a file");
    }
    looks_like!("error_missing_file", queue_nowhere(&["status"]));
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_as_it_is() {
    let scene = Scene::new().await;
    let notes = scene.dir().join("notes.txt");
    std::fs::write(&notes, "dear diary\n".repeat(1000)).unwrap();
    looks_like!("error_not_a_database", scene.queue(&["--url", "sqlite:notes.txt", "status"]));
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "dear diary\n".repeat(1000));
    std::fs::create_dir(scene.dir().join("folder")).unwrap();
    looks_like!("error_directory", scene.queue(&["--url", "sqlite:folder", "status"]));
}

#[test]
fn a_wrong_url_is_named_without_its_password() {
    looks_like!("error_scheme", queue_nowhere(&["--url", "postgres://me:s3cret@db/jobs", "status"]));
    looks_like!("error_memory", queue_nowhere(&["--url", "sqlite::memory:", "status"]));
    let ran = queue_nowhere(&["--url", "redis://me:s3cret@127.0.0.1:1/0", "status"]);
    assert!(!ran.stderr.contains("s3cret"), "{ran}");
    looks_like!("error_redis_down", ran);
}

#[test]
fn help_does_not_show_what_the_url_holds() {
    let dir = tempfile::tempdir().unwrap();
    for help in ["--help", "-h"] {
        let output = program(dir.path()).env("QUEUE_URL", "redis://me:s3cret@h/0").arg(help).output().unwrap();
        assert!(!String::from_utf8(output.stdout).unwrap().contains("s3cret"));
    }
}

#[tokio::test]
async fn a_foreign_cursor_and_wrong_options_are_usage_errors() {
    let shop = Scene::shop().await;
    looks_like!("error_cursor", shop.queue(&["jobs", "--cursor", "xyz"]));
    looks_like!("error_duration", shop.queue(&["jobs", "--older-than", "soon"]));
    looks_like!("error_queue_name", shop.queue(&["enqueue", "t", "--queue", ""]));
    assert_eq!(shop.queue(&["frobnicate"]).code, Some(2));
}

#[test]
fn help_documents_the_exit_codes() {
    looks_like!("help", queue_nowhere(&["-h"]));
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = queue_nowhere(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{shell}");
        assert!(ran.stdout.contains("revoke"), "{shell}");
    }
}
