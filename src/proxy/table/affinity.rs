//! Clients that stay with an endpoint: by the proxy's own cookie, or by a hash that all proxies
//! agree on (weighted rendezvous: a new endpoint of n takes 1/n of the clients from the others,
//! and moves nobody else).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::backend::LiveBackend;
use super::endpoint::{Endpoint, Standing};
use crate::route::{Affinity, PathMatch};

/// How clients of a route stay.
#[derive(Debug)]
pub(in crate::proxy) enum Sticky {
    Cookie {
        /// The application's.
        theirs: Box<str>,
        /// Ours.
        ours: Box<str>,
        /// The path of ours: two routes of a host must not take each other's cookies away.
        path: Box<str>,
    },
    ClientIp,
}

/// Where a client wants to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The endpoint of this token.
    token: Option<u64>,
    /// Where this hash leads.
    hash: Option<u64>,
}

impl Sticky {
    pub(super) fn compile(affinity: &Affinity, path: &PathMatch) -> Option<Self> {
        match affinity {
            Affinity::None => None,
            Affinity::Cookie(name) => Some(Self::Cookie {
                theirs: name.as_str().into(),
                ours: format!("skep-{name}").into(),
                path: match path {
                    PathMatch::Prefix(prefix) if !prefix.contains(';') => prefix.as_str().into(),
                    _ => "/".into(),
                },
            }),
            Affinity::ClientIp => Some(Self::ClientIp),
        }
    }

    /// What a request asks for.
    pub(in crate::proxy) fn wish(&self, headers: &HeaderMap, client: IpAddr) -> Wish {
        match self {
            Self::Cookie { theirs, ours, .. } => Wish {
                token: cookie(headers, ours).and_then(token),
                hash: cookie(headers, theirs).map(hash),
            },
            Self::ClientIp => Wish {
                token: None,
                hash: Some(of_client(client)),
            },
        }
    }

    /// The cookie to be set, after that endpoint answered.
    pub(in crate::proxy) fn cookie(
        &self,
        wish: &Wish,
        endpoint: &Endpoint,
        is_tls: bool,
    ) -> Option<HeaderValue> {
        let Self::Cookie { ours, path, .. } = self else {
            return None;
        };
        let token = endpoint.token;
        if wish.token == Some(token) {
            return None;
        }
        let secure = if is_tls { "; Secure" } else { "" };
        let cookie = format!("{ours}={token:016x}; Path={path}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(cookie).ok()
    }
}

impl Wish {
    /// The endpoint, of those with a weight that were not tried. None where there is no wish, or
    /// what was wished for is gone or does not do well.
    pub(super) fn follow<'r, I>(
        &self,
        all: impl Fn() -> I,
        tried: &[SocketAddr],
        now: u64,
    ) -> Option<(&'r Arc<LiveBackend>, &'r Arc<Endpoint>)>
    where
        I: Iterator<Item = (f64, &'r Arc<LiveBackend>, &'r Arc<Endpoint>)>,
    {
        let free = |endpoint: &Endpoint, worst| {
            endpoint.standing(now) <= worst && !tried.contains(&endpoint.address)
        };
        if let Some(token) = self.token {
            let mine =
                |endpoint: &Endpoint| endpoint.token == token && free(endpoint, Standing::Good);
            if let Some((_, backend, endpoint)) = all().find(|(_, _, it)| mine(it)) {
                return Some((backend, endpoint));
            }
        }
        let hash = self.hash?;
        let best = |worst| {
            all()
                .filter(|(_, _, endpoint)| free(endpoint, worst))
                .map(|(weight, backend, endpoint)| {
                    (distance(hash, endpoint.token, weight), backend, endpoint)
                })
                .min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let (_, backend, endpoint) = Standing::ALL.into_iter().find_map(best)?;
        Some((backend, endpoint))
    }
}

/// How far a key is from an endpoint; the nearest has it. An exponential variable of the pair,
/// so each endpoint is the nearest as often as its weight says.
fn distance(hash: u64, token: u64, weight: f64) -> f64 {
    let mixed = mix(hash ^ mix(token));
    // 53 bits, in (0, 1].
    let unit = ((mixed >> 11) + 1) as f64 / (1u64 << 53) as f64;
    -unit.ln() / weight
}

/// The value of a cookie.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let all = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    all.flat_map(|cookies| cookies.split(|byte| *byte == b';'))
        .find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        })
        .filter(|value| !value.is_empty())
}

fn token(value: &[u8]) -> Option<u64> {
    let is_one = value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_one)?;
    u64::from_str_radix(text, 16).ok()
}

/// By address; of IPv6 the network, for clients change the rest of it at will.
fn of_client(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()[..8]),
    }
}

