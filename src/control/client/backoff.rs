//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// Doubles from 100 ms to 5 s; each delay is drawn from the upper half, so that proxies that lost
/// the same operator do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// After a stream that was open for so long. One that is cut at once, again and again, is
    /// not a good one.
    pub(super) fn reset(&mut self, open_for: Duration) {
        if open_for >= FIRST {
            self.next = FIRST;
        }
    }

    pub(super) fn next_delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(0.5 + 0.5 * random());
        self.next = (self.next * 2).min(LAST);
        delay
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    f64::from(random_u32()) / f64::from(u32::MAX)
}

pub(super) fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness everything still works, only in step.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_five_seconds_and_start_anew_after_a_good_stream() {
        let mut backoff = Backoff::new();
        let first = backoff.next_delay();
        assert!((FIRST / 2..=FIRST).contains(&first));
        let late = (0..10).map(|_| backoff.next_delay()).last().unwrap();
        assert!((LAST / 2..=LAST).contains(&late));
        backoff.reset(Duration::from_millis(1));
        assert!(backoff.next_delay() >= LAST / 2);
        backoff.reset(Duration::from_secs(1));
        assert!(backoff.next_delay() <= FIRST);
    }
}
