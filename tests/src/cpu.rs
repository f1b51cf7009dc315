//! CPU time of a thread: what a piece of work cost, whatever else the machine did meanwhile.
//!
//! Role: read by the measurements and by the fuzzer, whose bounds must hold on a busy machine too. Failure story: what
//! cannot be read counts as zero.

/// CPU seconds that the calling thread has used; the kernel brings it up to date every few milliseconds.
#[must_use]
pub fn thread_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: f64 = text
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    nanoseconds / 1e9
}
