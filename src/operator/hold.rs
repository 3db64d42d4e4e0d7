//! How long a plan waits before it is acted upon.
//!
//! Two reasons to wait: a plan that restarts proxies waits for a quiet moment, so that several
//! networks which come together cost one restart; and replica k of the operator waits k-1 beats,
//! so that the first replica does the work while it is well.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// A plan that keeps changing is acted upon after so many times its wait.
const PATIENCE: u32 = 5;

/// The plans that wait, by key.
#[derive(Debug, Default)]
pub struct Holds(Mutex<BTreeMap<String, Held>>);

#[derive(Clone, Debug)]
struct Held {
    plan: String,
    since: Instant,
    first: Instant,
}

impl Holds {
    /// How much longer the plan of `key` waits; `None`: act now. A plan that differs from the last
    /// one (by its hash) starts its wait anew, at most a few times.
    pub fn remaining(
        &self,
        key: &str,
        plan: &str,
        wait: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let mut holds = self.lock();
        if wait.is_zero() {
            holds.remove(key);
            return None;
        }
        let held = holds.entry(key.to_owned()).or_insert_with(|| Held {
            plan: plan.to_owned(),
            since: now,
            first: now,
        });
        if held.plan != plan {
            plan.clone_into(&mut held.plan);
            held.since = now;
        }
        let ends = (held.since + wait).min(held.first + wait * PATIENCE);
        if ends <= now {
            holds.remove(key);
            return None;
        }
        Some(ends - now)
    }

    /// Forgets what waits for `key`: there is nothing to do any more.
    pub fn clear(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Held>> {
        // A panic elsewhere cannot leave the map half-written: each change is one call.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_waits_for_quiet_and_is_then_acted_upon() {
        let (holds, start) = (Holds::default(), Instant::now());
        assert_eq!(
            holds.remaining("a", "p1", ms(1_000), start),
            Some(ms(1_000))
        );
        assert_eq!(
            holds.remaining("a", "p1", ms(1_000), start + ms(400)),
            Some(ms(600))
        );
        assert_eq!(
            holds.remaining("a", "p2", ms(1_000), start + ms(900)),
            Some(ms(1_000))
        );
        assert_eq!(
            holds.remaining("a", "p2", ms(1_000), start + ms(1_900)),
            None
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_that_never_rests_is_acted_upon_all_the_same() {
        let (holds, start) = (Holds::default(), Instant::now());
        let waited = (0..100)
            .take_while(|step| {
                let now = start + ms(step * 100);
                holds
                    .remaining("a", &format!("p{step}"), ms(1_000), now)
                    .is_some()
            })
            .count();
        assert_eq!(waited, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_is_no_wait() {
        let (holds, start) = (Holds::default(), Instant::now());
        assert_eq!(holds.remaining("a", "p1", ms(0), start), None);
    }
}
