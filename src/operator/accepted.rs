//! Whatever labels are accepted, a proxy takes what becomes of them.

use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;

use crate::api::labels::testing::any_labels;
use crate::control::TypeUrl;
use crate::control::pki;
use crate::control::wire::{self, BACKEND, CERTIFICATE, LISTENER, PASSTHROUGH, ROUTE};
use crate::proxy::Assembler;
use crate::route::{CertificateSource, Keyring, RouteTable, Stored, certified};
use crate::world::testing::{network_id, service_id, story};
use crate::world::{World, declared};

/// The secrets that the examples of the labels name.
const CHAIN: &str = "shop.example.com.cert";
const KEY: &str = "shop.example.com.key";
const USERS: &str = "shop-users";
const AUTHORITY: &str = "internal-ca";

/// The same as files with good content, made once.
fn secrets() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let bundle = pki::issue().unwrap();
        let users = "ann:$2y$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC\n";
        // Chain and key are in one text here, and each reader takes what it is after.
        for (name, text) in [
            (CHAIN, bundle.operator.as_str()),
            (KEY, &bundle.operator),
            (USERS, users),
            (AUTHORITY, &bundle.ca),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    };
    FOLDER.get_or_init(make).path()
}

/// Two services with any labels, and the secrets.
fn worlds() -> impl Strategy<Value = World> {
    (any_labels(), any_labels(), 0..3_u8).prop_map(|(one, other, tasks)| {
        let story = story().installed().node("node-0", &[]).network("eastnet");
        let names = [CHAIN, KEY, USERS, AUTHORITY];
        let story = names.iter().fold(story, |story, name| story.secret(name));
        story
            .cluster(
                "east",
                1,
                "{default: true, traffic: {tls: {defaultCertificate: shop}}}",
            )
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

/// A stored certificate for some of the hosts.
fn keyring() -> Keyring {
    let text = std::fs::read_to_string(secrets().join(CHAIN)).unwrap();
    let stored = Stored {
        hosts: vec![
            "*.b.x".to_owned(),
            "a.x".to_owned(),
            "shop.example.com".to_owned(),
        ],
        not_after: 1,
        chain: text.clone(),
        key: crate::route::SecretText(text),
    };
    Keyring {
        usable: [("shop".to_owned(), stored)].into(),
        ..Keyring::default()
    }
}

/// Whether a resource asks for no secret but those whose content is fit for the purpose. What is
/// in a secret nobody but the proxy can know.
fn is_sound(table: &RouteTable, kind: TypeUrl, name: &str) -> bool {
    match kind {
        ROUTE => {
            let auth = table.routes[name].policy.basic_auth.as_ref();
            auth.is_none_or(|auth| auth.secret == USERS)
        }
        BACKEND => {
            let ca = table.backends[name]
                .tls
                .as_ref()
                .and_then(|tls| tls.ca.as_ref());
            ca.is_none_or(|ca| ca == AUTHORITY)
        }
        CERTIFICATE => match &table.certificates[name].source {
            CertificateSource::Files { chain, key } => chain == CHAIN && key == KEY,
            CertificateSource::Pem { .. } => true,
        },
        _ => true,
    }
}

proptest! {
    #[test]
    fn any_labels_give_resources_that_a_proxy_admits(world in worlds()) {
        let routing = certified(&world, &declared(&world), &keyring());
        let table = &routing.clusters["east"].table;
        let snapshot = wire::snapshot(table);
        let mut proxy = Assembler::with_secrets(1, secrets());
        for kind in [LISTENER, CERTIFICATE, BACKEND, ROUTE, PASSTHROUGH] {
            for (name, resource) in snapshot.types.get(kind).into_iter().flatten() {
                let verdict = proxy.take(kind, name, &resource.body);
                if is_sound(table, kind, name) {
                    prop_assert_eq!(verdict, Ok(true), "{} {}", kind, name);
                    prop_assert!(kind != ROUTE || !proxy.is_closed(name));
                }
            }
        }
        prop_assert_eq!(proxy.waiting(), Vec::<&str>::new());
        let _ = proxy.build();
    }
}
