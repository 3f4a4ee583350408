//! The tables of `docs/fences.md` name the tests that fail without a fence: each of them is there.

use std::path::{Path, PathBuf};

/// Parts of a test's name that are neither a folder nor a file: its driver, what stands for all of them, a module within a file.
const INSIDE: [&str; 7] = ["redis", "redis_two", "redis_database", "sqlite_memory", "sqlite_file", "…", "tests"];
/// How a row begins that names no test since none fails each time, and says why.
const HONEST: [&str; 2] = ["nothing", "none"];

/// A source: its place in the repository, and what is in it.
struct Source(PathBuf, String);

impl Source {
    /// Whether this is where `test` is: a function of that name, or a case that a macro makes a function of, in a file (and in
    /// folders) of the names before it.
    fn has(&self, test: &str) -> bool {
        let mut places: Vec<_> = test.split("::").collect();
        let function = places.pop().expect("a name has a last part");
        let (defined, made) = (format!("fn {function}("), format!("{function}: "));
        let path = self.0.with_extension("");
        let is_place = |place: &&str| INSIDE.contains(place) || path.iter().any(|part| part == *place);
        places.iter().all(is_place)
            && self.1.lines().any(|line| line.contains(&defined) || line.trim_start().starts_with(&made))
    }
}

#[test]
fn each_test_that_the_fences_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for folder in ["tests", "queue-core", "queue-worker", "queue-cli"] {
        read(root, Path::new(folder), &mut sources);
    }
    let rows = rows(include_str!("../../docs/fences.md"));
    assert!(rows.len() > 100, "only {} rows were found", rows.len());
    for row in rows {
        let (files, tests): (Vec<_>, Vec<_>) = named(row).partition(|name| name.contains('/'));
        assert!(!tests.is_empty() || HONEST.iter().any(|word| row.starts_with(word)), "no test is named: {row}");
        let missing: Vec<_> = tests.into_iter().filter(|test| !sources.iter().any(|source| source.has(test))).collect();
        assert!(missing.is_empty(), "there are no such tests: {missing:?}");
        files.into_iter().for_each(|file| assert!(root.join(file).exists(), "there is no {file}"));
    }
}

/// The last cell of each row of the tables whose last column names tests.
fn rows(text: &str) -> Vec<&str> {
    let (mut rows, mut names_tests) = (Vec::new(), false);
    for line in text.lines() {
        let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
        match cells.and_then(|cells| cells.rsplit_once(" | ")) {
            Some((_, "without it fails")) => names_tests = true,
            Some((_, cell)) if names_tests => rows.push(cell),
            // What is under a table's head is neither.
            None if !line.starts_with("|-") => names_tests = false,
            _ => {}
        }
    }
    rows
}

/// What stands between backticks.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Reads all that is written in Rust under `folder` of `root`.
fn read(root: &Path, folder: &Path, into: &mut Vec<Source>) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read(root, &path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(Source(path, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}
