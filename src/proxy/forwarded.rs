//! Who the client is: what proxies in front tell of it, whom of them to believe, and what the
//! next hop is told.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

use super::host;
use super::id::{self, Ids};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Ties the lines of all hops together.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Other names by which proxies tell where a request comes from. Applications believe them.
const CLAIMS: [&str; 13] = [
    "cf-connecting-ip",
    "fastly-client-ip",
    "front-end-https",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "x-original-host",
    "x-real-ip",
    "x-scheme",
    "x-url-scheme",
    "x-real-port",
];

/// Some applications take the path from these instead of from the request, past all that is said
/// of the path here.
const OTHER_PATHS: [&str; 3] = ["x-original-url", "x-original-uri", "x-rewrite-url"];

/// What is known of the client.
#[derive(Debug)]
pub(super) struct Client<'a> {
    /// Address of the peer, as text.
    pub(super) address: &'a HeaderValue,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// As it came, with port.
    pub(super) host: &'a HeaderValue,
    /// Proxies in front that are believed.
    pub(super) trusted_hops: u32,
}

/// Tells the next hop of the client. What came from in front is kept where hops are trusted, and
/// replaced where they are not. `Forwarded` is not extended here, so it ends here.
pub(super) fn forward(headers: &mut HeaderMap, client: &Client<'_>) {
    let trusted = client.trusted_hops > 0;
    forget_claims(headers, trusted);
    let chain = trusted.then(|| chain(headers, client)).flatten();
    let real = match &chain {
        Some((real, _)) => real.clone(),
        None => client.address.clone(),
    };
    let chain = chain.map_or_else(|| client.address.clone(), |(_, chain)| chain);
    headers.insert(FORWARDED_FOR, chain);
    headers.insert(REAL_IP, real);
    let mut tell = |name: HeaderName, value: HeaderValue| {
        if !(trusted && headers.contains_key(&name)) {
            headers.insert(name, value);
        }
    };
    tell(FORWARDED_PROTO, HeaderValue::from_static(client.scheme));
    tell(FORWARDED_HOST, client.host.clone());
    let port = told_port(headers, client);
    if !(trusted && headers.contains_key(&FORWARDED_PORT)) {
        headers.insert(FORWARDED_PORT, port);
    }
}

/// The port that the client believes to speak to: that of the host which is told, else the usual
/// one of the scheme which is told. The container's own is nobody's business. What is told is ours,
/// or that of trusted hops: a balancer that ends TLS need not say 443 besides `https`.
fn told_port(headers: &HeaderMap, client: &Client<'_>) -> HeaderValue {
    let hops = client.trusted_hops.max(1);
    let port = told(headers, &FORWARDED_HOST, hops).and_then(host::port);
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        return port;
    }
    let scheme = told(headers, &FORWARDED_PROTO, hops).unwrap_or(client.scheme);
    let is = |names: [&str; 2]| names.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    let secure = is(["https", "wss"]) || (client.scheme == "https" && !is(["http", "ws"]));
    HeaderValue::from_static(if secure { "443" } else { "80" })
}

/// Takes away what a client could say to look like another one. Names are compared with `_` as
/// `-`, for so do the applications that find headers in environment variables.
fn forget_claims(headers: &mut HeaderMap, trusted: bool) {
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_claim(name.as_str(), trusted))
        .cloned()
        .collect();
    for name in claims {
        headers.remove(name);
    }
}

fn is_claim(name: &str, trusted: bool) -> bool {
    if name.contains('_') {
        let plain = name.replace('_', "-");
        // No proxy that is worth trusting writes them so.
        return is_ours(&plain) || is_claim(&plain, false);
    }
    match name.as_bytes().first() {
        Some(b'f') if name == FORWARDED.as_str() => true,
        Some(b'x') if OTHER_PATHS.contains(&name) => true,
        Some(b'c' | b'f' | b't' | b'x') if !trusted => {
            name.starts_with("x-forwarded") || CLAIMS.contains(&name)
        }
        _ => false,
    }
}

/// Whether the next hop believes this header because it comes from a proxy.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == REAL_IP.as_str() || name == REQUEST_ID.as_str()
}

/// The prefix that is cut off the path, behind what hops in front have cut off.
pub(super) fn tell_prefix(headers: &mut HeaderMap, prefix: &str) {
    let before = headers
        .get(&FORWARDED_PREFIX)
        .and_then(|it| it.to_str().ok());
    let before = before.unwrap_or_default().trim_end_matches('/');
    if let Ok(whole) = HeaderValue::try_from(format!("{before}{prefix}")) {
        headers.insert(FORWARDED_PREFIX, whole);
    }
}

