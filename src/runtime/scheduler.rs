//! When each key is due: deduplication, bounded hold-off, backoff. No clock of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::action::Wake;

/// How long wakes are gathered before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldOff {
    /// A run waits until a key was quiet for so long...
    pub quiet: Duration,
    /// ...but no longer than this after the first wake.
    pub at_most: Duration,
}

impl Default for HoldOff {
    /// 20 ms of quiet, at most 200 ms.
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(20),
            at_most: Duration::from_millis(200),
        }
    }
}

/// The times at which keys are due.
#[derive(Debug)]
pub struct Scheduler<K> {
    hold_off: HoldOff,
    entries: BTreeMap<K, Entry>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// First wake that no run has answered yet.
    first_wake: Option<Instant>,
    /// When the wakes gathered so far make the key due.
    woken_at: Option<Instant>,
    /// A run that the last run asked for.
    requeue_at: Option<Instant>,
    /// No run before this: the key failed and waits.
    not_before: Option<Instant>,
}

impl Entry {
    /// A retry is due by itself, so a key that backs off is due when its wait ends.
    fn due(&self) -> Option<Instant> {
        let wanted = match (self.woken_at, self.requeue_at) {
            (Some(woken), Some(requeue)) => Some(woken.min(requeue)),
            (woken, requeue) => woken.or(requeue),
        }?;
        Some(self.not_before.map_or(wanted, |limit| wanted.max(limit)))
    }
}

impl<K: Ord + Clone> Scheduler<K> {
    /// An empty schedule.
    #[must_use]
    pub fn new(hold_off: HoldOff) -> Self {
        Self {
            hold_off,
            entries: BTreeMap::new(),
        }
    }

    /// Something happened to `key`.
    pub fn wake(&mut self, key: K, wake: Wake, now: Instant) {
        let entry = self.entries.entry(key).or_default();
        let first = *entry.first_wake.get_or_insert(now);
        entry.woken_at = Some((now + self.hold_off.quiet).min(first + self.hold_off.at_most));
        if wake == Wake::Declared {
            entry.not_before = None;
        }
    }

    /// The last run of `key` wants another at `at`. The earlier of two such times holds.
    pub fn requeue(&mut self, key: K, at: Instant) {
        let entry = self.entries.entry(key).or_default();
        entry.requeue_at = Some(entry.requeue_at.map_or(at, |known| known.min(at)));
    }

    /// The last run of `key` failed: none before `at`, then one.
    pub fn back_off(&mut self, key: K, at: Instant) {
        let entry = self.entries.entry(key).or_default();
        entry.not_before = Some(at);
        entry.requeue_at = Some(at);
    }

    /// The next moment at which a key that `ready` accepts is due.
    pub fn next_due(&self, ready: impl Fn(&K) -> bool) -> Option<Instant> {
        self.entries
            .iter()
            .filter(|(key, _)| ready(key))
            .filter_map(|(_, entry)| entry.due())
            .min()
    }

    /// Takes the keys that are due and that `ready` accepts. The others stay, and so do their wakes.
    pub fn take_due(&mut self, now: Instant, ready: impl Fn(&K) -> bool) -> Vec<K> {
        let due: Vec<K> = self
            .entries
            .iter()
            .filter(|(key, entry)| ready(key) && entry.due().is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &due {
            self.entries.remove(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn any(_: &&str) -> bool {
        true
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_within_the_hold_off_are_one_run() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(HoldOff::default());
        scheduler.wake("a", Wake::Observed, start);
        scheduler.wake("a", Wake::Observed, start + ms(10));
        assert!(scheduler.take_due(start + ms(29), any).is_empty());
        assert_eq!(scheduler.take_due(start + ms(30), any), ["a"]);
        assert_eq!(scheduler.next_due(any), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_woken_without_end_still_runs() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(HoldOff::default());
        for step in 0..40 {
            scheduler.wake("a", Wake::Observed, start + ms(step * 10));
        }
        assert_eq!(scheduler.next_due(any), Some(start + ms(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_may_not_run_keeps_its_wake() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(HoldOff::default());
        scheduler.wake("a", Wake::Observed, start);
        assert!(scheduler.take_due(start + ms(500), |_| false).is_empty());
        assert_eq!(scheduler.next_due(|_| false), None);
        assert_eq!(scheduler.take_due(start + ms(500), any), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_observed_change_waits_out_the_backoff_and_a_declared_one_ends_it() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(HoldOff::default());
        scheduler.back_off("a", start + ms(5_000));
        scheduler.wake("a", Wake::Observed, start);
        assert_eq!(scheduler.next_due(any), Some(start + ms(5_000)));
        scheduler.wake("a", Wake::Declared, start);
        assert_eq!(scheduler.next_due(any), Some(start + ms(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_two_requeues_holds() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(HoldOff::default());
        scheduler.requeue("a", start + ms(900));
        scheduler.requeue("a", start + ms(300));
        scheduler.requeue("a", start + ms(600));
        assert_eq!(scheduler.next_due(any), Some(start + ms(300)));
    }
}
