//! Runs the schedule: waits, looks, publishes.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::swarm::{Engine, observe};
use crate::world::World;

use super::{Health, WatchSettings};

pub(super) struct Driver {
    engine: Engine,
    settings: WatchSettings,
    worlds: watch::Sender<Option<Arc<World>>>,
    health: watch::Sender<Health>,
    again: Arc<Notify>,
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
        }
    }

    pub(super) async fn run(self) {
        loop {
            match observe(&self.engine).await {
                Ok(world) => {
                    let _ = self.health.send(Health::Current);
                    self.worlds.send_if_modified(|last| {
                        let new = last.as_deref() != Some(&world);
                        if new {
                            *last = Some(Arc::new(world));
                        }
                        new
                    });
                }
                Err(error) => {
                    let _ = self.health.send(Health::Failing {
                        category: error.category(),
                        message: error.to_string(),
                    });
                }
            }
            tokio::select! {
                () = self.again.notified() => {}
                () = tokio::time::sleep(self.settings.fast) => {}
            }
        }
    }
}
