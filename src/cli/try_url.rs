//! `skep routes --explain URL`: which route a request would take, and why the others lose. The
//! matching is that of the proxies.

use http::Uri;
use http::request::Parts;

use super::args::{Report, RoutesArgs};
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::session::View;
use super::table::Table;
use crate::names;
use crate::proxy::table::{Places, Verdict};
use crate::route::{ClusterRouting, Route, RouteTable, Row, RowState};
use crate::world::World;

/// One route, and what becomes of it.
#[derive(Debug, serde::Serialize)]
struct Shown {
    cluster: String,
    route: String,
    takes: bool,
    reason: String,
    target: String,
}

/// The answer for all clusters, or for one.
pub fn explain(view: &View, args: &RoutesArgs, url: &str, cluster: Option<&str>) -> Result<String> {
    let (host, parts, is_tls) = request(url, args)?;
    let mut shown = Vec::new();
    for (name, routing) in &view.routing.clusters {
        if cluster.is_none_or(|wanted| wanted == name) {
            shown.extend(of_cluster(name, routing, &host, &parts, is_tls)?);
            let plain = plain(&host);
            shown.extend(rejected(&view.world, name, routing, &plain));
        }
    }
    if let Some(name) = cluster
        && !view.routing.clusters.contains_key(name)
    {
        return Err(CliError::Failed(format!(
            "servicecluster/{name} has no valid manifest yet: `skep describe {name}` says what is wrong with it"
        )));
    }
    Ok(match args.output {
        Report::Json => json(&serde_json::json!({"url": url, "routes": shown})),
        Report::Yaml => yaml(&serde_json::json!({"url": url, "routes": shown}))?,
        Report::Table | Report::Wide => table(&shown, !args.no_headers, &host),
    })
}

fn table(shown: &[Shown], headers: bool, host: &str) -> String {
    if shown.is_empty() {
        return format!("no route names {host} or a wildcard over it: the answer is 404\n");
    }
    let mut table = Table::new(&["CLUSTER", "ROUTE", "TAKES IT", "REASON", "TARGET"]);
    for one in shown {
        table.row([
            one.cluster.clone(),
            one.route.clone(),
            if one.takes { "yes" } else { "no" }.to_owned(),
            one.reason.clone(),
            one.target.clone(),
        ]);
    }
    table.render(headers, 0)
}

/// Host, request and whether it comes by TLS, of what was typed.
fn request(url: &str, args: &RoutesArgs) -> Result<(String, Parts, bool)> {
    let bad = |message: String| CliError::Usage(format!("`{url}` is no URL: {message}"));
    let whole = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let uri: Uri = whole.parse().map_err(|error| bad(format!("{error}")))?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    // A port that is no number of a port is none to the parser, which does not say so.
    let port = uri.authority().and_then(|authority| {
        let (_, after) = authority.as_str().rsplit_once(authority.host())?;
        after.strip_prefix(':').filter(|port| !port.is_empty())
    });
    if let Some(port) = port
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err(bad(format!(
            "`{port}` is no port: a number from 1 to 65535"
        )));
    }
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(bad("it begins with http:// or https://".to_owned()));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = http::Request::builder()
        .method(args.method.as_str())
        .uri(path);
    for header in &args.header {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            CliError::Usage(format!("`{header}` is no header: write NAME: VALUE"))
        })?;
        request = request.header(name.trim(), value.trim());
    }
    let request = request
        .body(())
        .map_err(|error| CliError::Usage(format!("no such request can be: {error}")))?;
    Ok((
        host,
        request.into_parts().0,
        uri.scheme_str() == Some("https"),
    ))
}

