//! Hosts, paths, conditions and redirects.

use super::*;

fn east() -> Story {
    swarm().cluster("east", 1, "{default: true}")
}

fn one(labels: &[&str]) -> Routing {
    route(&east().app("app", &["eastnet"], 1, labels).world())
}

#[test]
fn a_redirect_covers_its_host_and_one_to_https_serves_what_is_there() {
    insta::assert_snapshot!(told(&one(&[
        "hosts=old.x,new.x,*.w.x",
        "port=80",
        "redirects=http://old.x,http://new.x/;http://new.x,https://new.x,308;http://new.x/v1,http://v1.x,301;http://a.w.x,http://new.x",
    ])));
}

#[test]
fn a_redirect_of_a_host_covers_the_context_root_and_named_routes_there() {
    insta::assert_snapshot!(told(&one(&[
        "hosts=old.x,new.x",
        "port=80",
        "context_root=/app",
        "redirects=http://old.x,http://new.x",
        "redirect_status=307",
        "routes.api.path=/api",
    ])));
}

#[test]
fn paths_and_conditions_make_routes_of_their_own() {
    insta::assert_snapshot!(told(&one(&[
        "hosts=a.x",
        "port=80",
        "routes.beta.header.X-Beta=*",
        "routes.login.path=/login",
        "routes.login.path_type=exact",
        "routes.login.methods=post,get",
        "routes.item.path=/item/[0-9]+",
        "routes.item.path_type=regex",
        "routes.item.port=81",
        "routes.version.header.x-version=~v[12]",
        "routes.version.header.x-user=7",
    ])));
}

#[test]
fn named_routes_at_one_place_are_told_and_the_first_one_stays() {
    insta::assert_snapshot!(told(&one(&[
        "hosts=a.x",
        "port=80",
        "routes.b.port=81",
        "routes.c.port=82",
        "routes.c.hosts=a.x,c.x",
    ])));
}

#[test]
fn a_younger_service_at_one_place_may_stand_there_with_one_route_only() {
    let world = east()
        .app("first", &["eastnet"], 1, &["hosts=a.x", "port=80"])
        .app(
            "second",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "routes.b.weight=2"],
        )
        .world();
    let cluster = &route(&world).clusters["east"];
    assert_eq!(cluster.table.routes["a.x/"].targets.len(), 2);
    assert!(
        cluster
            .rows
            .iter()
            .any(|row| row.reason == "DuplicateRoute")
    );
}

#[test]
fn admission_holds_for_named_routes_too() {
    let world = swarm()
        .cluster(
            "east",
            1,
            "{default: true, admission: {hosts: [\"*.east.x\"]}}",
        )
        .app(
            "app",
            &["eastnet"],
            1,
            &["hosts=a.east.x", "port=80", "routes.b.hosts=b.west.x"],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn who_asks_for_more_protection_than_the_oldest_gives_is_not_served_there() {
    for label in ["ip_allow=10.0.0.0/8", "ssl_only=true", "basic_auth=users"] {
        let world = east()
            .secret("users")
            .app("first", &["eastnet"], 1, &["hosts=a.x", "port=80"])
            .app("second", &["eastnet"], 1, &["hosts=a.x", "port=80", label])
            .world();
        let cluster = &route(&world).clusters["east"];
        assert_eq!(cluster.table.routes["a.x/"].targets.len(), 1, "{label}");
        let row = &cluster.rows[1];
        assert_eq!(
            (row.state, &*row.reason),
            (RowState::Rejected, "LessProtected")
        );
    }
}

#[test]
fn a_redirect_gets_no_host_that_the_cluster_does_not_admit() {
    let world = swarm()
        .cluster(
            "east",
            1,
            "{default: true, admission: {hosts: [\"*.open.x\"]}}",
        )
        .app(
            "app",
            &["eastnet"],
            1,
            &[
                "hosts=a.open.x,old.open.x,shop.shut.x",
                "port=80",
                "redirects=http://old.open.x,http://a.open.x;http://shop.shut.x,http://a.open.x;http://shop.shut.x/p,http://a.open.x",
            ],
        )
        .world();
    let cluster = &route(&world).clusters["east"];
    let hosts: Vec<&str> = cluster.table.routes.values().map(|r| &*r.host).collect();
    assert_eq!(hosts, ["a.open.x", "old.open.x"]);
}

#[test]
fn a_network_that_swarm_could_not_allocate_is_followed_by_nobody() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .network("bad")
        .app("app", &["bad"], 1, &["hosts=a.x", "port=80"])
        .with(|world| {
            let id = crate::world::testing::network_id("bad");
            world.networks.get_mut(&id).unwrap().driver = String::new();
        })
        .world();
    let cluster = &route(&world).clusters["east"];
    assert!(cluster.followed.is_empty());
    assert_eq!(cluster.rows[0].reason, "NoSharedNetwork");
}
