//! The watch and the store on the simulated engine, with a paused clock and with faults.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod sim;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sim::Sim;
use skep::names;
use skep::store::{self, Outcome};
use skep::swarm::watch::{Health, Watch, WatchSettings};
use skep::world::{Mode, ServiceSpec, Stored as _, World};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

type Worlds = Receiver<Option<Arc<World>>>;

const MS: Duration = Duration::from_millis(1);

fn spec(name: &str, replicas: u64) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        image: "app:1".to_owned(),
        mode: Mode::Replicated(replicas),
        ..ServiceSpec::default()
    }
}

fn start(sim: &Sim) -> (Watch, Worlds) {
    let watch = Watch::start(
        sim.engine(),
        WatchSettings::default(),
        CancellationToken::new(),
    );
    let worlds = watch.subscribe();
    (watch, worlds)
}

/// The time until a world is as wanted.
async fn seen(worlds: &mut Worlds, wanted: impl Fn(&World) -> bool) -> Duration {
    let begin = Instant::now();
    let found = worlds.wait_for(|w| w.as_deref().is_some_and(&wanted));
    let found = timeout(Duration::from_secs(120), found).await;
    assert!(found.expect("seen within two minutes").is_ok());
    begin.elapsed()
}

async fn settled(worlds: &mut Worlds) {
    seen(worlds, |_| true).await;
    sleep(Duration::from_secs(60)).await;
}

/// A service that runs, with its version.
async fn running(sim: &Sim, worlds: &mut Worlds, name: &str, replicas: u64) -> String {
    let id = sim
        .engine()
        .create_service(&spec(name, replicas))
        .await
        .unwrap();
    seen(worlds, |w| {
        w.tasks_of(&id).filter(|t| t.serves()).count() as u64 == replicas
    })
    .await;
    settled(worlds).await;
    id
}

async fn relabel(sim: &Sim, id: &str, value: &str) {
    let service = sim.engine().list_services().await.unwrap()[id].clone();
    let mut spec = service.spec;
    spec.labels.insert("v".into(), value.into());
    sim.engine()
        .update_service(id, service.version, &spec)
        .await
        .unwrap();
}

fn labelled(id: &str, value: &str) -> impl Fn(&World) -> bool {
    let (id, value) = (id.to_owned(), value.to_owned());
    move |w| {
        w.services
            .get(&id)
            .is_some_and(|s| s.spec.labels.get("v") == Some(&value))
    }
}

