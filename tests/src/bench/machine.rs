//! What this machine and the processes on it used: CPU seconds, resident memory, load.
//!
//! Role: reads `/proc`; everything that the table says about cost comes from here.
//! Invariant: reading costs nothing that shows in a measurement. Failure story: what cannot be read counts as zero, and
//! shows as zero in the table.

use std::{collections::HashMap, fs, path::Path, sync::LazyLock};

use service_kit::clock::Clock;

/// The clocks of the whole run.
pub(crate) static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::system);

/// Linux counts process time in hundredths of a second on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Microseconds since the epoch.
pub(crate) fn wall_us() -> i64 {
    CLOCK.now().as_microsecond()
}

/// Monotonic seconds.
pub(crate) fn seconds() -> f64 {
    CLOCK.monotonic().as_secs_f64()
}

fn stat_fields(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold blanks; what follows its bracket does not.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    after.split_whitespace().map(str::to_owned).collect()
}

/// CPU seconds of a process.
pub(crate) fn process_cpu_seconds(pid: u32) -> f64 {
    let fields = stat_fields(pid);
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|word| word.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let kib: f64 = line
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    kib / 1024.0
}

/// CPU seconds of each process named `name`, such as the processes of a database server.
pub(crate) fn named_cpu_seconds(name: &str) -> HashMap<u32, f64> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
        })
        .map(|pid| (pid, process_cpu_seconds(pid)))
        .collect()
}

/// What they used since `before`; processes that have ended meanwhile are left out.
pub(crate) fn named_cpu_seconds_since(name: &str, before: &HashMap<u32, f64>) -> f64 {
    named_cpu_seconds(name)
        .into_iter()
        .map(|(pid, seconds)| (seconds - before.get(&pid).copied().unwrap_or(0.0)).max(0.0))
        .sum()
}

/// The load of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0)
}

/// Number of processors.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes of all files under `directory`.
pub(crate) fn bytes_under(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(facts) if facts.is_dir() => bytes_under(&entry.path()),
            Ok(facts) => facts.len(),
            Err(_) => 0,
        })
        .sum()
}