/// FNV-1a, well mixed. Who chooses a key gains nothing by it but an endpoint.
fn hash(key: &[u8]) -> u64 {
    mix(key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// The finalizer of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::proxy::Assembler;
    use crate::proxy::table::Table;
    use crate::route::{Backend, Endpoint as At, Policy, Route, Target};

    /// A table with one route to backends of so many endpoints and such weights.
    fn table(affinity: Affinity, targets: &[(u16, Option<u32>)]) -> Arc<Table> {
        let mut assembler = Assembler::new(1);
        let mut route = Route {
            host: "demo.a".to_owned(),
            policy: Policy {
                affinity,
                ..Policy::default()
            },
            ..Route::default()
        };
        for (at, (endpoints, weight)) in (1u16..).zip(targets) {
            let endpoint = |i| At {
                address: ([10, 0, 0, 1], at * 1_000 + i).into(),
                id: format!("task-{at}-{i}"),
            };
            let backend = format!("b{at}");
            let set = Backend {
                endpoints: (0..*endpoints).map(endpoint).collect(),
                ..Backend::default()
            };
            assembler.set_backend(&backend, &set).unwrap();
            let weight = *weight;
            route.targets.push(Target { backend, weight });
        }
        assembler.set_route("r", route);
        assembler.build()
    }

    fn of_client(table: &Table, client: u32) -> u16 {
        let route = table.all().next().unwrap();
        let address = IpAddr::from(client.wrapping_mul(2_654_435_761).to_be_bytes());
        let wish = route.sticky().unwrap().wish(&HeaderMap::new(), address);
        route.pick_for(&wish, &[], 1).unwrap().1.address.port()
    }

    #[test]
    fn a_new_endpoint_takes_its_share_and_moves_nobody_else() {
        let before = table(Affinity::ClientIp, &[(4, None)]);
        let after = table(Affinity::ClientIp, &[(5, None)]);
        let mut moved = 0;
        for client in 0..10_000 {
            let (old, new) = (of_client(&before, client), of_client(&after, client));
            if old != new {
                assert_eq!(new, 1_004, "a client moves between old endpoints");
                moved += 1;
            }
        }
        assert!((1_700..2_300).contains(&moved), "{moved} of 10000 moved");
    }

    #[test]
    fn hashes_meet_the_weights_of_targets() {
        let table = table(
            Affinity::ClientIp,
            &[(3, Some(90)), (1, Some(10)), (2, Some(0))],
        );
        let mut counts = BTreeMap::new();
        for client in 0..10_000 {
            *counts.entry(of_client(&table, client)).or_insert(0) += 1;
        }
        for port in [1_000, 1_001, 1_002] {
            assert!((2_700..3_300).contains(&counts[&port]), "{counts:?}");
        }
        assert!((800..1_200).contains(&counts[&2_000]), "{counts:?}");
        assert_eq!(
            counts.len(),
            4,
            "a target of weight 0 gets none: {counts:?}"
        );
    }

    #[test]
    fn clients_of_one_ipv6_network_are_one() {
        let hash = |text: &str| super::of_client(text.parse().unwrap());
        assert_eq!(hash("2001:db8::1"), hash("2001:db8::2:3"));
        assert_ne!(hash("2001:db8::1"), hash("2001:db8:0:1::1"));
        assert_eq!(hash("10.0.0.1"), hash("::ffff:10.0.0.1"));
    }

    #[test]
    fn our_cookie_wins_over_the_applications_while_its_endpoint_does_well() {
        let table = table(Affinity::Cookie("sid".to_owned()), &[(5, None)]);
        let route = table.all().next().unwrap();
        let sticky = route.sticky().unwrap();
        let client = IpAddr::from([127, 0, 0, 1]);
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("x=1; sid=abc"));
        let by_theirs = sticky.wish(&headers, client);
        let hashed = route.pick_for(&by_theirs, &[], 1).unwrap().1;
        let other = route.backends().next().unwrap().endpoints.iter();
        let other = other
            .into_iter()
            .find(|it| it.token != hashed.token)
            .unwrap();
        let set = sticky.cookie(&by_theirs, other, true).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("skep-sid="), "{set}");
        assert!(
            set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
            "{set}"
        );
        let ours = set.split(';').next().unwrap();
        headers.append(COOKIE, HeaderValue::try_from(ours).unwrap());
        let by_ours = sticky.wish(&headers, client);
        assert_eq!(
            route.pick_for(&by_ours, &[], 1).unwrap().1.token,
            other.token
        );
        assert_eq!(sticky.cookie(&by_ours, other, true), None);
        other.avoid_until(100);
        assert_eq!(
            route.pick_for(&by_ours, &[], 1).unwrap().1.token,
            hashed.token
        );
        assert!(sticky.cookie(&by_ours, hashed, false).is_some());
    }

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("xsid=1; sidx=2;sid=a=b ;q"),
        );
        assert_eq!(cookie(&headers, "sid"), Some(&b"a=b"[..]));
        assert_eq!(cookie(&headers, "q"), None);
        assert_eq!(token(b"00000000000000ff"), Some(255));
        assert_eq!(token(b"+0000000000000ff"), None);
    }
}
