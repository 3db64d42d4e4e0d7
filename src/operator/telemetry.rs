//! The operator's metrics.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::fleet_metrics::FleetMetrics;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Nothing to do.
    Unchanged,
    /// Steps were taken.
    Acted,
    /// It waits for a quiet moment or for another replica.
    Held,
    /// It failed.
    Failed,
}

/// Label of the runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RunLabels {
    /// How it ended.
    pub outcome: Outcome,
}

/// Label of errors: a category from a bounded set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabels {
    /// The category.
    pub category: &'static str,
}

/// Label of steps: what kind of engine call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabels {
    /// The kind, such as `CreateService`.
    pub step: &'static str,
}

/// Label of what belongs to one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClusterLabels {
    /// Its name.
    pub cluster: String,
}

/// Label of what belongs to one stored certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CertificateLabels {
    /// Its name.
    pub name: String,
}

/// Label of what belongs to one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SourceLabels {
    /// Its name.
    pub source: String,
}

/// Label of the failures of one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    /// Its name.
    pub source: String,
    /// The reason, as in its condition Ready.
    pub reason: String,
}

/// The operator's counters; clones count into the same ones.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Arc<Mutex<Registry>>,
    /// Runs by outcome.
    pub runs: Family<RunLabels, Counter>,
    /// Errors by category.
    pub errors: Family<ErrorLabels, Counter>,
    /// Engine calls that change something, by kind.
    pub steps: Family<StepLabels, Counter>,
    /// Worlds that differed from the one before.
    pub worlds: Counter,
    /// Seconds from a new world to its routes being handed to the control stream.
    pub routing: Histogram,
    /// Routes in force, by cluster.
    pub routes: Family<ClusterLabels, Gauge>,
    /// Refused routes, by cluster.
    pub rejected: Family<ClusterLabels, Gauge>,
    /// Services that no cluster takes.
    pub orphans: Gauge,
    /// 1 when the cluster is Ready.
    pub ready: Family<ClusterLabels, Gauge<f64, AtomicU64>>,
    /// When each stored certificate ends, in seconds since 1970.
    pub not_after: Family<CertificateLabels, Gauge>,
    /// What only the proxies know.
    pub fleets: FleetMetrics,
    /// Parts of routes that proxies refuse, by cluster.
    pub refused: Family<ClusterLabels, Gauge>,
    /// When each source last went well, in seconds since 1970; 0: not yet since the start.
    pub source_success: Family<SourceLabels, Gauge>,
    /// 1 when the source's repository is read and applied.
    pub source_ready: Family<SourceLabels, Gauge>,
    /// Failed looks at repositories.
    pub source_failures: Family<FailureLabels, Counter>,
    /// The names of those that have such a figure.
    told: Arc<Mutex<BTreeSet<String>>>,
}

