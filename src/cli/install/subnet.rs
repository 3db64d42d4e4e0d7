//! The control network's subnet: a /20 that nothing known overlaps.

use std::fmt;
use std::net::Ipv4Addr;

/// Prefix length of a subnet that Skep chooses: room for some 4,000 proxies; Swarm's own /24
/// would end at 250.
const CHOSEN_PREFIX: u8 = 20;

/// An IPv4 subnet in normal form: no bit set behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    fn size(self) -> u64 {
        1 << (32 - self.prefix)
    }

    /// Whether an address lies in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let end = |s: Self| u64::from(s.first) + s.size();
        u64::from(self.first) < end(other) && u64::from(other.first) < end(self)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

/// Reads CIDR form.
pub fn parse(text: &str) -> Result<Subnet, String> {
    let wrong = || format!("`{text}` is not an IPv4 subnet: write for example 10.255.240.0/20");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    if !(8..=29).contains(&prefix) {
        return Err(format!(
            "`{text}` is too {}: use a prefix from /8 to /29, best /20",
            if prefix < 8 { "large" } else { "small" }
        ));
    }
    let subnet = masked(address, prefix);
    if subnet.first != u32::from(address) {
        return Err(format!(
            "`{text}` is an address within a subnet: write {subnet}"
        ));
    }
    Ok(subnet)
}

fn masked(address: Ipv4Addr, prefix: u8) -> Subnet {
    Subnet {
        first: u32::from(address) & (u32::MAX << (32 - prefix)),
        prefix,
    }
}

/// The highest /20 of 10.0.0.0/8 that overlaps no known network and holds no node's address.
/// Swarm hands out its own pools from the low end, so the two seldom meet. IPv6 and unreadable
/// entries are skipped: they cannot overlap an IPv4 subnet of ours.
pub fn free<'a>(
    networks: impl IntoIterator<Item = &'a str>,
    nodes: impl IntoIterator<Item = &'a str>,
) -> Option<Subnet> {
    let taken: Vec<Subnet> = networks
        .into_iter()
        .filter_map(loose)
        .chain(
            nodes
                .into_iter()
                // The whole /24 of a node: its neighbours are likely hosts too.
                .filter_map(|node| Some(masked(node.parse().ok()?, 24))),
        )
        .collect();
    let top = u32::from(Ipv4Addr::new(10, 255, 240, 0));
    let bottom = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    (bottom..=top)
        .rev()
        .step_by(1 << (32 - CHOSEN_PREFIX))
        .map(|first| Subnet {
            first,
            prefix: CHOSEN_PREFIX,
        })
        .find(|candidate| !taken.iter().any(|known| known.overlaps(*candidate)))
}

/// A network's subnet as the engine writes it, which need not be in normal form.
fn loose(text: &str) -> Option<Subnet> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|p| (1..=32).contains(p))?;
    Some(masked(address.parse().ok()?, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_free_subnet_is_chosen() {
        let chosen = free([], []).unwrap();
        assert_eq!(chosen.to_string(), "10.255.240.0/20");
        let chosen = free(["10.255.244.0/24", "fd00::/64", "192.168.0.0/16"], []).unwrap();
        assert_eq!(chosen.to_string(), "10.255.224.0/20");
    }

    #[test]
    fn networks_of_nodes_are_avoided() {
        let chosen = free(["10.255.240.7/20"], ["10.255.230.4"]).unwrap();
        assert_eq!(chosen.to_string(), "10.255.208.0/20");
    }

    #[test]
    fn no_subnet_is_made_up_when_all_are_taken() {
        assert_eq!(free(["10.0.0.0/8"], []), None);
    }

    #[test]
    fn only_subnets_in_normal_form_and_of_use_are_accepted() {
        assert_eq!(parse("10.9.16.0/20").unwrap().to_string(), "10.9.16.0/20");
        assert!(parse("10.9.17.0/20").unwrap_err().contains("10.9.16.0/20"));
        for wrong in [
            "10.9.0.0",
            "10.9.0.0/31",
            "10.0.0.0/33",
            "x/20",
            "fd00::/64",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
