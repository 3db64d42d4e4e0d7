//! Where tables come from: the kept state at the start, then the operator's changes.
//!
//! *Guarantees*: a change is acknowledged when requests already follow it; a resource that cannot
//! be used is refused by name and harms no other; writing the state delays no change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::assemble::Assembler;
use super::health::Checks;
use super::metrics::count;
use super::state::{self, Seal};
use super::worker::Shared;
use crate::control::client::Delivery;
use crate::control::session::TYPES;
use crate::control::wire::{BACKEND, CERTIFICATE, LISTENER, PASSTHROUGH, ROUTE};
use crate::control::{Change, Refusal, Resource, Snapshot, TypeUrl};

/// Changes that come close together are written at once.
const SETTLE: Duration = Duration::from_secs(1);
/// A listener is a table too, if nothing follows within this: there may be no routes, or something
/// that is refused for ever.
const NO_MORE: Duration = Duration::from_secs(2);
/// How often files of certificates are looked at, for those that come late or are replaced.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The version of a resource that was refused and has no last good one.
const REFUSED: &str = "refused";

/// Builds tables from resources and remembers what it was built from.
pub(super) struct Source {
    assembler: Assembler,
    checks: Checks,
    known: Snapshot,
    /// Certificates that could not be used, whose files may come or be mended.
    refused: BTreeMap<String, Resource>,
    shared: Arc<Shared>,
    /// Changes come over a control stream, which tells when it has told all.
    streamed: bool,
    heard_listener: bool,
    heard_routes: bool,
}

