//! What `install` has to do, decided from what is there. Pure.

use std::collections::BTreeMap;

use super::spec;
use super::subnet::{self, Subnet};
use crate::names;
use crate::world::{Mode, NetworkSpec, Secret, Service, ServiceSpec, World};

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Image; `None`: that of an installed operator, else this version's.
    pub image: Option<String>,
    /// Operators; `None`: as many as there are, else one.
    pub replicas: Option<u64>,
    /// Subnet of the control network; `None`: a free one.
    pub subnet: Option<Subnet>,
    /// Network and secrets only.
    pub prepare: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallPlan {
    /// The control network, when it has to be made.
    pub network: Option<NetworkSpec>,
    /// Whether certificates have to be issued and kept as secrets.
    pub secrets: bool,
    /// Whether a sealing key has to be made. It fits any certificates, so a missing one is made
    /// beside them: installations from before it was needed get it with the next install.
    pub sealing: bool,
    /// The operator.
    pub operator: Operator,
}

/// What is to be done about the operator service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Make it.
    Create(Box<ServiceSpec>),
    /// Replace its definition.
    Update {
        /// Service id.
        id: String,
        /// Version seen.
        version: u64,
        /// The new definition.
        spec: Box<ServiceSpec>,
        /// What differs.
        changes: Vec<&'static str>,
    },
    /// It is as wanted (or not wanted yet).
    Keep,
}

impl InstallPlan {
    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.network.is_none() && !self.secrets && !self.sealing && self.operator == Operator::Keep
    }
}

/// The running operator, however it was deployed.
#[must_use]
pub fn installed(world: &World) -> Option<&Service> {
    world.services.values().find(|service| {
        service
            .spec
            .labels
            .get(names::LABEL_COMPONENT)
            .map(String::as_str)
            == Some("operator")
            && service
                .spec
                .labels
                .get(names::LABEL_MANAGED_BY)
                .map(String::as_str)
                == Some(names::MANAGED_BY)
    })
}

/// The ids of Skep's secrets by name.
#[must_use]
pub fn secret_ids<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> BTreeMap<String, String> {
    secrets
        .into_iter()
        .filter(|secret| names::SECRETS.contains(&secret.name.as_str()))
        .map(|secret| (secret.name.clone(), secret.id.clone()))
        .collect()
}

/// The plan, or a sentence that says why it cannot be and what to do.
pub fn plan(world: &World, wanted: &Wanted) -> Result<InstallPlan, String> {
    let secrets = secrets_missing(world)?;
    let network = network(world, wanted)?;
    let operator = if wanted.prepare {
        Operator::Keep
    } else {
        operator(world, wanted)?
    };
    Ok(InstallPlan {
        network,
        secrets,
        sealing: world.secret_named(names::SECRET_SEALING).is_none(),
        operator,
    })
}

/// The certificates belong together: all or none.
fn secrets_missing(world: &World) -> Result<bool, String> {
    let known: Vec<&str> = names::SECRETS_PKI
        .into_iter()
        .filter(|name| world.secret_named(name).is_some())
        .collect();
    if known.is_empty() {
        return Ok(true);
    }
    let missing: Vec<&str> = names::SECRETS_PKI
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    if missing.is_empty() {
        return Ok(false);
    }
    Err(format!(
        "secret {} is missing but {} exists, and the certificates only fit together: run `skep uninstall --keep-clusters`, or `docker secret rm {}`, then install again",
        missing.join(", "),
        known.join(", "),
        known.join(" ")
    ))
}

