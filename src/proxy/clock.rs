//! Milliseconds since the process began: fits an atomic, never goes back.

use std::sync::LazyLock;
use std::time::Instant;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the first call, plus one: 0 stands for "never".
pub(super) fn millis(now: Instant) -> u64 {
    1 + u64::try_from(now.saturating_duration_since(*BEGAN).as_millis()).unwrap_or(u64::MAX - 1)
}

/// [`millis`] of this moment.
pub(super) fn now() -> u64 {
    let began = *BEGAN;
    millis(Instant::now().max(began))
}

/// Nanoseconds since the process began, plus one.
pub(super) fn nanos() -> u64 {
    let passed = Instant::now().saturating_duration_since(*BEGAN).as_nanos();
    u64::try_from(passed).unwrap_or(u64::MAX - 1) + 1
}
