//! Whatever labels make is taken by a proxy.

use super::*;
use crate::api::labels::testing::any_labels;
use crate::world::testing::{network_id, service_id, story};
use crate::world::{World, declared};

/// Two services with any labels, and the secrets that the examples name.
fn worlds() -> impl Strategy<Value = World> {
    (any_labels(), any_labels(), 0..3_u8).prop_map(|(one, other, tasks)| {
        let names = [
            "shop.example.com.cert",
            "shop.example.com.key",
            "shop-users",
            "internal-ca",
        ];
        let story = story().node("node-0", &[]).network("eastnet");
        let story = names.iter().fold(story, |story, name| story.secret(name));
        story
            .cluster("east", 1, "{default: true}")
            .service("one", &["eastnet"], &[])
            .tasks("one", tasks)
            .service("other", &["eastnet"], &[])
            .tasks("other", tasks)
            .with(|world| {
                for (name, labels) in [("one", one), ("other", other)] {
                    let service = world.services.get_mut(&service_id(name)).unwrap();
                    service.spec.labels = labels;
                    let address = "10.0.0.250".parse().unwrap();
                    service.virtual_ips.insert(network_id("eastnet"), address);
                }
            })
            .world()
    })
}

proptest! {
    #[test]
    fn any_labels_give_resources_that_a_proxy_takes(world in worlds()) {
        let routing = crate::route::routing(&world, &declared(&world));
        let table = &routing.clusters["east"].table;
        let snapshot = snapshot(table);
        for (kind, resources) in &snapshot.types {
            for (name, resource) in resources {
                let verdict = match *kind {
                    LISTENER => decode_listener(&resource.body).map(|it| it == table.listener),
                    ROUTE => decode_route(&resource.body).map(|it| it == table.routes[name]),
                    BACKEND => decode_backend(&resource.body).map(|it| it == table.backends[name]),
                    PASSTHROUGH => {
                        decode_passthrough(&resource.body).map(|it| it == table.passthroughs[name])
                    }
                    CERTIFICATE => {
                        decode_certificate(&resource.body).map(|it| it == table.certificates[name])
                    }
                    _ => Err("a kind that nobody knows".to_owned()),
                };
                prop_assert_eq!(verdict, Ok(true), "{} {}", kind, name);
            }
        }
        for route in table.routes.values() {
            for target in &route.targets {
                prop_assert!(table.backends.contains_key(&target.backend));
            }
        }
    }
}
