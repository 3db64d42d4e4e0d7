//! Headers: what ends at this hop, and what the next one must be told of the message.

use http::header::{
    self, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Method, Version};

use super::forwarded;
use super::reply::{REASON, Refusal};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const MAX_FORWARDS: HeaderName = HeaderName::from_static("max-forwards");

/// The tokens of a list that may stand in several headers.
fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// What the client asks to switch to, if it may: not another HTTP, which has its own way in and
/// would carry requests past this proxy, and not TLS.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(UPGRADE)?;
    if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return None;
    }
    let carries = |token: &&str| {
        let name = token.split('/').next().unwrap_or_default();
        let is_h2 =
            name.len() >= 2 && name.is_char_boundary(2) && name[..2].eq_ignore_ascii_case("h2");
        !is_h2 && !name.eq_ignore_ascii_case("http") && !name.eq_ignore_ascii_case("tls")
    };
    let wanted: Vec<&str> = tokens(headers, &UPGRADE).filter(carries).collect();
    (!wanted.is_empty()).then(|| wanted.join(", ").parse().ok())?
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
    if headers.contains_key(TE) {
        let trailers = tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
        headers.remove(TE);
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
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| token.parse().ok())
        .filter(|name| !is_of_message(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// These are of the message, not of the hop: a client must not be able to hide them, neither
/// what it is nor what proxies say of it.
fn is_of_message(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 11] = [
        HOST,
        CONTENT_LENGTH,
        TE,
        AUTHORIZATION,
        COOKIE,
        SET_COOKIE,
        ORIGIN,
        FORWARDED,
        VIA,
        TRAILER,
        REASON,
    ];
    OURS.contains(name) || forwarded::is_ours(name.as_str())
}

/// What only this proxy may say of the connection to the next hop (RFC 9110, 7.6.1 and 10.1.4).
pub(super) fn connect(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let trailers = headers.contains_key(TE);
    let options = match (&upgrade, trailers) {
        (None, false) => return,
        (None, true) => "te",
        (Some(_), false) => "upgrade",
        (Some(_), true) => "upgrade, te",
    };
    headers.insert(CONNECTION, HeaderValue::from_static(options));
    if let Some(to) = upgrade {
        headers.insert(UPGRADE, to);
    }
}

/// A gateway says that a request went through it (RFC 9110, 7.6.3).
pub(super) fn pass_by(headers: &mut HeaderMap, version: Version) {
    let via = match version {
        Version::HTTP_09 | Version::HTTP_10 => "1.0 skep",
        Version::HTTP_2 => "2 skep",
        Version::HTTP_3 => "3 skep",
        _ => "1.1 skep",
    };
    headers.append(VIA, HeaderValue::from_static(via));
}

/// Refuses what would only reflect the request with all its credentials (TRACE), and what may go
/// no further (RFC 9110, 7.6.2).
pub(super) fn check_method(method: &Method, headers: &mut HeaderMap) -> Result<(), Refusal> {
    match *method {
        Method::CONNECT => {
            let text = "this is not a forward proxy: CONNECT is not served";
            Err(Refusal::method("Connect", text).closing())
        }
        Method::TRACE => {
            let text = "TRACE would reflect credentials: it is not served";
            Err(Refusal::method("Trace", text).closing())
        }
        Method::OPTIONS => count_hops(headers),
        _ => Ok(()),
    }
}

fn count_hops(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let left = headers.get(MAX_FORWARDS);
    let left = left.and_then(|left| left.to_str().ok()?.parse::<u32>().ok());
    let Some(left) = left else {
        return Ok(());
    };
    let Some(left) = left.checked_sub(1) else {
        let text = "the request may not be forwarded";
        let mut refusal = Refusal::method("MaxForwards", text);
        refusal.status = http::StatusCode::OK;
        return Err(refusal);
    };
    headers.insert(MAX_FORWARDS, left.into());
    Ok(())
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

/// HTTP/2 may send cookies in crumbs; HTTP/1.1 must not.
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let header::Entry::Occupied(cookies) = headers.entry(COOKIE) else {
        return;
    };
    if cookies.iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Headers of pairs, also several of one name.
    pub(in crate::proxy) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
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
    fn a_client_cannot_hide_by_the_hop_what_is_of_the_message() {
        let kept = [
            ("x-request-id", "1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("authorization", "Basic x"),
            ("cookie", "a=1"),
        ];
        let mut map = headers(&kept);
        for (name, _) in kept {
            map.append(CONNECTION, HeaderValue::from_static(name));
        }
        strip_hop(&mut map);
        assert_eq!(map, headers(&kept));
    }

    #[test]
    fn an_upgrade_needs_both_headers_and_is_not_to_another_http() {
        let to = |pairs: &[_]| upgrade(&headers(pairs));
        let both = ("connection", "keep-alive, Upgrade");
        assert_eq!(to(&[both, ("upgrade", "websocket")]).unwrap(), "websocket");
        assert_eq!(to(&[("upgrade", "websocket")]), None);
        for no in ["h2c", "H2", "h2c-17", "HTTP/2.0", "TLS/1.0, h2c", ""] {
            assert_eq!(to(&[both, ("upgrade", no)]), None, "{no}");
        }
        let mixed = [both, ("upgrade", "websocket, h2c"), ("upgrade", "tls/1.2")];
        assert_eq!(to(&mixed).unwrap(), "websocket");
    }

    #[test]
    fn trailers_and_upgrades_are_named_to_the_next_hop() {
        let connection = |te: bool, to: Option<&'static str>| {
            let mut map = headers(if te { &[("te", "trailers")] } else { &[] });
            connect(&mut map, to.map(HeaderValue::from_static));
            map.get(CONNECTION)
                .map(|it| it.to_str().unwrap().to_owned())
        };
        assert_eq!(connection(false, None), None);
        assert_eq!(connection(true, None).unwrap(), "te");
        assert_eq!(connection(false, Some("websocket")).unwrap(), "upgrade");
        assert_eq!(connection(true, Some("websocket")).unwrap(), "upgrade, te");
    }

    #[test]
    fn a_request_says_that_it_went_through_here() {
        let mut map = headers(&[("via", "1.1 front")]);
        pass_by(&mut map, Version::HTTP_2);
        assert_eq!(map, headers(&[("via", "1.1 front"), ("via", "2 skep")]));
    }

    #[test]
    fn a_request_that_may_go_no_further_does_not() {
        let hops = |method: Method, left| {
            let mut map = headers(&[("max-forwards", left)]);
            let answer = check_method(&method, &mut map).map_err(|refusal| refusal.reason);
            answer.map(|()| map["max-forwards"].to_str().unwrap().to_owned())
        };
        assert_eq!(hops(Method::OPTIONS, "0"), Err("MaxForwards"));
        assert_eq!(hops(Method::OPTIONS, "3").unwrap(), "2");
        assert_eq!(hops(Method::OPTIONS, "x").unwrap(), "x");
        assert_eq!(hops(Method::GET, "0").unwrap(), "0");
        assert_eq!(hops(Method::TRACE, "9"), Err("Trace"));
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
}
