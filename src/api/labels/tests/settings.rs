//! The values of labels, kind by kind.

use super::super::kind::{HeaderRule, Kind, Parsed, Value};
use super::*;
use crate::api::value::Span;

/// A host, a port and one more label.
fn with(name: &str, value: &str) -> AppLabels {
    lb(&[("hosts", "a.x,b.x"), ("port", "80"), (name, value)])
}

#[test]
fn the_example_of_every_label_is_good() {
    for label in table::all() {
        let Parsed { value, wrong } = label.kind.parse(label.example);
        assert!(value.is_some() && wrong.is_empty(), "{}", label.name);
    }
}

#[test]
fn the_page_of_labels_is_what_the_table_says() {
    crate::api::schema::tests::fresh("docs/labels.md", &super::super::markdown());
}

#[test]
fn every_label_has_one_place_in_the_table() {
    let mut names: Vec<&str> = table::all()
        .flat_map(|label| [label.name, label.alias])
        .filter(|name| !name.is_empty())
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for name in names {
        let asked = name.replace('*', "x-a");
        let (label, _) = table::find(&asked).unwrap();
        assert!(label.name == name || label.alias == name, "{name}");
    }
}

#[test]
fn a_strict_label_that_cannot_be_read_refuses_the_route_and_another_one_does_not() {
    for label in table::all().filter(|label| !label.of_service) {
        let name = label.name.replace('*', "x-a");
        let bad = "\u{1}";
        if label.kind.parse(bad).value.is_some() {
            continue;
        }
        let mut labels = BTreeMap::from([
            ("skep.hosts".to_owned(), "a.x".to_owned()),
            ("skep.port".to_owned(), "80".to_owned()),
        ]);
        // Trimmed values never begin with a control character alone, so it stands between.
        labels.insert(format!("skep.{name}"), format!("a{bad}a"));
        let app = read(&labels);
        assert_eq!(
            app.routes.iter().all(|route| !route.closed.is_empty()),
            label.strict,
            "{name}: {:?}",
            app.faults
        );
        assert!(
            app.faults.iter().any(|f| f.label.ends_with(&name)),
            "{name}"
        );
    }
}

#[test]
fn times_are_written_as_nginx_has_them() {
    for (text, seconds) in [
        ("10", 10),
        ("10s", 10),
        ("1m", 60),
        ("1m 30s", 90),
        ("2h", 7200),
    ] {
        let value = Kind::Time { zero: false }.parse(text).value;
        assert_eq!(value, Some(Value::Time(Span::from_secs(seconds))), "{text}");
    }
    for bad in [
        "0",
        "0s",
        "-1",
        "ten",
        "10x",
        "99999999999999999999",
        "1.5s",
    ] {
        assert_eq!(Kind::Time { zero: false }.parse(bad).value, None, "{bad}");
    }
    // One most, with a unit or without.
    for bad in ["315360001", "315360001s", "9999999999999999h"] {
        let wrong = Kind::Time { zero: false }.parse(bad).wrong;
        let (why, what) = &wrong[0];
        assert_eq!(why, &format!("`{bad}` is too long"));
        assert_eq!(what, &"write at most 87600h");
    }
    let longest = Kind::Time { zero: false }.parse("315360000").value;
    assert_eq!(longest, Some(Value::Time(Span::from_secs(315_360_000))));
}

#[test]
fn a_size_that_is_refused_is_told_in_the_words_of_the_manifest() {
    let wrong = |text: &str| Kind::Size.parse(text).wrong.remove(0);
    let (why, what) = wrong("2000000Gi");
    assert_eq!(why, "`2000000Gi` is too much");
    assert_eq!(what, "write at most 1048576Gi");
    let (why, what) = wrong("a: b");
    assert_eq!(why, "`a: b` is not a number of bytes");
    assert_eq!(what, "write for example 64Mi or 1Gi");
}

