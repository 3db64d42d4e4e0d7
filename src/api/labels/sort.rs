//! Sorts the labels of a service by route and name, before any value is read.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{self, LabelSpec};
use super::{Key, Label, LabelFault, kind};
use crate::api::grammar;
use crate::names::APP_PREFIXES;

/// Labels by name, unread.
pub(super) type Raw = BTreeMap<Key, Label>;

/// The labels of one service.
#[derive(Default)]
pub(super) struct Sorted {
    /// Those of the service, which are the unnamed route's.
    pub service: Raw,
    /// Those of each named route.
    pub routes: BTreeMap<String, Raw>,
    /// Labels that nobody knows, and such as disagree.
    pub faults: Vec<LabelFault>,
    /// Routes of which a condition cannot be read: where they stand is not known.
    pub unplaced: BTreeSet<String>,
    /// There are any.
    pub any: bool,
}

/// What the label of a condition begins with.
const CONDITION: &str = "header.";
/// Longest name of a route.
const MAX_ID: usize = 32;

impl Sorted {
    pub(super) fn of(labels: &BTreeMap<String, String>) -> Self {
        let mut sorted = Self::default();
        // The prefixes come in order, so a later one replaces an earlier one.
        for prefix in APP_PREFIXES {
            for (key, value) in labels {
                if let Some(name) = key.strip_prefix(prefix) {
                    sorted.any = true;
                    let label = Label {
                        key: key.clone(),
                        value: value.trim().to_owned(),
                    };
                    sorted.take(name, &label);
                }
            }
        }
        sorted
    }

    fn take(&mut self, name: &str, label: &Label) {
        let named = name.strip_prefix("routes.");
        let (id, name) = match named.map(|rest| rest.split_once('.').unwrap_or((rest, ""))) {
            Some((id, name)) => (id, name),
            None => ("", name),
        };
        if named.is_some() && !is_id(id) {
            let message = format!("`{}` names no route", label.key);
            let hint = "write routes.ID.LABEL with an ID of at most 32 letters, digits, hyphens and underscores";
            return self.fault("", label, "InvalidRouteName", message, hint);
        }
        match table::find(name) {
            Some((spec, rest)) if !(spec.of_service && named.is_some()) => {
                self.put(id, spec, rest, label);
            }
            Some(_) => {
                let message = format!("`{}` speaks of one route", label.key);
                let hint = format!("{name} belongs to the whole service: leave routes.{id}. out");
                self.fault(id, label, "LabelOfService", message, hint);
            }
            None => self.unknown(id, name, label),
        }
    }

    fn put(&mut self, id: &str, spec: &'static LabelSpec, rest: &str, label: &Label) {
        let rest = match kind::header_name(rest) {
            Ok(rest) => rest,
            Err(_) if rest.is_empty() => String::new(),
            Err((message, hint)) => {
                self.fault(id, label, "InvalidHeader", message, hint);
                if spec.strict {
                    self.unplace(id);
                }
                return;
            }
        };
        let raw = if id.is_empty() {
            &mut self.service
        } else {
            self.routes.entry(id.to_owned()).or_default()
        };
        let Some(other) = raw.insert((spec.name, rest), label.clone()) else {
            return;
        };
        if other.value != label.value {
            let message = format!(
                "`{}={}` and `{}={}` disagree; `{}` is the one in force",
                label.key, label.value, other.key, other.value, label.key
            );
            let hint = "remove one of them";
            self.fault(id, label, "ConflictingLabels", message, hint);
        }
    }

    fn unknown(&mut self, id: &str, name: &str, label: &Label) {
        let stem = label.key.strip_suffix(name).unwrap_or_default();
        if let Some(spec) = table::unfinished(name) {
            let message = format!("`{}` ends where a name must follow", label.key);
            let hint = format!("write {stem}{}", spec.name.replace('*', "NAME"));
            return self.fault(id, label, "UnknownLabel", message, hint);
        }
        let hint = table::nearest(name)
            .map(|near| format!("did you mean `{stem}{near}`?"))
            .unwrap_or_default();
        let message = format!("`{}` is not a label of Skep", label.key);
        self.fault(id, label, "UnknownLabel", message, hint);
        if name.starts_with(CONDITION) {
            self.unplace(id);
        }
    }

    /// The last fault makes its route impossible: without the condition it would take more
    /// requests than it asked for.
    fn unplace(&mut self, id: &str) {
        self.unplaced.insert(id.to_owned());
        if let Some(last) = self.faults.last_mut() {
            last.fatal = true;
        }
    }

    fn fault(
        &mut self,
        route: &str,
        label: &Label,
        reason: &'static str,
        message: String,
        hint: impl Into<String>,
    ) {
        self.faults.push(LabelFault {
            route: route.to_owned(),
            label: label.key.clone(),
            value: grammar::shown(&label.value),
            reason,
            message,
            hint: hint.into(),
            fatal: false,
        });
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID
        && (id.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