fn of_cluster(
    name: &str,
    routing: &ClusterRouting,
    host: &str,
    parts: &Parts,
    is_tls: bool,
) -> Result<Vec<Shown>> {
    let table = &routing.table;
    let places = Places::new(&table.routes);
    let trial = places
        .trial(host, parts)
        .ok_or_else(|| CliError::Usage(format!("`{host}` is no host")))?;
    let plain = plain(host);
    let passed_on = is_tls && table.passthroughs.contains_key(&plain);
    let dark = is_tls && !passed_on && !shows_certificate(table, &plain);
    let ambiguous = places.ambiguity(host, parts).filter(|_| !passed_on);
    let mut shown: Vec<Shown> = trial
        .into_iter()
        .map(|one| {
            let wins = one.verdict == Verdict::Wins && !passed_on;
            let closed = refusal(routing, one.name, is_tls).filter(|_| wins);
            let open = ambiguous.is_none() && closed.is_none();
            Shown {
                cluster: name.to_owned(),
                route: one.name.to_owned(),
                takes: wins && !dark && open,
                reason: match (one.verdict, ambiguous) {
                    _ if passed_on => "TLS of this host is passed on unopened".to_owned(),
                    (Verdict::Wins, _) if dark => DARK.to_owned(),
                    (Verdict::Wins | Verdict::Later, Some(why)) => {
                        format!("the path is ambiguous: 400 ({why})")
                    }
                    (verdict, _) => closed.unwrap_or_else(|| said(verdict).to_owned()),
                },
                target: table
                    .routes
                    .get(one.name)
                    .map(|route| target(route, routing))
                    .unwrap_or_default(),
            }
        })
        .collect();
    if passed_on {
        let passthrough = table.passthroughs.get(&plain);
        let targets = passthrough.into_iter().flat_map(|p| &p.targets);
        let targets: Vec<&str> = targets.map(|target| target.backend.as_str()).collect();
        let first = Shown {
            cluster: name.to_owned(),
            route: plain.clone(),
            takes: true,
            reason: "TLS is passed on unopened".to_owned(),
            target: targets.join(", "),
        };
        shown.insert(0, first);
    }
    if shown.is_empty()
        && let Some(why) = ambiguous
    {
        shown.push(Shown {
            cluster: name.to_owned(),
            route: String::new(),
            takes: false,
            reason: format!("the path is ambiguous: 400 ({why})"),
            target: String::new(),
        });
    }
    Ok(shown)
}

const DARK: &str = "the host has no certificate, so TLS is refused: `skep certs add`, or the labels ssl_cert and ssl_key";

fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Wins => "most specific host and path whose conditions are met",
        Verdict::Later => "would take it, but a more specific one does",
        Verdict::OtherPath => "the path is not its path",
        Verdict::Unmet => "the request lacks its method or a header",
        Verdict::Refused => {
            "the path or a header is longer than expressions of this host are tried with: the answer is 414 or 431"
        }
        Verdict::Covered => "a more specific host decides alone",
    }
}

/// The host without its port, as routes have it.
fn plain(host: &str) -> String {
    host.split(':').next().unwrap_or(host).to_ascii_lowercase()
}

/// What the proxies refuse of a route, so that nothing of it may be served. One service of several
/// whose backend is refused does not close it.
fn refusal(routing: &ClusterRouting, route: &str, is_tls: bool) -> Option<String> {
    let services = routing.table.routes.get(route)?.targets.len();
    let mut rows = routing.rows.iter();
    let row = rows.find(|row| {
        let closes = match row.reason.as_str() {
            "CertificateUnusable" => is_tls,
            "AuthoritiesUnusable" | "BackendRefused" => services == 1,
            _ => true,
        };
        row.state == RowState::Refused && closes && row.route() == route
    })?;
    Some(format!(
        "it is the one, but proxies refuse it: {}: {}",
        row.reason, row.message
    ))
}