#[test]
fn redirects_are_pairs_with_a_status_or_without() {
    let app = lb(&[
        ("hosts", "old.x,a.x"),
        ("port", "80"),
        (
            "redirects",
            "http://OLD.x,http://new.x/;http://a.x/v1/,https://a.x:8443/v2,301;",
        ),
    ]);
    assert_eq!(app.faults, []);
    let rules = route(&app).redirects();
    let told = rules
        .iter()
        .map(|r| (&*r.host, &*r.path, &*r.target, r.status));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("old.x", "/", "http://new.x", None),
            ("a.x", "/v1", "https://a.x:8443/v2", Some(301)),
        ]
    );
}

#[test]
fn a_redirect_that_cannot_work_is_told_and_the_others_stay() {
    for (bad, word) in [
        ("http://a.x", "not a source and a target"),
        ("http://a.x,http://b.x,300", "not such a status"),
        ("http://a.x,http://n.x$request_uri", "has a variable"),
        ("http://a.x,http://$host", "has a variable"),
        ("http://a.x,ftp://n.x", "not a URL"),
        ("http://a.x,http://n.x/?q=1", "not a URL"),
        ("http://a.x,http://n.x:0", "not a URL"),
        ("http://a.x,http://*.n.x", "not one place"),
        ("http://c.x,http://n.x", "not among hosts"),
        ("http://a.x,http://a.x", "where they are"),
    ] {
        let app = with("redirects", &format!("{bad};http://b.x,http://n.x"));
        let fault = only(&app);
        assert!(fault.message.contains(word), "{bad}: {}", fault.message);
        assert_eq!((fault.reason, fault.fatal), ("InvalidRedirect", false));
        assert_eq!(route(&app).redirects().len(), 1, "{bad}");
    }
}

#[test]
fn a_word_that_is_not_known_is_told_with_the_nearest_one() {
    let app = with("backend_mode", "tsk");
    assert!(only(&app).hint.starts_with("did you mean `task`?"));
    assert!(only(&app).fatal);
    let app = with("path_type", "Exact");
    assert_eq!(only(&app).reason, "MissingPath");
}

#[test]
fn https_redirect_is_true_or_a_status() {
    let status = |value| route(&with("https_redirect", value)).status("https_redirect");
    assert_eq!(status("true"), Some(308));
    assert_eq!(status("301"), Some(301));
    assert_eq!(status("false"), None);
    assert!(only(&with("https_redirect", "300")).fatal);
}

#[test]
fn a_path_is_read_as_its_kind_means_it() {
    let path = |kind, path| {
        let app = lb(&[
            ("hosts", "a"),
            ("port", "80"),
            ("path_type", kind),
            ("path", path),
        ]);
        app.routes.first().map(|route| route.path.clone())
    };
    assert_eq!(path("exact", "/a/"), Some(PathLabel::Exact("/a/".into())));
    assert_eq!(path("exact", "a"), None);
    assert_eq!(
        path("regex", "/[ab]+"),
        Some(PathLabel::Regex("/[ab]+".into()))
    );
    assert_eq!(path("regex", "/[ab"), None);
    for never in ["v1/.*", "^v1/.*"] {
        assert_eq!(path("regex", never), None, "{never}");
    }
    for may in ["v?/a", "v1|/a", "(?i)/a", ".*", "[/]a"] {
        assert!(path("regex", may).is_some(), "{may}");
    }
    assert_eq!(path("prefix", "/a/"), Some(PathLabel::Prefix("/a".into())));
    assert_eq!(path("prefix", "/[ab]*"), None);
}

#[test]
fn a_certificate_needs_its_key() {
    let fault = with("ssl_cert", "c");
    assert_eq!(
        (only(&fault).reason, only(&fault).fatal),
        ("MissingSecret", false)
    );
    assert_eq!(only(&fault).label, "com.docker.lb.ssl_key");
}

#[test]
fn no_secret_is_a_file_elsewhere() {
    for bad in ["../ca", "a/b", ".", "..", ".hidden", "a b"] {
        assert!(Kind::Secret.parse(bad).value.is_none(), "{bad}");
    }
}

