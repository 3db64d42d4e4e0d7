//! The same change as Interlock makes it: a new swarm config in the proxy service, so new proxy tasks.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::json;

use super::change::{STEADY, Took, first_200, sorted, steady};
use super::lab::Node;
use super::wait::{eventually, until};
use super::{Plan, engine, http};

const SERVICE: &str = "swapproxy";
const PORT: u16 = 8200;

/// HAProxy's configuration that serves these hosts from the application.
fn configuration(hosts: &[&str]) -> String {
    let mut text = String::from(
        "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         resolvers swarm\n nameserver engine 127.0.0.11:53\n\
         backend app\n server-template task 4 benchapp:8000 resolvers swarm init-addr libc,none\n\
         frontend in\n bind :8080\n",
    );
    for host in hosts {
        let _ = writeln!(text, " use_backend app if {{ hdr(host) -i {host} }}");
    }
    text
}

/// Makes a config; its id.
fn config(manager: &Node, name: &str, hosts: &[&str]) -> String {
    let data = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        configuration(hosts),
    );
    let body = json!({"Name": name, "Data": data});
    let (_, answer) = engine::call(&manager.docker_host(), "POST", "/configs/create", &body);
    answer["ID"].as_str().unwrap().to_owned()
}

/// Measures so many swaps with so many networks attached.
pub fn measure(plan: &Plan, manager: &Node, proxy: IpAddr, networks: usize) -> Took {
    let first = format!("swap-{networks}-first");
    config(manager, &first, &[STEADY]);
    let mut args = vec![
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        SERVICE,
    ];
    let constraint = "node.hostname==node-2";
    let (config_flag, port_flag) = (
        format!("source={first},target=/haproxy.cfg"),
        format!("mode=host,target=8080,published={PORT}"),
    );
    args.extend([
        "--constraint",
        constraint,
        "--config",
        &config_flag,
        "--publish",
        &port_flag,
        "--endpoint-mode",
        "dnsrr",
    ]);
    args.extend(["--stop-grace-period", "2s", "--update-order", "stop-first"]);
    let names: Vec<_> = (0..networks).map(|i| format!("net{i}")).collect();
    for name in &names {
        args.extend(["--network", name]);
    }
    args.push("localhost:5000/haproxy:bench");
    manager.docker(&args);
    eventually("the steady host is served", || {
        http::status_is(200, proxy, PORT, STEADY, "/")
    });

    let load = steady(proxy, PORT);
    let took: Vec<_> = (0..plan.swaps)
        .map(|i| {
            let (name, host) = (format!("swap-{networks}-{i}"), format!("swap{i}.bench"));
            let id = config(manager, &name, &[STEADY, &host]);
            let accepted = engine::update_service(&manager.docker_host(), SERVICE, |spec| {
                let config = &mut spec["TaskTemplate"]["ContainerSpec"]["Configs"][0];
                config["ConfigID"] = id.clone().into();
                config["ConfigName"] = name.clone().into();
            });
            first_200(accepted, proxy, PORT, &host)
        })
        .collect();
    let load = load.stop();
    manager.docker(&["service", "rm", SERVICE]);
    until("the port is free again", || {
        http::get(proxy, PORT, STEADY, "/").is_err()
    });
    Took {
        milliseconds: sorted(&took),
        load,
    }
}
