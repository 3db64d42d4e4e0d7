//! The grammar of application labels: what a user's service says about its routes.
//!
//! The prefixes `com.docker.lb.` (Interlock's) and `skep.` mean the same; where both give one
//! name different values, `skep.` wins and the service is told. `routes.ID.NAME` speaks of a route
//! of its own, for which the service's other labels are defaults. No label can stop anything but
//! its own route: what cannot be read is a [`LabelFault`], and only a fatal one refuses the route.

mod check;
mod docs;
mod kind;
mod lenient;
mod read;
mod sort;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::value::{ByteSize, HostPattern, Span};
use crate::names::APP_PREFIXES;

pub use docs::markdown;
pub use kind::{HeaderRule, Kind, RedirectRule, Value};
pub use read::read;

/// What the labels of one application service ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppLabels {
    /// Service clusters by name, in the order given, each once. Empty: none is named.
    pub clusters: Vec<String>,
    /// The label that names them, as the service carries it.
    pub clusters_label: Option<Label>,
    /// The routes that can be served: the unnamed one first, then the named ones in order.
    pub routes: Vec<RouteLabels>,
    /// What is wrong with the labels, in order of route and label.
    pub faults: Vec<LabelFault>,
    /// Carries any label under one of the prefixes, known or not.
    pub is_routed: bool,
}

/// What is asked for one route. A setting that is not there was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLabels {
    /// Its name; empty for the unnamed one.
    pub id: String,
    /// Host names, in the order given, lower case, each once.
    pub hosts: Vec<HostPattern>,
    /// Port inside the service's containers, never 0 unless the route is closed.
    pub port: u16,
    /// The path.
    pub path: PathLabel,
    /// The fatal faults of a route that asks to be kept from some requests: it stands at its
    /// places and serves nobody, because without it a route of less demands would take its
    /// requests. Empty: it is served.
    pub closed: Vec<LabelFault>,
    values: BTreeMap<Key, Value>,
    labels: BTreeMap<Key, Label>,
}

/// A path in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathLabel {
    /// On segment borders; starts with `/`, ends with one only when it is `/`.
    Prefix(String),
    /// This one alone; starts with `/`.
    Exact(String),
    /// An expression that compiles.
    Regex(String),
}

impl Default for PathLabel {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// The name of a label in the table, and what stands for the star of an open one.
type Key = (&'static str, String);

/// One label as the service carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The whole key.
    pub key: String,
    /// The trimmed value.
    pub value: String,
}

impl Label {
    /// Whether it was written for the route of this name.
    fn is_of(&self, id: &str) -> bool {
        let mut names = APP_PREFIXES.iter();
        let name = names.find_map(|prefix| self.key.strip_prefix(prefix));
        let rest = name.and_then(|name| name.strip_prefix("routes."));
        rest.and_then(|rest| rest.split_once('.'))
            .is_some_and(|(route, _)| route == id)
    }
}

/// One thing that is wrong with an application's labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelFault {
    /// Name of the route; empty for the unnamed one and for the service as a whole.
    pub route: String,
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

impl AppLabels {
    /// The first fault that makes a route impossible.
    #[must_use]
    pub fn fatal(&self) -> Option<&LabelFault> {
        self.faults.iter().find(|fault| fault.fatal)
    }
}

/// Labels by which a route is kept from some requests.
pub(in crate::api) const GUARDS: [&str; 4] =
    ["basic_auth", "ip_allow", "https_redirect", "ssl_only"];

impl RouteLabels {
    /// Whether it asks to be kept from some requests.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        let wants = |name| !matches!(self.value(name), None | Some(Value::Flag(false)));
        !self.flag("ssl_passthrough") && GUARDS.into_iter().any(wants)
    }

    /// The value of a label of the table.
    fn value(&self, name: &'static str) -> Option<&Value> {
        debug_assert!(table::find(name).is_some(), "{name} is not in the table");
        self.values.get(&(name, String::new()))
    }

    /// Whether a boolean is given and true.
    #[must_use]
    pub fn flag(&self, name: &'static str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    /// A number.
    #[must_use]
    pub fn number(&self, name: &'static str) -> Option<u32> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A status of HTTP; 0 (for none) counts as not given.
    #[must_use]
    pub fn status(&self, name: &'static str) -> Option<u16> {
        let status = u16::try_from(self.number(name)?).ok();
        status.filter(|status| *status > 0)
    }

    /// A length of time.
    #[must_use]
    pub fn time(&self, name: &'static str) -> Option<Span> {
        match self.value(name)? {
            Value::Time(span) => Some(*span),
            _ => None,
        }
    }

    /// A number of bytes.
    #[must_use]
    pub fn size(&self, name: &'static str) -> Option<ByteSize> {
        match self.value(name)? {
            Value::Size(size) => Some(*size),
            _ => None,
        }
    }

    /// One word.
    #[must_use]
    pub fn text(&self, name: &'static str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A set of words; empty when it is not given.
    #[must_use]
    pub fn texts(&self, name: &'static str) -> BTreeSet<String> {
        match self.value(name) {
            Some(Value::Texts(texts)) => texts.iter().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Networks; empty when they are not given.
    #[must_use]
    pub fn nets(&self, name: &'static str) -> Vec<IpNet> {
        match self.value(name) {
            Some(Value::Nets(nets)) => nets.clone(),
            _ => Vec::new(),
        }
    }

    /// Statuses of HTTP.
    #[must_use]
    pub fn statuses(&self, name: &'static str) -> Option<BTreeSet<u16>> {
        match self.value(name)? {
            Value::Statuses(statuses) => Some(statuses.clone()),
            _ => None,
        }
    }

    /// So many requests in so long.
    #[must_use]
    pub fn rate(&self, name: &'static str) -> Option<(u32, Span)> {
        match self.value(name)? {
            Value::Rate(requests, per) => Some((*requests, *per)),
            _ => None,
        }
    }

    /// The redirects, in the order given.
    #[must_use]
    pub fn redirects(&self) -> &[RedirectRule] {
        match self.value("redirects") {
            Some(Value::Redirects(rules)) => rules,
            _ => &[],
        }
    }

    /// What an open label holds, by the name that the user put in.
    pub fn open(&self, name: &'static str) -> impl Iterator<Item = (&str, &Value)> {
        debug_assert!(name.ends_with('*'), "{name} is not an open label");
        let all = self.values.range((name, String::new())..);
        all.take_while(move |((other, _), _)| *other == name)
            .map(|((_, rest), value)| (rest.as_str(), value))
    }

    /// Whether a named route has this label from its service.
    #[must_use]
    pub fn takes_over(&self, name: &'static str) -> bool {
        !self.id.is_empty() && self.label(name).is_some_and(|it| !it.is_of(&self.id))
    }

    /// The label behind a setting as the service carries it, also one taken over from the
    /// service; `None`: it was not given.
    #[must_use]
    pub fn label(&self, name: &'static str) -> Option<&Label> {
        self.labels.get(&(name, String::new()))
    }
}
