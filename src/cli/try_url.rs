//! `skep routes --explain URL`: which route a request would take, and why the others lose. The
//! matching is that of the proxies.

use http::Uri;
use http::request::Parts;

use super::args::{Report, RoutesArgs};
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::session::View;
use super::table::Table;
use crate::proxy::table::{Places, Verdict};
use crate::route::{ClusterRouting, Route, RouteTable, RowState};

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
        }
    }
    if let Some(name) = cluster
        && !view.routing.clusters.contains_key(name)
    {
        return Err(CliError::Failed(format!(
            "servicecluster/{name} does not exist or was never valid; `skep get` lists all"
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
    let plain = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let passed_on = is_tls && table.passthroughs.contains_key(&plain);
    let dark = is_tls && !passed_on && !shows_certificate(table, &plain);
    let mut shown: Vec<Shown> = trial
        .into_iter()
        .map(|one| {
            let takes = one.verdict == Verdict::Wins && !passed_on && !dark;
            Shown {
                cluster: name.to_owned(),
                route: one.name.to_owned(),
                takes,
                reason: match one.verdict {
                    _ if passed_on => "TLS of this host is passed on unopened",
                    Verdict::Wins if dark => {
                        "the host has no certificate, so TLS is refused: `skep certs add`, or the labels ssl_cert and ssl_key"
                    }
                    Verdict::Wins => "most specific host and path whose conditions are met",
                    Verdict::Later => "would take it, but a more specific one does",
                    Verdict::OtherPath => "the path is not its path",
                    Verdict::Unmet => "the request lacks its method or a header",
                    Verdict::Refused => {
                        "the path or a header is longer than expressions of this host are tried with: the answer is 414 or 431"
                    }
                    Verdict::Covered => "a more specific host decides alone",
                }
                .to_owned(),
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
    shown.extend(rejected(name, routing, &plain));
    Ok(shown)
}

/// What would be at the host, had it not been rejected.
fn rejected<'a>(
    cluster: &'a str,
    routing: &'a ClusterRouting,
    host: &'a str,
) -> impl Iterator<Item = Shown> + 'a {
    let rows = routing.rows.iter();
    let at_host = names_over(host);
    let rows = rows.filter(move |row| {
        row.state == RowState::Rejected && (row.host == "*" || at_host.contains(&row.host))
    });
    rows.map(move |row| Shown {
        cluster: cluster.to_owned(),
        route: row.route(),
        takes: false,
        reason: format!("{}: {}", row.reason, row.message),
        target: row.service.clone(),
    })
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
mod tests {
    use super::*;
    use crate::route::{Backend, Certificate, CertificateSource, PathMatch, Row, Target};
    use clap::Parser;

    fn view() -> View {
        let mut table = RouteTable::default();
        let backend = Backend {
            service: "demo".into(),
            ..Backend::default()
        };
        table.backends.insert("demo:80".into(), backend);
        for (host, path) in [("demo.a", "/"), ("demo.a", "/api"), ("*", "/")] {
            let route = Route {
                host: host.into(),
                path: PathMatch::Prefix(path.into()),
                targets: vec![Target {
                    backend: "demo:80".into(),
                    weight: None,
                }],
                ..Route::default()
            };
            table.routes.insert(route.name(), route);
        }
        let mut view = View::default();
        let row = |host: &str| Row {
            host: host.into(),
            path: "/api".into(),
            service: "late".into(),
            state: RowState::Rejected,
            reason: "DuplicateRoute".into(),
            message: "it is not alone".into(),
            ..Row::default()
        };
        let routing = ClusterRouting {
            table,
            rows: vec![row("demo.a"), row("other.b")],
            ..ClusterRouting::default()
        };
        view.routing.clusters.insert("east".into(), routing);
        view
    }

    fn told(words: &[&str]) -> Result<String> {
        told_of(&view(), words)
    }

    fn told_of(view: &View, words: &[&str]) -> Result<String> {
        let words = ["skep", "routes", "--explain"].iter().chain(words);
        let cli = crate::cli::args::Cli::try_parse_from(words).unwrap();
        let crate::cli::args::Verb::Routes(args) = cli.verb else {
            panic!("routes is a verb")
        };
        let url = args.explain.clone().unwrap();
        explain(view, &args, &url, args.cluster.as_deref())
    }

    #[test]
    fn the_route_that_takes_it_and_the_others_are_told() {
        insta::assert_snapshot!(told(&["http://Demo.A:8080/api/x?y=1"]).unwrap());
    }

    #[test]
    fn by_https_a_host_without_a_certificate_takes_nothing() {
        let told = |view: &View, url: &str| told_of(view, &[url]).unwrap();
        let yes = |told: &str| told.contains("  yes  ");
        let mut view = view();
        let dark = told(&view, "https://demo.a/api");
        assert!(!yes(&dark) && dark.contains("no certificate"), "{dark}");
        assert!(yes(&told(&view, "http://demo.a/api")));
        let certificate = Certificate {
            hosts: vec!["*.a".into()],
            stands_in: [].into(),
            awaited: false,
            source: CertificateSource::Files {
                chain: "crt".into(),
                key: "key".into(),
            },
        };
        let table = &mut view.routing.clusters.get_mut("east").unwrap().table;
        table.certificates.insert("c".into(), certificate);
        assert!(yes(&told(&view, "https://demo.a/api")));
        assert!(!yes(&told(&view, "https://demo.b/api")));
    }

    #[test]
    fn a_bad_url_header_or_cluster_is_told() {
        assert_eq!(told(&["ftp://demo.a/"]).unwrap_err().exit_code(), 2);
        assert_eq!(told(&["http://"]).unwrap_err().exit_code(), 2);
        assert_eq!(
            told(&["demo.a", "--header", "x"]).unwrap_err().exit_code(),
            2
        );
        assert_eq!(told(&["demo.a", "west"]).unwrap_err().exit_code(), 1);
        assert!(told(&["other.b/"]).unwrap().contains("*/"));
    }
}
