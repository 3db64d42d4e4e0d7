//! Only clients of some networks.

use std::net::IpAddr;

use http::StatusCode;
use ipnet::IpNet;

use crate::proxy::reply::Refusal;

/// Networks that may come, as ranges that do not overlap, in order.
#[derive(Debug)]
pub(super) struct Allow {
    /// First and last address, also of IPv4 as the mapped IPv6 addresses.
    ranges: Box<[(u128, u128)]>,
}

impl Allow {
    /// `None`: all may come.
    pub(super) fn compile(networks: &[IpNet]) -> Option<Self> {
        if networks.is_empty() {
            return None;
        }
        let range = |net: &IpNet| (number(net.network()), number(net.broadcast()));
        let mut ranges: Vec<_> = networks.iter().map(range).collect();
        ranges.sort_unstable();
        // A later one may lie within an earlier one: then that one ends later.
        ranges.dedup_by(|next, last| {
            let touches = next.0 <= last.1;
            if touches {
                last.1 = last.1.max(next.1);
            }
            touches
        });
        Some(Self {
            ranges: ranges.into(),
        })
    }

    pub(super) fn admit(&self, client: Option<IpAddr>) -> Result<(), Refusal> {
        if client.is_some_and(|client| self.holds(client)) {
            return Ok(());
        }
        let text = "this address may not come here";
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "AddressNotAllowed",
            text,
        ))
    }

    fn holds(&self, client: IpAddr) -> bool {
        let client = number(client);
        let next = self.ranges.partition_point(|(first, _)| *first <= client);
        next > 0 && client <= self.ranges[next - 1].1
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_let_in_by_any_of_the_networks_in_either_form() {
        let nets = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32"];
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        let allow = Allow::compile(&nets).unwrap();
        let admits = |text: &str| allow.admit(Some(text.parse().unwrap())).is_ok();
        for good in [
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "192.0.2.7",
            "2001:db8::9",
            "::ffff:10.9.9.9",
        ] {
            assert!(admits(good), "{good}");
        }
        for bad in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.8",
            "2001:db9::",
            "::",
            "::1",
        ] {
            assert!(!admits(bad), "{bad}");
        }
        assert!(allow.admit(None).is_err(), "an address that is none");
    }

    #[test]
    fn no_network_means_all() {
        assert!(Allow::compile(&[]).is_none());
        let all = Allow::compile(&["0.0.0.0/0".parse().unwrap()]).unwrap();
        assert!(all.admit(Some([1, 2, 3, 4].into())).is_ok());
        assert!(all.admit(Some("2001:db8::1".parse().unwrap())).is_err());
    }
}
