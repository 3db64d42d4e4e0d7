//! What made Interlock's one shared file fail for everyone (nginx refused the whole of it): here
//! each drops one route, or harms nobody at all, and the neighbours stay served.

use super::*;

/// A cluster with a neighbour, and what a Swarm has besides.
fn before() -> Story {
    swarm()
        .cluster("east", 1, "{default: true}")
        .secret("site.cert")
        .secret("site.key")
        .app(
            "neighbour",
            &["eastnet"],
            2,
            &[
                "hosts=good.x,old.x",
                "port=80",
                "context_root=/app",
                "redirects=http://old.x,http://good.x",
                "ssl_cert=site.cert",
                "ssl_key=site.key",
                "max_fails=3",
            ],
        )
        .app(
            "rest",
            &["eastnet"],
            1,
            &["port=80", "default_backend=true"],
        )
}

/// The rows of services that were added, after it is shown that the neighbours are served as
/// before, whether those are younger or older than they.
fn harmless(add: impl Fn(Story) -> Story) -> Vec<Row> {
    let alone = before().world();
    let younger = add(before()).world();
    let mut older = younger.clone();
    for service in older.services.values_mut() {
        if !alone.services.contains_key(&service.id) {
            service.created_at = "2026-01-01T00:00:00Z".to_owned();
        }
    }
    let is_ours = |row: &&Row| !matches!(&*row.service, "neighbour" | "rest");
    let wanted = route(&alone).clusters["east"].clone();
    let mut rows = Vec::new();
    for world in [older, younger] {
        let with = &route(&world).clusters["east"];
        for (name, route) in &wanted.table.routes {
            let found = &with.table.routes[name];
            assert_eq!(
                (&found.redirect, &found.policy),
                (&route.redirect, &route.policy)
            );
            for target in &route.targets {
                assert!(found.targets.contains(target), "{name}: {found:?}");
                let backends = [&with.table.backends, &wanted.table.backends];
                assert_eq!(backends[0][&target.backend], backends[1][&target.backend]);
            }
        }
        assert_eq!(with.table.certificates["service/neighbour"], {
            wanted.table.certificates["service/neighbour"].clone()
        });
        let theirs = with.rows.iter().filter(|row| !is_ours(row));
        assert!(theirs.clone().all(|row| row.state == RowState::Active));
        rows = with.rows.iter().filter(is_ours).cloned().collect();
    }
    rows
}

/// One more service, with one task.
fn one(labels: &[&str]) -> Vec<Row> {
    harmless(|story| story.app("other", &["eastnet"], 1, labels))
}

/// State and reason of the first row that is not well.
fn verdict(rows: &[Row]) -> (RowState, &str) {
    let ill = rows.iter().find(|row| row.state != RowState::Active);
    let ill = ill.unwrap_or_else(|| panic!("{rows:?}"));
    assert!(!ill.message.is_empty());
    (ill.state, &ill.reason)
}

#[test]
fn a_host_whose_services_have_no_task_answers_503_alone() {
    let rows = harmless(|story| {
        story
            .app("idle", &["eastnet"], 0, &["hosts=idle.x", "port=80"])
            .app(
                "sealed",
                &["eastnet"],
                0,
                &["hosts=s.x", "port=80", "ssl_passthrough=true"],
            )
    });
    let states: Vec<_> = rows.iter().map(|row| (row.state, &*row.reason)).collect();
    assert_eq!(states, [(RowState::Degraded, "NoEndpoints"); 2]);
}

#[test]
fn two_default_backends_share_what_no_route_names() {
    let rows = one(&["port=80", "default_backend=true"]);
    assert_eq!(rows[0].host, "*");
    assert_eq!(rows[0].state, RowState::Active);
}

#[test]
fn the_same_backend_with_two_settings_has_two_names() {
    let labels = [
        "hosts=other.x",
        "port=80",
        "routes.a.hosts=a.x",
        "routes.a.ssl_backend=true",
        "routes.b.hosts=b.x",
    ];
    assert!(one(&labels).iter().all(|row| row.state == RowState::Active));
    let world = before().app("other", &["eastnet"], 1, &labels).world();
    let table = &route(&world).clusters["east"].table;
    let backend = |route: &str| table.routes[route].targets[0].backend.clone();
    assert_eq!(backend("other.x/"), "other:80");
    assert_eq!(backend("a.x/"), "other:80/a");
    assert_eq!(backend("b.x/"), "other:80");
    assert!(table.backends["other:80/a"].tls.is_some() && table.backends["other:80"].tls.is_none());
}

