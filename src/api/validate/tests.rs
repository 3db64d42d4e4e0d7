use super::validate;
use crate::api::parse::manifests;

/// The faults of a spec, as `path: message` lines.
fn faults(spec: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: a}}\nspec: {spec}\n"
    );
    manifests("", &text)
        .faults
        .iter()
        .map(|fault| fault.path.clone())
        .collect()
}

#[test]
fn the_defaults_have_no_fault() {
    assert_eq!(faults("{}"), Vec::<String>::new());
}

#[test]
fn what_the_engine_could_not_take_is_refused() {
    assert_eq!(
        faults(r#"{proxy: {env: {A: "a\0b"}, labels: {x: "\0"}, image: "a b"}}"#),
        [
            "spec.proxy.env.A",
            "spec.proxy.labels.x",
            "spec.proxy.image"
        ]
    );
}

#[test]
fn a_default_certificate_is_the_name_of_a_stored_one() {
    let with = |name: &str| {
        faults(&format!(
            "{{traffic: {{tls: {{defaultCertificate: {name}}}}}}}"
        ))
    };
    assert_eq!(with("shop.example.com"), Vec::<String>::new());
    for bad in ["Shop", "-shop", "certs/shop", "''", &"x".repeat(41)] {
        assert_eq!(with(bad), ["spec.traffic.tls.defaultCertificate"], "{bad}");
    }
}

#[test]
fn labels_without_nodes_only_constrain_and_are_no_fault() {
    assert_eq!(
        faults("{placement: {labels: {region: east}}}"),
        Vec::<String>::new()
    );
    assert_eq!(
        faults("{placement: {nodes: [a]}}"),
        ["spec.placement.nodes"]
    );
}

#[test]
fn start_first_with_host_ports_is_refused_only_where_it_cannot_work() {
    let with = |more: &str, placement: &str| {
        faults(&format!(
            "{{placement: {placement}, proxy: {{update: {{order: start-first}}, {more}}}}}"
        ))
    };
    let named = "{nodes: [a], labels: {x: y}}";
    let refused = ["spec.proxy.update.order"];
    assert_eq!(with("mode: global", "{}"), refused);
    assert_eq!(with("mode: replicated", named), refused);
    assert_eq!(
        with("publish: {mode: ingress}", named),
        Vec::<String>::new()
    );
    assert_eq!(
        with("publish: {mode: none}, mode: global", "{}"),
        Vec::<String>::new()
    );
    // A node to spare may be there: the operator sees it, the manifest does not.
    assert_eq!(with("replicas: 2", "{}"), Vec::<String>::new());
    assert_eq!(
        with("replicas: 1", "{nodes: [a, b], labels: {x: y}}"),
        Vec::<String>::new()
    );
}

#[test]
fn ports_are_different_and_at_least_one_unless_nothing_is_published() {
    let with = |publish: &str| faults(&format!("{{proxy: {{publish: {publish}}}}}"));
    assert_eq!(
        with("{http: 8080, https: 8080}"),
        ["spec.proxy.publish.https"]
    );
    assert_eq!(with("{http: 0, https: 0}"), ["spec.proxy.publish"]);
    assert_eq!(with("{http: 2377}"), ["spec.proxy.publish.http"]);
    assert_eq!(with("{http: 0}"), Vec::<String>::new());
    assert_eq!(
        with("{mode: none, http: 0, https: 0}"),
        Vec::<String>::new()
    );
}

#[test]
fn spans_that_contradict_each_other_are_faults() {
    let with = |proxy: &str| faults(&format!("{{proxy: {proxy}}}"));
    assert_eq!(
        with("{stopGracePeriod: 59s}"),
        ["spec.proxy.stopGracePeriod"]
    );
    assert_eq!(with("{stopGracePeriod: 60s}"), Vec::<String>::new());
    assert_eq!(
        with("{drain: {minimum: 61s}}"),
        ["spec.proxy.drain.minimum"]
    );
}

#[test]
fn subnets_are_ipv4_networks_with_room() {
    let with = |subnet: &str| {
        faults(&format!(
            "{{networks: [{{name: n, create: {{subnet: {subnet}}}}}]}}"
        ))
    };
    for good in ["10.0.0.0/8", "10.7.0.0/24", "192.168.1.8/29"] {
        assert_eq!(with(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "10.0.0.1/24",
        "10.0.0.0/30",
        "0.0.0.0/0",
        "10.0.0/24",
        "fd00::/64",
        "10.0.0.0",
        "10.0.0.0/33",
    ] {
        assert_eq!(with(bad), ["spec.networks[0].create.subnet"], "{bad}");
    }
}

#[test]
fn every_key_that_cannot_be_used_is_told_at_its_place() {
    let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a";
    let text = format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: a}}\nspec:\n  url: https://h/r\n  verify:\n    sshKeys:\n    - {good}\n    - nonsense\n    - a@example.com {good}\n"
    );
    let parsed = manifests("f.yaml", &text);
    let told: Vec<String> = parsed.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for (told, part) in told.iter().zip([
        "f.yaml:9:7: spec.verify.sshKeys[1]: is no public key of SSH",
        "f.yaml:10:7: spec.verify.sshKeys[2]: is no public key of SSH",
    ]) {
        assert!(told.starts_with(part), "{told}");
    }
    assert!(parsed.faults[1].hint.contains("leave out"));
}

