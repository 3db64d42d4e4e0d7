//! The operator's loops on the simulated engine, with a paused clock and with faults.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod sim;

use std::collections::BTreeMap;
use std::time::Duration;

use sim::{Sim, settings};
use skep::api::{ConditionStatus, ConditionType, parse};
use skep::control::server::Server;
use skep::names;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::store;
use skep::swarm::observe;
use skep::world::{Mode, NetworkSpec, Service, World};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A Swarm with what `skep install` makes, but no operator.
async fn swarm() -> Sim {
    let sim = Sim::new(3);
    let engine = sim.engine();
    let control = NetworkSpec {
        name: names::CONTROL_NETWORK.to_owned(),
        ..NetworkSpec::default()
    };
    engine.create_network(&control).await.unwrap();
    for secret in [names::SECRET_CA, names::SECRET_PROXY] {
        let labels = BTreeMap::new();
        engine.create_secret(secret, &labels, b"pem").await.unwrap();
    }
    sim
}

/// The private key of every operator here, as a file.
fn sealing_key() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("skep-sealing-key")
}

/// An operator at work; dropping it kills it where it stands.
struct Operator {
    pipeline: Pipeline,
    server: Server,
}

fn operator(sim: &Sim, replica: u32) -> Operator {
    let settings = OperatorSettings {
        replica,
        ..settings(sealing_key())
    };
    let server = Server::new();
    let pipeline = start(
        sim.engine(),
        &server,
        &Telemetry::new(),
        &settings,
        &CancellationToken::new(),
    );
    Operator { pipeline, server }
}

fn manifest(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: {name}}}\nspec:\n{rest}"
    )
}

const EAST: &str = "  networks: [{name: eastnet, create: {}}]
  placement: {nodes: [node-1], labels: {region: east}}
  proxy: {replicas: 1, publish: {mode: host, http: 80, https: 0}}
";

async fn apply(sim: &Sim, text: &str) {
    let parsed = parse::manifests("test", text);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    for cluster in &parsed.clusters {
        store::apply(&sim.engine(), cluster).await.unwrap();
    }
}

async fn world(sim: &Sim) -> World {
    observe(&sim.engine()).await.unwrap()
}

/// Waits, two minutes of the paused clock at most, until the Swarm is as wanted.
async fn until(sim: &Sim, what: &str, wanted: impl Fn(&World) -> bool) -> World {
    let begin = Instant::now();
    loop {
        let world = world(sim).await;
        if wanted(&world) {
            return world;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "{what}: {:#?}",
            world.services
        );
        sleep(Duration::from_millis(100)).await;
    }
}

fn proxy<'a>(world: &'a World, cluster: &str) -> Option<&'a Service> {
    world.service_named(&names::proxy_service(cluster))
}

/// Proxies of the cluster run, on all of these networks and with its node label.
fn east_stands(world: &World) -> bool {
    let network = world.network_named("eastnet").map(|n| n.id.clone());
    let labelled = world
        .nodes
        .values()
        .any(|n| n.hostname == "node-1" && n.labels.get("region").is_some_and(|v| v == "east"));
    proxy(world, "east").is_some_and(|service| {
        let attached = service.spec.networks.iter().map(|n| Some(n.target.clone()));
        labelled
            && network.is_some()
            && attached.into_iter().any(|n| n == network)
            && world.tasks_of(&service.id).filter(|t| t.serves()).count() == 1
    })
}

/// The condition of a cluster: its status and its reason.
async fn condition(sim: &Sim, cluster: &str, kind: ConditionType) -> (ConditionStatus, String) {
    let declared = skep::world::declared::declared(&world(sim).await);
    let status = declared.get(cluster).and_then(|d| d.status.clone());
    let found = status.and_then(|s| s.conditions.into_iter().find(|c| c.kind == kind));
    found.map_or((ConditionStatus::Unknown, String::new()), |c| {
        (c.status, c.reason)
    })
}

#[tokio::test(start_paused = true)]
async fn it_converges_from_nothing_and_then_writes_nothing() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    sleep(Duration::from_secs(30)).await;
    let writes = sim.writes();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(sim.writes(), writes, "{:?}", sim.calls());
}