#[test]
fn backends_that_shall_be_checked_need_a_name() {
    let app = lb(&[
        ("hosts", "*.x"),
        ("port", "80"),
        ("ssl_backend", "true"),
        ("ssl_backend_tls_verify", "required"),
    ]);
    assert_eq!(
        (only(&app).reason, only(&app).fatal),
        ("MissingTlsName", true)
    );
}

#[test]
fn a_label_that_says_nothing_without_another_is_told() {
    for (name, value) in [
        ("health_check.interval", "5s"),
        ("cors.max_age", "5s"),
        ("rate_limit.burst", "5"),
        ("ssl_backend_tls_verify", "true"),
        ("redirect_status", "301"),
    ] {
        let app = with(name, value);
        assert_eq!(
            (only(&app).reason, only(&app).fatal),
            ("NoEffect", false),
            "{name}"
        );
    }
}

#[test]
fn protection_that_passthrough_cannot_give_refuses_the_route() {
    let both = |name, value| {
        lb(&[
            ("hosts", "a"),
            ("port", "80"),
            ("ssl_passthrough", "true"),
            (name, value),
        ])
    };
    assert!(only(&both("basic_auth", "users")).fatal);
    assert!(only(&both("ip_allow", "10.0.0.0/8")).fatal);
    assert!(!only(&both("context_root", "/a")).fatal);
}

#[test]
fn headers_are_matched_by_value_by_expression_or_by_being_there() {
    let test = |value: &str| Kind::HeaderTest.parse(value).value;
    assert_eq!(test("7"), Some(Value::Test(HeaderRule::Exact("7".into()))));
    assert_eq!(
        test("~v[0-9]"),
        Some(Value::Test(HeaderRule::Regex("v[0-9]".into())))
    );
    assert_eq!(test("*"), Some(Value::Test(HeaderRule::Present)));
    assert_eq!(test(""), Some(Value::Test(HeaderRule::Present)));
    assert_eq!(test("~["), None);
    assert_eq!(test("a b"), None);
}

#[test]
fn headers_that_no_proxy_edits_are_left_out_and_told_one_by_one() {
    let labels = [
        ("skep.hosts", "a.x"),
        ("skep.port", "80"),
        ("skep.request_headers.set.Content-Length", "5"),
        ("skep.request_headers.set.Host", "b.x"),
        ("skep.request_headers.set.X-Good", "1"),
        ("skep.request_headers.remove", "host,x-bad"),
        ("skep.response_headers.remove", "connection,host"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let app = crate::api::labels::read(&labels.into());
    let told: Vec<(&str, &str)> = app
        .faults
        .iter()
        .map(|f| (&*f.label, &*f.message))
        .collect();
    assert_eq!(
        told,
        [
            (
                "skep.request_headers.remove",
                "header `host` cannot be edited here, it is left as it is"
            ),
            (
                "skep.request_headers.set.Content-Length",
                "header `content-length` cannot be edited here, it is left as it is"
            ),
            (
                "skep.response_headers.remove",
                "header `connection` cannot be edited here, it is left as it is"
            ),
        ]
    );
    let route = &app.routes[0];
    assert_eq!(
        route.texts("request_headers.remove"),
        ["x-bad".to_owned()].into()
    );
    assert_eq!(
        route.texts("response_headers.remove"),
        ["host".to_owned()].into()
    );
}

#[test]
fn hosts_with_a_blank_between_and_too_many_are_told_what_to_do() {
    let blank = lb(&[("hosts", "a.x b.x"), ("port", "80")]);
    let hints = |app: &AppLabels| -> Vec<String> {
        let faults = app.faults.iter();
        faults.map(|fault| fault.hint.clone()).collect()
    };
    let comma = "write a comma between hosts".to_owned();
    assert!(hints(&blank).contains(&comma), "{:?}", blank.faults);
    let many: Vec<String> = (0..1001).map(|n| format!("h{n}.x")).collect();
    let many = lb(&[("hosts", &many.join(",")), ("port", "80")]);
    assert_eq!(many.routes[0].hosts.len(), 1000);
    let hints = hints(&many);
    assert!(hints[0].contains("skep.routes.more.hosts"), "{hints:?}");
}
