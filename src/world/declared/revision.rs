//! One config, read as a revision of a service cluster.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::{Diagnostic, ServiceCluster, Status};
use crate::names;
use crate::world::Config;

/// A config as a revision, before it is numbered.
pub(super) struct Read {
    /// Name of the cluster.
    pub name: String,
    /// Generation of the label; 0 when there is none.
    pub label_generation: u64,
    /// The content, when it is valid.
    pub cluster: Option<ServiceCluster>,
    /// What is wrong with it otherwise.
    pub faults: Vec<Diagnostic>,
    /// The status in its labels.
    pub status: Option<Status>,
    pub config_id: String,
    pub config_version: u64,
    pub config_name: String,
    pub created_at: String,
    pub labels: BTreeMap<String, String>,
}

/// Reads a config. Never fails: what is wrong becomes `faults`.
pub(super) fn read(config: &Config) -> Read {
    let (mut cluster, mut faults) = content(config);
    let label = config.labels.get(names::LABEL_NAME).cloned();
    let by_label = label.is_some();
    let name = label
        .or_else(|| name_in(&config.name))
        .or_else(|| Some(cluster.as_ref()?.metadata.name.clone()))
        .or_else(|| stated_name(&String::from_utf8_lossy(&config.data)))
        .unwrap_or_else(|| config.name.to_lowercase());
    if let Some(found) = cluster.as_ref().map(|c| &c.metadata.name)
        && *found != name
    {
        let by = if by_label {
            format!("label {}", names::LABEL_NAME)
        } else {
            "the config's own name".to_owned()
        };
        faults.push(fault(
            config,
            "metadata.name",
            format!("the manifest says {found}, {by} says {name}"),
            "store it again with `skep apply`, or create the config with the right name and label",
        ));
        cluster = None;
    }
    Read {
        name,
        label_generation: config
            .labels
            .get(names::LABEL_GENERATION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        cluster,
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

/// The one cluster a config holds, or what is wrong with it.
fn content(config: &Config) -> (Option<ServiceCluster>, Vec<Diagnostic>) {
    let Ok(text) = std::str::from_utf8(&config.data) else {
        let message = "the config is not text (UTF-8)";
        return (None, vec![fault(config, "", message, "")]);
    };
    let mut parsed = crate::api::parse::manifests(&config.name, text);
    if parsed.clusters.len() + parsed.faults.len() == 0 {
        let message = "the config holds no ServiceCluster";
        parsed.faults.push(fault(config, "", message, ""));
    }
    if parsed.clusters.len() > 1 {
        parsed.faults.push(fault(
            config,
            "",
            format!("the config holds {} resources", parsed.clusters.len()),
            "a config is one revision of one service cluster: put each into a config of its own",
        ));
    }
    if parsed.faults.is_empty() {
        (parsed.clusters.pop(), Vec::new())
    } else {
        (None, parsed.faults)
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

/// The cluster's name in `servicecluster.NAME.GENERATION`.
fn name_in(config: &str) -> Option<String> {
    let (name, number) = config.strip_prefix("servicecluster.")?.rsplit_once('.')?;
    (!name.is_empty() && number.parse::<u64>().is_ok()).then(|| name.to_owned())
}
