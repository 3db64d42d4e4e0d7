use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{AppLabels, HostPattern, LabelFault, read};

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

fn hosts(app: &AppLabels) -> Vec<&str> {
    app.hosts.iter().map(HostPattern::as_str).collect()
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
    assert_eq!(app.port, Some(8000));
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
    assert_eq!(interlock, native);
}

#[test]
fn where_the_prefixes_disagree_the_native_one_counts_and_the_fault_names_both() {
    let app = labels(&[
        ("com.docker.lb.hosts", "a.example"),
        ("skep.hosts", "a.example"),
        ("com.docker.lb.port", "80"),
        ("skep.port", "81"),
    ]);
    assert_eq!(app.port, Some(81));
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
        assert!(app.hosts.is_empty(), "{bad}");
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
        assert!(only(&app).fatal && app.port.is_none(), "{bad}");
    }
    assert_eq!(lb(&[("hosts", "a"), ("port", " 65535 ")]).port, Some(65535));
}

#[test]
fn a_default_backend_needs_a_port_and_no_host() {
    let app = lb(&[("default_backend", "true"), ("port", "80")]);
    assert!(app.default_backend && app.faults.is_empty());
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
        assert_eq!(app.context_root.as_deref(), Some(normal), "{written}");
        assert_eq!(app.faults, []);
    }
    assert_eq!(with("").context_root, None);
    for bad in [
        "/a/*", "/a?b", "/a#b", "/a b", "/a/../b", "/a//b", "/ä", "^/a\\d",
    ] {
        let app = with(bad);
        assert_eq!(app.context_root, None, "{bad}");
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
        assert_eq!(app.context_root_rewrite, wanted, "{value}");
        assert_eq!(app.faults, []);
    }
    let app = with("maybe");
    assert!(!app.context_root_rewrite);
    assert_eq!(
        (only(&app).reason, only(&app).fatal),
        ("InvalidBoolean", false)
    );
}

#[test]
fn a_weight_is_a_whole_number_and_a_bad_one_is_left_out() {
    let with = |value| lb(&[("hosts", "a"), ("port", "80"), ("weight", value)]);
    assert_eq!(with("0").weight, Some(0));
    assert_eq!(with("90").weight, Some(90));
    for bad in ["-1", "1.5", "9999999", "half"] {
        let app = with(bad);
        assert_eq!(app.weight, None);
        assert_eq!(
            (only(&app).reason, only(&app).fatal),
            ("InvalidWeight", false)
        );
    }
}

#[test]
fn labels_of_a_later_version_are_told_unless_they_change_nothing() {
    let with = |name, value| lb(&[("hosts", "a"), ("port", "80"), (name, value)]);
    for (name, value) in [
        ("redirects", "http://a,http://b"),
        ("ssl_cert", "a.cert"),
        ("ssl_passthrough", "true"),
        ("sticky_session_cookie", "session"),
        ("ip_hash", "true"),
        ("backend_mode", "vip"),
        ("max_fails", "3"),
        ("fail_timeout", "5s"),
        ("routes.api.hosts", "b"),
    ] {
        let app = with(name, value);
        assert_eq!(
            (only(&app).reason, only(&app).fatal),
            ("NotSupportedYet", false),
            "{name}"
        );
    }
    for (name, value) in [
        ("websocket_endpoints", "/ws"),
        ("backend_mode", "task"),
        ("ip_hash", "false"),
    ] {
        assert_eq!(with(name, value).faults, [], "{name}");
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

fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![
        "(com\\.docker\\.lb\\.|skep\\.)(hosts|port|network|service_cluster|context_root|context_root_rewrite|default_backend|weight|redirects|routes\\.a)",
        "(com\\.docker\\.lb\\.|skep\\.)\\PC{0,12}",
        "\\PC{0,12}",
    ];
    let value = prop_oneof![
        "[a-z.,*/ 0-9:-]{0,20}",
        ".{0,20}",
        "[0-9]{0,8}",
        "true|false"
    ];
    proptest::collection::btree_map(key, value, 0..8)
}

proptest! {
    #[test]
    fn any_labels_are_read_without_panic_and_what_is_read_is_sound(labels in any_labels()) {
        let app = read(&labels);
        prop_assert_eq!(&app, &read(&labels));
        prop_assert!(app.port != Some(0));
        if let Some(root) = &app.context_root {
            prop_assert!(root.starts_with('/'));
            prop_assert!(root == "/" || !root.ends_with('/'));
        }
        // Nothing is refused in silence: a route is either possible or has its fatal fault.
        let possible = app.port.is_some() && (!app.hosts.is_empty() || app.default_backend);
        let named = labels.iter().any(|(key, value)| key.ends_with("hosts") && !value.trim().is_empty());
        prop_assert!(possible || app.fatal().is_some() || !named || !app.faults.is_empty() || !app.is_routed);
        prop_assert!(app.is_routed || app.faults.is_empty());
    }
}
