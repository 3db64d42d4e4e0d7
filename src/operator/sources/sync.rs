//! One run of one source: look, compare, write, tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::look::{Failure, Known};
use super::tell::{last_success, status_key};
use super::{Context, REASONS};
use crate::api::{ServiceCluster, Source, SourceFault, SourceSpec};
use crate::names;
use crate::operator::error::Error;
use crate::operator::report::{now, since_epoch};
use crate::operator::view::View;
use crate::plan::source::{SourcePlan, Write, plan};
use crate::runtime::{Action, Backoff, Failure as _, Retry, jitter};
use crate::status::source::{FIRST_RETRY, Faults, LONGEST_RETRY, Outcome};
use crate::store::sources::{Purpose, sealed_for};
use crate::store::{self, By};
use crate::world::sources::{DeclaredSource, sources};
use crate::world::{Declared, Stored as _, World, declared};

/// One run of one source.
pub(super) async fn run(context: Arc<Context>, name: String) -> Result<Action, Error> {
    let Some(view) = context.views.borrow().clone() else {
        return Ok(Action::AwaitChange);
    };
    let Some(declared) = sources(&view.world).remove(&name) else {
        context.forget(&name);
        return Ok(Action::AwaitChange);
    };
    context.source(&view, &declared).await
}

/// What a run comes to before it is told.
enum Come {
    /// Something to tell.
    To(Outcome),
    /// Another replica has the first right to write.
    Held(Duration),
    /// The source, or a cluster, is not what it was when the run began.
    Overtaken,
}

/// What a repository holds, of which source.
struct Gap<'a> {
    /// The source, at the revision that is acted on.
    source: &'a DeclaredSource,
    prune: bool,
    commit: &'a str,
    wanted: &'a [ServiceCluster],
}

impl Context {
    fn forget(&self, name: &str) {
        self.known().remove(name);
        self.poked().remove(name);
        self.changed().remove(name);
        self.holds.clear(&key(name));
        self.holds.clear(&status_key(name));
        self.telemetry.forget_source(name, &REASONS);
    }

    async fn source(&self, view: &View, declared: &DeclaredSource) -> Result<Action, Error> {
        let name = &declared.name;
        let asked = declared.asked().to_owned();
        let Some((_, source)) = &declared.accepted else {
            return self.rest(declared, &Outcome::Invalid, &asked).await;
        };
        if source.spec.suspend {
            // Whatever was read before is read anew afterwards.
            self.known().remove(name);
            return self.rest(declared, &Outcome::Suspended, &asked).await;
        }
        let mut known = self.recall(view, declared, source);
        let poked = self.poked().remove(name);
        let looked = poked || known.handled != asked || known.next <= Instant::now();
        if looked {
            self.look(name, &source.spec, &view.world, &mut known).await;
            known.handled.clone_from(&asked);
            // Whatever becomes of this run, what was read stays read.
            self.known().insert(name.clone(), known.clone());
        }
        if self.stop.is_cancelled() {
            return Ok(Action::AwaitChange);
        }
        let come = self.close_gap(view, declared, source, &known).await;
        let outcome = match come {
            Ok(Come::To(outcome)) => outcome,
            Ok(Come::Held(left)) => {
                self.known().insert(name.clone(), known);
                return Ok(Action::Requeue(left));
            }
            // The change that came between wakes it.
            Ok(Come::Overtaken) => return Ok(Action::AwaitChange),
            Err(error) if error.retry() == Retry::Now => return Err(error),
            Err(error) => Outcome::Failed {
                reason: "ApplyFailed".to_owned(),
                message: error.to_string(),
                commit: known.content.as_ref().map(|(commit, _)| commit.clone()),
                faults: Faults::default(),
            },
        };
        if looked {
            self.book(declared, &source.spec, &outcome, &mut known);
        }
        // Not only a look can tell otherwise: somebody takes a cluster, or stores an invalid manifest.
        let applied = matches!(outcome, Outcome::Applied { .. });
        self.telemetry
            .source_ready(name, applied && declared.faults.is_empty());
        let next = known.next;
        let (success, handled) = (known.last_success.clone(), known.handled.clone());
        self.known().insert(name.clone(), known);
        let held = self
            .tell(
                declared,
                &outcome,
                &success,
                &handled,
                source.spec.interval.get(),
            )
            .await?;
        if held.is_none() {
            store::prune(&self.engine, declared).await?;
        }
        let left = next.saturating_duration_since(Instant::now());
        Ok(Action::Requeue(held.map_or(left, |held| held.min(left))))
    }

