//! Reading application labels, route by route.

use std::collections::BTreeMap;

use super::kind::{Parsed, Value};
use super::sort::{Raw, Sorted};
use super::{AppLabels, GUARDS, Key, Label, LabelFault, RouteLabels, check, table};
use crate::api::grammar;
use crate::names::APP_PREFIXES;

/// Labels that say where a route stands.
const PLACE: [&str; 5] = ["hosts", "context_root", "path_type", "methods", "header.*"];
/// Faults of one service that are told. Labels may hold a megabyte of nonsense, and one service
/// must not fill the operator with it.
const MAX_FAULTS: usize = 100;

/// Reads the labels of one service. Never fails: what is wrong is in `faults`.
///
/// An empty value counts as a missing label, but for open ones, where the name says it all.
#[must_use]
pub fn read(labels: &BTreeMap<String, String>) -> AppLabels {
    let sorted = Sorted::of(labels);
    let mut app = AppLabels {
        is_routed: sorted.any,
        ..AppLabels::default()
    };
    if !sorted.any {
        return app;
    }
    let Sorted {
        mut service,
        routes,
        faults,
        unplaced,
        ..
    } = sorted;
    app.faults = faults;
    let clusters = service.remove(&("service_cluster", String::new()));
    let has_clusters = clusters.is_some();
    let served = read_clusters(clusters, &mut app);
    for (id, raw) in each(&service, &routes, has_clusters) {
        let (route, faults) = Reader::new(&id, &raw).read(raw);
        app.faults.extend(faults);
        // What the service says holds for its named routes too.
        let placed = !unplaced.contains(&id) && !unplaced.contains("");
        app.routes.extend(route.filter(|_| served && placed));
    }
    app.faults.sort();
    // A label taken over by several routes is told once, at the first.
    app.faults.dedup_by(|later, first| {
        later.label == first.label && later.reason == first.reason && later.message == first.message
    });
    if app.faults.len() > MAX_FAULTS {
        let more = app.faults.len() - MAX_FAULTS;
        app.faults.truncate(MAX_FAULTS);
        app.faults.push(LabelFault {
            route: String::new(),
            label: String::new(),
            value: String::new(),
            reason: "TooManyFaults",
            message: format!("{more} more faults are not shown"),
            hint: "mend these first".to_owned(),
            fatal: false,
        });
    }
    app
}

/// Whether there are clusters, or none was asked for.
fn read_clusters(label: Option<Label>, app: &mut AppLabels) -> bool {
    let Some(label) = label.filter(|label| !label.value.is_empty()) else {
        return true;
    };
    let kind = super::Kind::Clusters;
    let Parsed { value, wrong } = kind.parse(&label.value);
    if let Some(Value::Texts(clusters)) = &value {
        app.clusters.clone_from(clusters);
        app.clusters_label = Some(label.clone());
    }
    for (message, hint) in wrong {
        app.faults.push(LabelFault {
            route: String::new(),
            label: label.key.clone(),
            value: grammar::shown(&label.value),
            reason: kind.reason(),
            message,
            hint,
            // Without this the service would silently fall to the default cluster.
            fatal: value.is_none(),
        });
    }
    value.is_some()
}

/// The labels of each route, with what named ones take over from the service.
fn each(service: &Raw, routes: &BTreeMap<String, Raw>, clusters: bool) -> Vec<(String, Raw)> {
    let given = |name: &'static str| service.contains_key(&(name, String::new()));
    // Beside named routes the service's labels may be nothing but their defaults.
    let unnamed = if routes.is_empty() {
        clusters || !service.is_empty()
    } else {
        given("port") && (given("hosts") || given("default_backend"))
    };
    let mut all = Vec::new();
    if unnamed {
        all.push((String::new(), service.clone()));
    }
    for (id, own) in routes {
        all.push((id.clone(), taken_over(service, own)));
    }
    all
}

fn taken_over(service: &Raw, own: &Raw) -> Raw {
    let given = |name: &'static str| own.contains_key(&(name, String::new()));
    // Certificate and key are a pair, and so are a path and its kind.
    let pairs = [["ssl_cert", "ssl_key"], ["context_root", "path_type"]];
    let replaced = |name: &str| {
        let pair = pairs.iter().find(|pair| pair.contains(&name));
        pair.is_some_and(|pair| given(pair[0]) || (pair[0] == "ssl_cert" && given(pair[1])))
            || (name == "hosts" && given("default_backend"))
    };
    let mut raw: Raw = service
        .iter()
        .filter(|((name, _), _)| !replaced(name))
        .filter(|((name, _), _)| table::find(name).is_none_or(|(spec, _)| !spec.own))
        .map(|(key, label)| (key.clone(), label.clone()))
        .collect();
    raw.extend(own.clone());
    raw
}

/// Reads one route.
pub(super) struct Reader {
    pub id: String,
    pub values: BTreeMap<Key, Value>,
    pub faults: Vec<LabelFault>,
    /// The labels as they were written.
    pub raw: Raw,
    /// The prefix to name missing labels with.
    prefix: String,
}