/// What the trusted hops say of the client in this header: each has added one value, so it is as
/// many from the end, or the first if there are fewer.
fn told<'h>(headers: &'h HeaderMap, name: &HeaderName, trusted_hops: u32) -> Option<&'h str> {
    let hops = usize::try_from(trusted_hops).unwrap_or(usize::MAX);
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
        .map(readable)
        .filter(|part| !part.is_empty())
        .take(hops)
        .last()
}

/// One address of a chain. What cannot be read is nobody's, but it is there: left out, whoever
/// stands before it would be taken for the client.
fn readable(part: &[u8]) -> &str {
    let text = std::str::from_utf8(part.trim_ascii()).unwrap_or("?");
    if text.chars().any(char::is_control) {
        "?"
    } else {
        text
    }
}

/// The client's address by the trusted hops, and the whole chain with the peer at its end.
fn chain(headers: &HeaderMap, client: &Client<'_>) -> Option<(HeaderValue, HeaderValue)> {
    let real = told(headers, &FORWARDED_FOR, client.trusted_hops)?
        .parse()
        .ok()?;
    let mut all: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(readable)
        .filter(|part| !part.is_empty())
        .collect();
    all.push(client.address.to_str().ok()?);
    Some((real, all.join(", ").parse().ok()?))
}

/// The client's address: the peer's, or what trusted hops tell. `None`: they tell what is none.
pub(super) fn address(headers: &HeaderMap, trusted_hops: u32, peer: IpAddr) -> Option<IpAddr> {
    if trusted_hops == 0 {
        return Some(peer);
    }
    let Some(told) = told(headers, &FORWARDED_FOR, trusted_hops) else {
        return Some(peer);
    };
    let bare = told.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| {
        let socket: std::net::SocketAddr = told.parse().ok()?;
        Some(socket.ip())
    });
    address.map(|address| address.to_canonical())
}