    /// A source that has nothing to do until somebody changes it.
    async fn rest(
        &self,
        declared: &DeclaredSource,
        outcome: &Outcome,
        asked: &str,
    ) -> Result<Action, Error> {
        self.telemetry.source_ready(&declared.name, false);
        let held = self
            .tell(declared, outcome, "", asked, Duration::ZERO)
            .await?;
        if held.is_none() {
            // What older revisions tell goes once there is news.
            store::prune(&self.engine, declared).await?;
        }
        Ok(held.map_or(Action::AwaitChange, Action::Requeue))
    }

    /// What is known of the repository, if it still is of the same source.
    fn recall(&self, view: &View, declared: &DeclaredSource, source: &Source) -> Known {
        let auth = sealed_for(&view.world, &declared.name, Purpose::Auth).unwrap_or_default();
        // Neither its labels nor the version that it is written in say what is read.
        let spec = serde_json::to_string(&source.spec).unwrap_or_default();
        let basis = names::content_hash(&[spec.as_bytes(), b"\0", auth].concat());
        let known = self.known().get(&declared.name).cloned();
        known
            .filter(|known| known.basis == basis)
            .unwrap_or_else(|| Known::new(basis))
    }

    /// Makes what is declared match what the repository holds.
    async fn close_gap(
        &self,
        view: &View,
        found: &DeclaredSource,
        source: &Source,
        known: &Known,
    ) -> Result<Come, Error> {
        let name = &found.name;
        let (commit, clusters) = match (&known.failure, &known.content) {
            // What was read before an outage holds on through it.
            (_, Some((commit, Ok(clusters)))) => (commit, clusters),
            (Some(failure), _) | (None, Some((_, Err(failure)))) => return Ok(failed(failure)),
            // Nothing is read without a failure or a content.
            (None, None) => return Ok(Come::Held(FIRST_RETRY.get())),
        };
        let gap = Gap {
            source: found,
            prune: source.spec.prune,
            commit,
            wanted: clusters,
        };
        let mut todo = gap.plan(&view.world, &view.declared);
        let mut fresh = BTreeMap::new();
        if todo != SourcePlan::default() {
            // The view may be older than what this run or another replica wrote, and a look takes
            // long enough for anybody to change or delete the source.
            let world = store::sources::configs(&self.engine).await?;
            if !gap.holds_in(&world) {
                return Ok(Come::Overtaken);
            }
            fresh = declared(&world);
            todo = gap.plan(&world, &fresh);
        }
        if !todo.conflicts.is_empty() {
            let what = ("conflict", "conflicts");
            let conflicts = todo.conflicts.into_iter().map(SourceFault::new);
            let failure = Failure::faulty("Conflict", commit, what, conflicts.collect());
            return Ok(failed(&failure));
        }
        if todo.writes.is_empty() {
            self.holds.clear(&key(name));
        } else if let Some(left) = self.held(name, &todo) {
            return Ok(Come::Held(left));
        } else if !self.write(&gap, todo.writes, &fresh).await? {
            return Ok(Come::Overtaken);
        }
        if let Some(failure) = &known.failure {
            return Ok(failed(failure));
        }
        Ok(Come::To(Outcome::Applied {
            commit: commit.clone(),
            clusters: clusters.len(),
        }))
    }

    fn held(&self, name: &str, gap: &SourcePlan) -> Option<Duration> {
        let hash = names::content_hash(format!("{gap:?}").as_bytes());
        self.holds
            .remaining(&key(name), &hash, self.lag, Instant::now())
    }

