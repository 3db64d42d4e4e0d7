//! The `Source` resource: a git repository whose manifests the operator applies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// A commit after it that could not be applied; empty: there is none.
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
}
