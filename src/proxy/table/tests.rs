//! What a table must hold, whatever the order it was built in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::proxy::Assembler;
use crate::route::{
    Backend, Conditions, Endpoint as At, HeaderTest, PathMatch, Route, RouteTable, Target,
};

fn route(host: &str, path: &str, backends: &[&str]) -> Route {
    let target = |name: &&str| Target {
        backend: (*name).to_owned(),
        weight: None,
    };
    Route {
        host: host.to_owned(),
        path: PathMatch::Prefix(path.to_owned()),
        targets: backends.iter().map(target).collect(),
        ..Route::default()
    }
}

fn backend(ports: &[u16]) -> Backend {
    let endpoint = |port: &u16| At {
        address: ([127, 0, 0, 1], *port).into(),
        id: format!("task-{port}"),
    };
    Backend {
        service: "demo".to_owned(),
        endpoints: ports.iter().map(endpoint).collect(),
        ..Backend::default()
    }
}

fn with(routes: &[(&str, &str)]) -> Arc<Table> {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    for (host, path) in routes {
        let route = route(host, path, &["b"]);
        assembler.set_route(&route.name(), route);
    }
    assembler.build()
}

fn found<'t>(table: &'t Table, host: &str, path: &str) -> Option<&'t str> {
    find(table, host, path).map(|route| &*route.name)
}

fn find<'t>(table: &'t Table, host: &str, path: &str) -> Option<&'t Arc<LiveRoute>> {
    table.find(host, path, &get())
}

/// The head of a plain request.
fn get() -> Parts {
    http::Request::new(()).into_parts().0
}

fn port(route: &LiveRoute, tried: &[std::net::SocketAddr], now: u64) -> Option<u16> {
    Some(route.pick(tried, now)?.1.address.port())
}

#[test]
fn the_most_specific_host_and_then_the_longest_prefix_on_segment_borders_wins() {
    let table = with(&[
        ("demo.a", "/"),
        ("demo.a", "/app"),
        ("demo.a", "/app/deep"),
        ("only.a", "/app"),
        ("*.a", "/"),
        ("*.wild.a", "/"),
    ]);
    for (host, path, want) in [
        ("demo.a", "/", Some("demo.a/")),
        ("demo.a", "/app", Some("demo.a/app")),
        ("demo.a", "/app/", Some("demo.a/app")),
        ("demo.a", "/apple", Some("demo.a/")),
        ("demo.a", "/app/deeper", Some("demo.a/app")),
        ("demo.a", "/app/deep/x", Some("demo.a/app/deep")),
        ("only.a", "/other", None),
        ("x.a", "/", Some("*.a/")),
        ("y.x.a", "/", Some("*.a/")),
        ("x.wild.a", "/", Some("*.wild.a/")),
        ("wild.a", "/", Some("*.a/")),
        ("a", "/", None),
        (".a", "/", None),
        ("", "/", None),
    ] {
        assert_eq!(found(&table, host, path), want, "{host}{path}");
    }
}

#[test]
fn the_default_route_takes_hosts_that_no_other_names() {
    let table = with(&[("demo.a", "/app"), ("*", "/")]);
    assert_eq!(found(&table, "other.b", "/x"), Some("*/"));
    assert_eq!(found(&table, "", "/"), Some("*/"));
    assert_eq!(found(&table, "demo.a", "/x"), None);
}

#[test]
fn a_rewritten_path_has_exactly_one_slash_in_front() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    let rewrite = Route {
        rewrite: true,
        ..route("demo.a", "/app", &["b"])
    };
    assembler.set_route("app", rewrite);
    assembler.set_route("all", route("demo.a", "/", &["b"]));
    let table = assembler.build();
    let route = find(&table, "demo.a", "/app").unwrap();
    for (path, want) in [
        ("/app", "/"),
        ("/app/", "/"),
        ("/app/x", "/x"),
        ("/app//x", "/x"),
    ] {
        assert_eq!(route.rest(path), want);
    }
    assert_eq!(find(&table, "demo.a", "/").unwrap().rest("/x"), "/x");
}

