//! What the operating system says of this process and its host. Zero where it does not say: only Linux does.

use serde_json::{Map, Value, json};

/// The kernel counts time in such ticks for its users; 100 on all Linux systems of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The system's name as Python's `platform.system()` says it.
pub(crate) fn system() -> &'static str {
    match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        "windows" => "Windows",
        other => other,
    }
}

/// Load averages over 1, 5 and 15 minutes.
pub(crate) fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0.0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
}

/// Resident memory in KiB.
pub(crate) fn resident_kib() -> u64 {
    status("VmRSS")
}

/// What Python's `resource.getrusage` would say of this process, as far as it is known.
pub(crate) fn usage() -> Value {
    // Behind the command, which may hold anything but ends with the last parenthesis.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    let known = [
        ("utime", json!(field(11) / TICKS_PER_SECOND)),
        ("stime", json!(field(12) / TICKS_PER_SECOND)),
        ("maxrss", json!(status("VmHWM"))),
        ("minflt", json!(field(7))),
        ("majflt", json!(field(9))),
        ("nvcsw", json!(status("voluntary_ctxt_switches"))),
        ("nivcsw", json!(status("nonvoluntary_ctxt_switches"))),
    ];
    let unknown = ["ixrss", "idrss", "isrss", "nswap", "inblock", "oublock", "msgsnd", "msgrcv", "nsignals"];
    let zeros = unknown.map(|name| (name, json!(0)));
    Value::Object(known.into_iter().chain(zeros).map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_says_what_this_process_uses() {
        assert!(resident_kib() > 1000);
        let usage = usage();
        assert!(usage["maxrss"].as_u64() >= Some(resident_kib() / 2), "{usage}");
        assert_eq!(usage.as_object().unwrap().len(), 16);
        assert!(load()[0] >= 0.0);
    }
}