/// An application of east behind `host`.
async fn route(sim: &Sim, host: &str) {
    let now = world(sim).await;
    let network = now.network_named("eastnet").unwrap().id.clone();
    let labels = [
        ("com.docker.lb.hosts", host),
        ("com.docker.lb.port", "80"),
        ("com.docker.lb.service_cluster", "east"),
    ];
    let spec = skep::world::ServiceSpec {
        name: "app".to_owned(),
        image: "app:1".to_owned(),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        networks: vec![skep::world::NetworkAttachment {
            target: network,
            ..Default::default()
        }],
        mode: skep::world::Mode::Replicated(1),
        ..Default::default()
    };
    let engine = sim.engine();
    match now.service_named("app") {
        None => drop(engine.create_service(&spec).await.unwrap()),
        Some(app) => {
            let updated = engine.update_service(&app.id, app.version, &spec);
            updated.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn versions_of_the_routes_that_come_and_go_cost_few_writes() {
    let told = async |sim: &Sim| {
        let declared = skep::world::declared::declared(&world(sim).await);
        let status = declared["east"].status.clone();
        status
            .map(|status| status.delivery.version)
            .unwrap_or_default()
    };
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    route(&sim, "h0.example.com").await;
    sleep(Duration::from_secs(30)).await;
    let (before, writes) = (told(&sim).await, sim.writes());
    assert!(!before.is_empty());
    let changes = 12;
    for host in 1..=changes {
        route(&sim, &format!("h{host}.example.com")).await;
        sleep(Duration::from_millis(500)).await;
    }
    sleep(Duration::from_secs(30)).await;
    let own = sim.writes() - writes - changes;
    assert!((1..=3).contains(&own), "{own} writes: {:?}", sim.calls());
    assert_ne!(told(&sim).await, before);
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_operator_told_is_not_taken_away_while_the_rest_is_true() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    sleep(Duration::from_secs(30)).await;
    let newest = skep::world::declared::declared(&world(&sim).await)["east"]
        .newest()
        .cloned()
        .unwrap();
    let told = &newest.labels[names::LABEL_STATUS];
    let more = told.replacen('{', r#"{"fromTheFuture":1,"#, 1);
    store::write_label(&sim.engine(), &newest, names::LABEL_STATUS, &more)
        .await
        .unwrap();
    let writes = sim.writes();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(sim.writes(), writes, "{:?}", sim.calls());
}

#[tokio::test(start_paused = true)]
async fn drift_is_put_back() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    let before = until(&sim, "east stands", east_stands).await;
    let engine = sim.engine();

    let service = proxy(&before, "east").unwrap().clone();
    let mut spec = service.spec.clone();
    spec.mode = Mode::Replicated(3);
    let now = world(&sim).await;
    let version = proxy(&now, "east").unwrap().version;
    engine
        .update_service(&service.id, version, &spec)
        .await
        .unwrap();
    until(&sim, "replicas are put back", |w| {
        proxy(w, "east").unwrap().spec.mode == Mode::Replicated(1)
    })
    .await;

    let now = world(&sim).await;
    let node = now.nodes.values().find(|n| n.hostname == "node-1").unwrap();
    let mut labels = node.labels.clone();
    labels.remove("region");
    engine
        .label_node(&node.id, node.version, &labels)
        .await
        .unwrap();
    until(&sim, "the node label is put back", east_stands).await;
}

#[tokio::test(start_paused = true)]
async fn another_value_of_a_placement_label_stops_no_proxy() {
    for mode in ["replicas: 1", "mode: global"] {
        let sim = swarm().await;
        let first = EAST.replace("replicas: 1", mode);
        let operator_of = operator(&sim, 1);
        apply(&sim, &manifest("east", &first)).await;
        let before = until(&sim, "east stands", east_stands).await;
        let service = proxy(&before, "east").unwrap().id.clone();
        let tasks = |world: &World| -> Vec<_> {
            let all = world.tasks_of(&service);
            all.map(|task| (task.id.clone(), task.node.clone(), task.state, task.desired))
                .collect()
        };
        apply(
            &sim,
            &manifest("east", &first.replace("region: east", "region: west")),
        )
        .await;
        // Killed half way, it goes on.
        sim.fault(|f| f.fail("POST /nodes", 0, 500, "on purpose"));
        until(&sim, "the proxies are pinned", |world| {
            let placement = &proxy(world, "east").unwrap().spec.placement;
            placement
                .constraints
                .iter()
                .any(|it| it.starts_with("node.id!="))
        })
        .await;
        drop(operator_of);
        let _operator = operator(&sim, 1);
        let wanted = "node.labels.region==west".to_owned();
        until(&sim, "the label has its new value", |world| {
            let placement = &proxy(world, "east").unwrap().spec.placement;
            placement.constraints.contains(&wanted)
        })
        .await;
        sleep(Duration::from_secs(30)).await;
        assert_eq!(tasks(&world(&sim).await), tasks(&before), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_made_goes_with_the_cluster_and_nothing_else() {
    let sim = swarm().await;
    let before = world(&sim).await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    store::delete(&sim.engine(), "east").await.unwrap();
    let after = until(&sim, "all is gone", |w| {
        w.services.is_empty() && w.networks.len() == before.networks.len()
    })
    .await;
    let labels = |w: &World| -> Vec<_> { w.nodes.values().map(|n| n.labels.clone()).collect() };
    assert_eq!(labels(&after), labels(&before));
    assert_eq!(after.secrets, before.secrets);
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_and_whenever_it_is_killed_it_converges() {
    for call in [
        "POST /networks/create",
        "POST /services/create",
        "POST /nodes",
        "POST /configs",
    ] {
        let sim = swarm().await;
        apply(&sim, &manifest("east", EAST)).await;
        sim.fault(|f| f.fail(call, 0, 500, "rpc error: code = Unknown desc = on purpose"));
        let first = operator(&sim, 1);
        sleep(Duration::from_millis(120)).await;
        drop(first);
        let _second = operator(&sim, 1);
        until(&sim, call, east_stands).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_is_told_in_the_status() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    let refusal = "rpc error: code = InvalidArgument desc = not on a Monday";
    sim.fault(|f| {
        for _ in 0..20 {
            f.fail("POST /services/create", 0, 400, refusal);
        }
    });
    apply(&sim, &manifest("east", EAST)).await;
    let begin = Instant::now();
    loop {
        let (status, reason) = condition(&sim, "east", ConditionType::ProxyReady).await;
        if status == ConditionStatus::False && reason == "EngineRefused" {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{reason}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_stays_told_until_it_is_mended() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    let refusal = "rpc error: code = InvalidArgument desc = not a valid repository/tag";
    sim.fault(|f| {
        for _ in 0..1_000 {
            f.fail("POST /services/", 0, 400, refusal);
        }
    });
    let bad = EAST.replace("proxy: {", "proxy: {image: foo, ");
    apply(&sim, &manifest("east", &bad)).await;
    let reason = async || condition(&sim, "east", ConditionType::ProxyReady).await.1;
    let begin = Instant::now();
    while reason().await != "EngineRefused" {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(100)).await;
    }
    // Also while the next attempt is waited for.
    for _ in 0..300 {
        assert_eq!(reason().await, "EngineRefused");
        sleep(Duration::from_millis(100)).await;
    }
    apply(&sim, &manifest("east", EAST)).await;
    let begin = Instant::now();
    while reason().await != "Running" {
        assert!(begin.elapsed() < Duration::from_secs(120));
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_and_lost_events_cost_time_only() {
    let sim = swarm().await;
    apply(&sim, &manifest("east", EAST)).await;
    sim.fault(|f| {
        f.lose_events = true;
        f.conflict("POST /nodes");
        f.conflict("POST /configs");
    });
    let _operator = operator(&sim, 1);
    until(&sim, "east stands", east_stands).await;
    sim.cut_streams();
    apply(
        &sim,
        &manifest("east", &EAST.replace("eastnet", "eastnet2")),
    )
    .await;
    until(&sim, "the new network is attached", |w| {
        let id = w.network_named("eastnet2").map(|n| n.id.clone());
        let service = proxy(w, "east").unwrap();
        id.is_some_and(|id| service.spec.networks.iter().any(|n| n.target == id))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_take_nothing_away() {
    let sim = swarm().await;
    let operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    sleep(Duration::from_secs(30)).await;
    let writes = sim.writes();
    let version = operator.pipeline.views.borrow().clone().unwrap().versions["east"].clone();
    for call in [
        "GET /configs",
        "GET /services",
        "GET /tasks",
        "GET /networks",
    ] {
        sim.fault(|f| {
            for _ in 0..20 {
                f.fail(call, 0, 500, "rpc error: code = Unknown desc = on purpose");
            }
        });
        sleep(Duration::from_secs(90)).await;
        let view = operator.pipeline.views.borrow().clone().unwrap();
        assert_eq!(view.versions["east"], version, "routes stay after {call}");
    }
    assert_eq!(sim.writes(), writes, "{:?}", sim.calls());
    assert!(operator.server.fleet("east").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_reported_and_not_fought_until_the_manifest_changes() {
    let sim = swarm().await;
    let _operator = operator(&sim, 1);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    sim.miss_image("none:1");
    let bad = EAST.replace("replicas: 1,", "replicas: 1, image: 'none:1',");
    apply(&sim, &manifest("east", &bad)).await;
    let begin = Instant::now();
    while condition(&sim, "east", ConditionType::ProxyReady).await.1 != "RolledBack" {
        let seen = condition(&sim, "east", ConditionType::ProxyReady).await;
        assert!(begin.elapsed() < Duration::from_secs(120), "{seen:?}");
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(60)).await;
    let writes = sim.writes();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(sim.writes(), writes, "{:?}", sim.calls());

    let good = EAST.replace("replicas: 1,", "replicas: 1, image: 'other:1',");
    apply(&sim, &manifest("east", &good)).await;
    until(&sim, "the corrected image runs", |w| {
        proxy(w, "east").unwrap().spec.image == "other:1" && east_stands(w)
    })
    .await;
    sleep(Duration::from_secs(30)).await;

    apply(&sim, &manifest("east", &bad)).await;
    until(
        &sim,
        "what failed before another worked is tried again",
        |w| proxy(w, "east").unwrap().spec.image == "none:1",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_replicas_settle_and_do_not_fight() {
    let sim = swarm().await;
    let _first = operator(&sim, 1);
    let _second = operator(&sim, 2);
    apply(&sim, &manifest("east", EAST)).await;
    until(&sim, "east stands", east_stands).await;
    sleep(Duration::from_secs(60)).await;
    let writes = sim.writes();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(sim.writes(), writes, "{:?}", sim.calls());
}
