//! The way out: the stages of a shutdown, seen by every connection for the price of one load.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio::sync::watch;

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// None.
    #[default]
    Serving = 0,
    /// Not ready; new connections are still taken, but none is kept alive.
    Leaving = 1,
    /// No new connections; those without a request are closed.
    Closing = 2,
    /// What is left is cut.
    Over = 3,
}

/// The stage of this process.
#[derive(Debug)]
pub(super) struct Drain {
    stage: AtomicU8,
    changes: watch::Sender<Stage>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self {
            stage: AtomicU8::new(0),
            changes: watch::Sender::new(Stage::Serving),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.changes.send_replace(stage);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Serving,
            1 => Stage::Leaving,
            2 => Stage::Closing,
            _ => Stage::Over,
        }
    }

    /// Until that stage is reached. Does not borrow, so that a connection can hold it.
    pub(super) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + Send + use<> {
        let mut changes = self.changes.subscribe();
        async move {
            // The sender lives as long as the process serves; without it all is over anyway.
            let _ = changes.wait_for(|now| *now >= stage).await;
        }
    }
}
