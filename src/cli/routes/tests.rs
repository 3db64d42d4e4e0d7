use super::*;
use crate::route::{
    Backend, Endpoint, Orphan, Passthrough, PathMatch, Route, RouteTable, Row, RowState, Target,
};

fn row(host: &str, service: &str, endpoints: usize) -> Row {
    Row {
        host: host.into(),
        path: "/".into(),
        service: service.into(),
        endpoints,
        ..Row::default()
    }
}

/// `demo.a` served by two tasks, `empty.a` by none, a service with a bad label and an orphan.
fn sample() -> Routing {
    let route = Route {
        host: "demo.a".into(),
        path: PathMatch::default(),
        targets: vec![Target {
            backend: "demoeast:8000".into(),
            weight: None,
        }],
        ..Route::default()
    };
    let endpoints = ["10.7.0.5:8000", "10.7.0.6:8000"].map(|address| Endpoint {
        address: address.parse().unwrap(),
        id: String::new(),
    });
    let backend = Backend {
        service: "demoeast".into(),
        endpoints: endpoints.to_vec(),
        ..Backend::default()
    };
    let sealed = Passthrough {
        host: "sealed.a".into(),
        targets: route.targets.clone(),
    };
    let east = ClusterRouting {
        table: RouteTable {
            routes: BTreeMap::from([(route.name(), route)]),
            backends: BTreeMap::from([("demoeast:8000".into(), backend)]),
            passthroughs: BTreeMap::from([("sealed.a".into(), sealed)]),
            ..RouteTable::default()
        },
        rows: vec![
            row("demo.a", "demoeast", 2),
            Row {
                path: "=/login".into(),
                when: "GET x-user=7".into(),
                tls: "service/demoeast".into(),
                ..row("demo.a", "demoeast", 2)
            },
            Row {
                redirect: "302 http://demo.a".into(),
                ..row("old.a", "demoeast", 2)
            },
            Row {
                path: String::new(),
                tls: "passthrough".into(),
                ..row("sealed.a", "demoeast", 2)
            },
            Row {
                state: RowState::Degraded,
                reason: "NoEndpoints".into(),
                message: "no task of service empty runs".into(),
                weight: Some(5),
                ..row("empty.a", "empty", 0)
            },
            Row {
                path: String::new(),
                state: RowState::Rejected,
                reason: "InvalidPort".into(),
                message: "port is not a number".into(),
                label: "com.docker.lb.port".into(),
                value: "http".into(),
                ..row("", "broken", 0)
            },
        ],
        ..ClusterRouting::default()
    };
    Routing {
        clusters: BTreeMap::from([
            ("east".into(), east),
            ("west".into(), ClusterRouting::default()),
        ]),
        orphans: vec![Orphan {
            service: "lost".into(),
            reason: "ClusterNotFound".into(),
            message: "there is no service cluster north".into(),
            label: "com.docker.lb.service_cluster".into(),
            value: "north".into(),
        }],
    }
}

#[test]
fn the_table_shows_routes_faults_and_orphans() {
    insta::assert_snapshot!(render(&sample(), None, Report::Table, true).unwrap());
}

#[test]
fn the_wide_table_says_where_and_why() {
    insta::assert_snapshot!(render(&sample(), None, Report::Wide, true).unwrap());
}

#[test]
fn json_holds_addresses_and_messages() {
    insta::assert_snapshot!(render(&sample(), Some("east"), Report::Json, true).unwrap());
}

#[test]
fn yaml_and_json_say_the_same() {
    let json = render(&sample(), None, Report::Json, true).unwrap();
    let yaml = render(&sample(), None, Report::Yaml, true).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(json, yaml);
}

#[test]
fn a_cluster_that_is_not_there_is_told() {
    let error = render(&sample(), Some("north"), Report::Table, true).unwrap_err();
    assert!(error.to_string().contains("servicecluster/north"));
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn what_is_wrong_is_said_with_service_label_and_message() {
    let told = faults_of(&sample().clusters["east"]);
    let line = "broken   -        InvalidPort  com.docker.lb.port=http  port is not a number";
    assert!(told.contains(line), "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert_eq!(faults_of(&ClusterRouting::default()), "");
}

#[test]
fn a_table_with_faults_says_where_to_read_more() {
    assert!(
        hint(&sample(), None)
            .unwrap()
            .starts_with("rows with a reason: 3;")
    );
    assert!(
        hint(&sample(), Some("east"))
            .unwrap()
            .starts_with("rows with a reason: 2;")
    );
    assert_eq!(hint(&sample(), Some("west")), None);
}
