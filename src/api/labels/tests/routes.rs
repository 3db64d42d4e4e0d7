//! Named routes.

use super::*;

fn skep(pairs: &[(&str, &str)]) -> AppLabels {
    let pairs: Vec<_> = (pairs.iter())
        .map(|(name, value)| (format!("skep.{name}"), *value))
        .collect();
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&**key, *value)).collect();
    labels(&pairs)
}

fn told(app: &AppLabels) -> Vec<String> {
    let line = |route: &RouteLabels| {
        let hosts: Vec<&str> = route.hosts.iter().map(HostPattern::as_str).collect();
        format!(
            "{:?} {} {:?} {}",
            route.id,
            hosts.join(","),
            route.path,
            route.port
        )
    };
    app.routes.iter().map(line).collect()
}

#[test]
fn a_named_route_takes_over_what_it_does_not_say_itself() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "80"),
        ("request_timeout", "9s"),
        ("routes.api.path", "/api"),
        ("routes.api.port", "81"),
        ("routes.other.hosts", "b.x"),
        ("routes.other.request_timeout", "3s"),
    ]);
    assert_eq!(app.faults, []);
    assert_eq!(
        told(&app),
        [
            "\"\" a.x Prefix(\"/\") 80",
            "\"api\" a.x Prefix(\"/api\") 81",
            "\"other\" b.x Prefix(\"/\") 80",
        ]
    );
    let times = app
        .routes
        .iter()
        .map(|r| r.time("request_timeout").unwrap().to_string());
    assert_eq!(times.collect::<Vec<_>>(), ["9s", "9s", "3s"]);
}

#[test]
fn beside_named_routes_the_services_labels_may_be_defaults_only() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("routes.web.port", "80"),
        ("routes.admin.hosts", "admin.x"),
        ("routes.admin.port", "81"),
    ]);
    assert_eq!(app.faults, []);
    assert_eq!(
        told(&app),
        [
            "\"admin\" admin.x Prefix(\"/\") 81",
            "\"web\" a.x Prefix(\"/\") 80"
        ]
    );
}

#[test]
fn a_fault_of_a_named_route_drops_that_one_only() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "80"),
        ("routes.api.path", "/a?b"),
        ("routes.web.hosts", "b.x"),
    ]);
    let fault = only(&app);
    assert_eq!(
        (&*fault.route, fault.reason, fault.fatal),
        ("api", "InvalidPath", true)
    );
    assert_eq!(fault.label, "skep.routes.api.path");
    assert_eq!(app.routes.len(), 2);
}

#[test]
fn a_fault_of_the_service_is_told_once_and_spares_routes_that_say_it_themselves() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "none"),
        ("routes.api.path", "/api"),
        ("routes.web.port", "81"),
    ]);
    assert_eq!(only(&app).reason, "InvalidPort");
    assert_eq!(told(&app), ["\"web\" a.x Prefix(\"/\") 81"]);
}

#[test]
fn names_of_routes_are_short_words() {
    for bad in [
        "routes.",
        "routes.a",
        "routes..hosts",
        "routes.a b.hosts",
        "routes",
    ] {
        let app = skep(&[("hosts", "a.x"), ("port", "80"), (bad, "x")]);
        let reason = only(&app).reason;
        assert!(
            matches!(reason, "InvalidRouteName" | "UnknownLabel"),
            "{bad}: {reason}"
        );
    }
}

#[test]
fn a_cluster_belongs_to_the_whole_service() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "80"),
        ("routes.a.service_cluster", "east"),
    ]);
    assert_eq!(only(&app).reason, "LabelOfService");
}

#[test]
fn an_unknown_label_of_a_named_route_is_told_with_the_whole_key() {
    let app = skep(&[("hosts", "a.x"), ("port", "80"), ("routes.a.host", "b.x")]);
    assert_eq!(only(&app).hint, "did you mean `skep.routes.a.hosts`?");
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "80"),
        ("request_header.set.x-a", "b"),
    ]);
    assert_eq!(
        only(&app).hint,
        "did you mean `skep.request_headers.set.x-a`?"
    );
}

#[test]
fn a_certificate_and_its_key_are_taken_over_as_a_pair() {
    let app = skep(&[
        ("hosts", "a.x"),
        ("port", "80"),
        ("ssl_cert", "a.cert"),
        ("ssl_key", "a.key"),
        ("routes.b.hosts", "b.x"),
        ("routes.b.ssl_cert", "b.cert"),
    ]);
    assert_eq!(
        (only(&app).reason, &*only(&app).route),
        ("MissingSecret", "b")
    );
    assert_eq!(app.routes[1].text("ssl_key"), None);
}

#[test]
fn redirects_of_the_service_hold_for_named_routes_at_their_hosts() {
    let app = skep(&[
        ("hosts", "old.x,new.x"),
        ("port", "80"),
        ("redirects", "http://old.x,http://new.x"),
        ("routes.api.path", "/api"),
        ("routes.b.hosts", "b.x"),
    ]);
    assert_eq!(app.faults, []);
    let counts: Vec<usize> = app.routes.iter().map(|r| r.redirects().len()).collect();
    assert_eq!(counts, [1, 1, 0]);
    assert!(app.routes[1].takes_over("redirects") && !app.routes[0].takes_over("redirects"));
}
