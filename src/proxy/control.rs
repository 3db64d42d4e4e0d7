//! Where tables come from: the kept state at the start, then the operator's changes.
//!
//! *Guarantees*: a change is acknowledged when requests already follow it; a resource that cannot
//! be used is refused by name and harms no other; writing the state delays no change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::assemble::Assembler;
use super::metrics::count;
use super::state;
use super::worker::Shared;
use crate::control::client::Delivery;
use crate::control::session::TYPES;
use crate::control::wire::{self, BACKEND, CERTIFICATE, LISTENER, PASSTHROUGH, ROUTE};
use crate::control::{Change, Resource, Snapshot, TypeUrl};

/// Changes that come close together are written at once.
const SETTLE: Duration = Duration::from_secs(1);
/// A listener without routes is a table too, if none follow within this.
const NO_ROUTES: Duration = Duration::from_secs(2);

/// The version of a resource that was refused and has no last good one.
const REFUSED: &str = "refused";

/// Builds tables from resources and remembers what it was built from.
pub(super) struct Source {
    assembler: Assembler,
    known: Snapshot,
    shared: Arc<Shared>,
    heard_listener: bool,
    heard_routes: bool,
}

impl Source {
    pub(super) fn new(workers: usize, secrets_dir: &Path, shared: Arc<Shared>) -> Self {
        Self {
            assembler: Assembler::with_secrets(workers, secrets_dir),
            known: Snapshot::default(),
            shared,
            heard_listener: false,
            heard_routes: false,
        }
    }

    /// What the table is made of.
    pub(super) fn known(&self) -> &Snapshot {
        &self.known
    }

    /// Starts from the state that was kept. Resources in it that this build cannot read are
    /// left out; the operator will send them again.
    pub(super) fn restore(&mut self, state: Snapshot) {
        for (kind, upserts) in state.types {
            let change = Change {
                type_url: kind.to_owned(),
                upserts,
                removed: Vec::new(),
            };
            if let Err(reason) = self.apply(change) {
                tracing::warn!(reason, "part of the kept state is not used");
            }
        }
        self.publish();
    }

    /// Takes in a change; `Err` names what could not be used. The rest is in the next table.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), String> {
        let Change {
            type_url,
            upserts,
            removed,
        } = change;
        let Some(kind) = TYPES.into_iter().find(|kind| **kind == *type_url) else {
            return Err(format!("this proxy knows no resources of type {type_url}"));
        };
        self.heard_listener |= kind == LISTENER;
        self.heard_routes |= kind == ROUTE;
        let mut faults = Vec::new();
        for (name, resource) in upserts {
            match self.upsert(kind, &name, &resource) {
                Ok(()) => {
                    let known = self.known.types.entry(kind).or_default();
                    known.insert(name, resource);
                }
                Err(fault) => {
                    if kind == ROUTE {
                        self.remember_refused(&name, &resource);
                    }
                    count(&self.shared.metrics.changes_refused);
                    faults.push(format!("{name}: {fault}"));
                }
            }
        }
        for name in removed {
            match kind {
                ROUTE => self.assembler.remove_route(&name),
                BACKEND => self.assembler.remove_backend(&name),
                // Settings are never gone, only replaced.
                _ => continue,
            }
            if let Some(known) = self.known.types.get_mut(kind) {
                known.remove(&name);
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        }
    }

    /// A route that is closed must be so after a restart, too, when no operator tells of it. Its
    /// version is none that an operator has, so it will be sent again.
    fn remember_refused(&mut self, name: &str, resource: &Resource) {
        let known = self.known.types.entry(ROUTE).or_default();
        let refused = known.entry(name.to_owned()).or_insert(resource.clone());
        if refused.body == resource.body {
            REFUSED.clone_into(&mut refused.version);
        }
    }

    fn upsert(&mut self, kind: TypeUrl, name: &str, resource: &Resource) -> Result<(), String> {
        match kind {
            LISTENER => self
                .assembler
                .set_listener(wire::decode_listener(&resource.body)?),
            ROUTE => self
                .assembler
                .admit_route(name, wire::decode_route(&resource.body)?)?,
            PASSTHROUGH => drop(wire::decode_passthrough(&resource.body)?),
            CERTIFICATE => drop(wire::decode_certificate(&resource.body)?),
            _ => self
                .assembler
                .set_backend(name, &wire::decode_backend(&resource.body)?),
        }
        Ok(())
    }

    /// From now on requests follow what was taken in.
    pub(super) fn publish(&mut self) {
        self.shared.tables.store(self.assembler.build());
    }

    fn is_whole(&self) -> bool {
        (self.heard_listener && self.heard_routes) || self.shared.control.borrow().synced
    }
}

/// Applies changes until there are no more to come. `whole` is told when there is a table worth
/// serving.
pub(super) async fn follow(
    mut source: Source,
    mut deliveries: mpsc::Receiver<Delivery>,
    whole: watch::Sender<bool>,
    keeper: Option<watch::Sender<Snapshot>>,
) {
    let shared = Arc::clone(&source.shared);
    let mut control = shared.control.clone();
    loop {
        let waits = source.heard_listener && !*whole.borrow();
        tokio::select! {
            delivery = deliveries.recv() => {
                let Some(Delivery { change, reply }) = delivery else {
                    break;
                };
                let outcome = source.apply(change);
                source.publish();
                if let Some(keeper) = &keeper {
                    keeper.send_replace(source.known.clone());
                }
                // The stream may have ended meanwhile; then the next one asks again.
                let _ = reply.send(outcome);
            }
            // Without a sender there is no stream whose state could change.
            Ok(()) = control.changed() => {}
            () = tokio::time::sleep(NO_ROUTES), if waits => {
                whole.send_replace(true);
            }
        }
        if source.is_whole() && !*whole.borrow() {
            whole.send_replace(true);
        }
    }
    // The state outlives its source: nothing more will change, so all is written.
    drop(keeper);
}

/// Where the state of this cluster is kept.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) cluster: String,
}

/// Writes the state some time after it changes, and a last time at the end.
pub(super) async fn keep(
    place: Place,
    shared: Arc<Shared>,
    mut states: watch::Receiver<Snapshot>,
    stop: CancellationToken,
) {
    loop {
        let more = tokio::select! {
            more = states.changed() => more.is_ok(),
            () = stop.cancelled() => false,
        };
        if more {
            tokio::select! {
                () = tokio::time::sleep(SETTLE) => {}
                () = stop.cancelled() => {}
            }
        } else if !states.has_changed().unwrap_or(false) {
            return;
        }
        let state = states.borrow_and_update().clone();
        let Place { dir, cluster } = place.clone();
        let written =
            tokio::task::spawn_blocking(move || state::save(&dir, &cluster, &state)).await;
        if let Ok(Err(error)) = written {
            count(&shared.metrics.state_failures);
            tracing::warn!(%error, "the state is not kept");
        }
        if !more {
            return;
        }
    }
}
