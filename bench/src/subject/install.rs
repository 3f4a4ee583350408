//! Fetches the peers by their own package managers, into target/: at run time, once.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{Kind, Subject};

/// How long a package manager or compiler may take.
const LIMIT: Duration = Duration::from_secs(1800);

/// What docs/operations.md tells of.
const STATICALLY: &str = "-C target-feature=+crt-static";

/// The repository's top, where this program was built.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target)
}

/// Sets each subject's program, or why it has none.
pub(crate) async fn install(subjects: &mut [Subject]) {
    for kind in [Kind::Ours, Kind::Python, Kind::Node, Kind::Rust] {
        if !subjects.iter().any(|subject| subject.kind == kind) {
            continue;
        }
        let program = match kind {
            Kind::Ours => ours(),
            Kind::Python => python().await,
            Kind::Node => node().await,
            Kind::Rust => rust().await,
        };
        if let Err(why) = &program {
            eprintln!("{kind:?} peers cannot be run: {why}");
        }
        subjects.iter_mut().filter(|subject| subject.kind == kind).for_each(|subject| {
            subject.program = program.clone();
        });
    }
}

/// Beside this program, by the same build.
fn ours() -> Result<Vec<String>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("queue-bench-ours");
    let missing = || format!("{} is missing: cargo build --release -p queue-bench --bins", program.display());
    if program.is_file() { Ok(vec![text(&program)]) } else { Err(missing()) }
}

/// The same program with its libc within, by a build of its own.
pub(crate) async fn ours_static() -> Result<Vec<String>, String> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Err("only where the libc is glibc".to_owned());
    }
    let about = run(Command::new("rustc").arg("-vV")).await?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not say its host")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--target", host, "--target-dir"]).arg(target());
    cargo.args(["-p", "queue-bench", "--bin", "queue-bench-ours"]).env("RUSTFLAGS", STATICALLY);
    run(cargo.current_dir(top())).await?;
    Ok(vec![text(&target().join(host).join("release/queue-bench-ours"))])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

async fn python() -> Result<Vec<String>, String> {
    let script = text(&top().join("scripts/venv"));
    let venv =
        run(Command::new(script).args(["bench", "bench/peers/python/requirements.txt"]).current_dir(top())).await?;
    let python = Path::new(venv.trim()).join("bin/python");
    Ok(vec![text(&python), text(&top().join("bench/peers/python/peer.py"))])
}

/// `npm ci` beside a copy of the program, so that the sources stay free of `node_modules`.
async fn node() -> Result<Vec<String>, String> {
    let (from, to) = (top().join("bench/peers/bullmq"), target().join("peers/bullmq"));
    std::fs::create_dir_all(&to).map_err(|error| error.to_string())?;
    let lock = std::fs::read(from.join("package-lock.json")).map_err(|error| error.to_string())?;
    let is_made = to.join("node_modules").exists() && std::fs::read(to.join("package-lock.json")).ok() == Some(lock);
    for file in ["package.json", "package-lock.json", "peer.mjs"] {
        std::fs::copy(from.join(file), to.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    if !is_made {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&to)).await?;
    }
    Ok(vec!["node".to_owned(), text(&to.join("peer.mjs"))])
}

async fn rust() -> Result<Vec<String>, String> {
    let made = target().join("peers/rust");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(&made);
    run(cargo.current_dir(top().join("bench/peers/rust"))).await?;
    Ok(vec![text(&made.join("release/queue-bench-peers"))])
}

/// Runs a command to its end; says the last lines of what went wrong.
async fn run(command: &mut Command) -> Result<String, String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, running)
        .await
        .map_err(|_| format!("{name} takes longer than {LIMIT:?}"))?
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last: Vec<&str> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    Err(format!("{name} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | ")))
}
