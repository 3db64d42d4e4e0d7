use super::plan::{InstallPlan, Operator, Wanted, plan};
use super::{spec, stack, subnet};
use crate::names;
use crate::world::{Mode, Network, Node, Secret, Service, World};

/// A Swarm of one manager with the networks it comes with.
fn fresh() -> World {
    let mut world = World::default();
    world.nodes.insert(
        "d1".into(),
        Node {
            id: "d1".into(),
            manager: true,
            address: "10.99.0.1".into(),
            ..Node::default()
        },
    );
    world.networks.insert(
        "i".into(),
        Network {
            id: "i".into(),
            name: "ingress".into(),
            driver: "overlay".into(),
            ingress: true,
            subnets: vec!["10.0.0.0/24".into()],
            ..Network::default()
        },
    );
    world
}

/// The world after the plan, as the engine would keep it.
fn done(mut world: World, plan: &InstallPlan) -> World {
    if let Some(network) = &plan.network {
        world.networks.insert(
            "c".into(),
            Network {
                id: "c".into(),
                name: network.name.clone(),
                driver: "overlay".into(),
                subnets: network.subnet.iter().cloned().collect(),
                labels: network.labels.clone(),
                ..Network::default()
            },
        );
    }
    if plan.secrets {
        for name in names::SECRETS_PKI {
            let id = format!("id-{name}");
            let secret = Secret {
                id: id.clone(),
                name: name.into(),
                ..Secret::default()
            };
            world.secrets.insert(id, secret);
        }
    }
    if plan.sealing {
        let secret = Secret {
            id: "id-sealing".into(),
            name: names::SECRET_SEALING.into(),
            ..Secret::default()
        };
        world.secrets.insert(secret.id.clone(), secret);
    }
    let ids = super::plan::secret_ids(world.secrets.values());
    if let Operator::Create(spec) | Operator::Update { spec, .. } = &plan.operator {
        let service = Service {
            id: "o".into(),
            version: 7,
            spec: spec::with_ids((**spec).clone(), "c", &ids),
            ..Service::default()
        };
        world.services.insert("o".into(), service);
    }
    world
}

fn wanted(image: &str, replicas: Option<u64>) -> Wanted {
    Wanted {
        image: (!image.is_empty()).then(|| image.to_owned()),
        replicas,
        ..Wanted::default()
    }
}

#[test]
fn a_fresh_swarm_gets_network_secrets_and_operator() {
    let plan = plan(&fresh(), &wanted("", None)).unwrap();
    let network = plan.network.unwrap();
    assert_eq!(network.subnet.as_deref(), Some("10.255.240.0/20"));
    assert!(!network.attachable);
    assert!(plan.secrets);
    let Operator::Create(operator) = plan.operator else {
        panic!("the operator is made")
    };
    assert_eq!(operator.image, names::DEFAULT_IMAGE);
    assert_eq!(operator.mode, Mode::Replicated(1));
}

#[test]
fn a_second_install_changes_nothing() {
    let first = plan(&fresh(), &wanted("x:1", Some(3))).unwrap();
    let world = done(fresh(), &first);
    assert!(plan(&world, &wanted("x:1", Some(3))).unwrap().is_empty());
    assert!(plan(&world, &wanted("", None)).unwrap().is_empty());
}

#[test]
fn another_image_updates_the_operator_and_keeps_the_rest() {
    let first = plan(&fresh(), &wanted("x:1", Some(3))).unwrap();
    let mut world = done(fresh(), &first);
    let operator = world.services.get_mut("o").unwrap();
    operator.spec.labels.insert("team".into(), "edge".into());
    let second = plan(&world, &wanted("x:2", None)).unwrap();
    assert!(second.network.is_none() && !second.secrets);
    let Operator::Update {
        version,
        spec,
        changes,
        ..
    } = second.operator
    else {
        panic!("the operator is updated")
    };
    assert_eq!((version, changes), (7, vec!["image"]));
    assert_eq!(spec.mode, Mode::Replicated(3));
    assert_eq!(spec.labels["team"], "edge");
}

