//! What a text costs when there is very much of it.
//!
//! Role: repeats a text to the most that one list may hold, and to a megabyte, and bounds the CPU time of reading it.
//! CPU time of this thread, because the bound must hold on a busy machine: waiting for the processor is not ours.
//! Invariant: a parser that is quadratic in its input takes minutes here, so the bound need not be narrow to find it.
//! Failure story: a slow reading is tried again, since another process may have had the caches; the fastest counts.

use domain::net::MAX_TEXT_BYTES;
use portreeve_tests::cpu;
use proptest::test_runner::TestCaseError;

use crate::targets::Target;

/// A paste that no form would send.
const PASTE_BYTES: usize = 1024 * 1024;

/// The most that reading it may take. Code that is not optimized is some thirty times as slow.
const MOST_SECONDS: f64 = if cfg!(debug_assertions) { 2.0 } else { 0.05 };

/// How often a slow one is tried.
const TRIES: usize = 3;

/// Demands that `text`, repeated to very much of it, is refused or read in time.
pub(crate) fn bounded(target: &Target, text: &str) -> Result<(), TestCaseError> {
    if text.is_empty() {
        return Ok(());
    }
    for bytes in [MAX_TEXT_BYTES, PASTE_BYTES] {
        let much = text.repeat(bytes.div_ceil(text.len()));
        let much = &much[..much.floor_char_boundary(bytes)];
        let mut fastest = f64::INFINITY;
        for _ in 0..TRIES {
            let before = cpu::thread_seconds();
            (target.read)(much);
            fastest = fastest.min(cpu::thread_seconds() - before);
            if fastest <= MOST_SECONDS {
                break;
            }
        }
        if fastest > MOST_SECONDS {
            let milliseconds = fastest * 1e3;
            return Err(TestCaseError::fail(format!(
                "{bytes} bytes of it take {milliseconds:.0} ms"
            )));
        }
    }
    Ok(())
}
