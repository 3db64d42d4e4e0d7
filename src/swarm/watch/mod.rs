//! Keeps looking at the Swarm and publishes each new [`World`].

mod driver;
mod look;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::world::World;

use super::engine::Engine;

/// How eagerly a watch looks. The defaults suit an operator.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// After an event, wait until none has come for so long (5 ms) ...
    pub quiet: Duration,
    /// ... but no longer than this in all (15 ms).
    pub hold_off: Duration,
    /// Between two looks at services that move (100 ms).
    pub fast: Duration,
    /// Between two looks at the counts of all services while nothing moves (500 ms).
    pub slow: Duration,
    /// Looks go on at the fast pace for so long after the last change (5 s).
    pub settle: Duration,
    /// Between two full looks (30 s).
    pub resync: Duration,
    /// An event stream that says nothing for so long is opened anew (60 s).
    pub stream_idle: Duration,
    /// Largest pause between two attempts while the engine fails (5 s).
    pub max_backoff: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(5),
            hold_off: Duration::from_millis(15),
            fast: Duration::from_millis(100),
            slow: Duration::from_millis(500),
            settle: Duration::from_secs(5),
            resync: Duration::from_secs(30),
            stream_idle: Duration::from_secs(60),
            max_backoff: Duration::from_secs(5),
        }
    }
}

/// Whether the published world is up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing has been seen yet.
    #[default]
    Starting,
    /// The last look succeeded.
    Current,
    /// Looks fail; the world published last may be old.
    Failing {
        /// Category of the error.
        category: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

/// A running watch. Clones share it; it ends with its cancellation token.
#[derive(Clone, Debug)]
pub struct Watch {
    worlds: watch::Receiver<Option<Arc<World>>>,
    health: watch::Receiver<Health>,
    again: Arc<Notify>,
}

impl Watch {
    /// Starts looking.
    #[must_use]
    pub fn start(engine: Engine, settings: WatchSettings, shutdown: CancellationToken) -> Self {
        let (worlds_tx, worlds) = watch::channel(None);
        let (health_tx, health) = watch::channel(Health::Starting);
        let again = Arc::new(Notify::new());
        let driver = driver::Driver::new(engine, settings, worlds_tx, health_tx, again.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = driver.run() => {}
            }
        });
        Self {
            worlds,
            health,
            again,
        }
    }

    /// The newest world, and a notice of each newer one. `None` until the first look succeeded.
    /// A world is only published when it differs from the last, and never after a failed look.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<World>>> {
        self.worlds.clone()
    }

    /// Whether looks succeed.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Makes a full look as soon as possible.
    pub fn look_again(&self) {
        self.again.notify_one();
    }
}
