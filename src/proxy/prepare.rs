//! From what a client sent to what an endpoint gets, or to why it gets nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::body::{RequestBody, Upload};
use super::connection::Context;
use super::forwarded::{self, Client};
use super::policy::{Asked, Finish, https_url};
use super::reply::Refusal;
use super::table::{LiveRoute, Table, TooLong, Wish};
use super::{headers, host, path, policy};
use crate::route::PathMatch;

/// A request as the endpoint will get it.
pub(super) struct Prepared {
    pub(super) request: Request<RequestBody>,
    /// How far its body is; `None`: it has none.
    pub(super) upload: Option<Upload>,
    /// The client's side of the upgrade it asks for.
    pub(super) upgrade: Option<OnUpgrade>,
    /// The endpoint that a client of a sticky route asks for; whether it came by TLS.
    pub(super) wish: Option<(Wish, bool)>,
}

/// Finds the route of a request, follows its policy, and makes it ready to be sent. `finish` is
/// told what the answer needs, whoever gives it.
pub(super) async fn prepare<'t>(
    context: &Context,
    table: &'t Table,
    mut parts: Parts,
    body: Incoming,
    finish: &mut Finish<'t>,
) -> Result<(&'t LiveRoute, Prepared), Refusal> {
    let traffic = &table.listener.traffic;
    headers::check_method(&parts.method, &mut parts.headers)?;
    let named = host_of(&mut parts)?;
    if let Some(secured) = &context.secured {
        secured.check(parts.version, &named, &table.secure)?;
    }
    let secure = context.tls || forwarded::came_by_tls(&parts.headers, traffic.trusted_hops);
    if traffic.redirect_http_to_https && !secure {
        return Err(to_https(&parts, &named, table.listener.https_port));
    }
    let route = find(table, &named, &parts)?;
    let mut limit = match traffic.max_request_body.0 {
        0 => u64::MAX,
        limit => limit,
    };
    if let Some(policy) = &route.checks {
        finish.expect(policy, &parts);
        let asked = Asked {
            peer: context.peer.ip(),
            trusted_hops: traffic.trusted_hops,
            secure,
            host: &named,
            https_port: table.listener.https_port,
            has_targets: route.backends().next().is_some(),
        };
        policy.admit(&asked, &mut parts).await?;
        limit = policy.max_request_body().unwrap_or(limit);
    }
    if content_length(&parts.headers).is_some_and(|len| len > limit) {
        return Err(Refusal::too_large());
    }
    let prepared = ready(context, table, route, named, parts, body, limit)?;
    Ok((route, prepared))
}

/// Makes a request that may pass ready to be sent.
fn ready(
    context: &Context,
    table: &Table,
    route: &LiveRoute,
    named: HeaderValue,
    mut parts: Parts,
    body: Incoming,
    limit: u64,
) -> Result<Prepared, Refusal> {
    let (to, upgrade) = upgrade(&mut parts).unzip();
    let was_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    headers::strip_hop(&mut parts.headers);
    // The client is told to go on by this proxy, so the endpoint need not be asked.
    parts.headers.remove(EXPECT);
    if parts.version >= Version::HTTP_2 {
        headers::join_cookies(&mut parts.headers);
    }
    let (body, upload) = RequestBody::new(body, limit, &context.watch);
    headers::frame(&mut parts.headers, was_chunked, upload.is_some());
    let client = Client {
        address: &context.address,
        scheme: if context.tls { "https" } else { "http" },
        host: &named,
        trusted_hops: table.listener.traffic.trusted_hops,
    };
    forwarded::forward(&mut parts.headers, &client);
    if let PathMatch::Prefix(prefix) = route.path.of()
        && route.rewrite
        && prefix != "/"
    {
        forwarded::tell_prefix(&mut parts.headers, prefix);
    }
    headers::pass_by(&mut parts.headers, parts.version);
    headers::connect(&mut parts.headers, to);
    parts.headers.insert(HOST, named);
    // Before the edits, which may take away what tells clients apart.
    let wish = wish(context, route, &parts.headers);
    if let Some(policy) = &route.checks {
        policy.edit_request(&mut parts.headers);
    }
    let mut request = Request::new(body);
    *request.uri_mut() = target(route, parts.uri)?;
    *request.method_mut() = parts.method;
    *request.headers_mut() = parts.headers;
    Ok(Prepared {
        request,
        upload,
        upgrade,
        wish,
    })
}

/// What a client of a sticky route asks for, and whether it came by TLS. The headers for the
/// endpoint tell who it is.
fn wish(context: &Context, route: &LiveRoute, headers: &HeaderMap) -> Option<(Wish, bool)> {
    let sticky = route.sticky()?;
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let client: Option<IpAddr> = told("x-real-ip").and_then(|text| {
        let socket = || text.parse::<SocketAddr>().map(|socket| socket.ip());
        text.parse().or_else(|_| socket()).ok()
    });
    let is_tls = told("x-forwarded-proto") == Some("https");
    let client = client.unwrap_or(context.peer.ip());
    Some((sticky.wish(headers, client), is_tls))
}

