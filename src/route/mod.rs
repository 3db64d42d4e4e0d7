//! World and cluster in, route table out: pure, and the same bytes for the same input.

mod assemble;
pub mod build;
pub mod certificates;
mod claim;
mod place;
mod reach;
mod secret;
mod settings;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};

pub use build::routing;
pub use certificates::{Faulty, Keyring, Note, Stored, Use, certified};
pub use table::{
    Affinity, Backend, BackendProtocol, BackendTls, BasicAuth, Certificate, CertificateSource,
    Conditions, Cors, Endpoint, HeaderEdits, HeaderTest, HealthCheck, Listener, Outlier,
    Passthrough, PathMatch, Policy, RateKey, RateLimit, Redirect, Retries, Route, RouteTable,
    SecretText, Target,
};

/// The routes of all clusters, and the services that no cluster takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// By cluster: every cluster that has a valid revision, also one without routes.
    pub clusters: BTreeMap<String, ClusterRouting>,
    /// Services that ask for a cluster that is not there, in order of name.
    pub orphans: Vec<Orphan>,
}

/// The routes of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterRouting {
    /// What its proxies serve.
    pub table: RouteTable,
    /// What became of every service that asked for a route here, in order of host, path, service.
    pub rows: Vec<Row>,
    /// Ids of the networks over which the routed services are reached. The proxies of a cluster
    /// that lists no networks are attached to these.
    pub followed: BTreeSet<String>,
    /// Names of the Docker secrets that its proxies need as files.
    pub secrets: BTreeSet<String>,
    /// The stored certificates in use, in order of name.
    pub certificates: Vec<Use>,
    /// What people should know of its certificates.
    pub notes: Vec<Note>,
}

impl ClusterRouting {
    /// How many routes are rejected, whatever number of faults each has.
    #[must_use]
    pub fn rejected(&self) -> usize {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| row.state == RowState::Rejected);
        let places: BTreeSet<_> = rows
            .map(|row| (&row.service, &row.host, &row.path, &row.when))
            .collect();
        places.len()
    }
}

/// What became of one service at one host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The host asked for; `*` for a default backend; empty when a fault concerns the whole service.
    pub host: String,
    /// The path as in the route's name: a prefix as it is, `=` before an exact one, `~` before an
    /// expression; empty for a passthrough.
    pub path: String,
    /// Methods and headers asked for, as in the route's name.
    pub when: String,
    /// Status and target of a redirect.
    pub redirect: String,
    /// How TLS is served: `passthrough`, the name of the certificate, or nothing.
    pub tls: String,
    /// Name of the application service.
    pub service: String,
    /// Endpoints it serves the route with.
    pub endpoints: usize,
    /// Its explicit weight; `None`: by the number of endpoints.
    pub weight: Option<u32>,
    /// How it stands.
    pub state: RowState,
    /// CamelCase reason; empty when all is well.
    pub reason: String,
    /// What is wrong and what to do; empty when all is well.
    pub message: String,
    /// The label at fault; empty when no label is.
    pub label: String,
    /// The value of that label.
    pub value: String,
}

impl Row {
    /// Where it stands among the rows.
    pub(crate) fn place(&self) -> (&str, &str, &str, &str, &str, &str) {
        (
            &self.host,
            &self.path,
            &self.when,
            &self.service,
            &self.label,
            &self.reason,
        )
    }

    /// The name of the route it speaks of.
    #[must_use]
    pub fn route(&self) -> String {
        let mut name = format!("{}{}", self.host, self.path);
        if !self.when.is_empty() {
            name.push(' ');
            name.push_str(&self.when);
        }
        name
    }
}

/// How a service stands at a host and path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowState {
    /// Served.
    #[default]
    Active,
    /// In the table, but without any endpoint: the answer is 503.
    Degraded,
    /// Not in the table.
    Rejected,
    /// Served, but one of its settings is not the one in force, because another service decides.
    Conflict,
    /// Served, but one of its labels is not obeyed, or something of it needs attention.
    Warning,
    /// A proxy refuses it: what it had before stays, or it is closed.
    Refused,
}

/// A service that no cluster takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphan {
    /// Its name.
    pub service: String,
    /// CamelCase reason: `NoDefaultCluster`, `ClusterNotFound`, `ClusterNotAccepted`, or that of
    /// a faulty `service_cluster` label.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The label at fault, or the one to add.
    pub label: String,
    /// Its value; empty when it is not there.
    pub value: String,
}
