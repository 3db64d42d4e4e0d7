//! What happened, told in the status of the cluster.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::reconcile::Context;
use super::telemetry::ClusterLabels;
use super::view::View;
use crate::api::{ConditionStatus, ConditionType, Status};
use crate::control::{ProxyState, wire};
use crate::names;
use crate::plan::Plan;
use crate::status::build::{StatusInputs, status};
use crate::status::{FileCertificate, Part, ProxyReport, Refusal, WAITING};
use crate::store;
use crate::world::declared::Declared;

/// How long proxies may take to find an operator that has just started: a little more than the
/// longest pause between two of their attempts.
const GATHERING: Duration = Duration::from_secs(8);

/// The longest reason of a refusal.
const REASON: usize = 300;

/// How long a status must have stood where several replicas tell it.
const SETTLED: Duration = Duration::from_secs(2);

impl Context {
    /// Builds the status and stores it; how long it is held back, if it is.
    pub(super) async fn report(
        &self,
        view: &View,
        declared: &Declared,
        plan: Option<&Plan>,
    ) -> Result<Option<Duration>, Error> {
        let Some(newest) = declared.newest() else {
            return Ok(None);
        };
        let wanted = view.versions.get(&declared.name).map_or("", String::as_str);
        let fleet = self.fleet(&declared.name);
        if self.gathering(view, declared, fleet.len()) {
            return Ok(Some(GATHERING));
        }
        let attempted = self.lock_attempted().get(&declared.name).cloned();
        let status = status(&StatusInputs {
            declared,
            routing: view.routing_of(&declared.name),
            plan,
            world: &view.world,
            fleet: &fleet,
            wanted_version: wanted,
            now: &now(),
            attempted: attempted.as_deref(),
        });
        self.note(&declared.name, &status, &fleet);
        if let Some(left) = self.unsettled(declared, &status) {
            return Ok(Some(left));
        }
        // It may hold words of a newer operator, which we do not know and do not take away: else
        // the two would write it in turns for as long as both run.
        let is_told = newest.labels.contains_key(names::LABEL_STATUS);
        if is_told && declared.status.as_ref() == Some(&status) {
            self.lock_attempted().remove(&declared.name);
            return Ok(None);
        }
        store::write_status(&self.engine, newest, &status).await?;
        // The status tells it from now on, and forgets it when another definition is reached.
        self.lock_attempted().remove(&declared.name);
        Ok(None)
    }

    /// The proxies of a cluster: those connected here, and those that other replicas tell of.
    fn fleet(&self, cluster: &str) -> Vec<ProxyReport> {
        let own = self.server.fleet(cluster).into_iter();
        let mut fleet: Vec<ProxyReport> = own.map(report_of).collect();
        for proxy in self.peers.proxies(cluster) {
            if fleet.iter().all(|known| known.task != proxy.task) {
                fleet.push(proxy);
            }
        }
        fleet
    }

    /// How long a new status waits. What other replicas tell is up to a second old, so where there
    /// are any a status must have stood for a while, and for longer with each later replica:
    /// otherwise they would correct each other. So must one that tells of nothing but another
    /// version of the routes, or of proxies that have yet to take it: an application that rolls
    /// would cost a write or two for every task.
    fn unsettled(&self, declared: &Declared, status: &Status) -> Option<Duration> {
        let key = format!("status of {}", declared.name);
        let before = declared.status.as_ref();
        let passes =
            before.is_some_and(|it| same_but_version(it, status) || begins_to_wait(it, status));
        if before == Some(status) || !(self.peers.exist() || passes) {
            self.holds.clear(&key);
            return None;
        }
        let mut timeless = status.clone();
        for condition in &mut timeless.conditions {
            condition.last_transition_time.clear();
        }
        let hash = names::content_hash(format!("{timeless:?}").as_bytes());
        let wait = self.lag + SETTLED;
        self.holds.remaining(&key, &hash, wait, Instant::now())
    }

