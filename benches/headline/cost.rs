//! What a proxied request costs: one core for the proxy, 10,000 routes, load from the other core.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skep::control::identity::Identity;
use skep::control::{pki, server::Server, wire};
use skep::route::table::{Backend, Endpoint, Route, RouteTable, Target};
use tokio_util::sync::CancellationToken;

use super::http;
use super::lab::text;
use super::wait::eventually;

/// One proxy: the middle one of three rounds.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Cost {
    pub proxy: &'static str,
    /// CPU time of the proxy per request, in microseconds.
    pub microseconds: f64,
    pub requests_per_second: f64,
    /// Resident memory after the load, in MB.
    pub memory: f64,
}

const ROUTES: usize = 10_000;
const UPSTREAM: u16 = 19_000;
const NGINX: u16 = 19_001;
const HAPROXY: u16 = 19_002;
const SKEP: u16 = 19_003;

/// A process of ours, ended with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program on one core.
fn on_core(core: &str, program: &str, args: &[&str]) -> Running {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]).args(args);
    Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap(),
    )
}

/// Measures all three, round by round.
pub fn measure(round: Duration) -> Vec<Cost> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("upstream.conf"), upstream()).unwrap();
    std::fs::write(path("nginx.conf"), nginx()).unwrap();
    std::fs::write(path("haproxy.cfg"), haproxy(&path("hosts.map"))).unwrap();
    let map: String = (0..ROUTES).fold(String::new(), |mut map, i| {
        let _ = writeln!(map, "host{i}.bench up");
        map
    });
    std::fs::write(path("hosts.map"), map).unwrap();
    std::fs::write(
        path("hosts.lua"),
        format!("request = function() return wrk.format('GET', '/x', {{Host = 'host' .. math.random(0, {}) .. '.bench'}}) end", ROUTES - 1),
    )
    .unwrap();

    let _upstream = on_core(
        "1",
        "nginx",
        &["-p", &path(""), "-c", &path("upstream.conf")],
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let control = runtime.block_on(control(folder));
    let running = [
        (
            "nginx",
            NGINX,
            on_core("0", "nginx", &["-p", &path(""), "-c", &path("nginx.conf")]),
        ),
        (
            "HAProxy",
            HAPROXY,
            on_core("0", "haproxy", &["-db", "-f", &path("haproxy.cfg")]),
        ),
        ("skep proxy", SKEP, skep_proxy(folder, control)),
    ];
    for (name, port, _) in &running {
        for host in ["host0.bench", "host9999.bench"] {
            eventually(&format!("{name} serves {host}"), || {
                http::status_is(200, Ipv4Addr::LOCALHOST.into(), *port, host, "/x")
            });
        }
    }
    let mut rounds = vec![Vec::new(); running.len()];
    for _ in 0..3 {
        for (at, (name, port, process)) in running.iter().enumerate() {
            rounds[at].push(one_round(
                name,
                *port,
                process.0.id(),
                round,
                &path("hosts.lua"),
            ));
        }
    }
    rounds
        .into_iter()
        .map(|mut rounds: Vec<Cost>| {
            rounds.sort_by(|a, b| a.microseconds.total_cmp(&b.microseconds));
            println!("{:?}", rounds[1]);
            rounds[1].clone()
        })
        .collect()
}

fn one_round(proxy: &'static str, port: u16, pid: u32, round: Duration, script: &str) -> Cost {
    let before = cpu_seconds(pid);
    let seconds = format!("-d{}", round.as_secs());
    let output = Command::new("taskset")
        .args([
            "-c",
            "1",
            "wrk",
            "-t1",
            "-c64",
            &seconds,
            "-s",
            script,
            &format!("http://127.0.0.1:{port}"),
        ])
        .output()
        .unwrap();
    let cpu = cpu_seconds(pid) - before;
    let shown = text(&output, "wrk");
    assert!(
        !shown.contains("Non-2xx") && !shown.contains("Socket errors"),
        "{proxy}: {shown}"
    );
    let requests: f64 = shown
        .lines()
        .find_map(|line| line.trim().split_once(" requests in"))
        .and_then(|(count, _)| count.parse().ok())
        .unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    Cost {
        proxy,
        microseconds: cpu * 1e6 / requests,
        requests_per_second: requests / round.as_secs_f64(),
        memory: kilobytes / 1024.0,
    }
}

