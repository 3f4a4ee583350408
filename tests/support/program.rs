//! A process whose log matters to the test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use crate::PATIENCE;

/// A process whose log is read as it comes; killed when dropped, and its log shown when the test has failed.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Program {
    /// Starts it; its standard output is thrown away, its standard error is the log.
    pub fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Log::default());
        let (output, told) = (child.stderr.take().expect("it is piped"), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                told.lines.lock().unwrap().0.push(line);
                told.grown.notify_all();
            }
            told.lines.lock().unwrap().1 = true;
            told.grown.notify_all();
        });
        Self { child, log }
    }

    /// Waits until it has logged a line with this text.
    pub fn wait_for_line(&self, text: &str) {
        let missing = |(lines, ended): &mut (Vec<String>, bool)| !*ended && !lines.iter().any(|l| l.contains(text));
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self.log.grown.wait_timeout_while(lines, PATIENCE, missing).unwrap();
        let found = lines.0.iter().any(|line| line.contains(text));
        drop(lines);
        assert!(found, "`{text}` was not logged");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().0.join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}