#[test]
fn a_route_is_live_when_its_backend_has_come_and_the_old_one_serves_until_then() {
    let mut assembler = Assembler::new(1);
    assembler.set_route("r", route("demo.a", "/", &["old"]));
    assert_eq!(found(&assembler.build(), "demo.a", "/"), None);
    assembler.set_backend("old", &backend(&[1])).unwrap();
    assert_eq!(found(&assembler.build(), "demo.a", "/"), Some("r"));
    assembler.set_route("r", route("demo.a", "/", &["new"]));
    assert_eq!(assembler.waiting(), ["r"]);
    // The old backend goes on changing, and even going, under the route that still uses it.
    assembler.set_backend("old", &backend(&[2])).unwrap();
    assembler.remove_backend("old");
    let table = assembler.build();
    assert_eq!(port(find(&table, "demo.a", "/").unwrap(), &[], 1), Some(2));
    assembler.set_backend("new", &backend(&[3])).unwrap();
    let table = assembler.build();
    assert_eq!(port(find(&table, "demo.a", "/").unwrap(), &[], 1), Some(3));
    assert!(assembler.waiting().is_empty());
}

#[test]
fn a_route_that_moves_leaves_nothing_behind() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    assembler.set_route("r", route("demo.a", "/old", &["b"]));
    assembler.set_route("r", route("demo.b", "/new", &["b"]));
    let table = assembler.build();
    assert_eq!(found(&table, "demo.a", "/old"), None);
    assert_eq!(found(&table, "demo.b", "/new"), Some("r"));
    assembler.remove_route("r");
    assert_eq!(assembler.build().all().count(), 0);
}

#[test]
fn a_table_that_a_request_holds_is_not_touched() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    assembler.set_route("r", route("demo.a", "/", &["b"]));
    let held = assembler.build();
    assembler.remove_route("r");
    assembler.build();
    assert_eq!(found(&held, "demo.a", "/"), Some("r"));
}

#[test]
fn endpoints_and_their_standing_outlive_a_change() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1, 2])).unwrap();
    assembler.set_route("r", route("demo.a", "/", &["b"]));
    let before = assembler.build();
    let (_, bad) = find(&before, "demo.a", "/").unwrap().pick(&[], 1).unwrap();
    bad.avoid_until(100);
    assembler.set_backend("b", &backend(&[1, 2, 3])).unwrap();
    let table = assembler.build();
    let after = find(&table, "demo.a", "/").unwrap();
    let picked: Vec<_> = (0..6).filter_map(|_| port(after, &[], 99)).collect();
    assert!(!picked.contains(&bad.address.port()), "{picked:?}");
    assert!((0..6).any(|_| port(after, &[], 100) == Some(bad.address.port())));
}

#[test]
fn endpoints_take_turns_and_bad_ones_are_used_when_all_are_bad() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1, 2, 3])).unwrap();
    assembler.set_route("r", route("demo.a", "/", &["b"]));
    let table = assembler.build();
    let route = find(&table, "demo.a", "/").unwrap();
    let mut counts = BTreeMap::new();
    for _ in 0..300 {
        *counts.entry(port(route, &[], 1).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 100), (2, 100), (3, 100)]));
    for backend in route.backends() {
        backend
            .endpoints
            .iter()
            .for_each(|endpoint| endpoint.avoid_until(100));
    }
    assert!(port(route, &[], 1).is_some());
    let tried = [1, 2, 3].map(|port| ([127, 0, 0, 1], port).into());
    assert_eq!(port(route, &tried[..2], 1), Some(3));
    assert_eq!(port(route, &tried, 1), None);
}

proptest! {
    #[test]
    fn weights_are_met_at_every_moment(weights in proptest::collection::vec(0u32..50, 1..5)) {
        let mut assembler = Assembler::new(1);
        let mut weighted = route("demo.a", "/", &[]);
        for (at, weight) in (1u16..).zip(&weights) {
            assembler.set_backend(&format!("b{at}"), &backend(&[at])).unwrap();
            weighted.targets.push(Target { backend: format!("b{at}"), weight: Some(*weight) });
        }
        assembler.set_route("r", weighted);
        let table = assembler.build();
        let route = find(&table, "demo.a", "/").unwrap();
        let total: u32 = weights.iter().sum();
        if total == 0 {
            prop_assert_eq!(port(route, &[], 1), None);
            return Ok(());
        }
        let mut counts = vec![0u32; weights.len()];
        for turn in 1..=500u32 {
            counts[usize::from(port(route, &[], 1).unwrap()) - 1] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                let due = f64::from(turn) * f64::from(*weight) / f64::from(total);
                prop_assert!((f64::from(*count) - due).abs() < 6.0, "{:?} of {:?}", counts, weights);
            }
        }
    }

    #[test]
    fn the_order_of_changes_does_not_matter(
        places in proptest::collection::btree_set((0usize..5, 0usize..12), 1..30),
        order in any::<u64>(),
    ) {
        let mut names: Vec<(String, String)> = places
            .iter()
            .map(|(host, path)| {
                let host = ["demo.a", "*.a", "x.demo.a", "*", "b"][*host].to_owned();
                (host, if *path == 0 { "/".to_owned() } else { format!("/{}", "p/".repeat(*path).trim_end_matches('/')) })
            })
            .collect();
        let want = {
            let mut table = RouteTable::default();
            table.backends.insert("b".to_owned(), backend(&[1]));
            for (host, path) in &names {
                let route = route(host, path, &["b"]);
                table.routes.insert(route.name(), route);
            }
            let mut assembler = Assembler::new(1);
            assembler.set_all(&table).unwrap();
            assembler.build()
        };
        let turn = usize::try_from(order % names.len() as u64).unwrap();
        names.rotate_left(turn);
        let mut assembler = Assembler::new(1);
        for (host, path) in &names {
            let route = route(host, path, &["b"]);
            assembler.set_route(&route.name(), route);
        }
        assembler.set_backend("b", &backend(&[1])).unwrap();
        let table = assembler.build();
        for host in ["demo.a", "y.a", "x.demo.a", "b", "c"] {
            for depth in 0..14 {
                let path = format!("/{}", "p/".repeat(depth));
                prop_assert_eq!(found(&table, host, &path), found(&want, host, &path));
            }
        }
    }
}

