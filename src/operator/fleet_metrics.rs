//! What the proxies of each cluster found, as figures.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::status::RouteFault;
use crate::status::ProxyReport;

/// One fault that proxies found in a service's labels. There are as many as a status lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct FaultLabels {
    /// The cluster.
    pub cluster: String,
    /// The application service.
    pub service: String,
    /// Its label at fault.
    pub label: String,
    /// The label's value.
    pub value: String,
    /// CamelCase reason.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// A certificate from a Docker secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct SecretCertificateLabels {
    /// The cluster whose proxies show it.
    pub cluster: String,
    /// Its name in the route table.
    pub name: String,
}

/// The figures; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct FleetMetrics {
    faults: Told<FaultLabels>,
    not_after: Told<SecretCertificateLabels>,
}

/// Gauges by cluster, so that those that are told no more can be dropped.
#[derive(Clone, Debug)]
struct Told<L: Clone + Eq + Hash + Ord> {
    family: Family<L, Gauge>,
    by_cluster: Arc<Mutex<BTreeMap<String, BTreeSet<L>>>>,
}

impl<L: Clone + Eq + Hash + Ord> Default for Told<L> {
    fn default() -> Self {
        Self {
            family: Family::default(),
            by_cluster: Arc::default(),
        }
    }
}

impl<L: Clone + Eq + Hash + Ord> Told<L> {
    fn set(&self, cluster: &str, now: BTreeMap<L, i64>) {
        let mut all = self
            .by_cluster
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(cluster).unwrap_or_default();
        for gone in before.iter().filter(|labels| !now.contains_key(*labels)) {
            self.family.remove(gone);
        }
        for (labels, value) in &now {
            self.family.get_or_create(labels).set(*value);
        }
        if !now.is_empty() {
            all.insert(cluster.to_owned(), now.into_keys().collect());
        }
    }
}

impl FleetMetrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "skep_secret_certificate_not_after_seconds",
            "When each certificate from a Docker secret ends, as the proxies read it, in seconds since 1970",
            self.not_after.family.clone(),
        );
        registry.register(
            "skep_operator_route_fault",
            "1 for each fault that proxies found in a service's labels",
            self.faults.family.clone(),
        );
    }

    /// Takes what a cluster's status lists and what its proxies tell. Nothing of a cluster that
    /// is gone stays when both are empty.
    pub fn tell(&self, cluster: &str, faults: &[RouteFault], fleet: &[ProxyReport]) {
        let blamed = faults.iter().filter(|fault| !fault.service.is_empty());
        let faults = blamed.map(|fault| {
            let labels = FaultLabels {
                cluster: cluster.to_owned(),
                service: fault.service.clone(),
                label: fault.label.clone(),
                value: fault.value.clone(),
                reason: fault.reason.clone(),
                hint: fault.hint.clone(),
            };
            (labels, 1)
        });
        self.faults.set(cluster, faults.collect());
        let mut ends: BTreeMap<SecretCertificateLabels, i64> = BTreeMap::new();
        let all = fleet.iter().flat_map(|proxy| &proxy.certificates);
        for certificate in all.filter(|certificate| certificate.not_after != 0) {
            let labels = SecretCertificateLabels {
                cluster: cluster.to_owned(),
                name: certificate.name.clone(),
            };
            // While proxies are replaced they may show different ones: the first end counts.
            let end = ends.entry(labels).or_insert(certificate.not_after);
            *end = certificate.not_after.min(*end);
        }
        self.not_after.set(cluster, ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::FileCertificate;

    #[test]
    fn what_is_told_no_more_is_no_figure_any_more() {
        let metrics = FleetMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let text = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        let fault = RouteFault {
            service: "web".into(),
            label: "com.docker.lb.ssl_cert".into(),
            value: "web.cert".into(),
            reason: "CertificateUnusable".into(),
            hint: "make a new secret".into(),
            ..RouteFault::default()
        };
        let proxy = |not_after| ProxyReport {
            certificates: vec![FileCertificate {
                name: "service/web".into(),
                not_after,
                ..FileCertificate::default()
            }],
            ..ProxyReport::default()
        };
        metrics.tell("east", &[fault], &[proxy(900), proxy(800)]);
        let told = text();
        let line = r#"skep_operator_route_fault{cluster="east",service="web",label="com.docker.lb.ssl_cert",value="web.cert",reason="CertificateUnusable",hint="make a new secret"} 1"#;
        assert!(told.contains(line), "{told}");
        let line =
            r#"skep_secret_certificate_not_after_seconds{cluster="east",name="service/web"} 800"#;
        assert!(told.contains(line), "{told}");
        metrics.tell("east", &[], &[]);
        assert!(!text().contains("east"), "{}", text());
    }
}
