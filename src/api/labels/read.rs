//! Reading application labels, name by name.

use std::collections::BTreeMap;

use super::{AppLabels, LabelFault};
use crate::api::grammar;
use crate::api::value::HostPattern;
use crate::names::APP_PREFIXES;

/// The names that are read here.
const NAMES: [&str; 8] = [
    "context_root",
    "context_root_rewrite",
    "default_backend",
    "hosts",
    "network",
    "port",
    "service_cluster",
    "weight",
];

/// Interlock's and our own names that this build knows and does not serve yet.
const LATER: [&str; 14] = [
    "fail_timeout",
    "ip_hash",
    "max_fails",
    "path_type",
    "redirects",
    "ssl_backend",
    "ssl_backend_tls_verify",
    "ssl_cert",
    "ssl_key",
    "ssl_only",
    "ssl_passthrough",
    "sticky_session_cookie",
    "backend_mode",
    "routes",
];

/// Interlock needs it for upgrades; here upgrades work on every path.
const HARMLESS: &str = "websocket_endpoints";

/// Largest weight; larger ones would only hide a slip of the keyboard.
const MAX_WEIGHT: u32 = 1_000_000;

/// Reads the labels of one service. Never fails: what is wrong is in `faults`.
///
/// Booleans are `true`, `1`, `yes` and `false`, `0`, `no`, in any letter case; anything else is
/// a fault and counts as `false`. An empty value counts as a missing label.
#[must_use]
pub fn read(labels: &BTreeMap<String, String>) -> AppLabels {
    let mut reader = Reader::new(labels);
    let mut app = AppLabels {
        is_routed: reader.any,
        ..AppLabels::default()
    };
    if !app.is_routed {
        return app;
    }
    app.hosts = reader.hosts();
    app.port = reader.port();
    app.network = reader.given("network").map(|label| label.value);
    app.clusters = reader.clusters();
    app.context_root = reader.context_root();
    app.context_root_rewrite = reader.boolean("context_root_rewrite");
    app.default_backend = reader.boolean("default_backend");
    app.weight = reader.weight();
    reader.missing(&app);
    app.faults = reader.faults;
    app.faults.sort();
    app.faults.dedup();
    app
}

/// One label as the service carries it: whole key, trimmed value.
#[derive(Clone)]
struct Label {
    key: String,
    value: String,
}

struct Reader {
    known: BTreeMap<&'static str, Label>,
    faults: Vec<LabelFault>,
    any: bool,
}

impl Reader {
    fn new(labels: &BTreeMap<String, String>) -> Self {
        let mut reader = Self {
            known: BTreeMap::new(),
            faults: Vec::new(),
            any: false,
        };
        for prefix in APP_PREFIXES {
            for (key, value) in labels {
                if let Some(name) = key.strip_prefix(prefix) {
                    reader.any = true;
                    reader.take(prefix, name, key, value.trim());
                }
            }
        }
        reader
    }

