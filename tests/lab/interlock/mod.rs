//! The worked examples of Interlock's manuals, with their own commands and labels, on a real Swarm. The outcome is
//! the successor's: what worked there works, and what was broken there works too.
//!
//! East and west, the first of them, is `seed.rs`. VIP mode needs IPVS in the kernel: it is a unit test.

mod affinity;
mod clusters;
mod paths;
mod tls;

use std::net::IpAddr;
use std::sync::OnceLock;

use libtest_mimic::Trial;

use super::apps::manifest;
use super::curl::{Curl, curl};
use super::harness::{WHOAMI, apply, node, ready};

pub fn trials() -> Vec<Trial> {
    let all = [
        clusters::trials(),
        tls::trials(),
        affinity::trials(),
        paths::trials(),
    ];
    all.into_iter().flatten().collect()
}

/// Ports of the proxy that all examples but those of `clusters` share.
const HTTP: u16 = 8500;
const HTTPS: u16 = HTTP + 1;

/// The address of that proxy.
fn proxy() -> IpAddr {
    static APPLIED: OnceLock<()> = OnceLock::new();
    APPLIED.get_or_init(|| {
        let networks = "[{name: demo, create: {attachable: true}}]";
        apply(&manifest("interlock", "node-1", HTTP, networks));
        ready("interlock");
    });
    node(1).address()
}

/// `docker service create --name NAME --network demo --label com.docker.lb.LABEL... ARGS IMAGE`.
fn create(name: &str, labels: &[&str], args: &[&str]) {
    proxy();
    create_in("interlock", name, labels, args);
}

/// The same in another cluster.
fn create_in(cluster: &str, name: &str, labels: &[&str], args: &[&str]) {
    let cluster = format!("service_cluster={cluster}");
    let labels: Vec<String> = labels
        .iter()
        .chain(&[cluster.as_str()])
        .map(|label| format!("com.docker.lb.{label}"))
        .collect();
    let mut all = vec![
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        name,
    ];
    if !args.contains(&"--network") && !args.iter().any(|arg| arg.starts_with("mode=host")) {
        all.extend(["--network", "demo"]);
    }
    for label in &labels {
        all.extend(["--label", label]);
    }
    all.extend(args);
    all.push(WHOAMI);
    node(0).docker(&all);
}

fn remove(services: &[&str]) {
    node(0).docker(&[&["service", "rm"], services].concat());
}

/// `curl ARGS -H "Host: HOST" http://PROXY:PORT/PATH`
fn get(host: &str, path: &str, args: &[&str]) -> Curl {
    get_from((proxy(), HTTP), host, path, args)
}

/// The same from another proxy.
fn get_from(proxy: (IpAddr, u16), host: &str, path: &str, args: &[&str]) -> Curl {
    let (host, url) = (
        format!("Host: {host}"),
        format!("http://{}:{}{path}", proxy.0, proxy.1),
    );
    curl(&[args, &["-H", &host, &url]].concat())
}
