use std::collections::BTreeMap;

use proptest::prelude::*;

use super::testing::any_labels;
use super::{AppLabels, HostPattern, LabelFault, PathLabel, RouteLabels, read, table};

mod routes;
mod settings;

fn labels(pairs: &[(&str, &str)]) -> AppLabels {
    read(
        &pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

/// Labels with Interlock's prefix.
fn lb(pairs: &[(&str, &str)]) -> AppLabels {
    read(
        &pairs
            .iter()
            .map(|(name, value)| (format!("com.docker.lb.{name}"), (*value).to_owned()))
            .collect(),
    )
}

/// The one route of the labels.
fn route(app: &AppLabels) -> &RouteLabels {
    assert_eq!(app.routes.len(), 1, "{:?}", app.faults);
    &app.routes[0]
}

fn hosts(app: &AppLabels) -> Vec<&str> {
    let hosts = app.routes.iter().flat_map(|route| &route.hosts);
    hosts.map(HostPattern::as_str).collect()
}

/// The one fault of the labels.
fn only(app: &AppLabels) -> &LabelFault {
    assert_eq!(app.faults.len(), 1, "{:?}", app.faults);
    &app.faults[0]
}

#[test]
fn a_service_without_routing_labels_is_not_routed_and_has_no_fault() {
    let app = labels(&[
        ("com.docker.stack.namespace", "a"),
        ("dev.skep.cluster", "b"),
    ]);
    assert_eq!(app, AppLabels::default());
}

#[test]
fn the_labels_of_the_seed_scenario_are_read() {
    let app = lb(&[
        ("hosts", "demo.A"),
        ("port", "8000"),
        ("service_cluster", "east"),
    ]);
    assert_eq!(hosts(&app), ["demo.a"]);
    assert_eq!(route(&app).port, 8000);
    assert_eq!(app.clusters, ["east"]);
    assert!(app.is_routed && app.faults.is_empty());
}

#[test]
fn both_prefixes_mean_the_same() {
    let interlock = lb(&[("hosts", "a.example"), ("port", "80"), ("network", "n")]);
    let native = labels(&[
        ("skep.hosts", "a.example"),
        ("skep.port", "80"),
        ("skep.network", "n"),
    ]);
    let (one, other) = (route(&interlock), route(&native));
    assert_eq!((&one.hosts, one.port), (&other.hosts, other.port));
    assert_eq!(one.text("network"), other.text("network"));
}

#[test]
fn where_the_prefixes_disagree_the_native_one_counts_and_the_fault_names_both() {
    let app = labels(&[
        ("com.docker.lb.hosts", "a.example"),
        ("skep.hosts", "a.example"),
        ("com.docker.lb.port", "80"),
        ("skep.port", "81"),
    ]);
    assert_eq!(route(&app).port, 81);
    let fault = only(&app);
    assert_eq!((fault.reason, fault.fatal), ("ConflictingLabels", false));
    assert!(fault.message.contains("`com.docker.lb.port=80`"));
    assert!(fault.message.contains("`skep.port=81`"));
}

#[test]
fn a_host_list_is_trimmed_lowered_and_each_host_is_taken_once() {
    let app = lb(&[
        (
            "hosts",
            " A.example ,b.example, a.EXAMPLE,*.c.example,, b.example.",
        ),
        ("port", "80"),
    ]);
    assert_eq!(hosts(&app), ["a.example", "b.example", "*.c.example"]);
    assert_eq!(app.faults, []);
}

#[test]
fn a_bad_host_harms_only_itself_while_a_good_one_is_left() {
    let app = lb(&[
        ("hosts", "good.example, http://bad, ok.example"),
        ("port", "80"),
    ]);
    assert_eq!(hosts(&app), ["good.example", "ok.example"]);
    let fault = only(&app);
    assert_eq!((fault.reason, fault.fatal), ("InvalidHost", false));
    assert_eq!(fault.hint, "leave the scheme out");
}

#[test]
fn hosts_that_are_all_bad_are_fatal() {
    for bad in [
        "a b",
        "a;b",
        "-a",
        "a..b",
        "a.*.b",
        "*",
        "bücher.example",
        "a:80",
        "a/b",
    ] {
        let app = lb(&[("hosts", bad), ("port", "80")]);
        assert!(app.routes.is_empty(), "{bad}");
        let fault = only(&app);
        assert_eq!((fault.reason, fault.fatal), ("InvalidHost", true), "{bad}");
    }
}

#[test]
fn a_port_is_needed_and_is_a_number_from_1_to_65535() {
    let app = lb(&[("hosts", "a.example")]);
    let fault = only(&app);
    assert_eq!((fault.reason, fault.fatal), ("MissingPort", true));
    assert_eq!(fault.label, "com.docker.lb.port");
    for bad in ["0", "65536", "-1", "80,81", "http", "8000/tcp"] {
        let app = lb(&[("hosts", "a.example"), ("port", bad)]);
        assert_eq!(only(&app).reason, "InvalidPort", "{bad}");
        assert!(only(&app).fatal && app.routes.is_empty(), "{bad}");
    }
    let app = lb(&[("hosts", "a"), ("port", " 65535 ")]);
    assert_eq!(route(&app).port, 65535);
}

#[test]
fn a_default_backend_needs_a_port_and_no_host() {
    let app = lb(&[("default_backend", "true"), ("port", "80")]);
    assert!(route(&app).flag("default_backend") && app.faults.is_empty());
    let app = lb(&[("default_backend", "true")]);
    assert_eq!(only(&app).reason, "MissingPort");
}

#[test]
fn routing_labels_without_a_host_are_fatal_and_name_the_prefix_in_use() {
    let app = labels(&[("skep.port", "80")]);
    let fault = only(&app);
    assert_eq!((fault.reason, fault.fatal), ("MissingHosts", true));
    assert_eq!(fault.label, "skep.hosts");
}

#[test]
fn several_clusters_may_be_named() {
    let with = |value| {
        lb(&[
            ("hosts", "a.example"),
            ("port", "80"),
            ("service_cluster", value),
        ])
    };
    assert_eq!(with("east, west,east").clusters, ["east", "west"]);
    assert_eq!(with("").clusters, Vec::<String>::new());
    let app = with("east,We st");
    assert_eq!(app.clusters, ["east"]);
    assert!(!only(&app).fatal);
    // Without this the service would silently fall to the default cluster.
    let app = with("We st");
    assert_eq!(
        (only(&app).reason, only(&app).fatal),
        ("InvalidServiceCluster", true)
    );
}

#[test]
fn a_context_root_takes_its_normal_form() {
    let with = |value| {
        lb(&[
            ("hosts", "a.example"),
            ("port", "80"),
            ("context_root", value),
        ])
    };
    for (written, normal) in [
        ("/", "/"),
        ("/app", "/app"),
        ("app", "/app"),
        (" /app/ ", "/app"),
        ("/a/b%20c/", "/a/b%20c"),
    ] {
        let app = with(written);
        let path = PathLabel::Prefix(normal.to_owned());
        assert_eq!(route(&app).path, path, "{written}");
        assert_eq!(app.faults, []);
    }
    assert_eq!(route(&with("")).path, PathLabel::default());
    for bad in [
        "/a/*", "/a?b", "/a#b", "/a b", "/a/../b", "/a//b", "/ä", "^/a\\d",
    ] {
        let app = with(bad);
        assert!(app.routes.is_empty(), "{bad}");
        assert_eq!(
            (only(&app).reason, only(&app).fatal),
            ("InvalidPath", true),
            "{bad}"
        );
    }
}

#[test]
fn booleans_are_strict_and_count_as_false_when_they_are_not_one() {
    let with = |value| {
        lb(&[
            ("hosts", "a.example"),
            ("port", "80"),
            ("context_root_rewrite", value),
        ])
    };
    for (value, wanted) in [
        ("true", true),
        ("YES", true),
        ("1", true),
        ("False", false),
        ("no", false),
        ("0", false),
        ("", false),
    ] {
        let app = with(value);
        assert_eq!(route(&app).flag("context_root_rewrite"), wanted, "{value}");
        assert_eq!(app.faults, []);
    }
    let app = with("maybe");
    assert!(!route(&app).flag("context_root_rewrite"));
    assert_eq!(
        (only(&app).reason, only(&app).fatal),
        ("InvalidBoolean", false)
    );
}

#[test]
fn a_weight_is_a_whole_number_and_a_bad_one_is_left_out() {
    let with = |value| lb(&[("hosts", "a"), ("port", "80"), ("weight", value)]);
    let weight = |app: &AppLabels| route(app).number("weight");
    assert_eq!(weight(&with("0")), Some(0));
    assert_eq!(weight(&with("90")), Some(90));
    for bad in ["-1", "1.5", "9999999", "half"] {
        let app = with(bad);
        assert_eq!(weight(&app), None);
        assert_eq!(
            (only(&app).reason, only(&app).fatal),
            ("InvalidNumber", false)
        );
    }
}

#[test]
fn an_unknown_label_is_told_with_the_nearest_name() {
    let app = lb(&[("hosts", "a"), ("port", "80"), ("context-root", "/a")]);
    let fault = only(&app);
    assert_eq!((fault.reason, fault.fatal), ("UnknownLabel", false));
    assert_eq!(fault.hint, "did you mean `com.docker.lb.context_root`?");
    let app = labels(&[("skep.host", "a")]);
    assert!(app.is_routed);
    assert_eq!(only(&app).hint, "did you mean `skep.hosts`?");
}

proptest! {
    #[test]
    fn any_labels_are_read_without_panic_and_what_is_read_is_sound(labels in any_labels()) {
        let app = read(&labels);
        prop_assert_eq!(&app, &read(&labels));
        for route in &app.routes {
            prop_assert!(route.port != 0 || !route.closed.is_empty());
            prop_assert!(!route.hosts.is_empty() || route.flag("default_backend"));
            if let PathLabel::Prefix(path) = &route.path {
                prop_assert!(path.starts_with('/') && (path == "/" || !path.ends_with('/')));
            }
            let fatal = app.faults.iter().any(|fault| fault.fatal && fault.route == route.id);
            prop_assert!(!fatal || !route.closed.is_empty(), "{:?}", app.faults);
        }
        // Nothing is refused in silence.
        let named = labels.get("skep.hosts").is_some_and(|value| !value.trim().is_empty());
        prop_assert!(!app.routes.is_empty() || !app.faults.is_empty() || !named);
        prop_assert!(app.is_routed || app.faults.is_empty());
    }
}

#[test]
fn an_open_label_without_a_name_is_told_that_one_must_follow() {
    for (given, meant) in [
        ("header.", "skep.header.NAME"),
        ("header", "skep.header.NAME"),
        ("request_headers.set.", "skep.request_headers.set.NAME"),
        ("request_headers.set", "skep.request_headers.set.NAME"),
    ] {
        let key = format!("skep.{given}");
        let app = labels(&[("skep.hosts", "a"), ("skep.port", "80"), (&key, "x")]);
        let fault = only(&app);
        assert_eq!(fault.reason, "UnknownLabel");
        assert!(fault.message.contains("a name must follow"), "{fault:?}");
        assert_eq!(fault.hint, format!("write {meant}"));
    }
}