#[tokio::test(start_paused = true)]
async fn a_label_change_is_in_a_new_world_within_twenty_milliseconds() {
    let sim = Sim::new(3);
    let (_watch, mut worlds) = start(&sim);
    let id = running(&sim, &mut worlds, "app", 2).await;
    relabel(&sim, &id, "1").await;
    let took = seen(&mut worlds, labelled(&id, "1")).await;
    assert!(took <= 20 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn engines_from_20_10_to_29_are_spoken_to_in_a_version_they_know() {
    for (oldest, newest) in [(12, 41), (24, 45), (24, 51), (44, 53)] {
        let sim = Sim::new(1);
        sim.api(oldest, newest);
        let nodes = sim.engine().list_nodes().await;
        assert_eq!(
            nodes.map(|n| n.len()),
            Ok(1),
            "API 1.{oldest} to 1.{newest}"
        );
    }
    let sim = Sim::new(1);
    sim.api(12, 40);
    let error = sim.engine().list_nodes().await.unwrap_err();
    assert_eq!(error.category(), "EngineTooOld", "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_found_without_any_event() {
    let sim = Sim::new(3);
    let (_watch, mut worlds) = start(&sim);
    let id = running(&sim, &mut worlds, "app", 2).await;
    sim.fault(|f| f.lose_events = true);
    relabel(&sim, &id, "1").await;
    let took = seen(&mut worlds, labelled(&id, "1")).await;
    assert!(took <= 600 * MS, "{took:?}");
    let labels = BTreeMap::from([(names::LABEL_KIND.to_owned(), "Test".to_owned())]);
    let config = sim
        .engine()
        .create_config("c", &labels, b"x")
        .await
        .unwrap();
    let took = seen(&mut worlds, |w| w.configs.contains_key(&config)).await;
    assert!(took <= Duration::from_secs(31), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn tasks_are_followed_closely_while_they_move_and_found_when_they_die() {
    let sim = Sim::new(3);
    let (_watch, mut worlds) = start(&sim);
    let id = running(&sim, &mut worlds, "app", 1).await;
    let version = sim.engine().list_services().await.unwrap()[&id].version;
    sim.engine()
        .update_service(&id, version, &spec("app", 2))
        .await
        .unwrap();
    let both = |w: &World| w.tasks_of(&id).filter(|t| t.serves()).count() == 2;
    let took = seen(&mut worlds, both).await;
    // A task of the simulation runs 550 ms after its birth.
    assert!((550 * MS..=670 * MS).contains(&took), "{took:?}");
    settled(&mut worlds).await;
    let task = worlds
        .borrow()
        .as_ref()
        .unwrap()
        .tasks_of(&id)
        .next()
        .unwrap()
        .id
        .clone();
    sim.kill_task(&task);
    let took = seen(&mut worlds, |w| !w.tasks[&task].serves()).await;
    assert!(took <= 700 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_lost_node_are_not_to_run_any_more() {
    let sim = Sim::new(2);
    let (_watch, mut worlds) = start(&sim);
    let id = running(&sim, &mut worlds, "app", 2).await;
    sim.node_ready("node-2", false);
    let took = seen(&mut worlds, |w| {
        let tasks = || w.tasks_of(&id).filter(|t| t.serves());
        tasks().all(|t| w.nodes[&t.node].ready) && tasks().count() >= 1
    })
    .await;
    assert!(took <= 200 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_look_publishes_nothing_and_the_next_good_one_does() {
    let sim = Sim::new(1);
    let (watch, mut worlds) = start(&sim);
    let id = running(&sim, &mut worlds, "app", 1).await;
    let before = worlds.borrow_and_update().clone().unwrap();
    sim.fault(|f| {
        for _ in 0..3 {
            f.fail(
                "GET /nodes",
                0,
                503,
                "rpc error: code = Unavailable desc = x",
            );
        }
    });
    let mut health = watch.health();
    watch.look_again();
    let failing = |h: &Health| {
        matches!(
            h,
            Health::Failing {
                category: "EngineError",
                ..
            }
        )
    };
    timeout(Duration::from_secs(5), health.wait_for(failing))
        .await
        .unwrap()
        .unwrap();
    assert!(!worlds.has_changed().unwrap());
    assert!(Arc::ptr_eq(&before, worlds.borrow().as_ref().unwrap()));
    relabel(&sim, &id, "1").await;
    seen(&mut worlds, labelled(&id, "1")).await;
    assert_eq!(*watch.health().borrow(), Health::Current);
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_opened_again_and_what_was_missed_is_found() {
    let sim = Sim::new(1);
    let (_watch, mut worlds) = start(&sim);
    settled(&mut worlds).await;
    sim.fault(|f| f.lose_events = true);
    let labels = BTreeMap::from([(names::LABEL_KIND.to_owned(), "Test".to_owned())]);
    let engine = sim.engine();
    let config = engine.create_config("c", &labels, b"x").await.unwrap();
    sim.cut_streams();
    let took = seen(&mut worlds, |w| w.configs.contains_key(&config)).await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_swarm_is_watched_with_few_reads_and_no_writes() {
    let sim = Sim::new(3);
    let (_watch, mut worlds) = start(&sim);
    running(&sim, &mut worlds, "app", 3).await;
    let _ = worlds.borrow_and_update();
    let before = sim.calls();
    let writes = sim.writes();
    sleep(Duration::from_secs(60)).await;
    let after = sim.calls();
    let more = |name: &str| after[name] - before[name];
    assert_eq!(sim.writes(), writes);
    assert!(!worlds.has_changed().unwrap());
    assert!(
        more("GET /services") <= 122 && more("GET /tasks") <= 62,
        "{after:?}"
    );
    assert!(
        more("GET /nodes") <= 4 && more("GET /configs") <= 4,
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fits_nowhere_does_not_keep_the_watch_busy() {
    let sim = Sim::new(1);
    let (_watch, mut worlds) = start(&sim);
    let mut lonely = spec("lonely", 1);
    lonely.placement.constraints = vec!["node.labels.none==1".into()];
    sim.engine().create_service(&lonely).await.unwrap();
    settled(&mut worlds).await;
    let before = sim.calls()["GET /tasks"];
    sleep(Duration::from_secs(60)).await;
    assert!(sim.calls()["GET /tasks"] - before <= 65);
}

#[tokio::test(start_paused = true)]
async fn one_change_among_hundreds_of_services_is_seen_as_fast() {
    let sim = Sim::new(3);
    sim.populate(500, 5);
    let (_watch, mut worlds) = start(&sim);
    seen(&mut worlds, |_| true).await;
    let world = worlds.borrow().clone().unwrap();
    assert_eq!((world.services.len(), world.tasks.len()), (500, 2_500));
    let id = world.service_named("app-7").unwrap().id.clone();
    let mut spec = world.services[&id].spec.clone();
    spec.labels.insert("v".into(), "1".into());
    let version = world.services[&id].version;
    let engine = sim.engine();
    engine.update_service(&id, version, &spec).await.unwrap();
    let took = seen(&mut worlds, labelled(&id, "1")).await;
    assert!(took <= 20 * MS, "{took:?}");
}

fn cluster(name: &str) -> skep::api::ServiceCluster {
    let text =
        format!("apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata:\n  name: {name}\n");
    let mut parsed = skep::api::parse::manifests("test", &text);
    parsed.clusters.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_writers_at_once_get_two_revisions() {
    let sim = Sim::new(1);
    sim.fault(|f| f.latency = 5 * MS);
    let (one, mut two) = (cluster("east"), cluster("east"));
    two.spec.default = true;
    let engine = sim.engine();
    let (a, b) = tokio::join!(store::apply(&engine, &one), store::apply(&engine, &two));
    let mut generations = [a.unwrap().generation, b.unwrap().generation];
    generations.sort_unstable();
    assert_eq!(generations, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn pruning_keeps_the_last_revisions_and_the_one_in_force() {
    let sim = Sim::new(1);
    let engine = sim.engine();
    let mut east = cluster("east");
    let history = (names::ANNOTATION_HISTORY.to_owned(), "2".to_owned());
    east.metadata.annotations.extend([history]);
    for count in 1..=4 {
        east.spec.proxy.replicas = Some(count);
        let applied = store::apply(&engine, &east).await.unwrap();
        assert_eq!(applied.generation, count);
    }
    let declared = store::clusters(&engine).await.unwrap()["east"].clone();
    let removed = store::prune(&engine, &declared).await.unwrap();
    assert_eq!(removed, ["servicecluster.east.1", "servicecluster.east.2"]);
    let first = &declared.revisions[0].created_at;
    let left = store::clusters(&engine).await.unwrap()["east"].clone();
    assert_eq!(left.created(), Some(first.as_str()), "its age is kept");
    let newest = &left.newest().unwrap().labels;
    assert_eq!(newest.get(names::LABEL_CREATED), Some(first));
    let labels = [
        (names::LABEL_KIND, names::KIND),
        (names::LABEL_NAME, "east"),
    ];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    for name in ["bad-1", "bad-2", "bad-3"] {
        engine
            .create_config(name, &labels, b"nonsense: [")
            .await
            .unwrap();
    }
    let declared = store::clusters(&engine).await.unwrap()["east"].clone();
    assert_eq!(declared.accepted.as_ref().unwrap().generation, 4);
    let removed = store::prune(&engine, &declared).await.unwrap();
    assert_eq!(removed, ["servicecluster.east.3", "bad-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_written_on_a_stale_view_is_a_conflict() {
    let sim = Sim::new(1);
    let engine = sim.engine();
    let applied = store::apply(&engine, &cluster("east")).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Created);
    sim.stale_reads(true);
    let revision = store::clusters(&engine).await.unwrap()["east"].revisions[0].clone();
    let mut status = skep::api::Status::default();
    assert!(
        store::write_status(&engine, &revision, &status)
            .await
            .unwrap()
    );
    let stale = store::clusters(&engine).await.unwrap()["east"].revisions[0].clone();
    status.observed_generation = 1;
    let error = store::write_status(&engine, &stale, &status)
        .await
        .unwrap_err();
    assert_eq!(error.category(), "Conflict");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = skep::swarm::Endpoint::Unix(dir.path().join("none.sock"));
    let error = skep::swarm::Engine::connect(&endpoint).await.unwrap_err();
    assert_eq!(error.category(), "Unreachable");
    assert!(error.to_string().contains("start Docker"), "{error}");
}

#[tokio::test]
async fn the_simulation_also_serves_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.sock");
    let sim = Sim::new(2);
    sim.serve_unix(&path).unwrap();
    let endpoint = skep::swarm::Endpoint::Unix(path);
    let engine = skep::swarm::Engine::connect(&endpoint).await.unwrap();
    assert_eq!(engine.list_nodes().await.unwrap().len(), 2);
}
