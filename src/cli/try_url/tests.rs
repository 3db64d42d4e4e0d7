//! `skep routes --explain` against views made by hand.

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
fn a_path_that_proxies_refuse_is_told_as_refused() {
    for path in ["//api", "/%61pi", "/api;x", "/a/../b"] {
        let told = told(&[&format!("http://demo.a{path}")]).unwrap();
        assert!(told.contains("the path is ambiguous: 400"), "{told}");
        assert!(!told.contains("  yes  "), "{told}");
    }
    let nowhere = told_of(&View::default(), &["http://demo.a/a/../b"]).unwrap();
    assert!(nowhere.contains("404"), "{nowhere}");
}

#[test]
fn a_route_that_proxies_refuse_takes_nothing() {
    let refused = |reason: &str| {
        let mut view = view();
        let east = view.routing.clusters.get_mut("east").unwrap();
        east.rows.push(Row {
            host: "demo.a".into(),
            path: "/api".into(),
            state: RowState::Refused,
            reason: reason.into(),
            message: "answered 503".into(),
            ..Row::default()
        });
        told_of(&view, &["http://demo.a/api"]).unwrap()
    };
    let told = refused("PasswordsUnusable");
    assert!(told.contains("PasswordsUnusable: answered 503"), "{told}");
    assert!(!told.contains("  yes  "), "{told}");
    // Plain HTTP needs no certificate.
    assert!(refused("CertificateUnusable").contains("  yes  "));
}

#[test]
fn a_route_rejected_for_its_labels_is_listed_at_its_hosts() {
    let mut view = view();
    let labels = [
        ("com.docker.lb.hosts", "shop.a, www.shop.a"),
        ("com.docker.lb.port", "eighty"),
        ("com.docker.lb.routes.own.hosts", "own.a"),
    ];
    let mut service = crate::world::Service::default();
    service.spec.name = "shop".into();
    service.spec.labels = labels.map(|(k, v)| (k.into(), v.into())).into();
    view.world.services.insert("s".into(), service);
    let row = |label: &str| Row {
        service: "shop".into(),
        state: RowState::Rejected,
        reason: "InvalidPort".into(),
        message: "no port".into(),
        label: label.into(),
        ..Row::default()
    };
    let east = view.routing.clusters.get_mut("east").unwrap();
    east.table.routes.clear();
    east.rows.push(row("com.docker.lb.port"));
    east.rows.push(row("com.docker.lb.routes.own.port"));
    let count = |url: &str| {
        let told = told_of(&view, &[url]).unwrap();
        told.matches("InvalidPort: no port").count()
    };
    assert_eq!(count("http://www.shop.a/"), 1);
    assert_eq!(count("http://own.a/"), 2);
    assert_eq!(count("http://else.a/"), 0);
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
    for port in ["99999", "0", "-1"] {
        let error = told(&[&format!("http://demo.a:{port}/")]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    for url in [
        "http://demo.a:65535/",
        "http://demo.a:/",
        "http://[::1]:80/",
    ] {
        assert!(told(&[url]).is_ok(), "{url}");
    }
    assert!(told(&["other.b/"]).unwrap().contains("*/"));
}
