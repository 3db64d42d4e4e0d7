use proptest::prelude::*;

use super::files::mark_awaited;
use super::stored::{add_stored, covers};
use super::*;
use crate::route::{Certificate, CertificateSource, Passthrough, Route, Row, Target};
use crate::world::testing::story;
use crate::world::{FileMount, Secret, TaskState, declared};

fn stored(hosts: &[&str], not_after: i64) -> Stored {
    Stored {
        hosts: hosts.iter().map(ToString::to_string).collect(),
        not_after,
        chain: format!("chain of {}", hosts.join(",")),
        key: SecretText("very secret".to_owned()),
    }
}

fn keyring(all: &[(&str, Stored)]) -> Keyring {
    Keyring {
        usable: all
            .iter()
            .map(|(name, stored)| ((*name).to_owned(), stored.clone()))
            .collect(),
        ..Keyring::default()
    }
}

/// A cluster that routes these hosts.
fn routed(hosts: &[&str]) -> ClusterRouting {
    let mut cluster = ClusterRouting::default();
    for host in hosts {
        let route = Route {
            host: (*host).to_owned(),
            ..Route::default()
        };
        cluster.table.routes.insert(route.name(), route);
        cluster.rows.push(Row {
            host: (*host).to_owned(),
            path: "/".to_owned(),
            ..Row::default()
        });
    }
    cluster
}

/// Hosts by certificate, as the table has them.
fn hosts(cluster: &ClusterRouting) -> Vec<(&str, Vec<&str>)> {
    let all = cluster.table.certificates.iter();
    all.map(|(name, certificate)| {
        let hosts = certificate.hosts.iter().map(String::as_str).collect();
        (name.as_str(), hosts)
    })
    .collect()
}

fn from_files(cluster: &mut ClusterRouting, host: &str, chain: &str, key: &str) {
    let certificate = Certificate {
        hosts: vec![host.to_owned()],
        stands_in: BTreeMap::new(),
        awaited: false,
        source: CertificateSource::Files {
            chain: chain.to_owned(),
            key: key.to_owned(),
        },
    };
    let table = &mut cluster.table;
    table
        .certificates
        .insert(format!("{chain}+{key}"), certificate);
}

fn reasons(cluster: &ClusterRouting) -> Vec<&str> {
    cluster.notes.iter().map(|n| n.reason.as_str()).collect()
}

#[test]
fn a_stored_certificate_serves_the_routed_hosts_it_names_and_no_others() {
    let mut east = routed(&["a.x.com", "b.x.com", "a.b.x.com", "y.com", "*"]);
    let keys = keyring(&[
        ("wild", stored(&["*.x.com", "not-routed.com"], 10)),
        ("other", stored(&["z.com"], 10)),
    ]);
    add_stored(&mut east, &keys, None);
    assert_eq!(hosts(&east), [("certs/wild", vec!["a.x.com", "b.x.com"])]);
    assert_eq!(east.certificates.len(), 1);
    assert_eq!(east.table.listener.default_certificate, None);
}

#[test]
fn a_route_for_all_below_a_name_needs_the_certificate_for_just_that() {
    let mut east = routed(&["*.x.com", "*.b.x.com"]);
    let keys = keyring(&[("wild", stored(&["*.x.com"], 10))]);
    add_stored(&mut east, &keys, None);
    assert_eq!(hosts(&east), [("certs/wild", vec!["*.x.com"])]);
}

#[test]
fn of_two_the_one_that_is_valid_longest_serves_then_the_first_by_name() {
    let mut east = routed(&["a.com", "b.com"]);
    let keys = keyring(&[
        ("c1", stored(&["a.com", "b.com"], 10)),
        ("c2", stored(&["a.com"], 20)),
        ("c3", stored(&["a.com"], 20)),
    ]);
    add_stored(&mut east, &keys, None);
    let expected = [("certs/c1", vec!["b.com"]), ("certs/c2", vec!["a.com"])];
    assert_eq!(hosts(&east), expected);
}

#[test]
fn a_certificate_whose_files_are_nowhere_keeps_its_name_and_is_told() {
    let world = story().installed().cluster("east", 1, "{}").world();
    let mut east = routed(&["a.com"]);
    from_files(&mut east, "a.com", "crt", "key");
    mark_awaited(&world, "east", &mut east);
    assert_eq!(hosts(&east), [("crt+key", vec!["a.com"])]);
    assert!(east.table.certificates["crt+key"].awaited);
    assert_eq!(reasons(&east), ["SecretNotFound"]);
}