/// What would be at the host, had it not been rejected.
fn rejected<'a>(
    world: &'a World,
    cluster: &'a str,
    routing: &'a ClusterRouting,
    host: &'a str,
) -> impl Iterator<Item = Shown> + 'a {
    let rows = routing.rows.iter();
    let at_host = names_over(host);
    let rows = rows.filter(move |row| {
        let is_here = match row.host.as_str() {
            // A fault of labels is of all hosts of its route.
            "" => asks_for(world, routing, row, &at_host),
            name => name == "*" || at_host.iter().any(|at| at == name),
        };
        row.state == RowState::Rejected && is_here
    });
    rows.map(move |row| Shown {
        cluster: cluster.to_owned(),
        route: row.route(),
        takes: false,
        reason: format!("{}: {}", row.reason, row.message),
        target: row.service.clone(),
    })
}

/// Whether labels of the row's service ask for one of these hosts, for the row's route.
fn asks_for(world: &World, routing: &ClusterRouting, row: &Row, hosts: &[String]) -> bool {
    let mut services = world.services.values();
    let Some(service) = services.find(|it| it.spec.name == row.service) else {
        return false;
    };
    // A host that cannot be read says nothing of those beside it, which have rows of their own.
    let mut others = routing.rows.iter();
    if row.reason == "InvalidHost"
        && others.any(|it| it.service == row.service && hosts.contains(&it.host))
    {
        return false;
    }
    let of = route_of(&row.label);
    let labels = &service.spec.labels;
    let has_own = |key: &String| route_of(key) == of;
    let named = |(key, value): (&String, &String)| {
        let at_fault = of.is_none() || has_own(key) || route_of(key).is_none();
        let mut parts = value.split(|c: char| c == ',' || c.is_whitespace());
        at_fault && parts.any(|part| hosts.contains(&part.to_ascii_lowercase()))
    };
    let given = labels.iter().filter(|(key, _)| is_hosts(key));
    let own = given.clone().any(|(key, _)| of.is_some() && has_own(key));
    // The service's hosts are those of a route that gives none.
    let mut given = given.filter(|(key, _)| !own || has_own(key));
    given.any(named)
}

/// What a label speaks of, without its prefix.
fn label_name(key: &str) -> Option<&str> {
    let mut prefixes = names::APP_PREFIXES.iter();
    prefixes.find_map(|prefix| key.strip_prefix(prefix))
}

/// The named route that a label is of.
fn route_of(key: &str) -> Option<&str> {
    let rest = label_name(key)?.strip_prefix("routes.")?;
    Some(rest.split_once('.')?.0)
}

fn is_hosts(key: &str) -> bool {
    let route = route_of(key).map(|id| format!("routes.{id}.hosts"));
    label_name(key) == Some(route.as_deref().unwrap_or("hosts"))
}

/// Whether a client that asks for the host by TLS is shown a certificate.
fn shows_certificate(table: &RouteTable, host: &str) -> bool {
    let names = names_over(host);
    let mut all = table.certificates.values();
    table.listener.default_certificate.is_some()
        || all.any(|one| {
            let mut at = one.hosts.iter().chain(one.stands_in.keys());
            at.any(|at| at == "*" || names.contains(at))
        })
}

/// A host and the wildcards over it.
fn names_over(host: &str) -> Vec<String> {
    let dots = host.match_indices('.').filter(|(at, _)| *at > 0);
    let wild = dots.map(|(at, _)| format!("*{}", &host[at..]));
    std::iter::once(host.to_owned()).chain(wild).collect()
}

/// Where a route leads: its services with their endpoints, or another address.
fn target(route: &Route, routing: &ClusterRouting) -> String {
    let mut all: Vec<String> = route
        .targets
        .iter()
        .filter_map(|target| {
            let backend = routing.table.backends.get(&target.backend)?;
            let endpoints = match backend.endpoints.len() {
                0 => "no endpoint: 503".to_owned(),
                1 => "1 endpoint".to_owned(),
                many => format!("{many} endpoints"),
            };
            Some(format!("{} ({endpoints})", backend.service))
        })
        .collect();
    if route.redirect.is_some() {
        all.insert(0, "redirect, unless it is there already".to_owned());
    }
    all.join(", ")
}

#[cfg(test)]
mod tests;
