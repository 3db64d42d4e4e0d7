use proptest::prelude::*;

use super::*;

/// Any placement, networks and proxy of a small vocabulary.
fn spec_text() -> impl Strategy<Value = String> {
    let networks = prop_oneof![
        Just(String::new()),
        Just("networks: [{name: eastnet}], ".to_owned()),
        Just("networks: [{name: westnet}, {name: new, create: {}}, {name: eastnet}], ".to_owned()),
    ];
    let placement = prop_oneof![
        Just("{}"),
        Just("{labels: {region: east}}"),
        Just("{nodes: [node-0, node-2], labels: {region: east}}"),
        Just("{nodes: [node-2], labels: {region: west, tier: a}}"),
        Just("{nodes: {matchLabels: {disk: ssd}}, labels: {disk: hdd, zone: a}}"),
    ];
    let proxy = prop_oneof![
        Just("{}"),
        Just("{replicas: 2, publish: {mode: none}}"),
        Just("{mode: global, image: other, env: {A: b}}"),
        Just("{serviceName: lb, publish: {mode: ingress, https: 0}, logging: {driver: local}}"),
    ];
    (networks, placement, proxy).prop_map(|(networks, placement, proxy)| {
        format!("{{default: true, {networks}placement: {placement}, proxy: {proxy}}}")
    })
}

fn base() -> Story {
    swarm()
        .app("a", &["eastnet"], 2, &["hosts=a.x", "port=80"])
        .app(
            "b",
            &["westnet", "eastnet"],
            1,
            &["hosts=b.x", "port=80", "network=westnet"],
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn from_any_cluster_to_any_other_three_plans_are_enough(first in spec_text(), second in spec_text()) {
        let world = base().cluster("east", 1, &first).world();
        // The first plan may make networks that are followed only then.
        let mut world = settle(world, "east", 1);
        let text = crate::world::testing::manifest("east", &second);
        world.configs.values_mut().for_each(|c| c.data = text.clone().into_bytes());
        // One frees the proxies from labels that get another value, one takes back the labels by
        // which they were placed until then.
        settle(world, "east", 3);
    }

    #[test]
    fn nothing_but_the_cluster_s_own_things_is_touched(first in spec_text()) {
        let before = base().service("skep-proxy-other", &[], &["dev.skep.managed-by=skep", "dev.skep.cluster=other", "dev.skep.component=proxy"]).cluster("east", 1, &first).world();
        let after = settle(before.clone(), "east", 1);
        for (id, service) in &before.services {
            prop_assert_eq!(&after.services[id], service);
        }
        for (id, network) in &before.networks {
            prop_assert_eq!(&after.networks[id], network);
        }
        prop_assert_eq!(&after.nodes["id-node-1"], &before.nodes["id-node-1"]);
        prop_assert_eq!(after.configs, before.configs);
    }

    #[test]
    fn the_same_world_gives_the_same_plan(first in spec_text()) {
        let world = base().cluster("east", 1, &first).world();
        prop_assert_eq!(plan_for(&world, "east"), plan_for(&world.clone(), "east"));
    }
}
