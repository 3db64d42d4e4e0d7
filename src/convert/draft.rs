//! One document in the making: the resource, where each setting came from, and what was left.

use std::collections::BTreeMap;

use super::given::{Faults, Setting};
use super::tree::Pos;
use crate::api::ServiceCluster;
use crate::api::validate::validate;
use crate::names::{API_VERSION, KIND};

/// An option that no field was set from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Its name below the extension.
    pub option: String,
    /// Its line.
    pub line: usize,
    /// Someone must look at it; else it is only not needed any more.
    pub look: bool,
    /// Why, and what to do instead.
    pub why: String,
}

impl Left {
    pub fn look<T>(setting: &Setting<T>, why: impl Into<String>) -> Self {
        Self {
            option: setting.name.clone(),
            line: setting.at.line,
            look: true,
            why: why.into(),
        }
    }

    pub fn needless<T>(setting: &Setting<T>, why: impl Into<String>) -> Self {
        Self {
            look: false,
            ..Self::look(setting, why)
        }
    }
}

/// What the comment of a field says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The options it came from; empty for what Interlock does when nothing is said.
    pub from: Vec<String>,
    /// Further words.
    pub words: Vec<String>,
}

/// An option as comments name it.
fn told<T>(setting: &Setting<T>) -> String {
    format!("{} (line {})", setting.name, setting.at.line)
}

/// A document in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Key of the extension in the file.
    pub key: String,
    pub cluster: ServiceCluster,
    /// By field path such as `spec.proxy.replicas`. Only fields with a note are written.
    pub notes: BTreeMap<String, Note>,
    pub left: Vec<Left>,
    /// Where a fault of a field (or of one item of it) is to be shown.
    origins: BTreeMap<String, (Pos, String)>,
    /// Where a fault without an origin is to be shown.
    at: (Pos, String),
}

impl Draft {
    pub fn new(key: &str, at: Pos, path: String) -> Self {
        let cluster = ServiceCluster {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: crate::api::Metadata::default(),
            spec: crate::api::ServiceClusterSpec::default(),
            status: None,
            stated: crate::api::Version::NEWEST,
        };
        Self {
            key: key.to_owned(),
            cluster,
            notes: BTreeMap::new(),
            left: Vec::new(),
            origins: BTreeMap::new(),
            at: (at, path),
        }
    }

    /// The field comes from an option.
    pub fn from<T>(&mut self, field: &str, setting: &Setting<T>) {
        let note = self.notes.entry(field.to_owned()).or_default();
        note.from.push(told(setting));
        self.origin(field, setting.at, &setting.path);
    }

    /// Tells of an option that no field came from and that nothing was said of, so that none gets
    /// lost. The name of the cluster stands for itself.
    pub fn account<T>(&mut self, setting: &Setting<T>) {
        let mark = told(setting);
        let mut notes = self.notes.values();
        let is_said = setting.name == "ServiceCluster"
            || notes.any(|note| note.from.contains(&mark))
            || self.left.iter().any(|left| left.option == setting.name);
        if !is_said {
            let why = "it makes no difference here";
            self.left.push(Left::needless(setting, why));
        }
    }

    /// Further words in the comment of a field.
    pub fn say(&mut self, field: &str, words: impl Into<String>) {
        let note = self.notes.entry(field.to_owned()).or_default();
        note.words.push(words.into());
    }

    /// What Interlock does without an option, and is to be looked at: told at the extension.
    pub fn always(&self, what: &str, why: &str) -> Left {
        Left {
            option: what.to_owned(),
            line: self.at.0.line,
            look: true,
            why: why.to_owned(),
        }
    }

    /// Where a fault of a field is to be shown.
    pub fn origin(&mut self, field: &str, at: Pos, path: &str) {
        self.origins
            .entry(field.to_owned())
            .or_insert_with(|| (at, path.to_owned()));
    }

    /// What `skep validate` would say, at the options that it is about.
    pub fn check(&self, faults: &mut Faults) {
        for fault in validate(&self.cluster) {
            let (at, path) = self.origin_of(&fault.path);
            let field = &fault.path;
            let message = format!("gives a bad {field}: {}", fault.message);
            faults.at(*at, path.as_str(), message, fault.hint);
        }
    }

    /// The origin of the longest field path that a path begins with.
    fn origin_of(&self, path: &str) -> &(Pos, String) {
        let mut field = path;
        loop {
            if let Some(origin) = self.origins.get(field) {
                return origin;
            }
            match field.rfind(['.', '[']) {
                Some(end) => field = &field[..end],
                None => return &self.at,
            }
        }
    }
}
