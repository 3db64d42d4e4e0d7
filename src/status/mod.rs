//! Plan, routes and proxies in, the status of a service cluster out: pure.

pub mod build;
mod certificates;
mod conditions;
mod placement;
mod proxies;
pub mod source;

pub use build::{StatusInputs, status};

/// What one connected proxy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyReport {
    /// Its task id.
    pub task: String,
    /// Version of the routes that it has wholly acknowledged; `None` before the first.
    pub acked: Option<String>,
    /// What it refused last, while that is not mended.
    pub nack: Option<String>,
}
