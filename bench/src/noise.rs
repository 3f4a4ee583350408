//! How much of the machine's time others took while something was measured.

/// Steal and all other time of all CPUs since boot, in ticks; nothing where there is no /proc/stat.
fn ticks() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let mut fields = text.lines().next()?.split_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    // The last two, guests, are counted in the first two already.
    let fields: Vec<u64> = fields.by_ref().take(8).collect();
    Some((*fields.get(7)?, fields.iter().sum()))
}

/// A stretch of time that something was measured in.
pub(crate) struct Span(Option<(u64, u64)>);

impl Span {
    pub(crate) fn begin() -> Self {
        Self(ticks())
    }

    /// Percent of all CPU time that the host took from this machine since.
    pub(crate) fn steal(&self) -> Option<f64> {
        let ((stolen, all), (stolen_now, all_now)) = (self.0?, ticks()?);
        let passed = all_now.saturating_sub(all);
        (passed > 0).then(|| 100.0 * stolen_now.saturating_sub(stolen) as f64 / passed as f64)
    }
}

/// The load average of the last minute: how many processes wanted a processor.
pub(crate) fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The machine, in a line: processors, memory, system, load.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("", |(_, model)| model);
    let memory = read("/proc/meminfo");
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let memory = memory.map_or_else(String::new, |kib: f64| format!(", {:.1} GiB", kib / 1024.0 / 1024.0));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = load().map_or_else(String::new, |load| format!(", load {load} before the run"));
    format!("{cores} cores {model}{memory}, {} {}{load}", std::env::consts::OS, kernel.trim())
}