#[test]
fn an_empty_verify_is_a_fault_and_not_the_same_as_none() {
    for verify in [
        "verify:",
        "verify: ~",
        "verify: {}",
        "verify: {sshKeys: }",
        "verify: {sshKeys: []}",
    ] {
        let text = format!(
            "apiVersion: skep.dev/v1alpha1\nkind: Source\nmetadata: {{name: a}}\nspec:\n  url: https://h/r\n  {verify}\n"
        );
        let faults = manifests("", &text).faults;
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["spec.verify.sshKeys"], "{verify}");
    }
}

#[test]
fn validation_needs_no_text() {
    let parsed = manifests(
        "",
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: a}\n",
    );
    let mut cluster = parsed.clusters[0].clone();
    cluster.metadata.name = "x".repeat(33);
    let found = validate(&cluster);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].path.as_str(), found[0].line),
        ("metadata.name", 0)
    );
}

#[test]
fn every_amount_has_a_least_and_a_most() {
    for (bad, path, range) in [
        (
            "proxy: {replicas: 100000000000}",
            "proxy.replicas",
            "0 and 10000",
        ),
        (
            "proxy: {update: {parallelism: 10001}}",
            "proxy.update.parallelism",
            "0 and 10000",
        ),
        (
            "proxy: {resources: {limits: {cpus: 0.0001}}}",
            "proxy.resources.limits.cpus",
            "0.001 and 10000",
        ),
        (
            "proxy: {resources: {limits: {cpus: 10001}}}",
            "proxy.resources.limits.cpus",
            "at most 10000",
        ),
        (
            "proxy: {resources: {limits: {memory: 1}}}",
            "proxy.resources.limits.memory",
            "6Mi and 1048576Gi",
        ),
        (
            "proxy: {resources: {limits: {memory: 1048577Gi}}}",
            "proxy.resources.limits.memory",
            "at most 1048576Gi",
        ),
        (
            "proxy: {update: {monitor: 99999999999h}}",
            "proxy.update.monitor",
            "at most 87600h",
        ),
        (
            "proxy: {update: {delay: 87600h1ms}}",
            "proxy.update.delay",
            "at most 87600h",
        ),
        (
            "placement: {maxReplicasPerNode: 10001}",
            "placement.maxReplicasPerNode",
            "1 and 10000",
        ),
        (
            "traffic: {maxConnections: 1000000001}",
            "traffic.maxConnections",
            "1 and 1000000000",
        ),
        (
            "traffic: {trustedHops: 33}",
            "traffic.trustedHops",
            "0 to 32",
        ),
        (
            "traffic: {maxRequestBody: 2000000000Mi}",
            "traffic.maxRequestBody",
            "at most 1048576Gi",
        ),
        (
            "traffic: {timeouts: {idle: 90000h}}",
            "traffic.timeouts.idle",
            "at most 87600h",
        ),
        (
            "proxy: {publish: {http: 65536}}",
            "proxy.publish.http",
            "0 to 65535",
        ),
    ] {
        let text = format!(
            "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: a}}\nspec: {{{bad}}}\n"
        );
        let found = manifests("", &text).faults;
        let told = found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(found.len(), 1, "{told}");
        assert!(told.contains(&format!("spec.{path}: ")), "{told}");
        assert!(told.contains(range), "{told}");
    }
}

#[test]
fn a_list_is_no_section_though_its_items_would_fit() {
    assert_eq!(faults("[]"), ["spec"]);
    assert_eq!(faults("{proxy: {drain: [60s, 5s]}}"), ["spec.proxy.drain"]);
    assert_eq!(faults("{networks: [[eastnet]]}"), ["spec.networks[0]"]);
}