    /// Sorts one label in. The prefixes come in order, so a later one replaces an earlier one.
    fn take(&mut self, prefix: &str, name: &str, key: &str, value: &str) {
        let label = Label {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        if let Some(known) = NAMES.iter().find(|known| **known == name) {
            if let Some(other) = self.known.insert(known, label.clone())
                && other.value != label.value
            {
                let message = format!(
                    "`{key}={value}` and `{}={}` disagree; `{key}` is the one in force",
                    other.key, other.value
                );
                self.fault(&label, "ConflictingLabels", message, "remove one of them");
            }
        } else if name != HARMLESS {
            self.not_read(prefix, name, &label);
        }
    }

    fn not_read(&mut self, prefix: &str, name: &str, label: &Label) {
        let first = name.split('.').next().unwrap_or(name);
        if LATER.contains(&name) || first == "routes" {
            if !says_nothing(name, &label.value) {
                let message = format!("`{}` has no effect in this version", label.key);
                self.fault(label, "NotSupportedYet", message, "");
            }
            return;
        }
        let all = NAMES.iter().chain(&LATER).copied().chain([HARMLESS]);
        let hint = grammar::nearest(name, all)
            .map(|near| format!("did you mean `{prefix}{near}`?"))
            .unwrap_or_default();
        let message = format!("`{}` is not a label of Skep", label.key);
        self.fault(label, "UnknownLabel", message, hint);
    }

    fn fault(
        &mut self,
        label: &Label,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.faults.push(LabelFault {
            label: label.key.clone(),
            value: label.value.clone(),
            reason,
            message: message.into(),
            hint: hint.into(),
            fatal: false,
        });
    }

    fn fatal(
        &mut self,
        label: &Label,
        reason: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.fault(label, reason, message, hint);
        if let Some(last) = self.faults.last_mut() {
            last.fatal = true;
        }
    }

    /// A label that is there and not empty.
    fn given(&self, name: &str) -> Option<Label> {
        self.known
            .get(name)
            .filter(|label| !label.value.is_empty())
            .cloned()
    }

    /// Reads a comma list: bad items are faults, fatal when no good one is left.
    fn list<T: PartialEq>(
        &mut self,
        label: &Label,
        reason: &'static str,
        parse: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<T> {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for item in label.value.split(',').map(str::trim) {
            match parse(item) {
                // A comma too many harms nobody.
                _ if item.is_empty() => {}
                Ok(value) if good.contains(&value) => {}
                Ok(value) => good.push(value),
                Err(fault) => bad.push(fault),
            }
        }
        for (message, hint) in bad {
            if good.is_empty() {
                self.fatal(label, reason, message, hint);
            } else {
                self.fault(label, reason, message, hint);
            }
        }
        good
    }

    fn hosts(&mut self) -> Vec<HostPattern> {
        let Some(label) = self.given("hosts") else {
            return Vec::new();
        };
        self.list(&label, "InvalidHost", |item| {
            item.parse()
                .map_err(|message| (message, host_hint(item).to_owned()))
        })
    }

    fn clusters(&mut self) -> Vec<String> {
        let Some(label) = self.given("service_cluster") else {
            return Vec::new();
        };
        self.list(
            &label,
            "InvalidServiceCluster",
            |item| match grammar::cluster_name(item) {
                Ok(()) => Ok(item.to_owned()),
                Err(message) => Err((message, String::new())),
            },
        )
    }

    fn port(&mut self) -> Option<u16> {
        let label = self.given("port")?;
        let port = label.value.parse::<u16>().ok().filter(|port| *port > 0);
        if port.is_none() {
            let message = format!("`{}` is not a port", label.value);
            let hint = "write one number from 1 to 65535, the port inside the container";
            self.fatal(&label, "InvalidPort", message, hint);
        }
        port
    }

    fn weight(&mut self) -> Option<u32> {
        let label = self.given("weight")?;
        let weight = label.value.parse::<u32>().ok().filter(|w| *w <= MAX_WEIGHT);
        if weight.is_none() {
            let message = format!("`{}` is not a weight", label.value);
            let hint = format!(
                "write a whole number from 0 to {MAX_WEIGHT}; until then the number of tasks counts"
            );
            self.fault(&label, "InvalidWeight", message, hint);
        }
        weight
    }

    fn context_root(&mut self) -> Option<String> {
        let label = self.given("context_root")?;
        match grammar::path_prefix(&label.value) {
            Ok(path) => Some(path),
            Err(message) => {
                // Never fall back to `/`: that would claim more than was asked for.
                self.fatal(&label, "InvalidPath", message, "write for example /app");
                None
            }
        }
    }

    fn boolean(&mut self, name: &str) -> bool {
        let Some(label) = self.given(name) else {
            return false;
        };
        match label.value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => true,
            "false" | "0" | "no" => false,
            _ => {
                let message = format!("`{}` is neither true nor false", label.value);
                let hint = "write true or false; until then it counts as false";
                self.fault(&label, "InvalidBoolean", message, hint);
                false
            }
        }
    }

    /// What a route cannot do without.
    fn missing(&mut self, app: &AppLabels) {
        let wanted = !app.hosts.is_empty() || app.default_backend;
        let refused = |reason| self.faults.iter().any(|fault| fault.reason == reason);
        if wanted && app.port.is_none() && !refused("InvalidPort") {
            let message = "the service asks for a route and names no port";
            let hint = "add the label with the port inside the container";
            self.fatal(&self.absent("port"), "MissingPort", message, hint);
        } else if !wanted && !refused("InvalidHost") && self.names_a_route() {
            let message = "the service carries routing labels and names no host";
            let hint = "add the label, or default_backend=true to take all other hosts";
            self.fatal(&self.absent("hosts"), "MissingHosts", message, hint);
        }
    }

    /// Whether anything but unknown labels is there.
    fn names_a_route(&self) -> bool {
        !self.known.is_empty()
    }

    /// A label to add, under the prefix the service already uses.
    fn absent(&self, name: &str) -> Label {
        let prefix = self
            .known
            .values()
            .find_map(|label| APP_PREFIXES.iter().find(|p| label.key.starts_with(**p)))
            .unwrap_or(&APP_PREFIXES[0]);
        Label {
            key: format!("{prefix}{name}"),
            value: String::new(),
        }
    }
}

/// A label of the future that only states what already is so.
fn says_nothing(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "backend_mode" => matches!(value.as_str(), "" | "task" | "default"),
        "ip_hash" | "ssl_passthrough" | "ssl_only" | "ssl_backend" | "ssl_backend_tls_verify" => {
            matches!(value.as_str(), "" | "false" | "0" | "no")
        }
        _ => value.is_empty(),
    }
}

fn host_hint(item: &str) -> &'static str {
    if item.contains("://") {
        "leave the scheme out"
    } else if item.contains('/') {
        "a path goes into context_root"
    } else if item.contains(':') {
        "leave the port out: a host is matched whatever port the client used"
    } else if !item.is_ascii() {
        "write the name in its ASCII form (xn--...)"
    } else if item == "*" {
        "default_backend=true takes all hosts that no route names"
    } else {
        ""
    }
}