#[test]
fn clients_that_are_sent_where_no_certificate_is_are_told_of() {
    let told = |stored: &[(&str, Stored)]| {
        let world = story()
            .installed()
            .network("net")
            .cluster("east", 1, "{default: true}")
            .app(
                "app",
                &["net"],
                1,
                &["hosts=a.com", "port=80", "ssl_only=true"],
            )
            .world();
        let routing = certified(&world, &declared(&world), &keyring(stored));
        let row = &routing.clusters["east"].rows[0];
        let label = format!("{}={}", row.label, row.value);
        (row.reason.clone(), row.tls.clone(), label)
    };
    let dark = (
        "NoCertificate".to_owned(),
        String::new(),
        "com.docker.lb.ssl_only=true".to_owned(),
    );
    assert_eq!(told(&[]), dark);
    let served = (String::new(), "certs/shop".to_owned(), "=".to_owned());
    assert_eq!(told(&[("shop", stored(&["*.com", "a.com"], 1))]), served);
}

#[test]
fn only_the_route_that_sends_to_https_is_a_dead_end() {
    let sends = ["hosts=a.com", "port=80", "ssl_only=true"];
    let stays = ["hosts=a.com", "port=80", "context_root=/open"];
    let world = story()
        .installed()
        .network("net")
        .cluster("east", 1, "{default: true}")
        .app("sends", &["net"], 1, &sends)
        .app("stays", &["net"], 1, &stays)
        .world();
    let routing = certified(&world, &declared(&world), &Keyring::default());
    let rows = routing.clusters["east"].rows.iter();
    let told: Vec<_> = rows
        .map(|row| (row.service.as_str(), row.reason.as_str()))
        .collect();
    assert_eq!(told, [("sends", "NoCertificate"), ("stays", "")]);
}

#[test]
fn a_services_own_certificate_and_a_passthrough_come_first() {
    let mut east = routed(&["a.com", "b.com", "c.com"]);
    from_files(&mut east, "a.com", "crt", "key");
    let passthrough = Passthrough {
        host: "b.com".to_owned(),
        targets: vec![Target::default()],
    };
    let table = &mut east.table;
    table.passthroughs.insert("b.com".to_owned(), passthrough);
    let keys = keyring(&[("all", stored(&["a.com", "b.com", "c.com"], 10))]);
    add_stored(&mut east, &keys, None);
    let expected = [("certs/all", vec!["c.com"]), ("crt+key", vec!["a.com"])];
    assert_eq!(hosts(&east), expected);
    let stands_in = &east.table.certificates["certs/all"].stands_in;
    assert_eq!(*stands_in, BTreeMap::from([("a.com".to_owned(), 1)]));
}