/// The id of a request: that of a trusted hop in front, else a new one.
pub(super) fn identify(headers: &mut HeaderMap, trusted_hops: u32, ids: &Ids) -> HeaderValue {
    if trusted_hops > 0
        && let Some(id) = headers.get(REQUEST_ID)
        && id::is_sound(id)
    {
        return id.clone();
    }
    let id = ids.mint();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// Whether a trusted hop in front took the request over TLS.
pub(super) fn came_by_tls(headers: &HeaderMap, trusted_hops: u32) -> bool {
    trusted_hops > 0
        && headers
            .get(FORWARDED_PROTO)
            .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::super::headers::tests::headers;
    use super::*;

    fn forwarded(pairs: &[(&'static str, &'static str)], trusted_hops: u32) -> HeaderMap {
        let mut map = headers(pairs);
        let client = Client {
            address: &HeaderValue::from_static("10.0.0.9"),
            scheme: "http",
            host: &HeaderValue::from_static("demo.a"),
            trusted_hops,
        };
        forward(&mut map, &client);
        map
    }

    #[test]
    fn nobody_in_front_is_believed_by_default() {
        let lies = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "2.2.2.2"),
        ];
        let map = forwarded(&lies, 0);
        assert_eq!(map["x-forwarded-for"], "10.0.0.9");
        assert_eq!(map["x-forwarded-proto"], "http");
        assert_eq!(map["x-real-ip"], "10.0.0.9");
        assert_eq!(map["x-forwarded-host"], "demo.a");
        assert_eq!(map["x-forwarded-port"], "80");
    }

    #[test]
    fn other_words_for_the_same_lies_are_taken_away() {
        let lies = [
            ("forwarded", "for=1.1.1.1;proto=https"),
            ("x-forwarded-prefix", "/admin"),
            ("x-forwarded-ssl", "on"),
            ("x-forwarded-server", "lb"),
            ("x-forwarded-user", "root"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-real_ip", "1.1.1.1"),
            ("true-client-ip", "1.1.1.1"),
            ("x-original-url", "/admin"),
        ];
        assert_eq!(forwarded(&lies, 0), forwarded(&[], 0));
        let kept = ["x-forwarded-prefix", "x-forwarded-ssl", "true-client-ip"];
        let map = forwarded(&lies, 1);
        assert!(kept.iter().all(|name| map.contains_key(*name)), "{map:?}");
        for name in ["forwarded", "x_forwarded_for", "x-original-url"] {
            assert!(!map.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_merely_looks_alike_is_left_alone() {
        let plain = [
            ("x-api-key", "1"),
            ("from", "me@a"),
            ("x_custom", "1"),
            ("x-forward", "1"),
        ];
        let map = forwarded(&plain, 0);
        assert!(plain.iter().all(|(name, _)| map.contains_key(*name)));
    }

    #[test]
    fn a_trusted_hop_is_believed_and_what_lies_before_it_is_not() {
        let told = [
            ("x-forwarded-for", "6.6.6.6, 1.1.1.1"),
            ("x-forwarded-proto", "https"),
        ];
        let map = forwarded(&told, 1);
        assert_eq!(map["x-forwarded-for"], "6.6.6.6, 1.1.1.1, 10.0.0.9");
        assert_eq!(map["x-real-ip"], "1.1.1.1");
        assert_eq!(map["x-forwarded-proto"], "https");
        assert_eq!(forwarded(&told, 5)["x-real-ip"], "6.6.6.6");
        assert_eq!(forwarded(&[], 1)["x-real-ip"], "10.0.0.9");
    }

    #[test]
    fn the_port_fits_the_host_and_the_scheme_that_are_told() {
        let port = |told: &[_], hops| forwarded(told, hops)["x-forwarded-port"].clone();
        let (proto, host) = ("x-forwarded-proto", "x-forwarded-host");
        assert_eq!(port(&[], 1), "80");
        assert_eq!(port(&[(proto, "https")], 1), "443");
        assert_eq!(port(&[(proto, "HTTPS"), (host, "pub.a")], 1), "443");
        assert_eq!(port(&[(proto, "https"), (host, "pub.a:8443")], 1), "8443");
        assert_eq!(port(&[(host, "pub.a:8080")], 1), "8080");
        assert_eq!(port(&[(proto, "https"), (host, "[::1]:444")], 1), "444");
        // What stands before the values of the trusted hops may be invented.
        assert_eq!(port(&[(proto, "https, http")], 1), "80");
        assert_eq!(port(&[(proto, "https, http")], 2), "443");
        let said = [(proto, "https"), ("x-forwarded-port", "8444")];
        assert_eq!(port(&said, 1), "8444");
        assert_eq!(port(&[(proto, "https"), (host, "pub.a:1")], 0), "80");
    }

    #[test]
    fn the_clients_address_is_what_the_trusted_hop_says_in_any_form() {
        let peer: IpAddr = [10, 0, 0, 9].into();
        let of = |value, hops| address(&headers(&[("x-forwarded-for", value)]), hops, peer);
        let at = |text: &str| text.parse().ok();
        assert_eq!(of("6.6.6.6", 0), Some(peer));
        assert_eq!(of("6.6.6.6, 1.1.1.1", 1), at("1.1.1.1"));
        assert_eq!(of("6.6.6.6, 1.1.1.1", 2), at("6.6.6.6"));
        assert_eq!(of("1.1.1.1:8080", 1), at("1.1.1.1"));
        assert_eq!(of("[2001:db8::1]:80", 1), at("2001:db8::1"));
        assert_eq!(of("[2001:db8::1]", 1), at("2001:db8::1"));
        assert_eq!(of("::ffff:1.1.1.1", 1), at("1.1.1.1"));
        assert_eq!(of("unknown", 1), None);
        // What cannot be read does not make the hop itself the client.
        let odd = |bytes: &[u8]| {
            let mut map = HeaderMap::new();
            map.insert("x-forwarded-for", HeaderValue::from_bytes(bytes).unwrap());
            address(&map, 1, peer)
        };
        assert_eq!(odd(b"\xff, 1.1.1.1"), at("1.1.1.1"));
        assert_eq!(odd(b"1.1.1.1, \xff"), None);
        assert_eq!(address(&HeaderMap::new(), 1, peer), Some(peer));
    }

    #[test]
    fn prefixes_cut_off_add_up() {
        let mut map = HeaderMap::new();
        tell_prefix(&mut map, "/app");
        assert_eq!(map["x-forwarded-prefix"], "/app");
        tell_prefix(&mut map, "/v1");
        assert_eq!(map["x-forwarded-prefix"], "/app/v1");
    }

    #[test]
    fn only_a_trusted_hop_may_name_the_request() {
        let ids = Ids::new();
        let told = [("x-request-id", "from-outside")];
        assert_ne!(identify(&mut headers(&told), 0, &ids), "from-outside");
        assert_eq!(identify(&mut headers(&told), 1, &ids), "from-outside");
    }
}
