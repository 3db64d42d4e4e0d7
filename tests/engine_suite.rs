//! Facts about the engine that Skep relies on. They hold on the simulated engine, always, and on
//! a real one when SKEP_LAB_SOCKET names the socket of a manager (with SKEP_LAB_IMAGE, an image
//! that its nodes have): so the simulation is held to the truth.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names
)]

mod sim;

use std::collections::BTreeMap;
use std::time::Duration;

use skep::names;
use skep::store::{self, Outcome};
use skep::swarm::{Endpoint, Engine, Kind, observe};
use skep::world::{
    EndpointMode, Mode, NetworkAttachment, NetworkSpec, Port, PortMode, Protocol, RestartCondition,
    Service, ServiceSpec, Task, TaskState, UpdateConfig, World,
};

const MISSING: &str = "localhost:5000/none:x";

struct Bench {
    engine: Engine,
    image: String,
    real: bool,
}

/// Runs a fact on the simulated engine and, when there is one, on a real one.
fn check<F: Future<Output = ()>>(fact: impl Fn(Bench) -> F) {
    let simulated = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    simulated.block_on(async {
        let sim = sim::Sim::new(2);
        sim.miss_image(MISSING);
        let (engine, image) = (sim.engine(), "whoami:1".to_owned());
        fact(Bench {
            engine,
            image,
            real: false,
        })
        .await;
    });
    let Ok(socket) = std::env::var("SKEP_LAB_SOCKET") else {
        return;
    };
    let image = std::env::var("SKEP_LAB_IMAGE").unwrap_or("localhost:5000/whoami:dev".into());
    let real = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    real.block_on(async {
        let engine = Engine::connect(&Endpoint::Unix(socket.into()))
            .await
            .unwrap();
        fact(Bench {
            engine,
            image,
            real: true,
        })
        .await;
    });
}

impl Bench {
    fn spec(&self, name: &str) -> ServiceSpec {
        ServiceSpec {
            name: name.to_owned(),
            image: self.image.clone(),
            stop_grace_period: Some(1_000_000_000),
            endpoint_mode: EndpointMode::DnsRr,
            ..ServiceSpec::default()
        }
    }

    /// Looks until the world is as wanted.
    async fn until<T>(&self, what: &str, found: impl Fn(&World) -> Option<T>) -> T {
        for _ in 0..400 {
            let world = observe(&self.engine).await.unwrap();
            if let Some(found) = found(&world) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not seen in 40 s (real: {}): {what}", self.real);
    }

    async fn service(&self, id: &str) -> Service {
        let mut all = self.engine.list_services().await.unwrap();
        all.remove(id).unwrap()
    }

    async fn running(&self, id: &str, count: usize) -> Vec<Task> {
        self.until("tasks run", |world| {
            let tasks: Vec<Task> = world.tasks_of(id).filter(|t| t.serves()).cloned().collect();
            (tasks.len() == count).then_some(tasks)
        })
        .await
    }

    /// Removes a service and waits for its tasks to go.
    async fn clear(&self, id: &str) {
        self.engine.remove_service(id).await.unwrap();
        self.until("tasks are gone", |w| {
            w.tasks_of(id).next().is_none().then_some(())
        })
        .await;
    }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(own).collect()
}

fn ids(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|t| t.id.as_str()).collect()
}

#[test]
fn a_stale_version_is_a_conflict_and_changes_nothing() {
    check(async |b| {
        let kind = labels(&[(names::LABEL_KIND, "Test")]);
        let id = b
            .engine
            .create_config("suite-cas", &kind, b"x")
            .await
            .unwrap();
        let seen = b.engine.list_configs().await.unwrap()[&id].clone();
        let mut one = kind.clone();
        one.insert("who".into(), "first".into());
        let write = |labels| {
            let (engine, id, name) = (b.engine.clone(), id.clone(), seen.name.clone());
            async move {
                engine
                    .update_config_labels(&id, &name, seen.version, &labels)
                    .await
            }
        };
        write(one.clone()).await.unwrap();
        assert_eq!(write(kind).await.unwrap_err().category(), "Conflict");
        let now = b.engine.list_configs().await.unwrap()[&id].clone();
        assert_eq!((now.labels, now.data), (one, b"x".to_vec()));
        assert!(now.version > seen.version);
        b.engine.remove_config(&id).await.unwrap();
    });
}

