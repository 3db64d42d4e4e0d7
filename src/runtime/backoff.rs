//! Exponential, jittered waits.

use std::time::Duration;

/// The wait before the n-th retry: `base * 2^(n-1)`, at most `max`, of which a random part of up
/// to a fifth is taken off so that keys which failed together do not return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// First wait.
    pub base: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    /// 200 ms doubling to 30 s.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(200),
            max: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 is the first). `jitter` is a random number
    /// of the caller's, from 0 to 1.
    #[must_use]
    pub fn wait(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let whole = self.base.saturating_mul(1_u32 << doublings).min(self.max);
        whole.mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let waits: Vec<u128> = [1, 2, 3, 8, 9, 4_000_000_000]
            .map(|n| backoff.wait(n, 0.0).as_millis())
            .to_vec();
        assert_eq!(waits, [200, 400, 800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn jitter_takes_off_at_most_a_fifth() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(1, 1.0).as_millis(), 160);
        assert_eq!(backoff.wait(1, 7.5).as_millis(), 160);
    }
}
