//! The names of figures that more than one file speaks of.

pub(crate) const SINGLE: &str = "enqueue, one at a time";
pub(crate) const BULK: &str = "enqueue, many at a time";
pub(crate) const DRAIN: &str = "drain, no results";
pub(crate) const DRAIN_RESULTS: &str = "drain, with results";
pub(crate) const SERVER_US: &str = "server time per job";
pub(crate) const SERVER_CPU_US: &str = "server CPU per job, sockets included";
pub(crate) const COMMANDS: &str = "commands per job";
pub(crate) const WORKER_US: &str = "worker CPU per job";
pub(crate) const RSS_AFTER: &str = "worker memory after the drain";
pub(crate) const BYTES: &str = "bytes per queued job, 100-byte argument";
pub(crate) const P50: &str = "enqueue to start, idle worker, p50";
pub(crate) const P99: &str = "enqueue to start, idle worker, p99";
pub(crate) const DUE50: &str = "late after its due time, p50";
pub(crate) const DUE99: &str = "late after its due time, p99";
pub(crate) const IDLE_COMMANDS: &str = "idle: commands per second";
pub(crate) const IDLE_RSS: &str = "idle: memory";
pub(crate) const LOST: &str = "kill -9: lost";
pub(crate) const TWICE: &str = "kill -9: ran twice";
pub(crate) const WHOLE: &str = "kill -9: until whole again";
pub(crate) const GREW: &str = "memory: grew from 100,000 jobs on";
pub(crate) const SLOWEST: &str = "slowest command, SLOWLOG";
/// Names of the floor by scripts, where it has two.
pub(crate) const BY_SCRIPTS: &str = "our scripts, bare";
/// Names of the floor through the crate `redis`.
pub(crate) const BY_CRATE: &str = "LPUSH by the redis crate";

/// With the append-only file on.
pub(crate) fn aof(what: &str) -> String {
    format!("{what}, AOF everysec")
}

/// Of the drain with results.
pub(crate) fn with_results(what: &str) -> String {
    format!("{what}, with results")
}

/// With so many processes.
pub(crate) fn processes(count: usize) -> String {
    format!("drain, no results, processes: {count}")
}
