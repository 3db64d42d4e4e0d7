//! Networks: names, duplicates, subnets.

use std::net::Ipv4Addr;

use super::{Faults, grammar, repeated};
use crate::api::grammar::shortened;
use crate::api::service_cluster::NetworkRef;
use crate::names::CONTROL_NETWORK;

/// Networks of the engine itself, which no service can join as an overlay.
pub(in crate::api) const BUILT_IN: [&str; 5] =
    ["bridge", "docker_gwbridge", "host", "ingress", "none"];

pub(super) fn check(faults: &mut Faults, networks: &[NetworkRef]) {
    let twice = repeated(networks.iter().map(|network| &network.name));
    for (n, network) in networks.iter().enumerate() {
        let path = format!("spec.networks[{n}].name");
        let name = network.name.as_str();
        faults.check(path.as_str(), grammar::network_name(name));
        if BUILT_IN.contains(&name) {
            let message = format!("`{name}` is the engine's own network");
            faults.add(
                path.as_str(),
                message,
                "name an overlay network of your services",
            );
        }
        if name == CONTROL_NETWORK {
            let message = format!("`{name}` is Skep's own network, every proxy is on it");
            faults.add(path.as_str(), message, "take it out of the list");
        }
        if twice.contains(&n) {
            let message = format!("`{}` is listed twice", shortened(name));
            faults.add(path, message, "keep one of them");
        }
        if let Some(create) = &network.create {
            let path = format!("spec.networks[{n}].create");
            faults.labels(&format!("{path}.labels"), &create.labels);
            if let Some(subnet) = &create.subnet {
                faults.check(format!("{path}.subnet"), cidr(subnet));
            }
        }
    }
}

/// Checks an IPv4 subnet such as `10.7.0.0/24`.
fn cidr(text: &str) -> Result<(), String> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let address: Ipv4Addr = address.parse().ok()?;
        // No `+8` and no `08`.
        let bits: u32 = bits.parse().ok().filter(|n: &u32| n.to_string() == bits)?;
        Some((u32::from(address), bits))
    });
    let Some((address, bits)) = parsed else {
        return Err(format!(
            "`{}` is not an IPv4 subnet: write for example 10.7.0.0/24",
            shortened(text)
        ));
    };
    // Below /29 there is no room for a gateway, a load balancer and two tasks.
    if !(8..=29).contains(&bits) {
        return Err(format!("`{text}` cannot be an overlay: use /8 to /29"));
    }
    let mask = u32::MAX << (32 - bits);
    if address & !mask != 0 {
        return Err(format!(
            "`{text}` has bits behind its /{bits}: write {}/{bits}",
            Ipv4Addr::from(address & mask)
        ));
    }
    Ok(())
}