    /// Whether proxies may still be on their way to this operator, which has just started: until
    /// then a status that was true before would be called false for a moment, and written twice.
    fn gathering(&self, view: &View, declared: &Declared, connected: usize) -> bool {
        if self.started.elapsed() > GATHERING {
            return false;
        }
        let newest = declared.newest().map(|revision| revision.generation);
        let told = declared.status.as_ref().map(|s| s.observed_generation) == newest;
        let proxies = view
            .world
            .services
            .values()
            .filter(|service| service.is_proxy_of(&declared.name))
            .flat_map(|service| view.world.tasks_of(&service.id));
        told && connected < proxies.filter(|task| task.serves()).count()
    }

    fn note(&self, cluster: &str, status: &Status, fleet: &[ProxyReport]) {
        let ready = status
            .conditions
            .iter()
            .any(|c| c.kind == ConditionType::Ready && c.status == ConditionStatus::True);
        let labels = ClusterLabels {
            cluster: cluster.to_owned(),
        };
        self.telemetry
            .ready
            .get_or_create(&labels)
            .set(f64::from(u8::from(ready)));
        let refused = i64::try_from(status.routes.refused).unwrap_or(i64::MAX);
        (self.telemetry.refused.get_or_create(&labels)).set(refused);
        let faults = &status.routes.faults;
        self.telemetry.fleets.tell(cluster, faults, fleet);
    }
}

/// Whether two statuses differ at most in the versions of routes that they tell.
fn same_but_version(one: &Status, other: &Status) -> bool {
    let without = |status: &Status| {
        let mut status = status.clone();
        status.delivery.version.clear();
        for proxy in &mut status.delivery.behind {
            proxy.version.clear();
        }
        status
    };
    without(one) == without(other)
}

/// Whether proxies that had everything have yet to take what is new, as they do for a moment at
/// every change.
fn begins_to_wait(before: &Status, now: &Status) -> bool {
    let programmed = |status: &Status| {
        let mut conditions = status.conditions.iter();
        let found = conditions.find(|it| it.kind == ConditionType::Programmed);
        found.map(|it| (it.status, it.reason.clone()))
    };
    programmed(before).is_some_and(|(status, _)| status == ConditionStatus::True)
        && programmed(now).is_some_and(|(_, reason)| reason == WAITING)
}

/// What a connected proxy says, as the status understands it.
pub(super) fn report_of(proxy: ProxyState) -> ProxyReport {
    let certificates = proxy.certificates.iter().map(|one| FileCertificate {
        name: one.name.clone(),
        not_after: one.not_after,
        uncovered: one.uncovered.clone(),
    });
    let refused = proxy.refused.into_iter().map(|one| Refusal {
        part: match one.type_url {
            wire::CERTIFICATE => Part::Certificate,
            wire::BACKEND => Part::Backend,
            wire::ROUTE => Part::Route,
            wire::PASSTHROUGH => Part::Passthrough,
            _ => Part::Listener,
        },
        name: one.name,
        // The same in all replicas, whoever the proxy is connected to.
        reason: one.reason.chars().take(REASON).collect(),
    });
    ProxyReport {
        certificates: certificates.collect(),
        refused: refused.collect(),
        more: 0,
        task: proxy.task,
        acked: proxy.acked,
        settled: proxy.settled,
        refused_whole: proxy.refused_whole,
    }
}

/// Now, in RFC 3339, UTC, seconds.
pub(super) fn now() -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time::OffsetDateTime::now_utc()
        .format(&format)
        .unwrap_or_default()
}

/// Now, in seconds since 1970.
pub(super) fn since_epoch() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Condition;

    fn programmed(status: ConditionStatus, reason: &str) -> Status {
        Status {
            conditions: vec![Condition {
                kind: ConditionType::Programmed,
                status,
                reason: reason.to_owned(),
                message: String::new(),
                observed_generation: 1,
                last_transition_time: String::new(),
            }],
            ..Status::default()
        }
    }

    #[test]
    fn only_a_wait_that_begins_is_held_back() {
        use ConditionStatus::{False, True};
        let stands = programmed(True, "Acknowledged");
        let waits = programmed(False, WAITING);
        assert!(begins_to_wait(&stands, &waits));
        assert!(!begins_to_wait(&waits, &stands), "it is good news");
        assert!(!begins_to_wait(&waits, &waits));
        assert!(!begins_to_wait(&stands, &programmed(False, "Refused")));
        assert!(!begins_to_wait(&Status::default(), &waits));
    }
}
