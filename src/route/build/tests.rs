use super::*;
use crate::route::{ClusterRouting, RouteTable, RowState};
use crate::world::declared;
use crate::world::testing::{Story, labels, network_id, service_id, story};

mod expressions;
mod interlock;
mod places;
mod properties;
mod settings;
mod tls;
mod told;

fn swarm() -> Story {
    story()
        .node("node-0", &[])
        .node("node-1", &[])
        .network("eastnet")
        .network("westnet")
        .network("ingress")
}

fn route(world: &World) -> Routing {
    routing(world, &declared(world))
}

/// A table and its rows in short lines.
fn told(routing: &Routing) -> String {
    let mut lines = Vec::new();
    for (name, cluster) in &routing.clusters {
        lines.push(format!("[{name}] follows {:?}", cluster.followed));
        for (name, route) in &cluster.table.routes {
            let rewrite = if route.rewrite { " (rewrite)" } else { "" };
            let redirect = route.redirect.as_ref();
            let redirect = redirect.map(|to| format!(" -> {} {}", to.status, to.target));
            lines.push(format!("{name}{rewrite}{}", redirect.unwrap_or_default()));
            for target in &route.targets {
                let backend = &cluster.table.backends[&target.backend];
                let endpoints = backend.endpoints.iter().map(|e| e.address.to_string());
                lines.push(format!(
                    "  {} weight {:?}: {}",
                    target.backend,
                    target.weight,
                    endpoints.collect::<Vec<_>>().join(" ")
                ));
            }
        }
        for passthrough in cluster.table.passthroughs.values() {
            let targets: Vec<&str> = (passthrough.targets.iter())
                .map(|target| target.backend.as_str())
                .collect();
            lines.push(format!(
                "{} passed on to {}",
                passthrough.host,
                targets.join(" ")
            ));
        }
        for (name, certificate) in &cluster.table.certificates {
            let (hosts, source) = (certificate.hosts.join(" "), &certificate.source);
            lines.push(format!("certificate {name} for {hosts}: {source:?}"));
            for (host, turn) in &certificate.stands_in {
                lines.push(format!("  stands in for {host} as {turn}"));
            }
        }
        if !cluster.secrets.is_empty() {
            lines.push(format!("needs {:?}", cluster.secrets));
        }
        for row in &cluster.rows {
            lines.push(format!(
                "- {} {} {:?} {}: {} [{}={}]",
                row.route(),
                row.service,
                row.state,
                row.reason,
                row.message,
                row.label,
                row.value
            ));
        }
    }
    for orphan in &routing.orphans {
        lines.push(format!(
            "orphan {} {}: {}",
            orphan.service, orphan.reason, orphan.message
        ));
    }
    lines.join("\n")
}

fn listed(name: &str) -> String {
    format!("{{networks: [{{name: {name}}}]}}")
}

#[test]
fn the_seed_scenario_gives_each_cluster_its_own_application_only() {
    let world = swarm()
        .cluster("east", 1, &listed("eastnet"))
        .cluster("west", 1, &listed("westnet"))
        .app(
            "demoeast",
            &["eastnet"],
            2,
            &["hosts=demo.A", "port=8000", "service_cluster=east"],
        )
        .app(
            "demowest",
            &["westnet"],
            1,
            &["hosts=demo.A", "port=8000", "service_cluster=west"],
        )
        .app(
            "both",
            &["eastnet", "westnet"],
            1,
            &["hosts=both.A", "port=80", "service_cluster=east,west"],
        )
        .service("plain", &["eastnet"], &["team=a"])
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn only_tasks_that_run_and_are_meant_to_run_are_endpoints() {
    use crate::world::TaskState::{Failed, Ready, Running, Shutdown};
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app("app", &["eastnet"], 4, &["hosts=a.x", "port=80"])
        .with(|world| {
            let states = [
                (Running, Shutdown),
                (Ready, Running),
                (Failed, Shutdown),
                (Running, Running),
            ];
            for (task, (state, desired)) in world.tasks.values_mut().zip(states) {
                (task.state, task.desired) = (state, desired);
            }
        })
        .world();
    let routing = route(&world);
    let backend = &routing.clusters["east"].table.backends["app:80"];
    let ids: Vec<&str> = backend.endpoints.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["task-04"]);
}

