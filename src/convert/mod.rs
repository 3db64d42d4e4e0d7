//! Interlock's configuration in, `ServiceCluster` documents out.
//!
//! Each `[Extensions.NAME]` of the TOML file becomes one document. A comment beside each setting
//! says which option it came from, and a list at the end of each document names the options that
//! have no counterpart, with what to do instead. Pure: text to text.
//!
//! *Guarantees.* Either all faults of the file, or documents that `skep validate` accepts. Never
//! both, and never a panic.

mod ciphers;
mod draft;
mod emit;
mod extension;
mod given;
mod naming;
mod options;
mod placement;
mod raw;
#[cfg(test)]
mod tests;
mod traffic;
mod tree;
mod units;

use crate::api::{Diagnostic, ServiceCluster};

use draft::{Draft, Left};
use given::{Faults, Given};
use tree::Table;

/// What a configuration became.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The documents, with their comments.
    pub text: String,
    /// The same service clusters as values, in the order of the file.
    pub clusters: Vec<ServiceCluster>,
    /// What a person should know, a line each.
    pub summary: Vec<String>,
}

/// Converts the configuration of Interlock 2 or 3; `source` names it in faults and comments.
pub fn interlock(source: &str, text: &str) -> Result<Converted, Vec<Diagnostic>> {
    let mut faults = Faults::default();
    let drafts = drafts(text, &mut faults);
    match drafts {
        Some((core, drafts)) if faults.is_empty() => Ok(converted(source, &core, &drafts)),
        _ => Err(faults.sorted(source)),
    }
}

fn drafts(text: &str, faults: &mut Faults) -> Option<(Vec<Left>, Vec<Draft>)> {
    if text.trim().is_empty() {
        faults.whole("the file is empty", options::WHERE_IT_IS);
        return None;
    }
    if text.trim_start().starts_with('{') {
        faults.whole(
            "this is JSON, not TOML",
            "print the content alone: docker config inspect --format '{{ printf \"%s\" .Spec.Data }}' NAME",
        );
        return None;
    }
    if let Some(hint) = yaml(text) {
        faults.whole("this is YAML, not TOML", hint);
        return None;
    }
    let table = tree::read(text, faults);
    let core = Given::read("", "", &table, &options::CORE, faults);
    let left = core_left(&core);
    let extensions = extensions(&core, &table, faults)?;
    let names = naming::names(&extensions, faults);
    let drafts = extensions
        .iter()
        .zip(names)
        .map(|(given, name)| extension::draft(given, name, faults))
        .collect();
    Some((left, drafts))
}

/// What to do with a text that is YAML: it begins with `---`, or with a key and a colon, which no
/// TOML does.
fn yaml(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let key = first
        .split_once(':')
        .map(|(key, _)| key.trim_start_matches("- "));
    let plain = |key: &str| {
        key.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    if !(first == "---" || key.is_some_and(plain)) {
        return None;
    }
    let manifest = text.lines().any(|line| line.starts_with("apiVersion:"));
    Some(if manifest {
        "a manifest needs no conversion: `skep validate -f FILE`, then `skep apply -f FILE`"
    } else {
        options::WHERE_IT_IS
    })
}

/// Options of the core that nothing became of.
fn core_left(core: &Given) -> Vec<Left> {
    let mut left = core.left();
    if let Some(url) = core.text("DockerURL")
        && !url.value.is_empty()
        && url.value != options::DEFAULT_ENGINE
    {
        left.push(Left::look(&url, options::ENGINE));
    }
    left.sort_by_key(|left| left.line);
    left
}

/// Every `[Extensions.NAME]`, in the order of the file.
fn extensions<'a>(core: &Given<'a>, table: &Table, faults: &mut Faults) -> Option<Vec<Given<'a>>> {
    let Some(section) = core.section("Extensions") else {
        // A section of the wrong type is a fault already.
        if !table.has("Extensions") {
            faults.whole(
                "it has no [Extensions.NAME] section, and each of these becomes a service cluster",
                options::WHERE_IT_IS,
            );
        }
        return None;
    };
    if section.value.entries.is_empty() {
        faults.at(
            section.at,
            "Extensions",
            "the section is empty",
            options::WHERE_IT_IS,
        );
        return None;
    }
    let mut found = Vec::new();
    for entry in &section.value.entries {
        let path = format!("Extensions.{}", units::clean(&entry.key));
        match &entry.item.value {
            tree::Value::Table(table) => {
                let mut given = Given::read(&path, "", table, &options::EXTENSION, faults);
                given.name = entry.key.as_str();
                given.at = entry.at;
                found.push(given);
            }
            other => {
                let message = format!("is {}, not a section", other.what());
                let hint = "an option here must stand in a section such as [Extensions.default]";
                faults.at(entry.at, path, message, hint);
            }
        }
    }
    Some(found)
}

fn converted(source: &str, core: &[Left], drafts: &[Draft]) -> Converted {
    let mut summary: Vec<String> = drafts.iter().flat_map(emit::summary).collect();
    summary.extend(emit::looks(core));
    let remarks = naming::remarks(drafts);
    summary.extend(remarks.iter().cloned());
    Converted {
        text: emit::documents(source, core, drafts, &remarks),
        clusters: drafts.iter().map(|draft| draft.cluster.clone()).collect(),
        summary,
    }
}
