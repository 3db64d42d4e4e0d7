//! The `Source` resource: a git repository whose manifests the operator applies.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Diagnostic;
use super::condition::Condition;
use super::service_cluster::Metadata;
use super::value::Span;
use super::version::Version;

/// A folder of a git repository that is followed: the service clusters that its manifests declare
/// are applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Always `skep.dev/v1`.
    pub api_version: String,
    /// Always `Source`.
    pub kind: String,
    /// Name, labels, annotations.
    pub metadata: Metadata,
    /// What is followed.
    pub spec: SourceSpec,
    /// What came of it; written by the operator, ignored in a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SourceStatus>,
    /// The version that its text is written in, and stored in. The fields are always those of the
    /// newest one.
    #[serde(skip)]
    pub stated: Version,
}

/// What a source follows, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// The repository: `https://`, `http://` or `git://`, without credentials (`skep source auth`
    /// stores them, sealed).
    pub url: String,
    /// Branch, tag or commit (40 digits). Omitted: the repository's default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The folder (or file) in the repository. Omitted: all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How often the repository is asked; at least `10s`.
    #[serde(default = "minute")]
    pub interval: Span,
    /// Authorities (PEM) that the server's certificate is checked against. Omitted: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Whose signature a commit must carry to be applied. Omitted: signatures are not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Verify")]
    pub verify: Option<Verify>,
    /// Delete clusters that this source applied and that the folder no longer declares.
    #[serde(default)]
    pub prune: bool,
    /// Leave everything as it is until this is false again.
    #[serde(default)]
    pub suspend: bool,
}

/// Whose signature a commit must carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// Public keys, each as the line of its `.pub` file: `ssh-ed25519 AAAA... alice@example.com`.
    /// The commit that is applied must be signed with one of them (git's `gpg.format=ssh`). Types:
    /// ed25519, ecdsa (P-256, P-384), rsa (2048 bits and more), and the first two on a hardware
    /// key (`sk-`).
    pub ssh_keys: Vec<String>,
}

fn minute() -> Span {
    Span::from_secs(60)
}

impl Default for SourceSpec {
    fn default() -> Self {
        Self {
            url: String::new(),
            reference: None,
            path: String::new(),
            interval: minute(),
            ca: None,
            verify: None,
            prune: false,
            suspend: false,
        }
    }
}

impl SourceSpec {
    /// The folder without leading and closing slashes; empty for the whole repository.
    #[must_use]
    pub fn folder(&self) -> String {
        let steps = self.path.split('/');
        let steps: Vec<&str> = steps.filter(|step| !matches!(*step, "" | ".")).collect();
        steps.join("/")
    }
}

/// What the operator last made of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStatus {
    /// The newest generation the operator has looked at.
    pub observed_generation: u64,
    /// The commit that was applied last; empty: none yet.
    pub revision: String,
    /// The newest commit, when it could not be applied; empty: it could. The same as `revision` when
    /// the commit in force could not be applied anew.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failed_revision: String,
    /// When the repository was last read and applied without a fault (RFC 3339, UTC). While all
    /// is well and nothing changes it is written every ten minutes only.
    pub last_success: String,
    /// Clusters that the applied revision declares.
    pub clusters: u64,
    /// The last request of `skep sync` that was answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub handled_sync: String,
    /// Accepted (the source's own manifest), Ready (the repository is read and applied).
    pub conditions: Vec<Condition>,
    /// What keeps the failed revision from being applied, the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<SourceFault>,
    /// So many more faults, which are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_faults: u64,
    /// What the last five syncs that changed anything changed, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SourceChange>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks by reference
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One fault in what a repository declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceFault {
    /// The file in the repository; empty: it is of no file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Line, from 1; 0: not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub line: u64,
    /// Column, from 1; 0: not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub column: u64,
    /// Field such as `spec.proxy.publish.http`; empty: the whole document.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do; empty: the message says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl SourceFault {
    /// A fault of no file.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

impl From<&Diagnostic> for SourceFault {
    fn from(fault: &Diagnostic) -> Self {
        Self {
            file: fault.source.clone(),
            line: fault.line as u64,
            column: fault.column as u64,
            field: fault.path.clone(),
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        }
    }
}

impl fmt::Display for SourceFault {
    /// As `skep validate` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |number| usize::try_from(number).unwrap_or(0);
        let fault = Diagnostic {
            source: self.file.clone(),
            line: place(self.line),
            column: place(self.column),
            path: self.field.clone(),
            message: self.message.clone(),
            hint: self.hint.clone(),
        };
        fault.fmt(f)
    }
}

/// What one sync changed of the service clusters that are declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceChange {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// The commit that it was done for.
    pub revision: String,
    /// Clusters that are new. Of all four lists together the first 50 are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// Clusters that have a new revision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<String>,
    /// Clusters that were the same already and were managed by somebody else before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<String>,
    /// Clusters that were deleted because the folder declares them no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<String>,
    /// So many more clusters, which are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

impl SourceChange {
    /// Each list with the word for what was done.
    #[must_use]
    pub fn lists(&self) -> [(&'static str, &[String]); 4] {
        [
            ("created", &self.created),
            ("configured", &self.configured),
            ("taken over", &self.taken_over),
            ("pruned", &self.pruned),
        ]
    }
}
