//! From what a client sent to what an endpoint gets, or to why it gets nothing.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::body::{RequestBody, Upload};
use super::connection::Context;
use super::headers::{self, Client};
use super::host;
use super::reply::Refusal;
use super::table::{LiveRoute, Table};

/// A request as the endpoint will get it.
pub(super) struct Prepared {
    pub(super) request: Request<RequestBody>,
    /// How far its body is; `None`: it has none.
    pub(super) upload: Option<Upload>,
    /// The client's side of the upgrade it asks for.
    pub(super) upgrade: Option<OnUpgrade>,
}

/// Finds the route of a request and makes it ready to be sent.
pub(super) fn prepare<'t>(
    context: &Context,
    table: &'t Table,
    mut parts: Parts,
    body: Incoming,
) -> Result<(&'t LiveRoute, Prepared), Refusal> {
    let traffic = &table.listener.traffic;
    if parts.method == Method::CONNECT {
        let text = "this is not a forward proxy: CONNECT is not served";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Connect", text).closing());
    }
    let named = host_of(&mut parts)?;
    let is_plain = !context.tls && !headers::came_by_tls(&parts.headers, traffic.trusted_hops);
    if traffic.redirect_http_to_https && is_plain {
        return Err(to_https(&parts, &named, table.listener.https_port));
    }
    let route = find(table, &named, &parts)?;
    let limit = match traffic.max_request_body.0 {
        0 => u64::MAX,
        limit => limit,
    };
    if content_length(&parts.headers).is_some_and(|len| len > limit) {
        return Err(Refusal::too_large());
    }
    let upgrade = upgrade(&mut parts);
    let was_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    headers::strip_hop(&mut parts.headers);
    // The client is told to go on by this proxy, so the endpoint need not be asked.
    parts.headers.remove(EXPECT);
    if parts.version >= Version::HTTP_2 {
        headers::join_cookies(&mut parts.headers);
    }
    let (body, upload) = RequestBody::new(body, limit);
    headers::frame(&mut parts.headers, was_chunked, upload.is_some());
    let client = Client {
        address: &context.address,
        scheme: if context.tls { "https" } else { "http" },
        port: port_of(&named, context.tls),
        host: &named,
        trusted_hops: traffic.trusted_hops,
    };
    headers::forward(&mut parts.headers, &client);
    let upgrade = upgrade.map(|(to, client)| {
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, to);
        client
    });
    parts.headers.insert(HOST, named);
    let mut request = Request::new(body);
    *request.uri_mut() = target(route, parts.uri)?;
    *request.method_mut() = parts.method;
    *request.headers_mut() = parts.headers;
    Ok((
        route,
        Prepared {
            request,
            upload,
            upgrade,
        },
    ))
}

/// The host a request is for: of its target if that has one (RFC 9112, 3.2.2), else of its one
/// `Host` header. HTTP/1.0 may go without.
fn host_of(parts: &mut Parts) -> Result<HeaderValue, Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, "BadHost", text).closing();
    if let Some(authority) = parts.uri.authority() {
        let host = authority.as_str();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return HeaderValue::from_str(host).map_err(|_| bad("the request's target names no host"));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host.clone()),
        (None, _) if parts.version <= Version::HTTP_10 => Ok(HeaderValue::from_static("")),
        (None, _) => Err(bad("the request has no Host header")),
        (Some(_), Some(_)) => Err(bad("the request has several Host headers")),
    }
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
        "*" => "/",
        path => path,
    };
    let route = table.find(key, path, parts);
    route.map(AsRef::as_ref).ok_or_else(|| {
        // The key holds no character that could mean something to whoever reads this.
        let text = format!("no route for host {key}");
        Refusal::new(StatusCode::NOT_FOUND, "NoRoute", text)
    })
}

/// 301 for GET and HEAD, which every client follows; 308 for the others, which keeps the method.
fn to_https(parts: &Parts, named: &HeaderValue, port: u16) -> Refusal {
    let status = match parts.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let mut refusal = Refusal::new(status, "RedirectToHttps", "use https");
    let mut room = [0; 256];
    let key = named
        .to_str()
        .ok()
        .and_then(|raw| host::key(raw, &mut room));
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let url = |host| match port {
        0 | 443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    refusal.location = key.and_then(|host| url(host).parse().ok());
    refusal
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

/// The port that the client believes to speak to: the container's own is nobody's business.
fn port_of(named: &HeaderValue, tls: bool) -> HeaderValue {
    let port = named.to_str().ok().and_then(host::port);
    port.and_then(|port| port.parse().ok())
        .unwrap_or(HeaderValue::from_static(if tls { "443" } else { "80" }))
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
