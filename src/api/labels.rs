//! The grammar of application labels: what a user's service says about its routes.
//!
//! The prefixes `com.docker.lb.` (Interlock's) and `skep.` mean the same; where both give one
//! name different values, `skep.` wins and the service is told. No label can stop anything but
//! its own route: what cannot be read is a [`LabelFault`], and only a fatal one refuses the route.

mod read;
#[cfg(test)]
mod tests;

use super::value::HostPattern;

pub use read::read;

/// What the labels of one application service ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppLabels {
    /// Host names, in the order given, lower case, each once.
    pub hosts: Vec<HostPattern>,
    /// Port inside the service's containers.
    pub port: Option<u16>,
    /// Network (name or id) on which the service is reached.
    pub network: Option<String>,
    /// Service clusters by name, in the order given, each once. Empty: none is named.
    pub clusters: Vec<String>,
    /// Path prefix in normal form: starts with `/`, ends with one only when it is `/`.
    pub context_root: Option<String>,
    /// Cut the prefix off before a request is forwarded.
    pub context_root_rewrite: bool,
    /// Takes the hosts that no route names.
    pub default_backend: bool,
    /// Share of the traffic of a route that several services serve; 0: none.
    pub weight: Option<u32>,
    /// What is wrong with the labels, in order of label.
    pub faults: Vec<LabelFault>,
    /// Carries any label under one of the prefixes, known or not.
    pub is_routed: bool,
}

impl AppLabels {
    /// The first fault that makes the route impossible.
    #[must_use]
    pub fn fatal(&self) -> Option<&LabelFault> {
        self.faults.iter().find(|fault| fault.fatal)
    }
}

/// One thing that is wrong with an application's labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelFault {
    /// The whole label key, as the service carries it; for a missing one, the key to add.
    pub label: String,
    /// Its value; empty for a missing one.
    pub value: String,
    /// One CamelCase word, from a bounded set.
    pub reason: &'static str,
    /// What is wrong: lower case, one sentence, no full stop.
    pub message: String,
    /// What to do about it; empty when the message says it.
    pub hint: String,
    /// The route cannot be served at all.
    pub fatal: bool,
}
