use proptest::prelude::*;

use super::*;
use crate::api::labels::testing::any_labels;

/// One application service of a small vocabulary, good or bad.
fn app() -> impl Strategy<Value = (Vec<&'static str>, u8, Vec<&'static str>)> {
    let networks = prop::sample::subsequence(vec!["eastnet", "westnet", "ingress"], 0..=3);
    let hosts = prop::sample::select(vec![
        "hosts=a.x",
        "hosts=a.x,b.x",
        "hosts=*.x",
        "hosts=;",
        "hosts=",
        "team=a",
    ]);
    let port = prop::sample::select(vec!["port=80", "port=81", "port=0", "port=", "port=http"]);
    let more = prop::sample::subsequence(
        vec![
            "context_root=/app",
            "context_root_rewrite=true",
            "default_backend=true",
            "weight=3",
            "network=westnet",
            "service_cluster=west",
            "nonsense=1",
        ],
        0..=4,
    );
    (
        networks,
        0..3_u8,
        (hosts, port, more).prop_map(|(hosts, port, mut more)| {
            more.extend([hosts, port]);
            more
        }),
    )
}

fn world_of(apps: &[(Vec<&str>, u8, Vec<&str>)]) -> World {
    let mut story =
        swarm()
            .cluster("east", 1, "{default: true}")
            .cluster("west", 1, &listed("westnet"));
    for (number, (networks, tasks, labels)) in apps.iter().enumerate() {
        story = story.app(&format!("app{number}"), networks, *tasks, labels);
    }
    story.world()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_service_that_is_refused_changes_nothing_for_the_others(
        apps in prop::collection::vec(app(), 1..5),
        bad in app(),
        port in prop::sample::select(vec!["port=0", "port=x", "port=70000"]),
    ) {
        let before = route(&world_of(&apps));
        let (networks, tasks, mut labels) = bad;
        labels.retain(|label| !label.starts_with("port="));
        labels.push(port);
        let mut with = apps.clone();
        with.push((networks, tasks, labels));
        let after = route(&world_of(&with));
        let name = format!("app{}", apps.len());
        for (cluster, routing) in &before.clusters {
            let other = &after.clusters[cluster];
            prop_assert_eq!(&other.table, &routing.table);
            prop_assert_eq!(&other.followed, &routing.followed);
            let rows: Vec<&Row> = other.rows.iter().filter(|row| row.service != name).collect();
            prop_assert_eq!(rows, routing.rows.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_labels_leave_a_neighbour_as_it_is(labels in any_labels(), older: bool, tasks in 0..3_u8) {
        let neighbour = [
            "hosts=n.y,*.n.y",
            "port=80",
            "ssl_cert=c",
            "ssl_key=k",
            "redirects=http://n.y,https://n.y",
        ];
        let before = swarm()
            .secret("c")
            .secret("k")
            .cluster("east", 1, "{default: true}")
            .cluster("west", 1, "{}")
            .app("neighbour", &["eastnet", "westnet"], 2, &neighbour);
        let after = before
            .clone()
            .service("garbage", &["eastnet"], &[])
            .tasks("garbage", tasks)
            .with(|world| {
                let garbage = world.services.get_mut(&service_id("garbage")).unwrap();
                garbage.spec.labels = labels;
                if older {
                    garbage.created_at = "2026-01-01T00:00:00Z".to_owned();
                }
            });
        let (before, after) = (route(&before.world()), route(&after.world()));
        let (before, after) = (&before.clusters["east"], &after.clusters["east"]);
        for (name, route) in &before.table.routes {
            prop_assert_eq!(after.table.routes.get(name), Some(route));
        }
        for (name, backend) in &before.table.backends {
            prop_assert_eq!(after.table.backends.get(name), Some(backend));
        }
        for (name, certificate) in &before.table.certificates {
            prop_assert_eq!(after.table.certificates.get(name), Some(certificate));
        }
        let rows = after.rows.iter().filter(|row| row.service == "neighbour");
        prop_assert_eq!(rows.collect::<Vec<_>>(), before.rows.iter().collect::<Vec<_>>());
    }

    #[test]
    fn ids_and_with_them_the_order_of_maps_do_not_matter(apps in prop::collection::vec(app(), 1..5)) {
        let world = world_of(&apps);
        let mut renamed = world.clone();
        let count = renamed.services.len();
        renamed.services = BTreeMap::new();
        for (number, service) in world.services.values().enumerate() {
            let mut service = service.clone();
            let old = std::mem::replace(&mut service.id, format!("id{}", count - number));
            for task in renamed.tasks.values_mut().filter(|task| task.service == old) {
                task.service.clone_from(&service.id);
            }
            service.spec.networks.reverse();
            renamed.services.insert(service.id.clone(), service);
        }
        prop_assert_eq!(route(&renamed), route(&world));
    }

    #[test]
    fn every_target_has_its_backend_and_no_route_is_empty(apps in prop::collection::vec(app(), 0..6)) {
        for cluster in route(&world_of(&apps)).clusters.values() {
            for route in cluster.table.routes.values() {
                prop_assert!(!route.targets.is_empty() || route.redirect.is_some());
                for target in &route.targets {
                    prop_assert!(cluster.table.backends.contains_key(&target.backend));
                }
            }
        }
    }
}