#[test]
fn configs_have_one_owner_per_name_and_limits_that_are_refused() {
    check(async |b| {
        let none = BTreeMap::new();
        let id = b
            .engine
            .create_config("suite-name", &none, b"x")
            .await
            .unwrap();
        let error = b
            .engine
            .create_config("suite-name", &none, b"y")
            .await
            .unwrap_err();
        assert_eq!(error.category(), "NameTaken");
        assert!(
            !b.engine.list_configs().await.unwrap().contains_key(&id),
            "only our kinds"
        );
        b.engine.remove_config(&id).await.unwrap();
        let error = b.engine.remove_config(&id).await.unwrap_err();
        assert_eq!(error.category(), "NotFound");
        for (name, data) in [("-bad name", &b"x"[..]), ("suite-empty", b"")] {
            let error = b.engine.create_config(name, &none, data).await.unwrap_err();
            assert_eq!(error.category(), "Invalid", "{error}");
        }
    });
}

#[test]
fn networks_are_made_once_and_stay_while_used() {
    check(async |b| {
        let spec = NetworkSpec {
            name: "suite-net".into(),
            attachable: true,
            encrypted: true,
            subnet: Some("10.77.0.0/24".into()),
            labels: labels(&[("a", "b")]),
        };
        let id = b.engine.create_network(&spec).await.unwrap();
        let error = b.engine.create_network(&spec).await.unwrap_err();
        assert_eq!(error.category(), "NameTaken");
        let made = b.engine.list_networks().await.unwrap()[&id].clone();
        assert!(made.attachable && made.encrypted && made.driver == "overlay");
        assert_eq!(
            (made.subnets, made.labels),
            (vec!["10.77.0.0/24".into()], spec.labels)
        );
        let mut user = b.spec("suite-net-user");
        user.mode = Mode::Replicated(0);
        user.networks = vec![NetworkAttachment {
            target: id.clone(),
            aliases: vec![],
        }];
        let service = b.engine.create_service(&user).await.unwrap();
        assert_eq!(
            b.engine.remove_network(&id).await.unwrap_err().category(),
            "InUse"
        );
        b.engine.remove_service(&service).await.unwrap();
        b.engine.remove_network(&id).await.unwrap();
    });
}

#[test]
fn a_service_is_read_back_as_it_was_written() {
    check(async |b| {
        let mut spec = b.spec("suite-whole");
        spec.labels = labels(&[("skep.hosts", "a.example")]);
        spec.container_labels = labels(&[("c", "d")]);
        spec.args = vec!["proxy".into()];
        spec.env = vec!["A=b".into()];
        spec.user = "65532:65532".into();
        spec.read_only = true;
        spec.init = Some(true);
        spec.restart = Some(RestartCondition::Any);
        spec.restart_delay = Some(2_000_000_000);
        spec.placement.constraints = vec!["node.labels.nowhere==true".into()];
        spec.placement.spread = vec!["node.labels.zone".into()];
        spec.placement.max_replicas = 1;
        spec.resources.limits.memory = 1 << 28;
        spec.mode = Mode::Replicated(0);
        spec.update = Some(UpdateConfig {
            parallelism: 1,
            delay: 0,
            failure_action: "rollback".into(),
            monitor: 5_000_000_000,
            max_failure_ratio: 0.25,
            order: "stop-first".into(),
        });
        let (protocol, mode) = (Protocol::Tcp, PortMode::Host);
        spec.ports = vec![Port {
            target: 8080,
            published: 18_080,
            protocol,
            mode,
        }];
        let id = b.engine.create_service(&spec).await.unwrap();
        let made = b.service(&id).await;
        assert_eq!(made.spec, spec);
        b.engine
            .update_service(&id, made.version, &made.spec)
            .await
            .unwrap();
        let again = b.service(&id).await;
        assert_eq!(again.spec, spec);
        assert!(
            again.version > made.version,
            "an equal write moves the version"
        );
        let stale = b.engine.update_service(&id, made.version, &spec).await;
        assert_eq!(stale.unwrap_err().category(), "Conflict");
        b.engine.remove_service(&id).await.unwrap();
    });
}