fn network(world: &World, wanted: &Wanted) -> Result<Option<NetworkSpec>, String> {
    let subnets = || {
        let networks = world.networks.values();
        networks.flat_map(|n| n.subnets.iter().map(move |subnet| (n, subnet)))
    };
    if let Some(found) = world.network_named(names::CONTROL_NETWORK) {
        if found.driver != "overlay" || found.ingress {
            return Err(format!(
                "network {} exists with driver {}, and proxies need an overlay: remove it with `docker network rm {}`",
                found.name, found.driver, found.name
            ));
        }
        return match &wanted.subnet {
            Some(subnet) if !found.subnets.contains(&subnet.to_string()) => Err(format!(
                "network {} exists with subnet {}, and a network cannot be changed: leave out --control-subnet, or `skep uninstall --keep-clusters` first",
                found.name,
                found.subnets.join(", ")
            )),
            _ => Ok(None),
        };
    }
    let subnet = match wanted.subnet {
        Some(subnet) => {
            let taken = subnets()
                .find(|(_, known)| subnet::parse(known).is_ok_and(|known| known.overlaps(subnet)));
            if let Some((network, known)) = taken {
                return Err(format!(
                    "subnet {subnet} overlaps {known} of network {}: choose another --control-subnet",
                    network.name
                ));
            }
            subnet
        }
        None => subnet::free(
            subnets().map(|(_, subnet)| subnet.as_str()),
            world.nodes.values().map(|node| node.address.as_str()),
        )
        .ok_or(
            "no /20 of 10.0.0.0/8 is free for the control network: name one with --control-subnet",
        )?,
    };
    Ok(Some(NetworkSpec {
        name: names::CONTROL_NETWORK.into(),
        attachable: false,
        encrypted: false,
        subnet: Some(subnet.to_string()),
        labels: spec::labels("control"),
    }))
}

fn operator(world: &World, wanted: &Wanted) -> Result<Operator, String> {
    let found = installed(world);
    let image = wanted
        .image
        .clone()
        .or_else(|| found.map(|service| service.spec.image.clone()))
        .unwrap_or_else(|| names::DEFAULT_IMAGE.to_owned());
    let replicas = wanted
        .replicas
        .or_else(|| match found?.spec.mode {
            Mode::Replicated(replicas) => Some(replicas.max(1)),
            Mode::Global | Mode::Job => None,
        })
        .unwrap_or(1);
    let new = spec::operator(&image, replicas);
    let Some(service) = found else {
        return match world.service_named(names::OPERATOR_SERVICE) {
            None => Ok(Operator::Create(Box::new(new))),
            Some(_) => Err(format!(
                "a service {} exists that Skep did not make: rename it, or remove it with `docker service rm {}`",
                names::OPERATOR_SERVICE,
                names::OPERATOR_SERVICE
            )),
        };
    };
    if let Some(stack) = service.spec.labels.get("com.docker.stack.namespace") {
        return Err(format!(
            "the operator runs as {} of stack {stack}: make what the stack file needs with `skep install --prepare`, change the file and `docker stack deploy` it again, or `docker stack rm {stack}` first",
            service.spec.name
        ));
    }
    let network = world
        .network_named(names::CONTROL_NETWORK)
        .map(|n| n.id.clone());
    let mut new = spec::with_ids(
        new,
        &network.unwrap_or_default(),
        &secret_ids(world.secrets.values()),
    );
    new.force_update = service.spec.force_update;
    for (key, value) in &service.spec.labels {
        new.labels
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    let changes = changes(&service.spec, &new);
    Ok(if changes.is_empty() {
        Operator::Keep
    } else {
        Operator::Update {
            id: service.id.clone(),
            version: service.version,
            spec: Box::new(new),
            changes,
        }
    })
}

/// Which managed parts differ. Labels that others added are left alone, and so is what Skep
/// does not set.
fn changes(old: &ServiceSpec, new: &ServiceSpec) -> Vec<&'static str> {
    let has = |all: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>| {
        wanted
            .iter()
            .all(|(key, value)| all.get(key) == Some(value))
    };
    let targets = |spec: &ServiceSpec| -> Vec<String> {
        spec.networks.iter().map(|n| n.target.clone()).collect()
    };
    [
        ("image", old.image == new.image),
        ("replicas", old.mode == new.mode),
        (
            "labels",
            has(&old.labels, &new.labels) && has(&old.container_labels, &new.container_labels),
        ),
        (
            "arguments",
            old.args == new.args && old.command == new.command,
        ),
        ("environment", old.env == new.env),
        (
            "security",
            (&old.user, old.read_only, &old.capability_drop)
                == (&new.user, new.read_only, &new.capability_drop),
        ),
        ("mounts", old.mounts == new.mounts),
        ("secrets", old.secrets == new.secrets),
        (
            "restart policy",
            (old.restart, old.restart_delay) == (new.restart, new.restart_delay),
        ),
        ("placement", old.placement == new.placement),
        ("networks", targets(old) == targets(new)),
        ("update policy", old.update == new.update),
        ("endpoint mode", old.endpoint_mode == new.endpoint_mode),
        ("ports", old.ports == new.ports),
    ]
    .into_iter()
    .filter_map(|(name, equal)| (!equal).then_some(name))
    .collect()
}
