//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long enough for anything a Swarm does here, with a slow machine in mind.
pub const SOON: Duration = Duration::from_secs(90);

/// Asks until the answer is `Ok`, which it returns. Panics with the last `Err` when time is up.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        let reason = match ask() {
            Ok(value) => return value,
            Err(reason) => reason,
        };
        assert!(
            begun.elapsed() < SOON,
            "{what}: not after {SOON:?}. The last answer: {reason}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks until it is true.
pub fn until(what: &str, mut ask: impl FnMut() -> bool) {
    eventually(what, || if ask() { Ok(()) } else { Err("no".to_owned()) });
}

/// `Ok` when both are equal, else what was seen.
#[allow(clippy::needless_pass_by_value)] // Reads as the sentence it is.
pub fn same<T: PartialEq + std::fmt::Debug>(seen: T, wanted: T) -> Result<(), String> {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("{seen:?} instead of {wanted:?}"))
    }
}