#[test]
fn impossible_services_are_refused() {
    check(async |b| {
        let mut spec = b.spec("suite-refused");
        spec.networks = vec![NetworkAttachment {
            target: "nonet".into(),
            aliases: vec![],
        }];
        let error = b.engine.create_service(&spec).await.unwrap_err();
        assert_eq!(error.category(), "NotFound", "{error}");
        spec.networks.clear();
        spec.mode = Mode::Replicated(0);
        let id = b.engine.create_service(&spec).await.unwrap();
        let error = b.engine.create_service(&spec).await.unwrap_err();
        assert_eq!(error.category(), "NameTaken", "{error}");
        let version = b.service(&id).await.version;
        spec.mode = Mode::Global;
        let error = b
            .engine
            .update_service(&id, version, &spec)
            .await
            .unwrap_err();
        assert_eq!(error.category(), "Invalid", "{error}");
        b.engine.remove_service(&id).await.unwrap();
        let error = b.engine.remove_service(&id).await.unwrap_err();
        assert_eq!(error.category(), "NotFound", "{error}");
    });
}

#[test]
fn labels_and_scale_restart_nothing_but_the_container_does() {
    check(async |b| {
        let mut spec = b.spec("suite-life");
        let id = b.engine.create_service(&spec).await.unwrap();
        let first = b.running(&id, 1).await;
        spec.labels = labels(&[("skep.hosts", "b.example")]);
        spec.mode = Mode::Replicated(2);
        let version = b.service(&id).await.version;
        b.engine.update_service(&id, version, &spec).await.unwrap();
        let both = b.running(&id, 2).await;
        assert!(ids(&both).contains(&first[0].id.as_str()));
        let service = b.until("counts follow", |w| {
            let service = w.services.get(&id)?.clone();
            (service.running == 2).then_some(service)
        });
        let service = service.await;
        assert_eq!((service.desired, service.update), (2, None));
        spec.container_labels = labels(&[("roll", "1")]);
        b.engine
            .update_service(&id, service.version, &spec)
            .await
            .unwrap();
        let old = ids(&both).join(" ");
        b.until("all tasks are new", |w| {
            let now: Vec<&Task> = w.tasks_of(&id).filter(|t| t.serves()).collect();
            (now.len() == 2 && now.iter().all(|t| !old.contains(&t.id))).then_some(())
        })
        .await;
        b.clear(&id).await;
    });
}

#[test]
fn a_missing_image_is_told_by_the_task() {
    check(async |b| {
        let mut spec = b.spec("suite-missing");
        spec.image = MISSING.to_owned();
        let id = b.engine.create_service(&spec).await.unwrap();
        let error = b.until("the task is rejected", |w| {
            let mut tasks = w.tasks_of(&id);
            let rejected = tasks.find(|t| t.state == TaskState::Rejected)?;
            Some(rejected.error.clone())
        });
        assert!(error.await.contains("No such image"));
        b.clear(&id).await;
    });
}

#[test]
fn a_taken_host_port_leaves_the_task_pending_with_a_reason() {
    check(async |b| {
        let mut spec = b.spec("suite-port-a");
        let (protocol, mode) = (Protocol::Tcp, PortMode::Host);
        spec.ports = vec![Port {
            target: 8000,
            published: 18_777,
            protocol,
            mode,
        }];
        spec.mode = Mode::Global;
        let one = b.engine.create_service(&spec).await.unwrap();
        b.until("global tasks run", |w| {
            let nodes = w.nodes.values().filter(|n| n.ready).count();
            let tasks: Vec<&Task> = w.tasks_of(&one).filter(|t| t.serves()).collect();
            let open = tasks
                .iter()
                .all(|t| t.host_ports.iter().any(|p| p.published == 18_777));
            (tasks.len() == nodes && open).then_some(())
        })
        .await;
        spec.name = "suite-port-b".into();
        spec.mode = Mode::Replicated(1);
        let two = b.engine.create_service(&spec).await.unwrap();
        let error = b.until("the task waits", |w| {
            let task = w.tasks_of(&two).find(|t| !t.error.is_empty())?;
            (task.state == TaskState::Pending).then(|| task.error.clone())
        });
        let error = error.await;
        assert!(
            error.contains("host-mode port already in use on"),
            "{error}"
        );
        b.clear(&two).await;
        b.clear(&one).await;
    });
}