/// The host a request is for: of its target if that has one (RFC 9112, 3.2.2), else of its one
/// `Host` header. HTTP/1.0 may go without.
fn host_of(parts: &mut Parts) -> Result<HeaderValue, Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, "BadHost", text).closing();
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(bad("the request has several Host headers")),
        (host, _) => host,
    };
    let Some(authority) = parts.uri.authority() else {
        return match host {
            Some(host) => Ok(host.clone()),
            None if parts.version <= Version::HTTP_10 => Ok(HeaderValue::from_static("")),
            None => Err(bad("the request has no Host header")),
        };
    };
    // The target decides, but a message of HTTP/1.1 must have a sound header all the same.
    match host {
        None if parts.version == Version::HTTP_11 => {
            return Err(bad("the request has no Host header"));
        }
        Some(host) if !is_host(host) => {
            return Err(bad("the Host header is not a host name"));
        }
        _ => {}
    }
    if authority.as_str().contains('@') {
        return Err(bad("the request's target names a user"));
    }
    HeaderValue::from_str(authority.as_str()).map_err(|_| bad("the request's target names no host"))
}

fn is_host(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|text| host::key(text, &mut [0; 256]).is_some())
}

fn find<'t>(
    table: &'t Table,
    named: &HeaderValue,
    parts: &Parts,
) -> Result<&'t LiveRoute, Refusal> {
    let mut room = [0; 256];
    let key = named
        .to_str()
        .ok()
        .and_then(|raw| host::key(raw, &mut room));
    let Some(key) = key else {
        let text = "the Host header is not a host name";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "BadHost", text).closing());
    };
    // `OPTIONS *` asks about the whole server: what serves its root answers.
    let path = match parts.uri.path() {
        "*" if parts.method != Method::OPTIONS => {
            let text = "`*` is a target of OPTIONS only";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "BadTarget", text).closing());
        }
        "*" => "/",
        path => path,
    };
    if let Some(long) = table.too_long(key, path, parts) {
        return Err(untried(long));
    }
    let look = |path: &str| lookup(table, key, path, parts).map(AsRef::as_ref);
    if let Some(text) = path::ambiguity(path, look, |route| route.path.of()) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "AmbiguousPath", text).closing());
    }
    look(path).ok_or_else(|| {
        // The key holds no character that could mean something to whoever reads this. Which routes
        // there are is nobody's business.
        let text = if table.has_host(key) {
            format!("no route for this path, method or headers of host {key}")
        } else {
            format!("no route for host {key}")
        };
        Refusal::new(StatusCode::NOT_FOUND, "NoRoute", text)
    })
}

/// Longer than what the expressions of the host are tried with.
fn untried(long: TooLong) -> Refusal {
    let (status, reason, text) = match long {
        TooLong::Path => (
            StatusCode::URI_TOO_LONG,
            "PathTooLong",
            "the path is too long for this host, which has routes by expression",
        ),
        TooLong::Header => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HeaderTooLong",
            "a header is too long for this host, which has routes by an expression for it",
        ),
    };
    Refusal::new(status, reason, text).closing()
}

/// The route of a request; that of a preflight is the one of the request that it asks for, if that
/// one answers preflights.
fn lookup<'t>(
    table: &'t Table,
    key: &str,
    path: &str,
    parts: &Parts,
) -> Option<&'t Arc<LiveRoute>> {
    if let Some(method) = policy::preflight(parts) {
        let mut asked = Request::new(()).into_parts().0;
        (asked.method, asked.headers) = (method, parts.headers.clone());
        let route = table.find(key, path, &asked);
        if route.is_some_and(|route| route.checks.as_ref().is_some_and(|it| it.has_cors())) {
            return route;
        }
    }
    table.find(key, path, parts)
}

/// 301 for GET and HEAD, which every client follows; 308 for the others, which keeps the method.
fn to_https(parts: &Parts, named: &HeaderValue, port: u16) -> Refusal {
    let status = match parts.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let place = https_url(named, &parts.uri, port);
    Refusal::elsewhere(status, "RedirectToHttps", "use https", place.as_deref())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What the client wants to switch to, and its side of it.
fn upgrade(parts: &mut Parts) -> Option<(HeaderValue, OnUpgrade)> {
    if parts.version != Version::HTTP_11 {
        return None;
    }
    let to = headers::upgrade(&parts.headers)?;
    Some((to, parts.extensions.remove::<OnUpgrade>()?))
}

/// The target in origin form, with the route's prefix cut off where it says so.
fn target(route: &LiveRoute, uri: Uri) -> Result<Uri, Refusal> {
    let full = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if !route.rewrite || full == "*" {
        if uri.authority().is_none() {
            return Ok(uri);
        }
        let path = uri.into_parts().path_and_query;
        return Ok(Uri::from(path.unwrap_or(PathAndQuery::from_static("/"))));
    }
    let rest = route.rest(uri.path());
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    };
    target.map(Uri::from).map_err(|_| {
        let text = "the request's target is not usable";
        Refusal::new(StatusCode::BAD_REQUEST, "BadTarget", text).closing()
    })
}