#[test]
fn the_default_certificate_needs_no_host_and_is_told_when_it_is_missing() {
    let mut east = routed(&["a.com"]);
    let keys = keyring(&[("fallback", stored(&["z.com"], 10))]);
    add_stored(&mut east, &keys, Some("fallback"));
    assert_eq!(hosts(&east), [("certs/fallback", vec![])]);
    let default = east.table.listener.default_certificate.as_deref();
    assert_eq!(default, Some("certs/fallback"));

    let mut east = routed(&["a.com"]);
    add_stored(&mut east, &keys, Some("gone"));
    assert_eq!(east.table.listener.default_certificate, None);
    assert_eq!(reasons(&east), ["CertificateNotFound"]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_where_it_would_be() {
    let faulty = Faulty {
        hosts: vec!["a.com".to_owned()],
        message: "broken".to_owned(),
    };
    let keys = Keyring {
        faulty: BTreeMap::from([("shop".to_owned(), faulty)]),
        ..Keyring::default()
    };
    let (mut east, mut west) = (routed(&["a.com"]), routed(&["b.com"]));
    add_stored(&mut east, &keys, None);
    add_stored(&mut west, &keys, None);
    assert_eq!(east.notes[0].message, "certificate shop: broken");
    assert!(west.notes.is_empty() && east.table.certificates.is_empty());
    add_stored(&mut west, &keys, Some("shop"));
    assert_eq!(reasons(&west), ["CertificateUnusable"]);
}

/// A cluster whose proxies have these secrets: the service's definition, then each task.
fn proxies(mounted: &[&str], tasks: &[&[&str]]) -> World {
    let count = u8::try_from(tasks.len()).unwrap();
    let labels = [
        "dev.skep.managed-by=skep",
        "dev.skep.cluster=east",
        "dev.skep.component=proxy",
    ];
    let swarm = story().service("skep-proxy-east", &[], &labels);
    let mut world = swarm.tasks("skep-proxy-east", count).world();
    let service = world.services.get_mut("svc-skep-proxy-east").unwrap();
    service
        .spec
        .secrets
        .extend(mounted.iter().map(|name| FileMount {
            id: format!("id-{name}"),
            name: (*name).to_owned(),
            target: (*name).to_owned(),
            ..FileMount::default()
        }));
    for (task, files) in world.tasks.values_mut().zip(tasks) {
        task.secret_files = files.iter().map(ToString::to_string).collect();
    }
    for name in ["crt", "key"] {
        let secret = Secret {
            id: format!("id-{name}"),
            name: name.to_owned(),
            ..Secret::default()
        };
        world.secrets.insert(secret.id.clone(), secret);
    }
    world
}

/// Whether a certificate of the two secrets is awaited, and the row of its host.
fn awaited(world: &World) -> (bool, Row) {
    let mut east = routed(&["a.com", "b.com"]);
    from_files(&mut east, "a.com", "crt", "key");
    mark_awaited(world, "east", &mut east);
    assert_eq!(east.rows[1].state, RowState::Active, "its neighbour");
    let certificate = &east.table.certificates["crt+key"];
    (certificate.awaited, east.rows.remove(0))
}

#[test]
fn a_certificate_is_awaited_until_every_working_proxy_has_its_files() {
    let both: &[&str] = &["crt", "key"];
    let (is, row) = awaited(&proxies(both, &[both, both]));
    assert!(!is && row.state == RowState::Active);
    for world in [
        proxies(&[], &[]),
        proxies(&["crt"], &[]),
        proxies(both, &[both, &["crt"]]),
        proxies(&["crt"], &[both]),
    ] {
        let (is, row) = awaited(&world);
        assert!(is);
        assert_eq!(row.state, RowState::Warning);
        assert_eq!(row.reason, "CertificateWaits");
    }
}

#[test]
fn a_proxy_that_is_being_stopped_is_not_waited_for() {
    let both: &[&str] = &["crt", "key"];
    let mut world = proxies(both, &[both, &[]]);
    let old = world.tasks.values_mut().find(|t| t.secret_files.is_empty());
    old.unwrap().desired = TaskState::Shutdown;
    assert!(!awaited(&world).0);
}

#[test]
fn a_default_certificate_that_is_awaited_is_told_where_no_host_is() {
    let world = proxies(&[], &[]);
    let mut east = routed(&["*"]);
    from_files(&mut east, "*", "crt", "key");
    let certificate = east.table.certificates.get_mut("crt+key").unwrap();
    certificate.stands_in.insert("*".to_owned(), SHOWN_FIRST);
    certificate.hosts.clear();
    mark_awaited(&world, "east", &mut east);
    assert_eq!(east.rows[0].reason, "CertificateWaits");
}

#[test]
fn one_that_only_stands_in_is_awaited_in_silence() {
    let world = proxies(&[], &[]);
    let mut east = routed(&["a.com"]);
    from_files(&mut east, "a.com", "crt", "key");
    let certificate = east.table.certificates.get_mut("crt+key").unwrap();
    certificate.stands_in.insert("a.com".to_owned(), 1);
    certificate.hosts.clear();
    mark_awaited(&world, "east", &mut east);
    assert!(east.table.certificates["crt+key"].awaited && east.notes.is_empty());
    assert_eq!(east.rows[0].state, RowState::Active);
}

#[test]
fn a_secret_that_is_not_there_is_named_with_what_to_do() {
    let mut world = proxies(&[], &[]);
    world.secrets.retain(|_, secret| secret.name != "key");
    let (is, row) = awaited(&world);
    assert!(is);
    assert_eq!(row.reason, "SecretNotFound");
    assert!(row.message.contains("there is no secret key:"), "{row:?}");
}

#[test]
fn where_services_disagree_the_stored_certificate_stands_in_last() {
    let world = story()
        .installed()
        .network("net")
        .cluster("east", 1, "{default: true}")
        .app(
            "old",
            &["net"],
            1,
            &["hosts=a.com", "port=80", "ssl_cert=a", "ssl_key=b"],
        )
        .app(
            "new",
            &["net"],
            1,
            &["hosts=a.com", "port=80", "ssl_cert=c", "ssl_key=d"],
        )
        .secret("a")
        .secret("b")
        .secret("c")
        .secret("d")
        .world();
    let keys = keyring(&[("shop", stored(&["a.com"], 1))]);
    let routing = certified(&world, &declared(&world), &keys);
    let table = &routing.clusters["east"].table;
    let turn = |name: &str| table.certificates[name].stands_in.get("a.com").copied();
    assert_eq!(table.certificates["service/old"].hosts, ["a.com"]);
    assert_eq!(
        (turn("service/new"), turn("certs/shop")),
        (Some(1), Some(2))
    );
}

#[test]
fn the_default_of_the_manifest_comes_into_the_table() {
    let world = story()
        .installed()
        .cluster("east", 1, "{traffic: {tls: {defaultCertificate: shop}}}")
        .world();
    let keys = keyring(&[("shop", stored(&["a.com"], 1))]);
    let routing = certified(&world, &declared(&world), &keys);
    let listener = &routing.clusters["east"].table.listener;
    assert_eq!(listener.default_certificate.as_deref(), Some("certs/shop"));
    assert!(!format!("{routing:?}").contains("very secret"));
}

proptest! {
    #[test]
    fn no_host_has_two_certificates_and_each_has_one_that_names_it(
        routes in prop::collection::btree_set("(\\*\\.)?[ab]\\.[xy]|[xy]", 0..8),
        certificates in prop::collection::btree_map("[c-e]", (prop::collection::vec("(\\*\\.)?[ab]\\.[xy]|[xy]|\\*\\.[xy]", 0..4), 0_i64..3), 0..3),
        own in prop::option::of("[ab]\\.[xy]"),
    ) {
        let names: Vec<&str> = routes.iter().map(String::as_str).collect();
        let mut east = routed(&names);
        if let Some(own) = &own {
            from_files(&mut east, own, "crt", "key");
        }
        let all: Vec<(&str, Stored)> = certificates
            .iter()
            .map(|(name, (hosts, ends))| {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                (name.as_str(), stored(&hosts, *ends))
            })
            .collect();
        let keys = keyring(&all);
        add_stored(&mut east, &keys, None);
        let mut seen = BTreeSet::new();
        for (name, certificate) in &east.table.certificates {
            for host in &certificate.hosts {
                prop_assert!(seen.insert(host.clone()), "{host} twice");
                if let Some(stored) = name.strip_prefix("certs/") {
                    prop_assert!(keys.usable[stored].hosts.iter().any(|n| covers(n, host)));
                }
            }
            prop_assert!(certificate.hosts.is_sorted());
        }
        for host in &routes {
            let fits = keys.usable.values().any(|s| s.hosts.iter().any(|n| covers(n, host)));
            prop_assert_eq!(seen.contains(host), fits || own.as_ref() == Some(host));
        }
    }
}

/// `cargo test --lib -- --ignored --nocapture ten_thousand`: how long a world takes.
#[test]
#[ignore = "a measurement"]
fn ten_thousand_services_with_tls_take_ten_times_as_long_as_a_thousand() {
    let mut took = Vec::new();
    for count in [1_000_u32, 10_000] {
        let mut world = story()
            .installed()
            .network("net")
            .cluster("east", 1, "{default: true}")
            .app("app", &["net"], 1, &["port=80"])
            .world();
        let app = world.services["svc-app"].clone();
        for number in 0..count {
            let (cert, key) = (format!("c{number}"), format!("k{number}"));
            for name in [&cert, &key] {
                let secret = Secret {
                    id: format!("id-{name}"),
                    name: name.clone(),
                    ..Secret::default()
                };
                world.secrets.insert(secret.id.clone(), secret);
            }
            let mut service = app.clone();
            service.id = format!("svc-{number}");
            service.spec.name = format!("app{number}");
            let host = format!("h{number}.x.com");
            for (label, value) in [("hosts", &host), ("ssl_cert", &cert), ("ssl_key", &key)] {
                let label = format!("com.docker.lb.{label}");
                service.spec.labels.insert(label, value.clone());
            }
            world.services.insert(service.id.clone(), service);
        }
        let keys = keyring(&[("wild", stored(&["*.x.com"], 1))]);
        let declared = declared(&world);
        let begin = std::time::Instant::now();
        let routing = certified(&world, &declared, &keys);
        took.push(begin.elapsed());
        let certificates = &routing.clusters["east"].table.certificates;
        assert_eq!(certificates.len(), count as usize + 1);
    }
    println!("1,000 services: {:?}, 10,000: {:?}", took[0], took[1]);
    assert!(took[1] < took[0] * 30, "{took:?}");
}
