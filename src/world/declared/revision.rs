//! One config, read as a revision of a resource.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::parse::{Manifest, Parsed};
use crate::api::{Diagnostic, ServiceCluster, Source, SourceStatus, Status};
use crate::names;
use crate::world::Config;

/// A kind of resource that is kept in configs.
pub(in crate::world) trait Kept: Manifest {
    /// What the operator writes beside it.
    type Status: DeserializeOwned + Clone;
    /// What the names of its configs start with.
    const PREFIX: &'static str;
    /// Those of its kind.
    fn of(parsed: Parsed) -> Vec<Self>;
}

impl Kept for ServiceCluster {
    type Status = Status;
    const PREFIX: &'static str = "servicecluster.";

    fn of(parsed: Parsed) -> Vec<Self> {
        parsed.clusters
    }
}

impl Kept for Source {
    type Status = SourceStatus;
    const PREFIX: &'static str = "source.";

    fn of(parsed: Parsed) -> Vec<Self> {
        parsed.sources
    }
}

/// A config as a revision, before it is numbered.
pub(super) struct Read<R: Kept> {
    /// Name of the resource.
    pub name: String,
    /// Generation of the label; 0 when there is none.
    pub label_generation: u64,
    /// The content, when it is valid.
    pub content: Option<R>,
    /// What is wrong with it otherwise.
    pub faults: Vec<Diagnostic>,
    /// The status in its labels.
    pub status: Option<R::Status>,
    pub config_id: String,
    pub config_version: u64,
    pub config_name: String,
    pub created_at: String,
    pub labels: BTreeMap<String, String>,
}

/// Reads a config. Never fails: what is wrong becomes `faults`.
pub(super) fn read<R: Kept>(config: &Config) -> Read<R> {
    let (mut found, mut faults) = content::<R>(config);
    let label = config.labels.get(names::LABEL_NAME).cloned();
    let by_label = label.is_some();
    let name = label
        .or_else(|| name_in(&config.name, R::PREFIX))
        .or_else(|| Some(found.as_ref()?.metadata().name.clone()))
        .or_else(|| stated_name(&String::from_utf8_lossy(&config.data)))
        .unwrap_or_else(|| config.name.to_lowercase());
    if let Some(stated) = found.as_ref().map(|found| &found.metadata().name)
        && *stated != name
    {
        let by = if by_label {
            format!("label {}", names::LABEL_NAME)
        } else {
            "the config's own name".to_owned()
        };
        faults.push(fault(
            config,
            "metadata.name",
            format!("the manifest says {stated}, {by} says {name}"),
            "store it again with `skep apply`, or create the config with the right name and label",
        ));
        found = None;
    }
    Read {
        name,
        label_generation: config
            .labels
            .get(names::LABEL_GENERATION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        content: found,
        faults,
        status: config
            .labels
            .get(names::LABEL_STATUS)
            .and_then(|text| serde_json::from_str(text).ok()),
        config_id: config.id.clone(),
        config_version: config.version,
        config_name: config.name.clone(),
        created_at: config.created_at.clone(),
        labels: config.labels.clone(),
    }
}

/// The one resource a config holds, or what is wrong with it.
fn content<R: Kept>(config: &Config) -> (Option<R>, Vec<Diagnostic>) {
    let Ok(text) = std::str::from_utf8(&config.data) else {
        let message = "the config is not text (UTF-8)";
        return (None, vec![fault(config, "", message, "")]);
    };
    let mut parsed = crate::api::parse::manifests(&config.name, text);
    let mut faults = std::mem::take(&mut parsed.faults);
    let all = parsed.clusters.len() + parsed.sources.len();
    let mut found = R::of(parsed);
    if found.is_empty() && faults.is_empty() {
        let message = format!("the config holds no {}", R::KIND);
        faults.push(fault(config, "", message, ""));
    }
    if all > 1 {
        let one = if R::KIND == names::KIND {
            "a config is one revision of one service cluster: put each into a config of its own"
        } else {
            "a config is one revision of one source: put each into a config of its own"
        };
        let message = format!("the config holds {all} resources");
        faults.push(fault(config, "", message, one));
    }
    if faults.is_empty() {
        (found.pop(), faults)
    } else {
        (None, faults)
    }
}

fn fault(config: &Config, path: &str, message: impl Into<String>, hint: &str) -> Diagnostic {
    Diagnostic {
        source: config.name.clone(),
        ..Diagnostic::at(path, message).hint(hint)
    }
}

/// `metadata.name` of a manifest that is not valid otherwise, so that its faults are told to the
/// cluster it means and not to a stranger.
fn stated_name(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Name,
    }
    #[derive(Deserialize)]
    struct Name {
        name: String,
    }
    let parsed = serde_saphyr::from_str::<Head>(text).map(|head| head.metadata.name);
    parsed
        .ok()
        .or_else(|| scanned_name(text))
        .filter(|name| !name.is_empty())
}

/// The first `name:` that is indented below the first `metadata:`, for text that is not YAML.
fn scanned_name(text: &str) -> Option<String> {
    text.lines()
        .skip_while(|line| line.trim_end() != "metadata:")
        .skip(1)
        .take_while(|line| line.starts_with([' ', '#']) || line.trim().is_empty())
        .find_map(|line| line.trim().strip_prefix("name:"))
        .map(|rest| rest.split(" #").next().unwrap_or(rest))
        .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
}

/// The resource's name in `PREFIX.NAME.GENERATION`.
fn name_in(config: &str, prefix: &str) -> Option<String> {
    let (name, number) = config.strip_prefix(prefix)?.rsplit_once('.')?;
    (!name.is_empty() && number.parse::<u64>().is_ok()).then(|| name.to_owned())
}