    /// Carries the writes out; `false` when somebody else came between.
    async fn write(
        &self,
        gap: &Gap<'_>,
        writes: Vec<Write>,
        fresh: &BTreeMap<String, Declared>,
    ) -> Result<bool, Error> {
        let (name, commit) = (&gap.source.name, gap.commit);
        let manager = names::source_manager(name);
        for write in writes {
            match write {
                Write::Apply { cluster, force, .. } => {
                    let seen = fresh.get(&cluster.metadata.name);
                    let newest = seen.and_then(Declared::newest);
                    let by = By {
                        manager: Some(&manager),
                        force,
                        older: false,
                        over: Some(newest.map_or("", |newest| &newest.config_id)),
                    };
                    let applied = store::apply_by(&self.engine, fresh, &cluster, by).await;
                    let applied = match applied {
                        Err(store::Error::Changed { .. } | store::Error::Managed { .. }) => {
                            return Ok(false);
                        }
                        applied => applied?,
                    };
                    let (cluster, outcome) = (&cluster.metadata.name, applied.outcome);
                    self.note(name, commit, cluster, Some(outcome));
                    tracing::info!(source = %name, %commit, %cluster, generation = applied.generation, ?outcome, "applied");
                }
                Write::Delete(cluster) => {
                    // It may be somebody else's by now, and what is deleted is not put back.
                    let world = store::sources::configs(&self.engine).await?;
                    let own = declared(&world).remove(&cluster);
                    let own = own.filter(|found| found.manager().as_deref() == Some(&manager));
                    let Some(own) = own.filter(|_| gap.holds_in(&world)) else {
                        return Ok(false);
                    };
                    store::sources::withdraw(&self.engine, &own).await?;
                    self.note(name, commit, &cluster, None);
                    tracing::info!(source = %name, %commit, %cluster, "deleted: the repository declares it no more");
                }
            }
        }
        Ok(true)
    }

    /// Books what came of a look: metrics, and when to look again.
    fn book(
        &self,
        declared: &DeclaredSource,
        spec: &SourceSpec,
        outcome: &Outcome,
        known: &mut Known,
    ) {
        let name = &declared.name;
        let interval = spec.interval.get();
        let wait = if let Outcome::Failed {
            reason,
            message,
            faults,
            ..
        } = outcome
        {
            let faults = faults.listed().iter();
            let faults: Vec<String> = faults.map(ToString::to_string).collect();
            known.failures = known.failures.saturating_add(1);
            self.telemetry
                .source_looked(name, Some(reason), last_success(declared));
            tracing::warn!(source = %name, %reason, %message, ?faults, "the source could not be applied");
            let backoff = Backoff {
                base: FIRST_RETRY.get().min(interval),
                max: LONGEST_RETRY.get().max(interval),
            };
            backoff.wait(known.failures, jitter())
        } else {
            known.failures = 0;
            known.last_success = now();
            self.telemetry.source_looked(name, None, since_epoch());
            // Sources that came together do not stay together.
            interval.mul_f64(1.0 - 0.1 * jitter())
        };
        known.next = Instant::now() + wait;
    }
}

impl Gap<'_> {
    fn plan(&self, world: &World, declared: &BTreeMap<String, Declared>) -> SourcePlan {
        let alive = sources(world);
        let alive: BTreeSet<&str> = alive.keys().map(String::as_str).collect();
        plan(&self.source.name, self.wanted, declared, &alive, self.prune)
    }

    /// Whether the source is declared as it was.
    fn holds_in(&self, world: &World) -> bool {
        let revision = |source: &DeclaredSource| Some(source.newest()?.config_id.clone());
        let now = sources(world).get(&self.source.name).and_then(revision);
        now.is_some() && now == revision(self.source)
    }
}

fn failed(failure: &Failure) -> Come {
    Come::To(Outcome::Failed {
        reason: failure.reason.to_owned(),
        message: failure.message.clone(),
        commit: failure.commit.clone(),
        faults: failure.faults.clone(),
    })
}

fn key(name: &str) -> String {
    format!("source {name}")
}
