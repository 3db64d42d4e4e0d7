//! The good documents, and the values that are put into them.

use serde_json::{Value, json};

/// Good service clusters: every field, and every form that a field may have.
pub const CLUSTERS: [&str; 3] = [
    r#"
apiVersion: skep.dev/v1
kind: ServiceCluster
metadata:
  name: east
  labels: {team: web}
  annotations: {dev.skep.history: "10", note: "any"}
  generation: 3
  creationTimestamp: "2026-01-01T00:00:00Z"
spec:
  default: true
  networks:
    - {name: eastnet, create: {attachable: false, encrypted: true, subnet: 10.7.0.0/24, labels: {a: b}}}
    - {name: other}
  placement:
    nodes: [node-0, node-1]
    labels: {region: east}
    constraints: [node.role==worker, "node.labels.zone != b"]
    preferences: [spread=node.labels.zone]
    maxReplicasPerNode: 1
  proxy:
    serviceName: skep-proxy-east
    image: registry.example.com:5000/team/skep:1.0
    mode: replicated
    replicas: 2
    publish: {mode: ingress, http: 8080, https: 8443}
    resources:
      limits: {cpus: "1.5", memory: 1Gi}
      reservations: {cpus: 0.25, memory: 134217728}
    stopGracePeriod: 1m15s
    drain: {timeout: 60s, minimum: 5s}
    update: {parallelism: 1, delay: 0s, order: start-first, failureAction: pause, monitor: 5s, maxFailureRatio: 0.5}
    labels: {team: web}
    containerLabels: {team: web}
    env: {RUST_BACKTRACE: "1"}
    logging: {driver: json-file, options: {max-size: 10m}}
  traffic:
    timeouts: {connect: 5s, request: 60s, idle: 300s}
    maxConnections: 10000
    maxRequestBody: 32Mi
    trustedHops: 1
    proxyProtocol: false
    redirectHttpToHttps: true
    tls: {minVersion: "1.3", cipherSuites: [TLS_AES_256_GCM_SHA384], defaultCertificate: fallback}
    accessLog: {enabled: true, format: text}
  admission:
    selector: {matchLabels: {team: web}}
    hosts: ["*.east.example.com", app.example.com.]
"#,
    "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: a}, spec: {placement: {nodes: {matchLabels: {zone: a}}, labels: {x: y}}, proxy: {mode: global, publish: {mode: none}}, traffic: {maxRequestBody: 0}}}",
    "{apiVersion: skep.dev/v1, kind: ServiceCluster, metadata: {name: a}, spec: }",
];

/// Good sources.
pub const SOURCES: [&str; 2] = [
    r#"
apiVersion: skep.dev/v1
kind: Source
metadata: {name: shop, labels: {team: web}, annotations: {note: any}}
spec:
  url: https://git.example.com/team/shop.git
  ref: refs/heads/main
  path: clusters/production
  interval: 90s
  ca: "-----BEGIN CERTIFICATE-----\n..."
  verify:
    sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti alice@example.com"]
  prune: true
  suspend: false
"#,
    "{apiVersion: skep.dev/v1, kind: Source, metadata: {name: shop}, spec: {url: 'git://h:9/r'}}",
];

/// Texts that some field takes and others refuse.
const TEXTS: &[&str] = &[
    "",
    " ",
    "x",
    "X",
    "a b",
    " x",
    "x\n",
    "a\u{0}",
    "ä",
    "-",
    ".",
    "..",
    "a/../b",
    "a\\b",
    "-a",
    "a-",
    "a_b",
    "a.b",
    "a/b",
    "5",
    "007",
    "0s",
    "0h0ms",
    "5s",
    " 5s",
    "1m30s",
    "5 s",
    "87600h",
    "87601h",
    "99999999999h",
    "000000000005s",
    "1000000000000ms",
    "1Gi",
    "0",
    "4Mi",
    "6Mi",
    "1k",
    "1K",
    "99999999999Gi",
    "0.5",
    "500m",
    "1.",
    "0.0000000001",
    "123456",
    "1.2",
    "1.3",
    "host",
    "HOST",
    "node.role==x",
    "node.role = x",
    "node.x==y",
    "node.labels.a b==c",
    "engine.labels.a!=b c",
    "node.labels.x==a=b",
    "spread=node.labels.x",
    "spread=node.id",
    "skep",
    "bridge",
    "skep-control",
    "skep-operator",
    "FOO:bar:baz",
    "r.io/a@sha256:12",
    "r.io:5/a:1",
    "*.x.y",
    "*x",
    "a..b",
    "a.b..",
    "10.0.0.0/8",
    "10.0.0.0/08",
    "10.0.0.1/24",
    "10.0.0.0/30",
    "256.0.0.0/8",
    "TLS_AES_128_GCM_SHA256",
    "TLS_X",
    "https://h/r",
    "https://h",
    "ssh://h/r",
    "https://u@h/r",
    "https://h/r?x",
    "https://h/ä",
    "main",
    "-----BEGIN CERTIFICATE-----",
    "ssh-ed25519 AAAA",
    "skep.dev/v2",
    "Pod",
    "json",
    "rollback",
];
/// Numbers at and beyond the limits.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2.0",
    "0.5",
    "-0.5",
    "32",
    "33",
    "65535",
    "65536",
    "10000",
    "10001",
    "4194303",
    "100000000000",
    "1125899906842625",
    "1e300",
    "0.12345678901",
];

/// Values that stand in for every value of a document.
pub fn pool() -> Vec<Value> {
    let long = "a".repeat(254);
    let mut pool = vec![
        json!(null),
        json!(true),
        json!([]),
        json!([null]),
        json!([""]),
        json!(["x", "x"]),
        json!([{"name": "x"}]),
        json!({}),
        json!({"x": null}),
        json!({"x": "y"}),
        json!({"x": 1}),
        json!({"": "y"}),
        json!({"x y": "z"}),
        json!({"dev.skep.x": "y"}),
        json!({"dev.skep.history": "0"}),
        json!({"skep.hosts": "y"}),
        json!({"SKEP_NODE": "y"}),
        json!({"x": "a\u{0}b"}),
        json!({(long.as_str()): "y"}),
        json!({"matchLabels": {}}),
        json!({"matchLabels": {"x/y": ""}}),
    ];
    for number in NUMBERS {
        pool.push(serde_json::from_str(number).unwrap());
    }
    pool.extend(TEXTS.iter().map(|text| json!(text)));
    pool.push(json!(long));
    pool.push(json!("a".repeat(64)));
    pool
}
