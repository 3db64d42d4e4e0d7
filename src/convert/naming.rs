//! Names: what an extension serves in Interlock, and what its service cluster is called here.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::given::{Faults, Given, Setting};
use super::units::clean;
use crate::api::grammar::{CLUSTER_NAME_MAX, cluster_name};
use crate::api::service_cluster::PublishMode;
use crate::api::value::Constraint;

/// What a service cluster is called, and why.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub text: String,
    /// Takes the services that name no cluster.
    pub is_default: bool,
    /// The name that services use in Interlock, when it could not stay.
    pub was: Option<String>,
}

/// A name for each extension. Names that are good as they are come first; the others get out of
/// their way.
pub(super) fn names(extensions: &[Given], faults: &mut Faults) -> Vec<Name> {
    let served: Vec<Option<Setting<&str>>> = extensions
        .iter()
        .map(|given| given.text("ServiceCluster"))
        .collect();
    let of = |n: usize| served[n].as_ref().map_or("", |setting| setting.value);
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for n in 0..extensions.len() {
        let other = *first.entry(of(n)).or_insert(n);
        if other != n {
            twice(extensions, &served, (other, n), faults);
        }
    }
    let mut taken: BTreeSet<String> = served
        .iter()
        .flatten()
        .filter(|setting| cluster_name(setting.value).is_ok())
        .map(|setting| setting.value.to_owned())
        .collect();
    let mut names = Vec::new();
    for (n, given) in extensions.iter().enumerate() {
        let is_default = of(n).is_empty();
        let wanted = if is_default { given.name } else { of(n) };
        let name = if !is_default && cluster_name(wanted).is_ok() {
            wanted.to_owned()
        } else {
            free(&mapped(wanted), &mut taken)
        };
        let was = (!is_default && name != wanted).then(|| wanted.to_owned());
        names.push(Name {
            text: name,
            is_default,
            was,
        });
    }
    names
}

fn twice(
    extensions: &[Given],
    served: &[Option<Setting<&str>>],
    (first, second): (usize, usize),
    faults: &mut Faults,
) {
    let other = clean(extensions[first].name);
    let message = format!("[Extensions.{other}] serves the same cluster");
    let hint = "give each extension a ServiceCluster of its own; one may have none and takes the services that name none";
    if let Some(setting) = &served[second] {
        faults.at(setting.at, setting.path.as_str(), message, hint);
    } else {
        let path = format!("Extensions.{}", clean(extensions[second].name));
        faults.at(extensions[second].at, path, message, hint);
    }
}

/// The nearest good name.
fn mapped(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() == CLUSTER_NAME_MAX {
            break;
        }
    }
    match name.trim_end_matches('-') {
        "" => "cluster".to_owned(),
        name => name.to_owned(),
    }
}

/// The name, with a number behind it when it is taken.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut found = name.to_owned();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        let end = format!("-{number}");
        let room = name.len().min(CLUSTER_NAME_MAX - end.len());
        found = format!("{}{end}", name[..room].trim_end_matches('-'));
        number += 1;
    }
    found
}

/// What is to be known of the clusters together.
pub(super) fn remarks(drafts: &[Draft]) -> Vec<String> {
    let mut remarks = Vec::new();
    if !drafts.iter().any(|draft| draft.cluster.spec.default) {
        remarks.push(
            "no cluster is the default: services without the label service_cluster are routed by none, as before; `skep routes` lists them"
                .to_owned(),
        );
    }
    remarks.extend(on_all_nodes(drafts));
    remarks.extend(on_the_same_nodes(drafts));
    remarks
}

/// In ingress mode a port is taken on every node, also where another cluster's proxies have it.
fn on_all_nodes(drafts: &[Draft]) -> Vec<String> {
    let mut remarks = Vec::new();
    // Cluster and whether it publishes on all nodes, by port.
    let mut ports: BTreeMap<u16, (&str, bool)> = BTreeMap::new();
    for draft in drafts {
        let publish = &draft.cluster.spec.proxy.publish;
        let name = draft.cluster.metadata.name.as_str();
        let everywhere = publish.mode == PublishMode::Ingress;
        for port in [publish.http, publish.https] {
            if port == 0 {
                continue;
            }
            match ports.get(&port) {
                Some((other, true)) if everywhere => remarks.push(format!(
                    "{other} and {name} both publish {port} on all nodes, and Swarm gives it to one: use other ports, or mode: host on nodes of their own"
                )),
                Some((other, was_everywhere)) if everywhere || *was_everywhere => {
                    let (all, own) = if everywhere { (name, *other) } else { (*other, name) };
                    remarks.push(format!(
                        "{all} publishes {port} on all nodes, and {own} on the nodes of its proxies, where it may be taken: use another port, or mode: host for both on nodes of their own"
                    ));
                }
                _ => {}
            }
            let known = ports.entry(port).or_insert((name, everywhere));
            known.1 |= everywhere;
            if everywhere {
                known.0 = name;
            }
        }
    }
    remarks
}

/// In host mode proxies of two clusters need nodes of their own. Interlock reads constraints only
/// once, so many were added to the running service and stand in no file.
fn on_the_same_nodes(drafts: &[Draft]) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut known: BTreeMap<(u16, Vec<&Constraint>), &str> = BTreeMap::new();
    for draft in drafts {
        let spec = &draft.cluster.spec;
        let name = draft.cluster.metadata.name.as_str();
        if spec.proxy.publish.mode != PublishMode::Host || spec.proxy.publish.http == 0 {
            continue;
        }
        let port = spec.proxy.publish.http;
        let mut nodes: Vec<&Constraint> = spec.placement.constraints.iter().collect();
        nodes.sort();
        if let Some(other) = known.insert((port, nodes), name) {
            remarks.push(format!(
                "{other} and {name} both publish {port} on the nodes of their proxies, and no constraint keeps them apart; one that was added to Interlock's service by hand is not in its file: see docker service inspect"
            ));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_good_name() {
        for text in [
            "US_East 1",
            "",
            "---",
            "Ünïcode",
            "a".repeat(80).as_str(),
            "9",
        ] {
            assert_eq!(cluster_name(&mapped(text)), Ok(()), "{text}");
        }
        assert_eq!(mapped("US_East 1"), "us-east-1");
    }

    #[test]
    fn a_taken_name_gets_a_number_and_stays_short_enough() {
        let long = "a".repeat(CLUSTER_NAME_MAX);
        let mut taken = BTreeSet::new();
        let names: Vec<String> = (0..12).map(|_| free(&long, &mut taken)).collect();
        assert_eq!(names[0], long);
        assert!(names[1].ends_with("a-2") && names[11].ends_with("a-12"));
        assert!(names.iter().all(|name| cluster_name(name).is_ok()));
    }
}