#[test]
fn tasks_have_an_address_on_each_network() {
    check(async |b| {
        let spec = NetworkSpec {
            name: "suite-addr".into(),
            ..NetworkSpec::default()
        };
        let network = b.engine.create_network(&spec).await.unwrap();
        let mut spec = b.spec("suite-addr");
        spec.networks = vec![NetworkAttachment {
            target: "suite-addr".into(),
            aliases: vec![],
        }];
        let id = b.engine.create_service(&spec).await.unwrap();
        let tasks = b.running(&id, 1).await;
        assert_eq!(tasks[0].addresses.keys().collect::<Vec<_>>(), [&network]);
        assert!(!tasks[0].node.is_empty() && !tasks[0].container.is_empty());
        let of = b.engine.tasks_of(&[id.clone()].into()).await.unwrap();
        assert_eq!(of.len(), 1);
        b.clear(&id).await;
        let gone = b.engine.tasks_of(&[id].into()).await.unwrap_err();
        assert_eq!(gone.category(), "NotFound");
        for _ in 0..100 {
            if b.engine.remove_network(&network).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the network stays in use");
    });
}

#[test]
fn a_service_event_tells_the_id_at_once() {
    check(async |b| {
        let mut events = b.engine.events(None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut spec = b.spec("suite-event");
        spec.mode = Mode::Replicated(0);
        let id = b.engine.create_service(&spec).await.unwrap();
        let wait = async {
            loop {
                let event = events.next().await.unwrap().unwrap();
                if event.kind == Kind::Service && event.id == id {
                    return event.action;
                }
            }
        };
        let action = tokio::time::timeout(Duration::from_secs(5), wait)
            .await
            .unwrap();
        assert_eq!(action, "create");
        b.engine.remove_service(&id).await.unwrap();
    });
}

#[test]
fn node_labels_change_without_touching_the_role() {
    check(async |b| {
        let before = b.engine.list_nodes().await.unwrap();
        let node = before.values().find(|n| n.manager).unwrap().clone();
        let mut wanted = node.labels.clone();
        wanted.insert("suite".into(), "1".into());
        let conflict = b
            .engine
            .label_node(&node.id, node.version + 1000, &wanted)
            .await;
        assert_eq!(conflict.unwrap_err().category(), "Conflict");
        b.engine
            .label_node(&node.id, node.version, &wanted)
            .await
            .unwrap();
        let after = b.engine.list_nodes().await.unwrap()[&node.id].clone();
        assert_eq!(
            (after.manager, after.availability),
            (true, node.availability)
        );
        assert_eq!(after.labels, wanted);
        b.engine
            .label_node(&node.id, after.version, &node.labels)
            .await
            .unwrap();
    });
}

#[test]
fn the_engine_says_what_it_is() {
    check(async |b| {
        let info = b.engine.info().await.unwrap();
        assert!(info.manager && info.swarm_state == "active");
        assert!(!info.node_id.is_empty() && !info.cluster_id.is_empty());
        assert!(info.api_version.starts_with("1."));
    });
}

#[test]
fn a_cluster_is_applied_once_changed_by_a_revision_and_deleted_whole() {
    check(async |b| {
        let text = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata:\n  name: suite\n";
        let mut parsed = skep::api::parse::manifests("suite.yaml", text);
        let mut cluster = parsed.clusters.pop().unwrap();
        let made = store::apply(&b.engine, &cluster).await.unwrap();
        assert_eq!((made.outcome, made.generation), (Outcome::Created, 1));
        let same = store::apply(&b.engine, &cluster).await.unwrap();
        assert_eq!((same.outcome, same.generation), (Outcome::Unchanged, 1));
        cluster.spec.default = true;
        let changed = store::apply(&b.engine, &cluster).await.unwrap();
        assert_eq!(
            (changed.outcome, changed.generation),
            (Outcome::Configured, 2)
        );
        let seen = store::clusters(&b.engine).await.unwrap()["suite"].clone();
        let status = skep::api::Status {
            observed_generation: 2,
            ..Default::default()
        };
        let newest = seen.newest().unwrap();
        assert!(
            store::write_status(&b.engine, newest, &status)
                .await
                .unwrap()
        );
        let error = store::write_status(&b.engine, newest, &status)
            .await
            .unwrap_err();
        assert_eq!(error.category(), "Conflict");
        let seen = store::clusters(&b.engine).await.unwrap()["suite"].clone();
        assert_eq!(seen.status, Some(status.clone()));
        assert!(
            !store::write_status(&b.engine, seen.newest().unwrap(), &status)
                .await
                .unwrap()
        );
        let same = store::apply(&b.engine, &cluster).await.unwrap();
        assert_eq!(same.outcome, Outcome::Unchanged);
        assert_eq!(store::delete(&b.engine, "suite").await.unwrap().len(), 2);
        let error = store::delete(&b.engine, "suite").await.unwrap_err();
        assert_eq!(error.category(), "NotFound");
    });
}
