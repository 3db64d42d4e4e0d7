//! When to look at what: the watch as a state machine without I/O.
//!
//! Events only mark what to look at again. Tasks have no events, so services that were touched
//! or move are looked at often ("hot"), and all the others are polled at a pace that their
//! number allows: each poll takes at most a twentieth of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::WatchSettings;
use super::look::{Ask, Change, Scope};
use crate::swarm::{Event, Kind};

/// A list that takes so long is asked for so many times less often.
const REST: u32 = 20;
/// Hot services may be looked at in so much of the time: half.
const HOT_REST: u32 = 1;
/// A service that moves but never changes (a task that fits nowhere) is left to the slow pace
/// after so many times the settle time.
const PATIENCE: u32 = 6;
/// Pause after the first failure; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between full looks while no event stream is open.
const BLIND: Duration = Duration::from_secs(1);

pub(super) struct Schedule {
    settings: WatchSettings,
    seen: bool,
    streaming: bool,
    dirty: Ask,
    dirty_since: Option<Instant>,
    last_event: Instant,
    hot: BTreeMap<String, Instant>,
    hot_at: Instant,
    services_at: Instant,
    tasks_at: Instant,
    full_at: Instant,
    full_took: Duration,
    failures: u32,
    not_before: Instant,
}

impl Schedule {
    /// A schedule that first waits a moment for the event stream to open.
    pub(super) fn new(settings: WatchSettings, now: Instant) -> Self {
        Self {
            settings,
            seen: false,
            streaming: false,
            dirty: Ask::default(),
            dirty_since: None,
            last_event: now,
            hot: BTreeMap::new(),
            hot_at: now,
            services_at: now + BLIND,
            tasks_at: now + BLIND,
            full_at: now + BLIND,
            full_took: Duration::ZERO,
            failures: 0,
            not_before: now,
        }
    }

    /// A full look as soon as possible.
    pub(super) fn again(&mut self, now: Instant) {
        self.full_at = now;
    }

    /// The event stream opened: all before it may have been missed.
    pub(super) fn opened(&mut self, now: Instant) {
        self.streaming = true;
        self.full_at = now;
    }

    /// The event stream ended or did not open.
    pub(super) fn lost(&mut self, now: Instant) {
        self.streaming = false;
        self.full_at = self.full_at.min(now + rest(BLIND, self.full_took));
    }

    pub(super) fn event(&mut self, now: Instant, event: Event) {
        let scope = if event.id.is_empty() {
            Scope::All
        } else {
            Scope::Some(BTreeSet::from([event.id.clone()]))
        };
        match event.kind {
            Kind::Service => {
                self.dirty.services.merge(scope.clone());
                self.dirty.tasks.merge(scope);
                if !event.id.is_empty() {
                    self.heat(event.id, now + self.settings.settle);
                }
            }
            Kind::Node => self.dirty.nodes = true,
            Kind::Network => self.dirty.networks = true,
            Kind::Config => self.dirty.configs = true,
            Kind::Secret => self.dirty.secrets = true,
        }
        self.last_event = now;
        self.dirty_since.get_or_insert(now);
    }

    /// When [`Schedule::ask`] is due.
    pub(super) fn wake(&self) -> Instant {
        let mut at = self.full_at;
        if self.seen {
            at = at.min(self.services_at).min(self.tasks_at);
            at = self.dirty_due().map_or(at, |due| at.min(due));
            if !self.hot.is_empty() {
                at = at.min(self.hot_at);
            }
        }
        at.max(self.not_before)
    }

    fn dirty_due(&self) -> Option<Instant> {
        let since = self.dirty_since?;
        Some((self.last_event + self.settings.quiet).min(since + self.settings.hold_off))
    }

    /// What to look at now.
    pub(super) fn ask(&mut self, now: Instant) -> Ask {
        self.hot.retain(|_, until| *until > now);
        let dirty = self.dirty_due().is_some_and(|due| due <= now);
        if !self.seen || self.full_at <= now {
            self.dirty = Ask::default();
            self.dirty_since = None;
            return Ask::full();
        }
        let mut ask = Ask::default();
        if dirty {
            ask = std::mem::take(&mut self.dirty);
            self.dirty_since = None;
        }
        if !self.hot.is_empty() && self.hot_at <= now {
            let hot = Scope::of(self.hot.keys().cloned().collect());
            ask.services.merge(hot.clone());
            ask.tasks.merge(hot);
        }
        if self.services_at <= now {
            ask.services = Scope::All;
        }
        if self.tasks_at <= now {
            ask.tasks = Scope::All;
        }
        ask
    }

    /// A look succeeded.
    pub(super) fn looked(&mut self, now: Instant, took: Duration, ask: &Ask, change: &Change) {
        self.seen = true;
        self.failures = 0;
        self.not_before = now;
        if *ask == Ask::full() {
            self.full_took = took;
            let every = if self.streaming {
                self.settings.resync
            } else {
                BLIND
            };
            self.full_at = now + rest(every, took);
        }
        if ask.services == Scope::All {
            self.services_at = now + rest(self.settings.slow, took);
        }
        if ask.tasks == Scope::All {
            self.tasks_at = now + rest(self.settings.slow * 2, took);
        }
        self.hot_at = now + self.settings.fast.max(took * HOT_REST);
        let settle = self.settings.settle;
        for (id, moves) in &change.services {
            let patience = if *moves { settle * PATIENCE } else { settle };
            self.hot.insert(id.clone(), now + patience);
        }
        if !change.tasks_unseen.is_empty() || change.nodes_moved {
            let scope = if change.nodes_moved {
                Scope::All
            } else {
                Scope::of(change.tasks_unseen.clone())
            };
            self.dirty.tasks.merge(scope);
            // Due at once: this look was the first sign.
            self.dirty_since = Some(now);
            self.last_event = now.checked_sub(self.settings.quiet).unwrap_or(now);
        }
    }

    /// A look failed; `jitter` is between 0 and 1.
    pub(super) fn failed(&mut self, now: Instant, ask: Ask, jitter: f64) {
        self.dirty.merge(ask);
        self.dirty_since.get_or_insert(now);
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(10))
            .min(self.settings.max_backoff);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + pause.mul_f64(0.5 + jitter / 2.0);
    }

    fn heat(&mut self, id: String, until: Instant) {
        let known = self.hot.entry(id).or_insert(until);
        *known = (*known).max(until);
    }
}

fn rest(at_least: Duration, took: Duration) -> Duration {
    at_least.max(took * REST)
}