impl Source {
    pub(super) fn new(
        workers: usize,
        secrets_dir: &Path,
        streamed: bool,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            assembler: Assembler::with_secrets(workers, secrets_dir),
            checks: Checks::default(),
            known: Snapshot::default(),
            refused: BTreeMap::new(),
            shared,
            streamed,
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
            if let Err(refusal) = self.apply(change) {
                let reason = refusal.message;
                tracing::warn!(reason, "part of the kept state is not used");
            }
        }
        self.publish();
    }

    /// Takes in a change; `Err` names what could not be used. The rest is in the next table.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), Refusal> {
        let Change {
            type_url,
            upserts,
            removed,
        } = change;
        let Some(kind) = TYPES.into_iter().find(|kind| **kind == *type_url) else {
            return Err(format!("this proxy knows no resources of type {type_url}").into());
        };
        self.heard_listener |= kind == LISTENER;
        self.heard_routes |= kind == ROUTE || kind == PASSTHROUGH;
        let mut faults = BTreeMap::new();
        for (name, resource) in upserts {
            match self.upsert(kind, &name, &resource) {
                Ok(true) => {
                    self.accepted(kind, &name);
                    let known = self.known.types.entry(kind).or_default();
                    known.insert(name, resource);
                }
                // What is known is what is shown: the last one of that name.
                Ok(false) => {
                    self.refused.insert(name, resource);
                }
                Err(fault) => {
                    count(&self.shared.metrics.changes_refused);
                    match kind {
                        ROUTE | BACKEND => self.remember_refused(kind, &name, &resource),
                        CERTIFICATE => {
                            self.refused.insert(name.clone(), resource);
                        }
                        _ => {}
                    }
                    faults.insert(name, fault);
                }
            }
        }
        for name in removed {
            match kind {
                ROUTE => self.assembler.remove_route(&name),
                PASSTHROUGH => self.assembler.remove_passthrough(&name),
                CERTIFICATE => self.assembler.remove_certificate(&name),
                BACKEND => {
                    self.assembler.remove_backend(&name);
                    self.checks.stop(&name);
                }
                // Settings are never gone, only replaced.
                _ => continue,
            }
            self.accepted(kind, &name);
            if let Some(known) = self.known.types.get_mut(kind) {
                known.remove(&name);
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            let each = faults
                .iter()
                .map(|(name, fault)| format!("{name}: {fault}"));
            Err(Refusal {
                message: each.collect::<Vec<_>>().join("; "),
                parts: faults,
            })
        }
    }

    /// What was refused under that name is of no matter any more.
    fn accepted(&mut self, kind: TypeUrl, name: &str) {
        if kind == CERTIFICATE {
            self.refused.remove(name);
        }
    }

    /// Looks whether files of certificates have come or changed. Whether any have.
    fn look_again(&mut self) -> bool {
        let (mended, changed) = self.assembler.look_again();
        for name in mended {
            tracing::info!(
                name,
                "a certificate whose files were missing can be used now"
            );
            if let Some(resource) = self.refused.remove(&name) {
                let known = self.known.types.entry(CERTIFICATE).or_default();
                known.insert(name, resource);
            }
        }
        if changed {
            self.publish();
        }
        changed
    }

    /// A route that is closed, or has no usable backend, must be so after a restart, too, when no
    /// operator tells of it. Its
    /// version is none that an operator has, so it will be sent again.
    fn remember_refused(&mut self, kind: TypeUrl, name: &str, resource: &Resource) {
        let known = self.known.types.entry(kind).or_default();
        let has_last = known
            .get(name)
            .is_some_and(|last| last.body != resource.body);
        let closed = kind == ROUTE && self.assembler.is_closed(name);
        if !has_last || closed {
            let version = REFUSED.to_owned();
            let body = resource.body.clone();
            known.insert(name.to_owned(), Resource { version, body });
        }
    }

    /// Takes in one resource. `false`: a certificate whose files have yet to come.
    fn upsert(&mut self, kind: TypeUrl, name: &str, resource: &Resource) -> Result<bool, String> {
        let taken = self.assembler.take(kind, name, &resource.body)?;
        if kind == BACKEND
            && let Some(backend) = self.assembler.backend(name)
        {
            self.checks.follow(backend);
        }
        Ok(taken)
    }

    /// From now on requests follow what was taken in.
    pub(super) fn publish(&mut self) {
        let table = self.assembler.build();
        self.shared.certificates.send_if_modified(|told| {
            let news = *told != table.secure.from_files;
            told.clone_from(&table.secure.from_files);
            news
        });
        self.shared.tables.store(table);
    }

    fn is_whole(&self) -> bool {
        let heard = !self.streamed && self.heard_listener && self.heard_routes;
        heard || self.shared.control.borrow().synced
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
    let mut heard = Instant::now();
    let mut look = tokio::time::interval(LOOK_AGAIN);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let waits = source.heard_listener && !*whole.borrow();
        tokio::select! {
            delivery = deliveries.recv() => {
                let Some(Delivery { change, reply }) = delivery else {
                    break;
                };
                heard = Instant::now();
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
            () = tokio::time::sleep_until(heard + NO_MORE), if waits => {
                whole.send_replace(true);
            }
            _ = look.tick() => {
                if source.look_again() && let Some(keeper) = &keeper {
                    keeper.send_replace(source.known.clone());
                }
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
    pub(super) seal: Option<Arc<Seal>>,
}

/// Writes the state some time after it changes, and a last time at the end.
pub(super) async fn keep(
    place: Place,
    shared: Arc<Shared>,
    mut states: watch::Receiver<Snapshot>,
    stop: CancellationToken,
) {
    loop {
        // First whether there is a state that was not seen: the last one may come just before the
        // end, and is told even when its source is gone.
        let more = tokio::select! {
            biased;
            more = states.changed() => more.is_ok(),
            () = stop.cancelled() => false,
        };
        if !more {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(SETTLE) => {}
            () = stop.cancelled() => {}
        }
        let state = states.borrow_and_update().clone();
        let Place { dir, cluster, seal } = place.clone();
        let save = move || state::save(&dir, &cluster, &state, seal.as_deref());
        let written = tokio::task::spawn_blocking(save).await;
        if let Ok(Err(error)) = written {
            count(&shared.metrics.state_failures);
            tracing::warn!(%error, "the state is not kept");
        }
    }
}

#[cfg(test)]
mod tests;
