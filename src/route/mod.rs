//! World and cluster in, route table out: pure, and the same bytes for the same input.

pub mod build;
pub mod certificates;
mod claim;
mod reach;
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

/// What became of one service at one host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The host asked for; `*` for a default backend; empty when a fault concerns the whole service.
    pub host: String,
    /// The path prefix.
    pub path: String,
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
    /// Served, but one of its settings is not the one in force.
    Conflict,
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
}
