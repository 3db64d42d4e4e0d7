//! The loop that takes due keys and runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::action::{Action, Failure, Retry, Wake};
use super::backoff::Backoff;
use super::scheduler::{HoldOff, Scheduler};

/// How a controller works.
#[derive(Clone, Copy, Debug)]
pub struct ControllerSettings {
    /// How long wakes are gathered.
    pub hold_off: HoldOff,
    /// Waits after failures.
    pub backoff: Backoff,
    /// Keys that run at once.
    pub concurrency: usize,
    /// A key whose run found nothing to do is looked at again after this time, in case a change
    /// went unseen.
    pub resync: Duration,
}

impl Default for ControllerSettings {
    fn default() -> Self {
        Self {
            hold_off: HoldOff::default(),
            backoff: Backoff::default(),
            concurrency: 4,
            resync: Duration::from_secs(60),
        }
    }
}

/// Wakes keys of a controller. Clones wake the same one.
#[derive(Clone, Debug)]
pub struct Waker<K>(mpsc::UnboundedSender<(K, Wake)>);

impl<K> Waker<K> {
    /// Makes `key` due after the hold-off. Without effect once the controller has ended.
    pub fn wake(&self, key: K, wake: Wake) {
        // A closed channel means that the controller has ended: nobody is left to wake.
        let _ = self.0.send((key, wake));
    }
}

/// Runs a reconciler for each key that is due, until it is told to stop.
#[derive(Debug)]
pub struct Controller<K> {
    settings: ControllerSettings,
    wakes: mpsc::UnboundedReceiver<(K, Wake)>,
}

impl<K> Controller<K>
where
    K: Ord + Clone + Display + Send + 'static,
{
    /// A controller and what wakes it.
    #[must_use]
    pub fn new(settings: ControllerSettings) -> (Self, Waker<K>) {
        // Unbounded, since wakes of one key fold into one entry as soon as they are read.
        let (sender, wakes) = mpsc::unbounded_channel();
        (Self { settings, wakes }, Waker(sender))
    }

    /// Runs until `stop`; runs under way are finished first.
    pub async fn run<R, F, E>(mut self, reconcile: R, stop: CancellationToken)
    where
        R: Fn(K) -> F,
        F: Future<Output = Result<Action, E>> + Send + 'static,
        E: Failure + Display + Send + 'static,
    {
        let mut scheduler = Scheduler::new(self.settings.hold_off);
        let mut failures: BTreeMap<K, u32> = BTreeMap::new();
        let mut running: BTreeSet<K> = BTreeSet::new();
        let mut runs: JoinSet<(K, Option<Result<Action, E>>)> = JoinSet::new();
        loop {
            let free = self.settings.concurrency.saturating_sub(running.len());
            let idle = |key: &K| !running.contains(key);
            let next = if free > 0 {
                scheduler.next_due(idle)
            } else {
                None
            };
            tokio::select! {
                () = stop.cancelled() => break,
                wake = self.wakes.recv() => match wake {
                    Some((key, wake)) => {
                        if wake == Wake::Declared {
                            failures.remove(&key);
                        }
                        scheduler.wake(key, wake, Instant::now());
                    }
                    None => break,
                },
                () = sleep_until(next) => {
                    let due = scheduler.take_due(Instant::now(), idle);
                    for (position, key) in due.into_iter().enumerate() {
                        if position >= free {
                            scheduler.requeue(key, Instant::now());
                            continue;
                        }
                        running.insert(key.clone());
                        let run = reconcile(key.clone());
                        // A panic is a defect of ours, but must not stop the other keys.
                        runs.spawn(async move { (key, AssertUnwindSafe(run).catch_unwind().await.ok()) });
                    }
                }
                Some(ended) = runs.join_next() => {
                    if let Ok((key, outcome)) = ended {
                        running.remove(&key);
                        self.settle(&mut scheduler, &mut failures, key, outcome);
                    }
                }
            }
        }
        while runs.join_next().await.is_some() {}
    }

    /// Books the outcome of a run: the next one, and the backoff.
    fn settle<E: Failure + Display>(
        &self,
        scheduler: &mut Scheduler<K>,
        failures: &mut BTreeMap<K, u32>,
        key: K,
        outcome: Option<Result<Action, E>>,
    ) {
        let now = Instant::now();
        let retry = match outcome {
            Some(Ok(action)) => {
                failures.remove(&key);
                let after = match action {
                    Action::AwaitChange => self.settings.resync,
                    Action::Requeue(after) => after,
                };
                scheduler.requeue(key, now + after);
                return;
            }
            Some(Err(error)) => {
                let retry = error.retry();
                if retry == Retry::Now {
                    // Somebody else wrote first: part of the trade, not worth a warning.
                    tracing::debug!(%key, %error, "lost a race");
                } else {
                    tracing::warn!(%key, %error, "run failed");
                }
                retry
            }
            None => {
                tracing::error!(%key, "run panicked");
                Retry::Backoff
            }
        };
        let count = failures.entry(key.clone()).or_insert(0);
        *count = count.saturating_add(1);
        match retry {
            // A race that is lost again and again is no race: it backs off like any failure.
            Retry::Now if *count <= 3 => scheduler.requeue(key, now),
            Retry::Now | Retry::Backoff => {
                let wait = self.settings.backoff.wait(*count, jitter());
                scheduler.back_off(key, now + wait);
            }
            Retry::Never => scheduler.requeue(key, now + self.settings.resync),
        }
    }
}

/// Sleeps until a moment, or for ever.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A random number from 0 to 1. The standard hasher's keys are random, which is all that is
/// needed to keep failed keys apart.
#[must_use]
pub fn jitter() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
