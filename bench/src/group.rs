//! A program and all processes it starts: one process group, measured and ended together.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::Outcome;

/// How long a worker may take to end when asked.
const GRACE: Duration = Duration::from_secs(8);

pub(crate) struct Group {
    child: Child,
    id: u32,
}

impl Group {
    /// Starts `command` in a group of its own; what it prints goes to a file.
    pub(crate) fn start(mut command: Command, output: &std::path::Path) -> Outcome<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(output)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        let child = command.spawn()?;
        let id = child.id().ok_or("it ended at once")?;
        Ok(Self { child, id })
    }

    /// Whether its first process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, name: &str) {
        // By the group's number: it fails when nobody is left, which is what is wanted then.
        let _ = std::process::Command::new("kill")
            .args([&format!("-{name}"), "--", &format!("-{}", self.id)])
            .stderr(Stdio::null())
            .status();
    }

    /// Ends it as an operator does, and whoever does not listen by force.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.kill().await;
    }

    /// `kill -9` of all of it.
    pub(crate) async fn kill(&mut self) {
        self.signal("KILL");
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
    }

    fn members(&self) -> Vec<(u32, u64)> {
        let Ok(output) = std::process::Command::new("ps").args(["-A", "-o", "pid=,pgid=,rss="]).output() else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows = text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().map(str::parse::<u64>);
            let (pid, group, rss) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
            (group == u64::from(self.id)).then_some((u32::try_from(pid).ok()?, rss))
        });
        rows.collect()
    }

    /// Resident memory of all its processes, in MiB.
    pub(crate) fn rss_mib(&self) -> f64 {
        self.members().iter().map(|(_, rss)| *rss as f64 / 1024.0).sum()
    }

    /// CPU time of all its processes, in microseconds; nothing where there is no /proc.
    pub(crate) fn cpu_us(&self) -> Option<f64> {
        // A tick is a hundredth of a second wherever Linux shows them to programs.
        let ticks = |pid: u32| -> Option<u64> {
            let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
        };
        let all: Vec<u64> = self.members().iter().filter_map(|(pid, _)| ticks(*pid)).collect();
        (!all.is_empty()).then(|| all.iter().sum::<u64>() as f64 * 10_000.0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}