impl Telemetry {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let telemetry = Self {
            registry: Arc::default(),
            runs: Family::default(),
            errors: Family::default(),
            steps: Family::default(),
            worlds: Counter::default(),
            routing: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            routes: Family::default(),
            rejected: Family::default(),
            orphans: Gauge::default(),
            ready: Family::default(),
            not_after: Family::default(),
            fleets: FleetMetrics::default(),
            refused: Family::default(),
            source_success: Family::default(),
            source_ready: Family::default(),
            source_failures: Family::default(),
            told: Arc::default(),
        };
        for outcome in [
            Outcome::Unchanged,
            Outcome::Acted,
            Outcome::Held,
            Outcome::Failed,
        ] {
            drop(telemetry.runs.get_or_create(&RunLabels { outcome }));
        }
        telemetry.register();
        telemetry
    }

    fn register(&self) {
        let mut registry = self.lock();
        registry.register(
            "skep_certificate_not_after_seconds",
            "When each stored certificate ends, in seconds since 1970",
            self.not_after.clone(),
        );
        self.fleets.register(&mut registry);
        registry.register(
            "skep_source_last_success_timestamp_seconds",
            "When each source's repository was last read and applied, in seconds since 1970",
            self.source_success.clone(),
        );
        registry.register(
            "skep_source_ready",
            "1 when the source's repository is read and applied",
            self.source_ready.clone(),
        );
        registry.register(
            "skep_source_failures",
            "Looks at repositories that failed, by reason",
            self.source_failures.clone(),
        );
        let skep = registry.sub_registry_with_prefix("skep_operator");
        skep.register("reconciles", "Runs by outcome", self.runs.clone());
        skep.register("errors", "Errors by category", self.errors.clone());
        skep.register(
            "steps",
            "Engine calls that change something, by kind",
            self.steps.clone(),
        );
        skep.register(
            "worlds",
            "Observations that differed from the one before",
            self.worlds.clone(),
        );
        skep.register_with_unit(
            "routing",
            "From a new observation to its routes on the control stream",
            Unit::Seconds,
            self.routing.clone(),
        );
        skep.register("routes", "Routes in force", self.routes.clone());
        skep.register(
            "routes_rejected",
            "Routes refused because of a fault",
            self.rejected.clone(),
        );
        skep.register(
            "routes_refused",
            "Certificates, routes and backends that proxies refuse because of one service's labels",
            self.refused.clone(),
        );
        skep.register(
            "orphans",
            "Services with routing labels that no cluster takes",
            self.orphans.clone(),
        );
        skep.register(
            "cluster_ready",
            "1 when the cluster is Ready",
            self.ready.clone(),
        );
    }

    /// Counts a run.
    pub fn ran(&self, outcome: Outcome) {
        self.runs.get_or_create(&RunLabels { outcome }).inc();
    }

    /// Counts an error.
    pub fn failed(&self, category: &'static str) {
        self.errors.get_or_create(&ErrorLabels { category }).inc();
    }

    /// Notes how long routing took.
    pub fn routed(&self, took: Duration) {
        self.routing.observe(took.as_secs_f64());
    }

    /// Notes when the stored certificates end; those that are not named are gone.
    pub fn certificates<'a>(&self, ends: impl Iterator<Item = (&'a str, i64)>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *told);
        for (name, not_after) in ends {
            gone.remove(name);
            told.insert(name.to_owned());
            let name = name.to_owned();
            let labels = CertificateLabels { name };
            self.not_after.get_or_create(&labels).set(not_after);
        }
        for name in gone {
            self.not_after.remove(&CertificateLabels { name });
        }
    }

    /// Drops the figures of a cluster that is gone: a value nobody changes any more would lie.
    pub fn forget(&self, cluster: &str) {
        let labels = ClusterLabels {
            cluster: cluster.to_owned(),
        };
        self.routes.remove(&labels);
        self.rejected.remove(&labels);
        self.refused.remove(&labels);
        self.fleets.tell(cluster, &[], &[]);
        self.ready.remove(&labels);
    }

    /// Notes what came of a look at a source's repository, and when it last went well.
    pub fn source_looked(&self, source: &str, failed: Option<&str>, well: i64) {
        let labels = SourceLabels {
            source: source.to_owned(),
        };
        // There from the start, so that an alert on its age works for a source that never did.
        let success = self.source_success.get_or_create(&labels);
        // A failure after a start finds it in the status, which is written now and then only.
        success.set(well.max(success.get()));
        drop(success);
        if let Some(reason) = failed {
            let labels = FailureLabels {
                source: source.to_owned(),
                reason: reason.to_owned(),
            };
            self.source_failures.get_or_create(&labels).inc();
        }
    }

    /// Notes whether a source is as its manifest asks. One that nobody looks at is not.
    pub fn source_ready(&self, source: &str, ready: bool) {
        let labels = SourceLabels {
            source: source.to_owned(),
        };
        let ready = i64::from(ready);
        self.source_ready.get_or_create(&labels).set(ready);
    }

    /// Drops the figures of a source that is gone.
    pub fn forget_source(&self, source: &str, reasons: &[&str]) {
        let source = source.to_owned();
        for reason in reasons {
            self.source_failures.remove(&FailureLabels {
                source: source.clone(),
                reason: (*reason).to_owned(),
            });
        }
        let labels = SourceLabels { source };
        self.source_success.remove(&labels);
        self.source_ready.remove(&labels);
    }

    /// All metrics in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.lock());
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_there_before_the_first_run() {
        let text = Telemetry::new().text();
        for outcome in ["Unchanged", "Acted", "Held", "Failed"] {
            let line = format!("skep_operator_reconciles_total{{outcome=\"{outcome}\"}} 0");
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }
}
