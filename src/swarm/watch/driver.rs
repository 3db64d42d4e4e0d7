//! Runs the schedule: reads the event stream, waits, looks, publishes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::swarm::{Engine, Error, Event};
use crate::world::World;

use super::look::{Change, look};
use super::schedule::Schedule;
use super::{Health, WatchSettings};

/// Events that may wait while a look is under way.
const BACKLOG: usize = 4096;
/// Events of the last seconds are asked for again: an engine answers a little before it listens.
const OVERLAP: Duration = Duration::from_secs(3);
/// A stream that lasted so long was a good one: the next is opened without a pause.
const GOOD: Duration = Duration::from_secs(10);

pub(super) struct Driver {
    engine: Engine,
    settings: WatchSettings,
    worlds: watch::Sender<Option<Arc<World>>>,
    health: watch::Sender<Health>,
    again: Arc<Notify>,
    world: Option<Arc<World>>,
}

/// What the reader of the event stream tells.
enum Signal {
    Opened,
    Event(Event),
    Lost,
}

impl Driver {
    pub(super) fn new(
        engine: Engine,
        settings: WatchSettings,
        worlds: watch::Sender<Option<Arc<World>>>,
        health: watch::Sender<Health>,
        again: Arc<Notify>,
    ) -> Self {
        Self {
            engine,
            settings,
            worlds,
            health,
            again,
            world: None,
        }
    }

    pub(super) async fn run(mut self) {
        let (tx, mut signals) = mpsc::channel(BACKLOG);
        let reader = read_events(self.engine.clone(), self.settings.clone(), tx);
        tokio::pin!(reader);
        let mut schedule = Schedule::new(self.settings.clone(), Instant::now());
        let again = self.again.clone();
        loop {
            let wake = schedule.wake();
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => match signal {
                    Signal::Opened => schedule.opened(Instant::now()),
                    Signal::Event(event) => {
                        debug!(?event, "event");
                        schedule.event(Instant::now(), event);
                    }
                    Signal::Lost => schedule.lost(Instant::now()),
                },
                () = &mut reader => return,
                () = again.notified() => schedule.again(Instant::now()),
                () = sleep_until(wake) => self.look(&mut schedule).await,
            }
        }
    }

    async fn look(&mut self, schedule: &mut Schedule) {
        let begin = Instant::now();
        let ask = schedule.ask(begin);
        let result = look(&self.engine, &ask, self.world.as_deref()).await;
        let now = Instant::now();
        match result {
            Ok(change) => {
                schedule.looked(now, now - begin, &ask, &change);
                self.publish(change);
                self.report(Health::Current);
            }
            Err(error) => {
                schedule.failed(now, ask, jitter());
                self.report(Health::Failing {
                    category: error.category(),
                    message: error.to_string(),
                });
            }
        }
    }

    fn publish(&mut self, change: Change) {
        if let Some(world) = change.world {
            let world = Arc::new(world);
            self.world = Some(world.clone());
            self.worlds.send_replace(Some(world));
        }
    }

    fn report(&self, health: Health) {
        self.health.send_if_modified(|last| {
            let new = *last != health;
            if new {
                match &health {
                    Health::Failing { message, .. } => warn!(%message, "cannot look at the Swarm"),
                    Health::Current => info!("the view of the Swarm is up to date"),
                    Health::Starting => {}
                }
                *last = health;
            }
            new
        });
    }
}

/// Reads event streams, one after another, until nobody listens.
async fn read_events(engine: Engine, settings: WatchSettings, signals: mpsc::Sender<Signal>) {
    let mut failures = 0_u32;
    loop {
        let begin = Instant::now();
        match read_stream(&engine, &settings, &signals).await {
            Ok(Ended::Silent) => debug!("the event stream is silent, opening it anew"),
            Ok(Ended::Closed) => debug!("the engine closed the event stream"),
            Ok(Ended::Deaf) => return,
            Err(error) => debug!(%error, "no event stream"),
        }
        if signals.send(Signal::Lost).await.is_err() {
            return;
        }
        if begin.elapsed() >= GOOD {
            failures = 0;
            continue;
        }
        let pause = Duration::from_millis(100)
            .saturating_mul(1 << failures.min(10))
            .min(settings.max_backoff);
        failures = failures.saturating_add(1);
        sleep(pause.mul_f64(0.5 + jitter() / 2.0)).await;
    }
}

/// How a stream ended that was open.
enum Ended {
    Closed,
    Silent,
    Deaf,
}

async fn read_stream(
    engine: &Engine,
    settings: &WatchSettings,
    signals: &mpsc::Sender<Signal>,
) -> Result<Ended, Error> {
    let mut events = engine.events(Some(a_moment_ago())).await?;
    let mut signal = Signal::Opened;
    loop {
        if signals.send(signal).await.is_err() {
            return Ok(Ended::Deaf);
        }
        match timeout(settings.stream_idle, events.next()).await {
            Err(_) => return Ok(Ended::Silent),
            Ok(next) => match next? {
                None => return Ok(Ended::Closed),
                Some(event) => signal = Signal::Event(event),
            },
        }
    }
}

fn a_moment_ago() -> u64 {
    SystemTime::now()
        .checked_sub(OVERLAP)
        .and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}

/// A number from 0 to 1, so that many operators do not call in step.
fn jitter() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}