/// User and system time of a process, in ticks of 10 ms as Linux counts them for programs.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

const HEAD: &str = "daemon off;\nmaster_process off;\nerror_log stderr;\npid nginx-PORT.pid;\nworker_rlimit_nofile 20000;\n\
    events { worker_connections 8000; }\nhttp {\naccess_log off;\nkeepalive_requests 1000000;\n";

fn upstream() -> String {
    let body = "x".repeat(100);
    format!(
        "{}server {{ listen 127.0.0.1:{UPSTREAM}; location / {{ return 200 '{body}'; }} }}\n}}\n",
        HEAD.replace("PORT", "up")
    )
}

fn nginx() -> String {
    let mut text = HEAD.replace("PORT", "proxy");
    let _ = write!(
        text,
        "server_names_hash_max_size 65536;\nproxy_http_version 1.1;\nproxy_set_header Connection '';\n\
         proxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header X-Request-Id $request_id;\n\
         upstream up {{ server 127.0.0.1:{UPSTREAM}; keepalive 128; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{NGINX} default_server; return 404; }}\n"
    );
    for i in 0..ROUTES {
        let _ = writeln!(
            text,
            "server {{ listen 127.0.0.1:{NGINX}; server_name host{i}.bench; location / {{ proxy_pass http://up; }} }}"
        );
    }
    text.push_str("}\n");
    text
}

fn haproxy(map: &str) -> String {
    format!(
        "global\n nbthread 1\n maxconn 4000\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n option forwardfor\n http-reuse always\n\
         frontend in\n bind 127.0.0.1:{HAPROXY}\n unique-id-format %[uuid()]\n unique-id-header x-request-id\n\
         http-request set-header x-forwarded-proto http\n use_backend %[req.hdr(host),lower,map({map})]\n\
         backend up\n server one 127.0.0.1:{UPSTREAM} pool-max-conn 128\n"
    )
}

/// A control stream with the table of 10,000 routes, as an operator would offer it.
async fn control(folder: &Path) -> SocketAddr {
    let bundle = pki::issue().unwrap();
    std::fs::write(folder.join("ca.pem"), &bundle.ca).unwrap();
    std::fs::write(folder.join("proxy.pem"), &bundle.proxy).unwrap();
    let identity = Identity::parse(&bundle.operator, &bundle.ca).unwrap();
    let mut table = RouteTable::default();
    "bench".clone_into(&mut table.listener.cluster);
    table.listener.traffic.access_log.enabled = false;
    let endpoints = vec![Endpoint {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, UPSTREAM)),
        id: "up".to_owned(),
    }];
    table.backends.insert(
        "up".to_owned(),
        Backend {
            service: "up".to_owned(),
            endpoints,
            ..Backend::default()
        },
    );
    for i in 0..ROUTES {
        let target = Target {
            backend: "up".to_owned(),
            weight: None,
        };
        let route = Route {
            host: format!("host{i}.bench"),
            targets: vec![target],
            ..Route::default()
        };
        table.routes.insert(route.name(), route);
    }
    let server = Server::new();
    server.publish("bench", wire::snapshot(&table));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let forever = server.serve(listener, identity, CancellationToken::new());
        forever.await.unwrap();
    });
    address
}

fn skep_proxy(folder: &Path, control: SocketAddr) -> Running {
    let binary = std::env::var("SKEP_BENCH_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_skep").to_owned());
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(folder.join("state")).unwrap();
    let (control, listen) = (control.to_string(), format!("127.0.0.1:{SKEP}"));
    let (ca, identity, state) = (path("ca.pem"), path("proxy.pem"), path("state"));
    let args = [
        "proxy",
        "--node",
        "bench",
        "--task",
        "bench",
        "--cluster",
        "bench",
        "--control",
        &control,
        "--http-listen",
        &listen,
        "--https-listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--ca",
        &ca,
        "--identity",
        &identity,
        "--state",
        &state,
        "--log",
        "warn",
    ];
    on_core("0", &binary, &args)
}
