//! How many expressions one service may bring.

use super::*;
use crate::route::{PathMatch, Row};

fn with(hosts: &str, count: usize, path: impl Fn(usize) -> String) -> Routing {
    let mut labels = vec![format!("hosts={hosts}"), "port=80".to_owned()];
    for at in 0..count {
        labels.push(format!("routes.r{at}.path={}", path(at)));
        labels.push(format!("routes.r{at}.path_type=regex"));
    }
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let story = swarm().cluster("east", 1, "{default: true}");
    let story = story.app("app", &["eastnet"], 1, &labels);
    let other = ["hosts=a.x", "port=80", "path=/x", "path_type=exact"];
    route(&story.app("other", &["eastnet"], 1, &other).world())
}

fn expressions(routing: &Routing, host: &str) -> usize {
    let routes = routing.clusters["east"].table.routes.values();
    let at = routes.filter(|route| route.host == host);
    at.filter(|route| matches!(route.path, PathMatch::Regex(_)))
        .count()
}

#[test]
fn a_host_has_so_many_expressions_and_more_are_left_out_with_a_reason() {
    let routing = with("a.x", 100, |at| format!("/item{at}/[0-9]+"));
    assert_eq!(expressions(&routing, "a.x"), 20);
    let cluster = &routing.clusters["east"];
    let left_out = |row: &&Row| row.reason == "TooManyExpressions";
    let rows: Vec<&Row> = cluster.rows.iter().filter(left_out).collect();
    assert_eq!(rows.len(), 80);
    assert_eq!(rows[0].state, RowState::Rejected);
    assert!(rows[0].label.ends_with("path_type"), "{:?}", rows[0]);
    // Neither its own prefix nor its neighbour is concerned.
    assert!(cluster.table.routes.contains_key("a.x/"));
    assert!(cluster.table.routes.contains_key("a.x=/x"));
}

#[test]
fn a_service_has_so_many_at_all_its_hosts() {
    let routing = with("a.x,b.x,c.x,d.x", 15, |at| format!("/item{at}/[0-9]+"));
    let hosts = ["a.x", "b.x", "c.x", "d.x"];
    let all: usize = hosts.iter().map(|host| expressions(&routing, host)).sum();
    assert_eq!(all, 50);
}

#[test]
fn expressions_that_would_take_long_do_not_come_so_far() {
    let slow = |at| format!("/(.*a[a-z]{{60}}[a-y]*){{30}}x{at}");
    assert_eq!(expressions(&with("a.x", 100, slow), "a.x"), 0);
}