#[test]
fn the_same_context_root_twice_is_shared_by_services_and_refused_within_one() {
    let rows = one(&[
        "hosts=good.x",
        "port=80",
        "context_root=/app/",
        "max_fails=3",
        "routes.again.max_fails=1",
    ]);
    assert_eq!(verdict(&rows), (RowState::Rejected, "DuplicateRoute"));
    assert!(rows.iter().any(|row| row.state == RowState::Active));
}

#[test]
fn a_certificate_without_its_key_leaves_the_route_without_tls() {
    let rows = one(&["hosts=other.x", "port=80", "ssl_cert=site.cert"]);
    assert_eq!(verdict(&rows), (RowState::Warning, "MissingSecret"));
    assert!(
        rows.iter()
            .any(|row| row.host == "other.x" && row.tls.is_empty())
    );
}

#[test]
fn a_certificate_that_is_not_there_leaves_the_route_without_tls() {
    let rows = one(&[
        "hosts=other.x",
        "port=80",
        "ssl_cert=gone",
        "ssl_key=site.key",
    ]);
    assert_eq!(verdict(&rows), (RowState::Warning, "SecretNotFound"));
    let row = &rows[0];
    assert_eq!(
        (&*row.label, &*row.value),
        ("com.docker.lb.ssl_cert", "gone")
    );
    assert!(
        rows.iter()
            .any(|row| row.host == "other.x" && row.state == RowState::Active)
    );
}

#[test]
fn a_semicolon_in_a_host_refuses_that_host() {
    let rows = one(&["hosts=a.x;b.x,c.x", "port=80"]);
    assert_eq!(verdict(&rows), (RowState::Rejected, "InvalidHost"));
    assert!(rows[0].message.contains("comma"), "{}", rows[0].message);
    assert!(
        rows.iter()
            .any(|row| row.host == "c.x" && row.state == RowState::Active)
    );
}

#[test]
fn a_service_that_cannot_be_found_is_refused() {
    let rows = one(&["hosts=other.x", "port=80", "network=nowhere"]);
    assert_eq!(verdict(&rows), (RowState::Rejected, "NetworkNotAttached"));
    let rows = harmless(|story| story.app("other", &[], 1, &["hosts=other.x", "port=80"]));
    assert_eq!(verdict(&rows), (RowState::Rejected, "NoSharedNetwork"));
}

#[test]
fn port_0_is_refused() {
    let rows = one(&["hosts=other.x", "port=0"]);
    assert_eq!(verdict(&rows), (RowState::Rejected, "InvalidPort"));
}

#[test]
fn bad_limits_of_failures_leave_the_defaults_in_force() {
    for (label, reason) in [
        ("max_fails=many", "InvalidNumber"),
        ("max_fails=-1", "InvalidNumber"),
        ("fail_timeout=soon", "InvalidTime"),
    ] {
        let rows = one(&["hosts=other.x", "port=80", label]);
        assert_eq!(verdict(&rows), (RowState::Warning, reason), "{label}");
        assert!(
            rows.iter()
                .any(|row| row.host == "other.x" && row.state == RowState::Active)
        );
    }
}

#[test]
fn a_variable_in_a_redirect_refuses_the_redirect_and_the_route_is_served() {
    let rows = one(&[
        "hosts=other.x",
        "port=80",
        "redirects=http://other.x,http://$word.x",
    ]);
    assert_eq!(verdict(&rows), (RowState::Warning, "InvalidRedirect"));
    assert!(
        rows.iter()
            .any(|row| row.host == "other.x" && row.redirect.is_empty())
    );
}

#[test]
fn tls_towards_the_tasks_works() {
    let rows = one(&["hosts=other.x", "port=443", "ssl_backend=true"]);
    assert!(rows.iter().all(|row| row.state == RowState::Active));
}