impl Reader {
    fn new(id: &str, raw: &Raw) -> Self {
        let first = raw.values().find_map(|label| {
            let mut prefixes = APP_PREFIXES.iter();
            prefixes.find(|prefix| label.key.starts_with(**prefix))
        });
        let prefix = first.unwrap_or(&APP_PREFIXES[0]);
        let route = if id.is_empty() {
            String::new()
        } else {
            format!("routes.{id}.")
        };
        Self {
            id: id.to_owned(),
            values: BTreeMap::new(),
            faults: Vec::new(),
            raw: BTreeMap::new(),
            prefix: format!("{prefix}{route}"),
        }
    }

    fn read(mut self, raw: Raw) -> (Option<RouteLabels>, Vec<LabelFault>) {
        for (key, label) in raw {
            let open = key.0.ends_with('*');
            if label.value.is_empty() && !open {
                continue;
            }
            self.value(&key, &label);
            self.raw.insert(key, label);
        }
        let route = check::route(&mut self);
        let fatal = self.faults.iter().filter(|fault| fault.fatal);
        let closed: Vec<LabelFault> = fatal.cloned().collect();
        let route = route.filter(|_| closed.is_empty() || self.is_to_be_closed());
        let route = route.map(|route| RouteLabels {
            id: self.id,
            closed,
            values: self.values,
            labels: self.raw,
            ..route
        });
        (route, self.faults)
    }

    /// Whether a route that cannot be served is to stand all the same: it is kept from some
    /// requests, and where it stands is known.
    fn is_to_be_closed(&self) -> bool {
        let wants = |name: &'static str| {
            self.unreadable(name) || !matches!(self.get(name), None | Some(Value::Flag(false)))
        };
        let is_place = |key: &Key| PLACE.contains(&key.0);
        let mut lost = self
            .raw
            .keys()
            .filter(|key| !self.values.contains_key(*key));
        let somewhere = self.get("hosts").is_some() || self.flag("default_backend");
        // One whose TLS is passed on has no path that another could take.
        let is_opened = !self.flag("ssl_passthrough");
        is_opened && GUARDS.into_iter().any(wants) && somewhere && !lost.any(is_place)
    }

    fn value(&mut self, key: &Key, label: &Label) {
        let Some(spec) = table::all().find(|spec| spec.name == key.0) else {
            return;
        };
        let Parsed { value, wrong } = spec.kind.parse(&label.value);
        let fatal = spec.strict && value.is_none();
        for (message, hint) in wrong {
            self.faults.push(LabelFault {
                route: self.id.clone(),
                label: label.key.clone(),
                value: grammar::shown(&label.value),
                reason: spec.kind.reason(),
                message,
                hint: if fatal || value.is_some() {
                    hint
                } else {
                    in_force(&hint, spec.default)
                },
                fatal,
            });
        }
        if let Some(value) = value {
            self.values.insert(key.clone(), value);
        }
    }

    pub(super) fn flag(&self, name: &'static str) -> bool {
        self.get(name) == Some(&Value::Flag(true))
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn get(&self, name: &'static str) -> Option<&Value> {
        self.values.get(&(name, String::new()))
    }

    /// Whether a label is given and could not be read, which is told already.
    pub(super) fn unreadable(&self, name: &'static str) -> bool {
        self.raw.contains_key(&(name, String::new())) && self.get(name).is_none()
    }

    /// Whether a label is the route's own, not one taken over from the service.
    pub(super) fn is_own(&self, name: &'static str) -> bool {
        self.id.is_empty() || self.label(name).is_of(&self.id)
    }

    /// The label of a name; for a missing one, the key to add.
    pub(super) fn label(&self, name: &'static str) -> Label {
        let given = self.raw.get(&(name, String::new())).cloned();
        given.unwrap_or_else(|| Label {
            key: format!("{}{name}", self.prefix),
            value: String::new(),
        })
    }

    /// A fault that leaves the route served.
    pub(super) fn tell(
        &mut self,
        name: &'static str,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let Label { key, value } = self.label(name);
        self.faults.push(LabelFault {
            route: self.id.clone(),
            label: key,
            value: grammar::shown(&value),
            reason,
            message: message.into(),
            hint: hint.into(),
            fatal: false,
        });
    }

    /// The same of one of several labels that share a name.
    pub(super) fn tell_of(
        &mut self,
        key: &Key,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.tell(key.0, reason, message, hint);
        if let (Some(last), Some(label)) = (self.faults.last_mut(), self.raw.get(key)) {
            last.label.clone_from(&label.key);
            last.value = grammar::shown(&label.value);
        }
    }

    /// A fault that refuses the route.
    pub(super) fn refuse(
        &mut self,
        name: &'static str,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.tell(name, reason, message, hint);
        if let Some(last) = self.faults.last_mut() {
            last.fatal = true;
        }
    }
}

/// A hint with what holds until it is followed.
fn in_force(hint: &str, default: &str) -> String {
    let until = format!("until then: {}", default.replace('`', ""));
    if hint.is_empty() {
        until
    } else {
        format!("{hint}; {until}")
    }
}
