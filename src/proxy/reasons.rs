//! How often the proxy answered itself, by reason. Reasons are words of the program, so they are
//! few; a slot is theirs from their first time on, and nothing is locked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// More reasons than there are words for them.
const SLOTS: usize = 64;

/// Counts by reason.
#[derive(Debug)]
pub(super) struct Reasons {
    slots: [(OnceLock<&'static str>, AtomicU64); SLOTS],
    others: AtomicU64,
}

impl Default for Reasons {
    fn default() -> Self {
        Self {
            slots: std::array::from_fn(|_| Default::default()),
            others: AtomicU64::new(0),
        }
    }
}

impl Reasons {
    pub(super) fn count(&self, reason: &'static str) {
        let mut slots = self.slots.iter();
        let slot = slots.find(|(name, _)| *name.get_or_init(|| reason) == reason);
        let count = slot.map_or(&self.others, |(_, count)| count);
        count.fetch_add(1, Relaxed);
    }

    /// Reasons that have occurred, in order of their names.
    pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
        let known = |(name, count): &(OnceLock<&'static str>, AtomicU64)| {
            Some((*name.get()?, count.load(Relaxed)))
        };
        let mut counts: Vec<_> = self.slots.iter().filter_map(known).collect();
        counts.sort_unstable();
        counts.push(("Other", self.others.load(Relaxed)));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_count() {
        let reasons = Reasons::default();
        for reason in ["NoRoute", "RateLimited", "NoRoute"] {
            reasons.count(reason);
        }
        let want = [("NoRoute", 2), ("RateLimited", 1), ("Other", 0)];
        assert_eq!(reasons.read(), want);
    }

    #[test]
    fn more_reasons_than_slots_are_counted_together() {
        let reasons = Reasons::default();
        for number in 0..SLOTS + 3 {
            reasons.count(Box::leak(number.to_string().into_boxed_str()));
        }
        assert_eq!(reasons.read().len(), SLOTS + 1);
        assert_eq!(reasons.read().pop(), Some(("Other", 3)));
    }
}