#[test]
fn an_installation_without_a_sealing_key_gets_one_and_keeps_its_certificates() {
    let first = plan(&fresh(), &wanted("x:1", None)).unwrap();
    assert!(first.sealing);
    let mut world = done(fresh(), &first);
    world.secrets.remove("id-sealing");
    let operator = world.services.get_mut("o").unwrap();
    let secrets = &mut operator.spec.secrets;
    secrets.retain(|secret| secret.name != names::SECRET_SEALING);
    let before = world.secrets.clone();

    let second = plan(&world, &wanted("x:1", None)).unwrap();
    assert!(second.sealing && !second.secrets && second.network.is_none());
    let Operator::Update { changes, .. } = &second.operator else {
        panic!("the operator is updated")
    };
    assert_eq!(*changes, ["secrets"]);
    let world = done(world, &second);
    assert!(
        before
            .iter()
            .all(|(id, secret)| world.secrets.get(id) == Some(secret))
    );
    let mounted = &world.services["o"].spec.secrets;
    assert!(mounted.iter().any(|secret| secret.id == "id-sealing"));
    assert!(plan(&world, &wanted("x:1", None)).unwrap().is_empty());
}

#[test]
fn a_sealing_key_that_was_kept_is_used_again() {
    let mut world = fresh();
    let kept = Secret {
        id: "id-sealing".into(),
        name: names::SECRET_SEALING.into(),
        ..Secret::default()
    };
    world.secrets.insert(kept.id.clone(), kept);
    let plan = plan(&world, &wanted("x:1", None)).unwrap();
    assert!(plan.secrets && !plan.sealing);
}

#[test]
fn half_of_the_secrets_is_refused_with_what_to_do() {
    let first = plan(&fresh(), &wanted("", None)).unwrap();
    let mut world = done(fresh(), &first);
    world
        .secrets
        .retain(|_, secret| secret.name != names::SECRET_PROXY);
    let message = plan(&world, &wanted("", None)).unwrap_err();
    assert!(
        message.contains("skep-proxy-identity is missing"),
        "{message}"
    );
    assert!(
        message.contains("docker secret rm skep-ca skep-operator-identity"),
        "{message}"
    );
}

#[test]
fn an_operator_of_a_stack_is_left_to_its_stack() {
    let first = plan(&fresh(), &wanted("", None)).unwrap();
    let mut world = done(fresh(), &first);
    let operator = world.services.get_mut("o").unwrap();
    operator.spec.name = "skep_operator".into();
    let stack = ("com.docker.stack.namespace".to_owned(), "skep".to_owned());
    operator.spec.labels.extend([stack]);
    let message = plan(&world, &wanted("x:2", None)).unwrap_err();
    assert!(message.contains("stack skep"), "{message}");
    let prepare = Wanted {
        prepare: true,
        ..Wanted::default()
    };
    assert!(plan(&world, &prepare).unwrap().is_empty());
}

#[test]
fn a_foreign_service_or_network_of_our_name_is_not_taken_over() {
    let mut world = fresh();
    let mut service = Service::default();
    service.spec.name = names::OPERATOR_SERVICE.into();
    world.services.insert("x".into(), service);
    assert!(
        plan(&world, &wanted("", None))
            .unwrap_err()
            .contains("docker service rm")
    );

    let mut world = fresh();
    let network = Network {
        name: names::CONTROL_NETWORK.into(),
        driver: "macvlan".into(),
        ..Network::default()
    };
    world.networks.insert("m".into(), network);
    assert!(
        plan(&world, &wanted("", None))
            .unwrap_err()
            .contains("macvlan")
    );
}

#[test]
fn a_subnet_in_use_is_refused() {
    let mut asked = wanted("", None);
    asked.subnet = Some(subnet::parse("10.0.0.0/20").unwrap());
    let message = plan(&fresh(), &asked).unwrap_err();
    assert!(
        message.contains("10.0.0.0/24 of network ingress"),
        "{message}"
    );
}

#[test]
fn the_stack_file_in_deploy_is_what_a_dry_run_prints() {
    let printed = stack::render(&spec::operator(names::DEFAULT_IMAGE, 1));
    let kept = include_str!("../../../deploy/stack.yml");
    assert_eq!(
        kept, printed,
        "run `skep install --dry-run > deploy/stack.yml`"
    );
}

#[test]
fn the_stack_file_holds_image_and_replicas_as_given() {
    let printed = stack::render(&spec::operator("localhost:5000/skep:dev", 3));
    let file: serde_json::Value = serde_saphyr::from_str(&printed).unwrap();
    let operator = &file["services"]["operator"];
    assert_eq!(operator["image"], "localhost:5000/skep:dev");
    assert_eq!(operator["deploy"]["replicas"], 3);
    assert_eq!(operator["environment"]["SKEP_REPLICA"], "{{.Task.Slot}}");
    // YAML 1.1 reads it as octal, and that is what the Docker CLI speaks.
    assert!(printed.contains("mode: 0400"));
    assert_eq!(
        operator["networks"]["control"]["aliases"][0],
        "skep-operator"
    );
    assert_eq!(file["networks"]["control"]["name"], "skep-control");
}
