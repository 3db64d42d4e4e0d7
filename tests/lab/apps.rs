//! Application services and manifests that the scenarios share.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::{WHOAMI, node};
use super::lab::text;

/// Starts a whoami service on a network, with these labels (`skep.` is put before each).
pub fn whoami(name: &str, network: &str, labels: &[&str]) {
    let mut args = vec![
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        name,
        "--network",
        network,
    ];
    let labels: Vec<String> = labels.iter().map(|label| format!("skep.{label}")).collect();
    for label in &labels {
        args.extend(["--label", label]);
    }
    args.push(WHOAMI);
    node(0).docker(&args);
}

/// Makes an overlay network.
pub fn overlay(name: &str) {
    node(0).docker(&["network", "create", "--driver", "overlay", name]);
}

/// Changes one routing label of a service.
pub fn relabel(service: &str, label: &str) {
    node(0).docker(&[
        "service",
        "update",
        "--detach",
        "--quiet",
        "--label-add",
        &format!("skep.{label}"),
        service,
    ]);
}

/// What `docker inspect` says of one object.
pub fn inspect(kind: &str, name: &str) -> Value {
    let shown = node(0).docker(&[kind, "inspect", name]);
    let list: Value = serde_json::from_str(&shown).unwrap();
    list[0].clone()
}

/// The names of the networks that a service's tasks are attached to.
pub fn networks_of(service: &str) -> BTreeSet<String> {
    let service = inspect("service", service);
    let attached = service["Spec"]["TaskTemplate"]["Networks"]
        .as_array()
        .cloned();
    let name = |attached: &Value| {
        let id = attached["Target"].as_str().unwrap();
        inspect("network", id)["Name"].as_str().unwrap().to_owned()
    };
    attached.unwrap_or_default().iter().map(name).collect()
}

/// The ids of the tasks of a service that are meant to run.
pub fn tasks(service: &str) -> BTreeSet<String> {
    let shown = node(0).docker(&[
        "service",
        "ps",
        "-q",
        "--no-trunc",
        "--filter",
        "desired-state=running",
        service,
    ]);
    shown.lines().map(str::to_owned).collect()
}

/// The ids of the containers of a service that run.
pub fn containers(service: &str) -> BTreeSet<String> {
    let tasks = tasks(service);
    if tasks.is_empty() {
        return BTreeSet::new();
    }
    let format = [
        "inspect",
        "--type",
        "task",
        "--format",
        "{{.Status.State}} {{with .Status.ContainerStatus}}{{.ContainerID}}{{end}}",
    ];
    let ids: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let output = node(0).try_docker(&[&format[..], &ids].concat());
    // A task may be gone between the two calls.
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let running = shown
        .lines()
        .filter_map(|line| line.strip_prefix("running "));
    running.map(str::to_owned).collect()
}

/// The labels of a node.
pub fn node_labels(number: u8) -> Value {
    inspect("node", &format!("node-{number}"))["Spec"]["Labels"].clone()
}

/// A service cluster on one node: `networks` as they stand in the manifest.
pub fn manifest(name: &str, host_node: &str, port: u16, networks: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1
kind: ServiceCluster
metadata: {{name: {name}}}
spec:
  networks: {networks}
  placement: {{nodes: [{host_node}], labels: {{{name}: 'yes'}}}}
  proxy:
    replicas: 1
    stopGracePeriod: 5s
    drain: {{timeout: 2s, minimum: 0s}}
    publish: {{mode: host, http: {port}, https: {}}}
    update: {{monitor: 1s}}
",
        port + 1
    )
}

/// Deletes a service cluster by the command line.
pub fn delete(name: &str) {
    text(&super::harness::skep(&["delete", name]), "skep delete");
}
