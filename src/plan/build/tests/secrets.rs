//! Secrets as files of the proxies.

use std::collections::BTreeSet;

use super::*;
use crate::plan::testing::plan_with;
use crate::world::{Secret, declared};

fn secret(name: &str) -> Secret {
    Secret {
        id: format!("id-{name}"),
        name: name.to_owned(),
        ..Secret::default()
    }
}

/// A Swarm with these secrets.
fn with_secrets(names: &[&str]) -> World {
    let mut world = swarm().cluster("east", 1, EAST).world();
    for name in names {
        let secret = secret(name);
        world.secrets.insert(secret.id.clone(), secret);
    }
    world
}

fn plan_needing(world: &World, needed: &[&str]) -> Plan {
    let needed: BTreeSet<String> = needed.iter().map(ToString::to_string).collect();
    plan_with(world, &declared(world), "east", &needed)
}

/// The world once what is needed is there.
fn settled(mut world: World, needed: &[&str]) -> World {
    for _ in 0..3 {
        let plan = plan_needing(&world, needed);
        world = apply(world, &plan.steps);
    }
    assert_eq!(told(&plan_needing(&world, needed)), "");
    world
}

fn files(world: &World) -> Vec<(String, String)> {
    let mounts = spec(world).secrets.into_iter();
    mounts.map(|mount| (mount.target, mount.id)).collect()
}

fn names_of_files(world: &World) -> Vec<String> {
    let files = files(world).into_iter().skip(2);
    files.map(|(target, _)| target).collect()
}

#[test]
fn several_new_secrets_cost_one_update_and_are_readable_by_the_proxy_alone() {
    let world = settled(with_secrets(&["crt", "key"]), &[]);
    let plan = plan_needing(&world, &["key", "crt"]);
    assert_eq!(
        told(&plan),
        "update service skep-proxy-east: container labels, secrets, restarts"
    );
    let world = apply(world, &plan.steps);
    let mounts = spec(&world).secrets;
    let mount = mounts.iter().find(|mount| mount.target == "crt").unwrap();
    assert_eq!((mount.name.as_str(), mount.id.as_str()), ("crt", "id-crt"));
    assert_eq!((mount.uid.as_str(), mount.gid.as_str()), ("65532", "65532"));
    assert_eq!(mount.mode, 0o400);
    assert_eq!(told(&plan_needing(&world, &["crt", "key"])), "");
}

#[test]
fn a_secret_that_is_not_there_and_one_of_skeps_own_are_never_mounted() {
    let world = with_secrets(&["crt", names::SECRET_OPERATOR, names::SECRET_SEALING]);
    let needed = [
        "crt",
        "gone",
        names::SECRET_CA,
        names::SECRET_OPERATOR,
        names::SECRET_SEALING,
    ];
    let world = settled(world, &needed);
    assert_eq!(names_of_files(&world), ["crt"]);
    assert_eq!(files(&world).len(), 3);
}

#[test]
fn the_order_in_which_the_engine_keeps_them_does_not_matter() {
    let mut world = settled(with_secrets(&["a", "b", "c"]), &["a", "b", "c"]);
    tamper(&mut world, "east", |service| service.spec.secrets.reverse());
    assert_eq!(told(&plan_needing(&world, &["a", "b", "c"])), "");
}

#[test]
fn an_unused_secret_stays_until_the_proxies_restart_anyway() {
    let world = settled(with_secrets(&["old", "new"]), &["old"]);
    assert_eq!(told(&plan_needing(&world, &[])), "", "no restart for it");
    let world = settled(world, &["new"]);
    assert_eq!(names_of_files(&world), ["new"]);
}

#[test]
fn an_unused_secret_stays_also_when_something_else_changes_without_a_restart() {
    let mut world = settled(with_secrets(&["old"]), &["old"]);
    tamper(&mut world, "east", |service| service.spec.update = None);
    let plan = plan_needing(&world, &[]);
    assert_eq!(told(&plan), "update service skep-proxy-east: update policy");
    assert_eq!(names_of_files(&apply(world, &plan.steps)), ["old"]);
}

#[test]
fn a_secret_made_anew_under_its_name_is_mounted_anew() {
    let mut world = settled(with_secrets(&["crt"]), &["crt"]);
    world.secrets.remove("id-crt");
    let again = Secret {
        id: "id-again".to_owned(),
        ..secret("crt")
    };
    world.secrets.insert(again.id.clone(), again);
    let world = settled(world, &["crt"]);
    assert_eq!(files(&world)[2].1, "id-again");
}

#[test]
fn what_a_person_mounts_is_taken_out_again() {
    let mut world = settled(with_secrets(&["crt"]), &[]);
    let mount = spec(&settled(world.clone(), &["crt"])).secrets.remove(2);
    tamper(&mut world, "east", |service| {
        service.spec.secrets.push(mount);
    });
    assert_eq!(
        told(&plan_needing(&world, &[])),
        "update service skep-proxy-east: secrets, restarts"
    );
}

#[test]
fn a_secret_that_nobody_needs_any_more_restarts_nobody_wherever_it_stands_by_name() {
    let world = settled(with_secrets(&["a", "m", "z"]), &["a", "m", "z"]);
    for needed in [&["m", "z"][..], &["a", "z"], &["a", "m"], &["m"], &[]] {
        assert_eq!(told(&plan_needing(&world, needed)), "", "{needed:?}");
    }
}
