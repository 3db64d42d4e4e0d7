//! Headers: what ends at this hop, and what the next one is told of the client.

use http::header::{
    self, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};

use super::id::{self, Ids};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Ties the lines of all hops together.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the client asks to switch to, if it may: not HTTP/2, which has its own way in.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let is_h2 = wanted.as_bytes().to_ascii_lowercase().starts_with(b"h2");
    (named && !is_h2).then(|| wanted.clone())
}

/// Takes away what is meant for this hop only: the headers that `Connection` names, it itself,
/// and the others of its kind. `TE: trailers` stays, for gRPC and its like ask by it.
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named(headers);
        headers.remove(CONNECTION);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(UPGRADE);
    headers.remove(HTTP2_SETTINGS);
    if let Some(te) = headers.remove(TE) {
        let trailers = te.to_str().is_ok_and(|te| {
            te.split(',')
                .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
        });
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

fn strip_named(headers: &mut HeaderMap) {
    let plain = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if headers.get_all(CONNECTION).iter().all(plain) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        // These are of the message, not of the hop: a client must not be able to hide them.
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Says that a body without a known length follows, for methods that mostly have none.
pub(super) fn frame(headers: &mut HeaderMap, was_chunked: bool, has_body: bool) {
    if was_chunked {
        // Two lengths are a smuggler's tool; the chunks are what was read.
        headers.remove(CONTENT_LENGTH);
    }
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// What is known of the client.
#[derive(Debug)]
pub(super) struct Client<'a> {
    /// Address of the peer, as text.
    pub(super) address: &'a HeaderValue,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// As it came, with port.
    pub(super) host: &'a HeaderValue,
    /// Port that the client believes to speak to.
    pub(super) port: HeaderValue,
    /// Proxies in front that are believed.
    pub(super) trusted_hops: u32,
}

/// Tells the next hop of the client. What came from in front is kept where hops are trusted, and
/// replaced where they are not.
pub(super) fn forward(headers: &mut HeaderMap, client: &Client<'_>) {
    let trusted = client.trusted_hops > 0;
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
    tell(FORWARDED_PORT, client.port.clone());
}

/// The client's address by the trusted hops, and the whole chain with the peer at its end.
/// Each trusted hop has added one address: the client is as many from the end.
fn chain(headers: &HeaderMap, client: &Client<'_>) -> Option<(HeaderValue, HeaderValue)> {
    let mut all: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let hops = usize::try_from(client.trusted_hops).unwrap_or(usize::MAX);
    let real = all[all.len().saturating_sub(hops)..]
        .first()?
        .parse()
        .ok()?;
    all.push(client.address.to_str().ok()?);
    Some((real, all.join(", ").parse().ok()?))
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
    let proto = headers.get(FORWARDED_PROTO);
    trusted_hops > 0 && proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// HTTP/2 may send cookies in crumbs; HTTP/1.1 must not.
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let header::Entry::Occupied(cookies) = headers.entry(header::COOKIE) else {
        return;
    };
    if cookies.iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn forwarded(pairs: &[(&'static str, &'static str)], trusted_hops: u32) -> HeaderMap {
        let mut map = headers(pairs);
        let client = Client {
            address: &HeaderValue::from_static("10.0.0.9"),
            scheme: "http",
            host: &HeaderValue::from_static("demo.a"),
            port: HeaderValue::from_static("80"),
            trusted_hops,
        };
        forward(&mut map, &client);
        map
    }

    #[test]
    fn headers_of_the_hop_end_here() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Secret"),
            ("connection", "host"),
            ("x-secret", "1"),
            ("host", "demo.a"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]);
        strip_hop(&mut map);
        assert_eq!(
            map,
            headers(&[("host", "demo.a"), ("te", "trailers"), ("accept", "*/*")])
        );
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
    fn an_upgrade_needs_both_headers_and_is_not_to_http2() {
        let asks = |pairs: &[_]| upgrade(&headers(pairs)).is_some();
        assert!(asks(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket")
        ]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c")
        ]));
    }

    #[test]
    fn a_body_has_one_length() {
        let mut map = headers(&[("content-length", "3")]);
        frame(&mut map, true, true);
        assert_eq!(map, headers(&[("transfer-encoding", "chunked")]));
    }

    #[test]
    fn crumbs_of_cookies_are_joined() {
        let mut map = headers(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut map);
        assert_eq!(map, headers(&[("cookie", "a=1; b=2")]));
    }

    #[test]
    fn only_a_trusted_hop_may_name_the_request() {
        let ids = Ids::new();
        let told = [("x-request-id", "from-outside")];
        assert_ne!(identify(&mut headers(&told), 0, &ids), "from-outside");
        assert_eq!(identify(&mut headers(&told), 1, &ids), "from-outside");
    }
}