/// A route with a path and conditions, named by its place.
fn placed(path: PathMatch, methods: &[&str], headers: &[(&str, HeaderTest)]) -> Route {
    let headers = headers.iter();
    Route {
        path,
        when: Conditions {
            methods: methods.iter().map(ToString::to_string).collect(),
            headers: headers
                .map(|(name, test)| ((*name).to_owned(), test.clone()))
                .collect(),
        },
        ..route("demo.a", "/", &["b"])
    }
}

fn places() -> Vec<Route> {
    let prefix = |text: &str| PathMatch::Prefix(text.to_owned());
    let exact = HeaderTest::Exact("7".to_owned());
    vec![
        placed(prefix("/"), &[], &[]),
        placed(prefix("/app"), &[], &[]),
        placed(prefix("/app"), &["POST", "PUT"], &[]),
        placed(prefix("/app"), &[], &[("x-user", exact.clone())]),
        placed(
            prefix("/app"),
            &[],
            &[("x-user", exact), ("x-beta", HeaderTest::Present)],
        ),
        placed(PathMatch::Exact("/app/login".to_owned()), &[], &[]),
        placed(PathMatch::Regex("/app/[0-9]+".to_owned()), &[], &[]),
        placed(
            PathMatch::Regex("/v[0-9]/.*".to_owned()),
            &[],
            &[("x-lang", HeaderTest::Regex("de|fr".to_owned()))],
        ),
    ]
}

#[test]
fn exact_paths_then_expressions_then_prefixes_and_more_conditions_first() {
    // The second time with so many routes that an index is used.
    for more in [0, 20] {
        let mut assembler = Assembler::new(1);
        assembler.set_backend("b", &backend(&[1])).unwrap();
        let extra = (0..more).map(|i| route("demo.a", &format!("/extra{i}"), &["b"]));
        for route in places().into_iter().chain(extra) {
            assembler.set_route(&route.name(), route);
        }
        let table = assembler.build();
        for (method, path, headers, want) in [
            ("GET", "/", &[][..], "demo.a/"),
            ("GET", "/app/x", &[], "demo.a/app"),
            ("POST", "/app/x", &[], "demo.a/app POST,PUT"),
            ("POST", "/app", &[("x-user", "7")], "demo.a/app POST,PUT"),
            ("GET", "/app", &[("x-user", "7")], "demo.a/app x-user=7"),
            ("GET", "/app", &[("x-user", "8")], "demo.a/app"),
            (
                "GET",
                "/app",
                &[("x-user", "7"), ("x-beta", "")],
                "demo.a/app x-beta x-user=7",
            ),
            ("GET", "/app/login", &[], "demo.a=/app/login"),
            ("GET", "/app/login/x", &[], "demo.a/app"),
            ("GET", "/app/12", &[], "demo.a~/app/[0-9]+"),
            ("GET", "/app/12x", &[], "demo.a/app"),
            ("GET", "/v1/x", &[], "demo.a/"),
            (
                "GET",
                "/v1/x",
                &[("x-lang", "en"), ("x-lang", "de")],
                "demo.a~/v[0-9]/.* x-lang~de|fr",
            ),
        ] {
            let mut request = http::Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            let found = table.find("demo.a", path, &parts).map(|route| &*route.name);
            assert_eq!(found, Some(want), "{method} {path} {headers:?} +{more}");
        }
    }
}

