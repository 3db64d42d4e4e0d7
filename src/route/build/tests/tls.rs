//! Certificates, passthrough, and TLS towards tasks.

use super::*;

fn with_secrets() -> Story {
    let names = [
        "a.cert",
        "a.key",
        "b.cert",
        "b.key",
        "shop_in.cert",
        "users",
        "ca",
    ];
    let story = swarm().cluster("east", 1, "{default: true}");
    names.iter().fold(story, |story, name| story.secret(name))
}

const SEALED: [&str; 3] = ["port=443", "hosts=s.x", "ssl_passthrough=true"];

#[test]
fn certificates_stand_at_the_hosts_of_their_services() {
    let world = with_secrets()
        .app(
            "shop",
            &["eastnet"],
            1,
            &[
                "hosts=a.x,*.a.x",
                "port=80",
                "ssl_cert=a.cert",
                "ssl_key=a.key",
                "routes.b.hosts=b.x",
                "routes.b.ssl_cert=b.cert",
                "routes.b.ssl_key=b.key",
                "routes.same.hosts=c.x",
            ],
        )
        .app(
            "rest",
            &["eastnet"],
            1,
            &[
                "port=80",
                "default_backend=true",
                "ssl_cert=b.cert",
                "ssl_key=b.key",
            ],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
    let table = &route(&world).clusters["east"].table;
    assert_eq!(
        table.listener.default_certificate.as_deref(),
        Some("service/rest")
    );
}

#[test]
fn a_host_stands_at_one_certificate_that_of_the_oldest_service() {
    let world = with_secrets()
        .app(
            "first",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "ssl_cert=a.cert", "ssl_key=a.key"],
        )
        .app(
            "same",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "ssl_cert=a.cert", "ssl_key=a.key"],
        )
        .app(
            "other",
            &["eastnet"],
            1,
            &[
                "hosts=a.x,b.x",
                "port=80",
                "context_root=/b",
                "ssl_cert=b.cert",
                "ssl_key=b.key",
            ],
        )
        .app(
            "lost",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "ssl_cert=b.cert", "ssl_key=a.key"],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn a_secret_may_be_named_as_it_is_inside_the_stack() {
    let labels = [
        "com.docker.stack.namespace=shop",
        "skep.hosts=a.x",
        "skep.port=80",
        "skep.ssl_cert=in.cert",
        "skep.ssl_key=a.key",
    ];
    let world = with_secrets()
        .service("shop_web", &["eastnet"], &labels)
        .world();
    let cluster = &route(&world).clusters["east"];
    assert!(
        cluster.secrets.contains("shop_in.cert"),
        "{:?}",
        cluster.rows
    );
}

#[test]
fn a_secret_of_the_stack_comes_before_one_that_somebody_made_by_its_short_name() {
    let labels = [
        "com.docker.stack.namespace=shop",
        "skep.hosts=a.x",
        "skep.port=80",
        "skep.basic_auth=users",
    ];
    let world = with_secrets()
        .secret("shop_users")
        .secret("users")
        .service("shop_web", &["eastnet"], &labels)
        .world();
    let secrets = &route(&world).clusters["east"].secrets;
    assert!(secrets.contains("shop_users") && !secrets.contains("users"));
}

#[test]
fn a_secret_that_may_fail_on_the_node_is_refused() {
    let labels = ["skep.hosts=a.x", "skep.port=80", "skep.basic_auth=users"];
    let world = with_secrets()
        .secret("users")
        .service("web", &["eastnet"], &labels)
        .with(|world| {
            let all = world.secrets.values_mut();
            all.for_each(|secret| secret.made_on_the_node = secret.name == "users");
        })
        .world();
    let cluster = &route(&world).clusters["east"];
    assert!(!cluster.secrets.contains("users"));
    assert_eq!(cluster.rows[0].reason, "SecretNotAllowed");
}

