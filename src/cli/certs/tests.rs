use time::macros::datetime;

use super::ls::{render, sealed_to, shown};
use super::*;
use crate::certs::SealingKey;
use crate::cli::args::Output;
use crate::world::{Config, Secret};

const DAY: i64 = 24 * 3_600;

fn facts(hosts: &[&str]) -> Facts {
    Facts {
        hosts: hosts.iter().map(ToString::to_string).collect(),
        not_after: datetime!(2026-12-25 12:00:00 UTC).unix_timestamp(),
        issuer: "CN=authority".into(),
        fingerprint: "ab12".into(),
        content: "cd34".into(),
        ..Facts::default()
    }
}

/// A Swarm with a sealing key and a certificate sealed to it.
fn world(key: &SealingKey) -> World {
    let pair = Pair {
        facts: facts(&["a.com", "b.com"]),
        chain: "chain".into(),
        key: crate::route::SecretText("key".into()),
    };
    let sealed = seal("shop", &pair, &key.public()).unwrap();
    let mut labels = sealed.labels;
    for (key, value) in [
        (names::LABEL_KIND, names::KIND_CERTIFICATE),
        (names::LABEL_NAME, "shop"),
        (names::LABEL_GENERATION, "3"),
    ] {
        labels.insert(key.into(), value.into());
    }
    let config = Config {
        id: "c".into(),
        labels,
        data: sealed.data,
        ..Config::default()
    };
    let secret = Secret {
        name: names::SECRET_SEALING.into(),
        labels: BTreeMap::from([(names::LABEL_SEALING.into(), key.public().text())]),
        ..Secret::default()
    };
    World {
        configs: BTreeMap::from([("c".into(), config)]),
        secrets: BTreeMap::from([("s".into(), secret)]),
        ..World::default()
    }
}

fn table(world: &World, now: time::OffsetDateTime) -> String {
    let key = sealed_to(world);
    let all = crate::world::certificates(world);
    let all = all
        .values()
        .filter_map(|one| shown(one, key.as_deref(), now));
    render(&all.collect::<Vec<_>>(), Output::Table, false).unwrap()
}

#[test]
fn the_list_tells_names_hosts_end_days_and_state() {
    let world = world(&SealingKey::generate().unwrap());
    let at = |now| table(&world, now);
    let line = "shop  a.com,b.com  2026-12-25T12:00:00Z";
    assert_eq!(
        at(datetime!(2026-11-01 12:00:00 UTC)),
        format!("{line}  54  Valid\n")
    );
    assert_eq!(
        at(datetime!(2026-11-25 12:00:01 UTC)),
        format!("{line}  29  Expiring\n")
    );
    assert_eq!(
        at(datetime!(2026-12-25 12:00:01 UTC)),
        format!("{line}  -1  Expired\n")
    );
}

#[test]
fn what_the_operator_could_not_use_is_unusable_and_so_is_what_another_key_sealed() {
    let key = SealingKey::generate().unwrap();
    let now = datetime!(2026-11-01 12:00:00 UTC);
    let mut marked = world(&key);
    let config = marked.configs.get_mut("c").unwrap();
    config
        .labels
        .insert(names::LABEL_FAULT.into(), "broken".into());
    let mut other = world(&key);
    other.secrets = world(&SealingKey::generate().unwrap()).secrets;
    let mut none = world(&key);
    none.secrets.clear();
    for world in [marked, other, none] {
        assert!(table(&world, now).ends_with("Unusable\n"));
    }
}

#[test]
fn every_form_of_the_list_says_the_same() {
    let world = world(&SealingKey::generate().unwrap());
    let all = crate::world::certificates(&world);
    let key = sealed_to(&world);
    let now = datetime!(2026-11-01 12:00:00 UTC);
    let all: Vec<_> = all
        .values()
        .filter_map(|one| shown(one, key.as_deref(), now))
        .collect();
    let text = |output| render(&all, output, true).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text(Output::Json)).unwrap();
    assert_eq!(json["certificates"][0]["notAfter"], "2026-12-25T12:00:00Z");
    assert_eq!(json["certificates"][0]["state"], "Valid");
    let yaml: serde_json::Value = serde_saphyr::from_str(&text(Output::Yaml)).unwrap();
    assert_eq!(yaml, json);
    assert_eq!(text(Output::Name), "certificate/shop\n");
    assert!(text(Output::Wide).contains("ab12"));
    assert!(text(Output::Table).starts_with("NAME  HOSTS"));
}

#[test]
fn a_pair_that_is_near_its_end_or_names_no_host_is_worth_a_word() {
    let end = facts(&[]).not_after;
    assert!(warnings("shop", &facts(&["a.com"]), end - 31 * DAY).is_empty());
    let told = warnings("shop", &facts(&[]), end - 3 * DAY);
    assert!(told[0].contains("ends in 3 days"), "{told:?}");
    assert!(told[1].contains("defaultCertificate"), "{told:?}");
    let mut early = facts(&["a.com"]);
    early.not_before = end - 40 * DAY;
    let told = out_of_time(&early, end - 50 * DAY).unwrap();
    assert!(told.contains("not valid before"), "{told}");
    assert_eq!(out_of_time(&early, end - 39 * DAY), None);
    assert!(out_of_time(&early, end).unwrap().contains("ended on"));
}

#[test]
fn without_a_key_to_seal_to_it_says_what_to_do() {
    let error = public_key(&World::default()).unwrap_err();
    assert!(error.to_string().contains("skep install"), "{error}");
    let mut foreign = world(&SealingKey::generate().unwrap());
    foreign.secrets.values_mut().for_each(|s| s.labels.clear());
    let error = public_key(&foreign).unwrap_err().to_string();
    assert!(
        error.contains("docker secret rm skep-sealing-key"),
        "{error}"
    );
}
