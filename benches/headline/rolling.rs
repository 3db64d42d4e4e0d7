//! A rolling update of an application at Swarm's defaults, seen through Skep and through Traefik at its defaults,
//! both at once: the same tasks, the same moments.

use std::net::SocketAddr;
use std::time::Duration;

use super::change::skep;
use super::lab::{Lab, Node, Wanted, package};
use super::load::{Count, Load};
use super::wait::{eventually, same};
use super::{engine, http};

/// What one update, or one scaling down, cost each of them.
#[derive(Debug, serde::Serialize)]
pub struct Rolled {
    pub what: &'static str,
    pub skep: Count,
    pub traefik: Count,
}

const APP: &str = "rollingapp";
const HOST: &str = "rolling.bench";
const SKEP: u16 = 8300;
const TRAEFIK: u16 = 8310;
/// Connections of each client; with this pause they make some 200 requests a second.
const CONNECTIONS: usize = 4;
const PAUSE: Duration = Duration::from_millis(18);

/// Measures on a lab of its own.
pub fn measure() -> Vec<Rolled> {
    let images = ["skep", "whoami", "traefik"]
        .map(|name| package().join(format!("target/images/{name}.tar")));
    let lab = Lab::start(&Wanted {
        name: &format!("rolling-{}", std::process::id()),
        nodes: 3,
        managers: 1,
        images: &images,
    });
    let manager = lab.node(0);
    manager.docker(&["network", "create", "--driver", "overlay", "apps"]);
    application(&manager);
    traefik(&manager);
    skep(
        &manager,
        "",
        &["install", "--image", "localhost:5000/skep:dev"],
    );
    let manifest = format!(
        "apiVersion: skep.dev/v1
kind: ServiceCluster
metadata: {{name: bench}}
spec:
  networks: [{{name: apps}}]
  placement: {{nodes: [node-0], labels: {{bench: 'yes'}}}}
  proxy: {{replicas: 1, publish: {{http: {SKEP}, https: {}}}}}
",
        SKEP + 1
    );
    skep(&manager, &manifest, &["apply", "-f", "-"]);
    let here = lab.node(0).address();
    for port in [SKEP, TRAEFIK] {
        eventually("both serve four tasks", || {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..16 {
                seen.insert(http::get(here, port, HOST, "/")?.container()?);
            }
            same(seen.len(), 4)
        });
    }
    let run = |what, change: &dyn Fn(&mut serde_json::Value)| {
        let start = |port| Load::start(SocketAddr::from((here, port)), HOST, CONNECTIONS, PAUSE);
        let (ours, theirs) = (start(SKEP), start(TRAEFIK));
        engine::update_service(&manager.docker_host(), APP, change);
        settled(&manager);
        let rolled = Rolled {
            what,
            skep: ours.stop(),
            traefik: theirs.stop(),
        };
        println!("{what}: skep {:?}", rolled.skep);
        println!("{what}: traefik {:?}", rolled.traefik);
        rolled
    };
    let roll = |order: &'static str| {
        move |spec: &mut serde_json::Value| {
            spec["UpdateConfig"] = serde_json::json!({"Parallelism": 1, "Order": order});
            spec["TaskTemplate"]["ContainerSpec"]["Env"] =
                serde_json::json!([format!("O={order}")]);
        }
    };
    vec![
        run("rolling update, stop-first", &roll("stop-first")),
        run("rolling update, start-first", &roll("start-first")),
        run("scaled from 4 tasks to 1", &|spec| {
            spec["Mode"]["Replicated"]["Replicas"] = 1.into();
        }),
    ]
}

/// Waits until the update is over, and every container that had to go is gone.
fn settled(manager: &Node) {
    eventually("Swarm has done it", || {
        let service = engine::call(
            &manager.docker_host(),
            "GET",
            &format!("/services/{APP}"),
            &serde_json::Value::Null,
        )
        .1;
        match service["UpdateStatus"]["State"].as_str() {
            Some("updating") => Err("updating".to_owned()),
            _ => Ok(()),
        }
    });
    eventually("only the tasks that are meant to run do", || {
        let format = "{{.DesiredState}} {{.CurrentState}}";
        let tasks = manager.docker(&["service", "ps", "--format", format, APP]);
        let leaves = |line: &&str| !line.starts_with("Running") && line.contains(" Running");
        same(tasks.lines().filter(leaves).count(), 0)
    });
}

fn application(manager: &Node) {
    let labels = [
        "skep.port=8000".to_owned(),
        "skep.service_cluster=bench".to_owned(),
        format!("skep.hosts={HOST}"),
        "traefik.enable=true".to_owned(),
        format!("traefik.http.routers.app.rule=Host(`{HOST}`)"),
        "traefik.http.services.app.loadbalancer.server.port=8000".to_owned(),
        "traefik.swarm.network=apps".to_owned(),
    ];
    let mut args = vec![
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
    ];
    args.extend([
        "--name",
        APP,
        "--network",
        "apps",
        "--endpoint-mode",
        "dnsrr",
        "--replicas",
        "4",
    ]);
    for label in &labels {
        args.extend(["--label", label]);
    }
    args.push("localhost:5000/whoami:dev");
    manager.docker(&args);
}

fn traefik(manager: &Node) {
    let publish = format!("mode=host,target={TRAEFIK},published={TRAEFIK}");
    let listen = format!("--entrypoints.web.address=:{TRAEFIK}");
    manager.docker(&[
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        "traefik",
        "--network",
        "apps",
        "--endpoint-mode",
        "dnsrr",
        "--constraint",
        "node.role==manager",
        "--user",
        "0",
        "--mount",
        "type=bind,source=/run/docker.sock,target=/run/docker.sock",
        "--publish",
        &publish,
        "localhost:5000/traefik:bench",
        "--providers.swarm.endpoint=unix:///run/docker.sock",
        "--providers.swarm.exposedbydefault=false",
        &listen,
    ]);
}