#[test]
fn keys_of_the_control_stream_are_never_mounted_for_a_label() {
    for label in [
        "ssl_cert=skep-proxy-identity",
        "basic_auth=skep-ca",
        "backend_ca=skep-ca",
    ] {
        let key = if label.starts_with("ssl") {
            "ssl_key=a.key"
        } else {
            "weight=1"
        };
        let labels = ["hosts=a.x", "port=80", key, label];
        let world = with_secrets()
            .installed()
            .app("app", &["eastnet"], 1, &labels)
            .world();
        let cluster = &route(&world).clusters["east"];
        assert_eq!(cluster.rows[0].reason, "SecretNotAllowed", "{label}");
        assert!(cluster.secrets.is_empty());
    }
}

#[test]
fn passthrough_is_shared_and_serves_no_http_but_redirects() {
    let world = with_secrets()
        .app(
            "blue",
            &["eastnet"],
            2,
            &[
                "port=443",
                "hosts=s.x,t.x,*.u.x",
                "ssl_passthrough=true",
                "redirects=http://t.x,https://new.x,301",
                "https_redirect=true",
            ],
        )
        .app("green", &["eastnet"], 1, &SEALED)
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn of_passthrough_and_http_on_one_host_the_older_has_its_tls() {
    let http = ["hosts=s.x", "port=80", "ssl_cert=a.cert", "ssl_key=a.key"];
    let older =
        with_secrets()
            .app("web", &["eastnet"], 1, &http)
            .app("sealed", &["eastnet"], 1, &SEALED);
    insta::assert_snapshot!("the web is older", told(&route(&older.world())));
    let younger =
        with_secrets()
            .app("sealed", &["eastnet"], 1, &SEALED)
            .app("web", &["eastnet"], 1, &http);
    insta::assert_snapshot!("the passthrough is older", told(&route(&younger.world())));
}

#[test]
fn a_named_route_may_pass_tls_on() {
    let labels = [
        "skep.hosts=a.x",
        "skep.port=80",
        "skep.routes.db.hosts=db.x",
        "skep.routes.db.port=5432",
        "skep.routes.db.ssl_passthrough=true",
    ];
    let world = with_secrets()
        .service("app", &["eastnet"], &labels)
        .tasks("app", 1)
        .world();
    let table = &route(&world).clusters["east"].table;
    assert_eq!(table.passthroughs["db.x"].targets[0].backend, "app:5432");
    assert_eq!(table.routes.keys().collect::<Vec<_>>(), ["a.x/"]);
}

#[test]
fn tasks_are_verified_when_it_is_asked_for_or_authorities_are_given() {
    let tls = |labels: &[&str]| {
        let mut all = vec!["hosts=*.a.x,b.x", "port=443"];
        all.extend(labels);
        let world = with_secrets().app("app", &["eastnet"], 1, &all).world();
        let table = &route(&world).clusters["east"].table;
        let tls = table.backends["app:443"].tls.clone();
        tls.map(|tls| (tls.verify, tls.name, tls.ca))
    };
    let name = || "b.x".to_owned();
    assert_eq!(tls(&[]), None);
    assert_eq!(tls(&["ssl_backend=true"]), Some((false, name(), None)));
    let verified = ["ssl_backend=true", "ssl_backend_tls_verify=required"];
    assert_eq!(tls(&verified), Some((true, name(), None)));
    let ca = Some("ca".to_owned());
    assert_eq!(tls(&["backend_ca=ca"]), Some((true, name(), ca.clone())));
    let unverified = ["backend_ca=ca", "ssl_backend_tls_verify=none"];
    assert_eq!(tls(&unverified), Some((false, name(), ca)));
    let named = ["ssl_backend=true", "backend_tls_name=in.x"];
    assert_eq!(tls(&named), Some((false, "in.x".to_owned(), None)));
}

#[test]
fn a_route_is_never_served_without_the_password_or_the_authorities_it_names() {
    for label in ["basic_auth=gone", "backend_ca=gone"] {
        let world = with_secrets()
            .app("app", &["eastnet"], 1, &["hosts=a.x", "port=80", label])
            .world();
        let cluster = &route(&world).clusters["east"];
        let targets = cluster.table.routes.values().flat_map(|it| &it.targets);
        let backends = targets.map(|it| &cluster.table.backends[&it.backend]);
        assert!(backends.flat_map(|it| &it.endpoints).next().is_none());
        assert_eq!(cluster.rows[0].reason, "SecretNotFound");
        assert_eq!(cluster.rows[0].state, RowState::Rejected);
    }
}

#[test]
fn a_guarded_route_that_cannot_be_served_stands_closed_and_takes_no_place_from_a_neighbour() {
    let closed = |labels: &[&str]| {
        let own = ["hosts=a.x", "port=80"];
        let labels = [&own[..], labels].concat();
        let beside = [
            "hosts=a.x",
            "port=80",
            "context_root=/beside",
            "ip_allow=10.0.0.0/8",
        ];
        let world = with_secrets()
            .app("app", &["eastnet"], 1, &labels)
            .app("beside", &["eastnet"], 1, &beside)
            .world();
        let cluster = route(&world).clusters.remove("east").unwrap();
        let of = |name: &str| {
            let route = cluster.table.routes.get(name);
            route.map(|route| route.targets[0].backend.clone())
        };
        let told: Vec<(String, String)> = cluster
            .rows
            .iter()
            .filter(|row| !row.reason.is_empty())
            .map(|row| (row.route(), row.reason.clone()))
            .collect();
        assert_eq!(of("a.x/beside").unwrap(), "beside:80");
        (of("a.x/admin"), told)
    };
    let admin = "routes.admin.context_root=/admin";
    let shut = |reason: &str| {
        let told = vec![("a.x/admin".to_owned(), reason.to_owned())];
        (Some("app:closed".to_owned()), told)
    };
    assert_eq!(
        closed(&[admin, "routes.admin.basic_auth=gone"]),
        shut("SecretNotFound")
    );
    assert_eq!(
        closed(&[admin, "routes.admin.ip_allow=10.0.0.0/33"]),
        shut("InvalidAddress")
    );
    let port = [
        admin,
        "routes.admin.ssl_only=true",
        "routes.admin.port=http",
    ];
    assert_eq!(closed(&port), shut("InvalidPort"));
    // One that guards nothing is left out as ever, and so is one whose place is not known.
    assert_eq!(closed(&[admin, "routes.admin.port=http"]).0, None);
    let nowhere = [
        admin,
        "routes.admin.basic_auth=gone",
        "routes.admin.header.X-Y=~(",
    ];
    assert_eq!(closed(&nowhere).0, None);
    // The place is another's.
    let (of, told) = closed(&["routes.b.context_root=/beside", "routes.b.basic_auth=gone"]);
    assert_eq!((of, told[0].0.as_str()), (None, "a.x/beside"));
}

#[test]
fn the_nearest_secret_is_named_where_one_is_not_there() {
    let message = |label: &str| {
        let world = with_secrets()
            .secret("shop_r3-good.key")
            .secret("skep-ca")
            .app("app", &["eastnet"], 1, &["hosts=a.x", "port=80", label])
            .world();
        route(&world).clusters["east"].rows[0].message.clone()
    };
    for label in ["basic_auth=shop_r3-good.kye", "basic_auth=Shop_R3-good.key"] {
        let told = message(label);
        assert!(
            told.contains("(did you mean `shop_r3-good.key`?)"),
            "{told}"
        );
    }
    // One that cannot be used is not named.
    for label in ["basic_auth=skep-cb", "basic_auth=something-else-altogether"] {
        let told = message(label);
        assert!(!told.contains("did you mean"), "{told}");
    }
}
