//! Plan, routes and proxies in, the status of a service cluster out: pure.

pub mod build;
mod certificates;
mod conditions;
mod delivery;
mod faults;
mod mark;
mod placement;
mod proxies;
pub mod source;

use serde::{Deserialize, Serialize};

pub use build::{StatusInputs, status};
pub(crate) use conditions::{ENGINE_REFUSED, WAITING};
pub use delivery::of as proxies_of;
pub use mark::mark;

/// What one connected proxy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyReport {
    /// Its task id.
    pub task: String,
    /// Version of the routes that it has wholly acknowledged; `None` before the first.
    pub acked: Option<String>,
    /// Version of the routes of which it has taken or refused everything.
    pub settled: Option<String>,
    /// What it refused last as a whole, naming no part, while that is not mended.
    pub refused_whole: Option<String>,
    /// What it does not take of the routes in force, one by one.
    pub refused: Vec<Refusal>,
    /// So many more it does not take; another replica of the operator left them out.
    pub more: usize,
    /// The certificates that it has from Docker secrets.
    pub certificates: Vec<FileCertificate>,
}

/// What a route table is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// Settings of the whole cluster.
    Listener,
    /// A certificate.
    Certificate,
    /// A backend.
    Backend,
    /// A route.
    Route,
    /// TLS that is passed on.
    Passthrough,
}

impl Part {
    /// Its name in a status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "Listener",
            Self::Certificate => "Certificate",
            Self::Backend => "Backend",
            Self::Route => "Route",
            Self::Passthrough => "Passthrough",
        }
    }
}

/// One part that a proxy refuses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is.
    pub part: Part,
    /// Its name in the route table.
    pub name: String,
    /// Why, as the proxy says.
    pub reason: String,
}

/// A certificate from a Docker secret, as a proxy reads it: nobody else can.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileCertificate {
    /// Its name in the route table.
    pub name: String,
    /// Until when it is valid, in seconds since 1970; 0: it does not say.
    pub not_after: i64,
    /// Hosts that it is shown for and does not name.
    pub uncovered: Vec<String>,
}
