//! From a changed label, accepted by the engine, to the first 200 on the new route.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::lab::{Lab, Node, Wanted, package, text};
use super::load::{Count, Load};
use super::wait::{eventually, until};
use super::{Plan, engine, http, swap};

/// What one way of changing took.
#[derive(Debug, serde::Serialize)]
pub struct Took {
    /// Milliseconds of each change, in order of size.
    pub milliseconds: Vec<f64>,
    /// The steady client beside it.
    pub load: Count,
}

/// Both ways, with so many networks attached.
#[derive(Debug, serde::Serialize)]
pub struct Change {
    pub networks: usize,
    pub skep: Took,
    pub swap: Took,
}

const APP: &str = "benchapp";
const PORT: u16 = 8100;
pub const STEADY: &str = "steady.bench";

/// Measures on a lab of its own.
pub fn measure(plan: &Plan) -> Vec<Change> {
    let images = ["skep", "whoami", "haproxy"]
        .map(|name| package().join(format!("target/images/{name}.tar")));
    let lab = Lab::start(&Wanted {
        name: &format!("bench-{}", std::process::id()),
        nodes: 3,
        managers: 1,
        images: &images,
    });
    let manager = lab.node(0);
    let most = plan.networks.iter().max().copied().unwrap_or(1);
    for i in 0..most {
        manager.docker(&[
            "network",
            "create",
            "--driver",
            "overlay",
            &format!("net{i}"),
        ]);
    }
    manager.docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        APP,
        "--network",
        "net0",
        "--endpoint-mode",
        "dnsrr",
        "--label",
        "skep.port=8000",
        "--label",
        "skep.service_cluster=bench",
        "--label",
        &format!("skep.hosts={STEADY}"),
        "localhost:5000/whoami:dev",
    ]);
    skep(
        &manager,
        "",
        &["install", "--image", "localhost:5000/skep:dev"],
    );
    plan.networks
        .iter()
        .map(|&networks| {
            let change = Change {
                networks,
                skep: by_label(plan, &manager, lab.node(1).address(), networks),
                swap: swap::measure(plan, &manager, lab.node(2).address(), networks),
            };
            println!("{networks} networks: skep {:?}", change.skep);
            println!("{networks} networks: swap {:?}", change.swap);
            change
        })
        .collect()
}

/// Runs the command line.
pub fn skep(manager: &Node, input: &str, args: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(args)
        .env("DOCKER_HOST", manager.docker_host())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    text(
        &child.wait_with_output().unwrap(),
        &format!("skep {}", args.join(" ")),
    )
}

fn by_label(plan: &Plan, manager: &Node, proxy: IpAddr, networks: usize) -> Took {
    let names: Vec<_> = (0..networks).map(|i| format!("{{name: net{i}}}")).collect();
    let manifest = format!(
        "apiVersion: skep.dev/v1
kind: ServiceCluster
metadata: {{name: bench}}
spec:
  networks: [{}]
  placement: {{nodes: [node-1], labels: {{bench: 'yes'}}}}
  proxy: {{replicas: 1, publish: {{http: {PORT}, https: {}}}, stopGracePeriod: 2s, drain: {{timeout: 1s, minimum: 0s}}}}
",
        names.join(", "),
        PORT + 1
    );
    skep(manager, &manifest, &["apply", "-f", "-"]);
    eventually("the steady host is served", || {
        http::status_is(200, proxy, PORT, STEADY, "/")
    });
    skep(manager, "", &["wait", "bench"]);
    let load = steady(proxy, PORT);
    let took: Vec<_> = (0..plan.changes)
        .map(|i| {
            let host = format!("n{networks}-{i}.bench");
            let accepted = engine::update_service(&manager.docker_host(), APP, |spec| {
                spec["Labels"]["skep.hosts"] = format!("{STEADY},{host}").into();
            });
            first_200(accepted, proxy, PORT, &host)
        })
        .collect();
    let load = load.stop();
    skep(manager, "", &["delete", "bench"]);
    until("the proxies are gone", || {
        manager
            .docker(&["ps", "-aq", "--filter", "name=skep-proxy-bench"])
            .is_empty()
    });
    Took {
        milliseconds: sorted(&took),
        load,
    }
}

/// A client that asks for the steady host some 300 times a second on one kept connection.
pub fn steady(proxy: IpAddr, port: u16) -> Load {
    let pause = Duration::from_millis(3);
    Load::start(SocketAddr::from((proxy, port)), STEADY, 1, pause)
}

/// How long after that moment the host was served.
pub fn first_200(accepted: Instant, proxy: IpAddr, port: u16, host: &str) -> Duration {
    while accepted.elapsed() < Duration::from_secs(120) {
        if http::status_is(200, proxy, port, host, "/").is_ok() {
            return accepted.elapsed();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{host} was not served within two minutes");
}

/// In milliseconds, in order of size.
pub fn sorted(took: &[Duration]) -> Vec<f64> {
    let mut milliseconds: Vec<f64> = took
        .iter()
        .map(|took| took.as_secs_f64() * 1000.0)
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    milliseconds
}