#[test]
fn retries_are_a_share_of_what_is_in_flight() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    let mut retried = route("demo.a", "/", &["b"]);
    assembler.set_route("plain", route("plain.a", "/", &["b"]));
    retried.policy.retries = Some(crate::route::Retries::default());
    assembler.set_route("r", retried);
    let table = assembler.build();
    assert!(find(&table, "plain.a", "/").unwrap().begin().is_none());
    let route = find(&table, "demo.a", "/").unwrap();
    let mut all: Vec<_> = (0..100).map(|_| route.begin().unwrap()).collect();
    let may = |all: &mut Vec<Retrying>| {
        all.iter_mut()
            .filter_map(|it| it.may().then_some(()))
            .count()
    };
    assert_eq!(may(&mut all), 23, "a fifth and three");
    assert_eq!(may(&mut all), 23, "who may once may again");
    all.truncate(10);
    assert_eq!(may(&mut all), 10);
    drop(all);
    assert!(route.begin().unwrap().may());
}

#[test]
fn a_dead_endpoint_of_two_is_the_first_of_every_other_request_only() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1, 2])).unwrap();
    assembler.set_route("r", route("demo.a", "/", &["b"]));
    let table = assembler.build();
    let route = find(&table, "demo.a", "/").unwrap();
    let dead = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let mut first = 0;
    for _ in 0..10 {
        if port(route, &[], 1) == Some(1) {
            first += 1;
            assert_eq!(port(route, &[dead], 1), Some(2));
        }
    }
    assert_eq!(first, 5);
}

#[test]
fn unhealthy_endpoints_come_last() {
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1, 2, 3])).unwrap();
    assembler.set_route("r", route("demo.a", "/", &["b"]));
    let table = assembler.build();
    let route = find(&table, "demo.a", "/").unwrap();
    let endpoints = &route.backends().next().unwrap().endpoints;
    endpoints[0].set_healthy(false);
    endpoints[1].avoid_until(100);
    for _ in 0..6 {
        assert_eq!(port(route, &[], 1), Some(3));
        assert_eq!(port(route, &[endpoints[2].address], 1), Some(2));
    }
    let tried = [endpoints[1].address, endpoints[2].address];
    assert_eq!(port(route, &tried, 1), Some(1));
}

/// A request is refused before its path or header is tried, so that it cannot be taken by a route
/// that asks for less; and what is tried is bounded: bytes of it by expressions of the host.
#[test]
fn expressions_are_tried_with_so_much_and_no_more() {
    use crate::api::expression::{TRIED_MAX, tests::tried};
    let mut assembler = Assembler::new(1);
    assembler.set_backend("b", &backend(&[1])).unwrap();
    let mut put = |host: &str, path: PathMatch, test: Option<&str>| {
        let mut route = Route {
            path,
            ..route(host, "/", &["b"])
        };
        let test = test.map(|test| ("x-v".to_owned(), HeaderTest::Regex(test.to_owned())));
        route.when.headers.extend(test);
        assembler.set_route(&route.name(), route);
    };
    let prefix = || PathMatch::Prefix("/".to_owned());
    for at in 0..20 {
        put(
            "a.x",
            PathMatch::Regex(format!("/(.*a[a-z]{{60}}[a-y]*)x{at}")),
            None,
        );
    }
    put("a.x", prefix(), None);
    put("h.x", prefix(), Some("v[0-9]+"));
    put("h.x", prefix(), None);
    put("plain.x", prefix(), None);
    let table = assembler.build();
    let path = |len: usize| format!("/{}", "ab".repeat(len))[..len].to_owned();
    let with = |value: &str, times: usize| {
        let mut parts = get();
        for _ in 0..times {
            parts.headers.append("x-v", value.parse().unwrap());
        }
        parts
    };
    let most = path(TRIED_MAX);
    assert_eq!(table.too_long("a.x", &most, &get()), None);
    assert_eq!(tried(|| table.find("a.x", &most, &get())), 20 * TRIED_MAX);
    let long = path(8 << 10);
    assert_eq!(table.too_long("a.x", &long, &get()), Some(TooLong::Path));
    assert_eq!(table.too_long("plain.x", &long, &with("v", 100)), None);
    assert_eq!(table.too_long("h.x", &long, &with("v1", 1)), None);
    let header = Some(TooLong::Header);
    assert_eq!(table.too_long("h.x", "/", &with(&long, 1)), header);
    // Many short ones are a long one.
    assert_eq!(table.too_long("h.x", "/", &with("v1234567", 200)), header);
}
