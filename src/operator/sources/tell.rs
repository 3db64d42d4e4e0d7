//! What is told of a source: what was changed, and the status.

use std::time::Duration;

use tokio::time::Instant;

use super::Context;
use crate::api::{ConditionStatus, SourceChange, SourceStatus};
use crate::names;
use crate::operator::error::Error;
use crate::operator::report::now;
use crate::status::source::{HEARTBEAT, Inputs, Outcome, status};
use crate::store;
use crate::world::Stored as _;
use crate::world::sources::DeclaredSource;

/// A replica that fails leaves the status of one that went well alone for so many intervals.
const PATIENCE: u32 = 3;

impl Context {
    /// Notes what was done to a cluster, until the status tells it; `None`: it was deleted.
    pub(super) fn note(
        &self,
        source: &str,
        commit: &str,
        cluster: &str,
        outcome: Option<store::Outcome>,
    ) {
        type List = fn(&mut SourceChange) -> &mut Vec<String>;
        let list: List = match outcome {
            Some(store::Outcome::Created) => |change| &mut change.created,
            Some(store::Outcome::Configured) => |change| &mut change.configured,
            Some(store::Outcome::Adopted) => |change| &mut change.taken_over,
            Some(store::Outcome::Unchanged) => return,
            None => |change| &mut change.pruned,
        };
        let mut all = self.changed();
        let changes = all.entry(source.to_owned()).or_default();
        if changes.last().is_none_or(|last| last.revision != commit) {
            changes.push(SourceChange {
                time: now(),
                revision: commit.to_owned(),
                ..SourceChange::default()
            });
        }
        if let Some(change) = changes.last_mut() {
            list(change).push(cluster.to_owned());
        }
    }

    /// Writes the status when it says something new; how long it is held back, if it is.
    pub(super) async fn tell(
        &self,
        declared: &DeclaredSource,
        outcome: &Outcome,
        last_success: &str,
        handled: &str,
        interval: Duration,
    ) -> Result<Option<Duration>, Error> {
        let Some(newest) = declared.newest() else {
            return Ok(None);
        };
        let changes = self.changed().get(&declared.name).cloned();
        let changes = changes.unwrap_or_default();
        let status = status(Inputs {
            declared,
            outcome,
            last_success,
            handled,
            changes: &changes,
            now: &now(),
        });
        let key = status_key(&declared.name);
        if !is_news(declared.status.as_ref(), &status) {
            self.holds.clear(&key);
            // Whatever was changed is told, even if nobody answered that it was.
            self.changed().remove(&declared.name);
            return Ok(None);
        }
        let hash = names::content_hash(format!("{:?}", timeless(&status)).as_bytes());
        let wait = self.lag + self.doubt(declared, outcome, interval);
        if let Some(left) = self.holds.remaining(&key, &hash, wait, Instant::now()) {
            return Ok(Some(left));
        }
        store::write_status(&self.engine, newest, &status).await?;
        self.changed().remove(&declared.name);
        Ok(None)
    }

    /// Where there are several replicas, one that fails may be the only one.
    fn doubt(&self, declared: &DeclaredSource, outcome: &Outcome, interval: Duration) -> Duration {
        let ready = declared
            .status
            .as_ref()
            .and_then(|status| status.conditions.get(1));
        let well = ready.is_some_and(|ready| ready.status == ConditionStatus::True);
        let fetching = matches!(outcome, Outcome::Failed { commit: None, .. });
        if well && fetching && self.peers.exist() {
            interval * PATIENCE
        } else {
            Duration::ZERO
        }
    }
}

pub(super) fn status_key(name: &str) -> String {
    format!("status of source {name}")
}

/// Without the times, which alone are no news.
fn timeless(status: &SourceStatus) -> SourceStatus {
    let mut status = status.clone();
    status.last_success.clear();
    for condition in &mut status.conditions {
        condition.last_transition_time.clear();
    }
    status
}

/// Whether a status says more than the one that is told: anything but the time of the last
/// success, or that when it is much later.
fn is_news(told: Option<&SourceStatus>, status: &SourceStatus) -> bool {
    let Some(told) = told else { return true };
    if timeless(told) != timeless(status) {
        return true;
    }
    let passed = seconds(&status.last_success) - seconds(&told.last_success);
    u64::try_from(passed).is_ok_and(|passed| passed >= HEARTBEAT.get().as_secs())
}

/// When a source last went well, as its status tells, in seconds since 1970; 0: never.
pub(super) fn last_success(declared: &DeclaredSource) -> i64 {
    let status = declared.status.as_ref();
    status.map_or(0, |status| seconds(&status.last_success))
}

fn seconds(text: &str) -> i64 {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).map_or(0, time::OffsetDateTime::unix_timestamp)
}