#[test]
fn a_host_without_endpoints_stays_in_the_table_and_says_why() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app("app", &["eastnet"], 1, &["hosts=a.x", "port=80"])
        .with(|world| {
            let task = world.tasks.values_mut().next().unwrap();
            task.state = crate::world::TaskState::Rejected;
            task.error = "No such image: app:9".to_owned();
        })
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn services_that_no_cluster_takes_are_orphans() {
    let world = swarm()
        .cluster("east", 1, "{}")
        .cluster("west", 1, "{proxy: 7}")
        .app("lost", &["eastnet"], 1, &["hosts=a.x", "port=80"])
        .app(
            "misspelt",
            &["eastnet"],
            1,
            &["hosts=b.x", "port=80", "service_cluster=eats,east"],
        )
        .app(
            "early",
            &["eastnet"],
            1,
            &["hosts=c.x", "port=80", "service_cluster=west"],
        )
        .app(
            "garbled",
            &["eastnet"],
            1,
            &["hosts=d.x", "port=80", "service_cluster=E A S T"],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn the_network_label_is_a_name_an_id_or_a_name_in_the_stack() {
    let stack = [
        "com.docker.stack.namespace=shop",
        "com.docker.lb.hosts=a.x",
        "com.docker.lb.port=80",
        "com.docker.lb.network=front",
    ];
    let world = swarm()
        .network("shop_front")
        .network("shop_back")
        .cluster("east", 1, "{default: true}")
        .service("stack", &["shop_back", "shop_front"], &stack)
        .app(
            "name",
            &["eastnet", "westnet"],
            1,
            &["hosts=b.x", "port=80", "network=westnet"],
        )
        .app(
            "id",
            &["eastnet", "westnet"],
            1,
            &["hosts=c.x", "port=80", "network=net-eastnet"],
        )
        .app(
            "wrong",
            &["eastnet"],
            1,
            &["hosts=d.x", "port=80", "network=westnet"],
        )
        .app("none", &[], 1, &["hosts=e.x", "port=80", "network=nowhere"])
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn of_several_networks_the_one_the_proxies_are_attached_to_is_taken_else_the_first_by_name() {
    let proxy = [
        "dev.skep.managed-by=skep",
        "dev.skep.cluster=east",
        "dev.skep.component=proxy",
    ];
    let world = |attached: &[&str]| {
        swarm()
            .cluster("east", 1, "{default: true}")
            .service("skep-proxy-east", attached, &proxy)
            .app(
                "app",
                &["westnet", "eastnet", "ingress"],
                1,
                &["hosts=a.x", "port=80"],
            )
            .world()
    };
    let followed = |attached: &[&str]| -> Vec<String> {
        route(&world(attached)).clusters["east"]
            .followed
            .iter()
            .cloned()
            .collect()
    };
    assert_eq!(followed(&[]), [network_id("eastnet")]);
    assert_eq!(followed(&["westnet"]), [network_id("westnet")]);
}

#[test]
fn without_a_shared_network_published_ports_are_used_or_the_route_is_refused() {
    let world = swarm()
        .cluster("east", 1, &listed("eastnet"))
        .app(
            "published",
            &["westnet"],
            2,
            &["hosts=a.x", "port=80", "service_cluster=east"],
        )
        .host_port("published", 80)
        .app(
            "bare",
            &[],
            1,
            &["hosts=b.x", "port=80", "service_cluster=east"],
        )
        .host_port("bare", 80)
        .app(
            "apart",
            &["westnet"],
            1,
            &["hosts=c.x", "port=80", "service_cluster=east"],
        )
        .host_port("apart", 81)
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn services_at_one_host_and_path_share_it_and_the_oldest_decides_the_rest() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app(
            "zeta",
            &["eastnet"],
            3,
            &["hosts=a.x", "port=80", "context_root=/app/"],
        )
        .app(
            "alpha",
            &["eastnet"],
            1,
            &[
                "hosts=A.x",
                "port=80",
                "context_root=/app",
                "context_root_rewrite=true",
            ],
        )
        .app(
            "root",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "context_root_rewrite=true"],
        )
        .app(
            "heavy",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "weight=9"],
        )
        .app(
            "rest",
            &["eastnet"],
            1,
            &["port=80", "default_backend=true"],
        )
        .app(
            "rest2",
            &["eastnet"],
            1,
            &["port=80", "default_backend=true"],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn admission_refuses_services_and_hosts_that_are_not_meant() {
    let spec =
        "{default: true, admission: {selector: {matchLabels: {team: a}}, hosts: [\"*.east.x\"]}}";
    let world = swarm()
        .cluster("east", 1, spec)
        .app("stranger", &["eastnet"], 1, &["hosts=a.east.x", "port=80"])
        .app(
            "member",
            &["eastnet"],
            1,
            &[
                "hosts=a.east.x,*.b.east.x,a.west.x",
                "port=80",
                "default_backend=true",
            ],
        )
        .with(|world| {
            let member = world.services.get_mut(&service_id("member")).unwrap();
            member.spec.labels.extend(labels(&["team=a"]));
        })
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn faults_of_labels_are_told_at_their_service() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app("good", &["eastnet"], 1, &["hosts=a.x", "port=80"])
        .app("noport", &["eastnet"], 1, &["hosts=a.x"])
        .app(
            "half",
            &["eastnet"],
            1,
            &["hosts=b.x,b_/c", "port=80", "weight=lots"],
        )
        .world();
    insta::assert_snapshot!(told(&route(&world)));
}

#[test]
fn a_path_that_cannot_be_read_never_claims_the_whole_host() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .app(
            "app",
            &["eastnet"],
            1,
            &["hosts=a.x", "port=80", "context_root=/a?b"],
        )
        .world();
    let routing = route(&world);
    assert!(routing.clusters["east"].table.routes.is_empty());
    assert_eq!(routing.clusters["east"].rows[0].reason, "InvalidPath");
}

#[test]
fn our_own_services_are_never_routed() {
    let world = swarm()
        .cluster("east", 1, "{default: true}")
        .service(
            "proxy",
            &["eastnet"],
            &["dev.skep.managed-by=skep", "skep.hosts=a.x", "skep.port=80"],
        )
        .world();
    assert_eq!(route(&world).clusters["east"].rows, []);
}
