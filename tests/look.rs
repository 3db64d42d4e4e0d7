//! The verbs that look, as a process against the simulated engine on a unix socket, with a real
//! operator at work on it.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "lab/shown.rs"]
mod shown;
mod sim;
#[path = "lab/terminal.rs"]
mod terminal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sim::{Pace, Sim};
use skep::api::parse;
use skep::control::server::Server;
use skep::operator::telemetry::Telemetry;
use skep::operator::{OperatorSettings, Pipeline, start};
use skep::swarm::observe;
use skep::world::{Mode, NetworkSpec, ServiceSpec};
use skep::{names, store};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const EAST: &str = "
apiVersion: skep.dev/v1
kind: ServiceCluster
metadata: {name: east, labels: {team: web}}
spec:
  networks: [{name: eastnet, create: {}}]
  placement: {nodes: [node-1], labels: {region: east}}
  proxy: {replicas: 1, publish: {mode: host, http: 80, https: 0}, env: {TOKEN: hunter2}}
";

const REQUESTS: [&str; 3] = [
    r#"{"time":"2026-01-10T12:00:00Z","client":"10.0.0.9","method":"GET","host":"demo.a","path":"/api?token=hunter2","status":200,"bytes":12,"duration_ms":1.5,"backend":"demo","endpoint":"10.0.1.3:8000","connections":3}"#,
    r#"{"time":"2026-01-10T12:00:01Z","client":"10.0.0.9","method":"GET","host":"demo.a","path":"/","status":503,"bytes":12,"duration_ms":2.5,"backend":"demo","endpoint":"","reason":"NoEndpoints"}"#,
    r#"{"timestamp":"2026-01-10T12:00:00Z","level":"INFO","message":"serving"}"#,
];

/// A Swarm where east stands, and an application is routed by it.
struct Stage {
    sim: Sim,
    folder: tempfile::TempDir,
    _operator: (Pipeline, Server),
}

impl Stage {
    async fn new() -> Self {
        let sim = Sim::new(3);
        sim.pace(Pace {
            start: Duration::from_millis(50),
            stop: Duration::from_millis(50),
            restart: Duration::from_millis(50),
            monitor: Duration::from_millis(50),
        });
        let engine = sim.engine();
        let control = NetworkSpec {
            name: names::CONTROL_NETWORK.to_owned(),
            ..NetworkSpec::default()
        };
        engine.create_network(&control).await.unwrap();
        for secret in names::SECRETS {
            let labels = BTreeMap::new();
            engine.create_secret(secret, &labels, b"pem").await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        sim.serve_unix(&folder.path().join("docker.sock")).unwrap();
        let operator = operator(&sim, folder.path().join("key"));
        let stage = Self {
            sim,
            folder,
            _operator: operator,
        };
        let parsed = parse::manifests("east", EAST);
        store::apply(&engine, &parsed.clusters[0]).await.unwrap();
        stage.stands().await;
        stage.application().await;
        for line in REQUESTS {
            stage.sim.write("skep-proxy-east", 1, line);
        }
        stage
    }

    /// Waits until the proxy of east runs and its status says what follows from that.
    async fn stands(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let world = observe(&self.sim.engine()).await.unwrap();
            let declared = skep::world::declared::declared(&world);
            let running = declared
                .get("east")
                .and_then(|d| d.status.as_ref())
                .is_some_and(|status| status.proxies.running == 1);
            if running {
                return;
            }
            assert!(Instant::now() < end, "east stands: {declared:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn application(&self) {
        let labels = [
            ("com.docker.lb.hosts", "demo.a"),
            ("com.docker.lb.port", "8000"),
            ("com.docker.lb.service_cluster", "east"),
            ("com.docker.lb.network", "eastnet"),
        ];
        let world = observe(&self.sim.engine()).await.unwrap();
        let network = world.network_named("eastnet").unwrap().id.clone();
        let spec = ServiceSpec {
            name: "demo".to_owned(),
            image: "demo:1".to_owned(),
            env: vec!["DB_PASSWORD=hunter2".to_owned()],
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            networks: vec![skep::world::NetworkAttachment {
                target: network,
                ..Default::default()
            }],
            mode: Mode::Replicated(1),
            ..ServiceSpec::default()
        };
        self.sim.engine().create_service(&spec).await.unwrap();
    }

    fn command(&self, args: &[&str]) -> tokio::process::Command {
        let socket = self.folder.path().join("docker.sock");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skep"));
        command
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn skep(&self, args: &[&str]) -> Output {
        let output = self.command(args).output();
        let output = timeout(Duration::from_secs(60), output).await;
        output.expect("it ends within a minute").unwrap()
    }

    /// What a call that succeeds prints.
    async fn told(&self, args: &[&str]) -> String {
        let output = self.skep(args).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a call that fails with this code says.
    async fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.skep(args).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        error
    }
}

fn operator(sim: &Sim, sealing: PathBuf) -> (Pipeline, Server) {
    let settings = OperatorSettings {
        quiet: Duration::from_millis(50),
        ..sim::settings(sealing)
    };
    let server = Server::new();
    let (engine, telemetry) = (sim.engine(), Telemetry::new());
    let pipeline = start(
        engine,
        &server,
        &telemetry,
        &settings,
        &CancellationToken::new(),
    );
    (pipeline, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn get_speaks_what_kubectl_speaks() {
    let stage = Stage::new().await;
    let running = "jsonpath={.status.proxies.running}";
    assert_eq!(stage.told(&["get", "east", "-o", running]).await, "1");
    let columns = "custom-columns=NAME:.metadata.name,TEAM:.metadata.labels.team";
    let shown = stage
        .told(&["get", "-l", "team in (web)", "-o", columns])
        .await;
    assert_eq!(shown, "NAME  TEAM\neast  web\n");
    assert_eq!(stage.told(&["get", "-l", "team=x", "-o", "name"]).await, "");
    let document = stage.told(&["get", "east", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let validator = jsonschema::validator_for(&skep::api::schema::service_cluster()).unwrap();
    assert!(document["status"].is_object());
    assert!(validator.is_valid(&document), "{document:#}");
    let error = stage.refused(&["get", "-o", "jsonpath={.items[}"], 2).await;
    assert!(error.contains("character 8"), "{error}");
    let error = stage.refused(&["get", "-l", "team=web,,"], 2).await;
    assert!(error.contains("character 10"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_what_is_wrong_and_what_to_do() {
    let stage = Stage::new().await;
    // The operator of this test is no service, so doctor misses it.
    let output = stage.skep(&["doctor", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<&Value> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["state"] == "Failed")
        .collect();
    assert!(
        failed.iter().any(|check| check["area"] == "operator"),
        "{report:#}"
    );
    assert!(
        failed.iter().all(|check| check["do"].is_string()),
        "{failed:#?}"
    );
    let areas = ["engine", "swarm", "nodes", "networks", "ports", "secrets"];
    for area in areas {
        assert!(
            !failed.iter().any(|check| check["area"] == area),
            "{failed:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_the_past_and_go_on() {
    let stage = Stage::new().await;
    let past = stage.told(&["events", "east"]).await;
    for wanted in [
        "generation/1",
        "condition/Accepted",
        "proxy/skep-proxy-east.1",
        "Running",
    ] {
        assert!(past.contains(wanted), "{wanted} in {past}");
    }
    assert!(
        stage
            .refused(&["events", "west"], 1)
            .await
            .contains("does not exist")
    );
    let mut watch = stage
        .command(&["events", "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = watch.stdout.take().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(out));
    let mut next = async || {
        let line = timeout(Duration::from_secs(30), lines.next_line()).await;
        let line = line.expect("a line within half a minute").unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    next().await;
    let world = observe(&stage.sim.engine()).await.unwrap();
    let service = world.service_named("skep-proxy-east").unwrap();
    let task = world.tasks_of(&service.id).find(|t| t.serves()).unwrap();
    stage.sim.kill_task(&task.id);
    while next().await["reason"] != "Failed" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_filtered_and_told_where_they_come_from() {
    let stage = Stage::new().await;
    let all = stage.told(&["logs", "east"]).await;
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(all.contains("node-1 200 GET demo.a/api"), "{all}");
    assert!(all.contains("node-1 INFO serving"), "{all}");
    let errors = stage
        .told(&["logs", "east", "--status", "5xx", "--for-host", "demo.a"])
        .await;
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let json = stage
        .told(&["logs", "east", "--path", "/api", "-o", "json"])
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["status"], &json["log"]["cluster"]),
        (&200.into(), &"east".into())
    );
    assert_eq!(stage.told(&["logs", "east", "--proxy", "node-2"]).await, "");
    let error = stage
        .refused(&["logs", "east", "--proxy", "node-9"], 1)
        .await;
    assert!(error.contains("its proxies run on node-1"), "{error}");
    assert!(
        stage
            .refused(&["logs", "west"], 1)
            .await
            .contains("does not exist")
    );
    assert!(
        stage
            .refused(&["logs", "east", "--status", "6xx"], 2)
            .await
            .contains("5xx")
    );
    stage
        .sim
        .write("skep-proxy-east", 3, "node node-2 is not available\n");
    let output = stage.skep(&["logs", "east"]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("warning: node node-2 is not available"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn top_counts_what_the_proxies_log() {
    let stage = Stage::new().await;
    let args = ["top", "-n", "1", "--interval", "500ms", "-o", "json"];
    let shown: Value = serde_json::from_str(&stage.told(&args).await).unwrap();
    let east = &shown["rows"][0];
    assert_eq!(east["cluster"], "east");
    assert!(east["requests"].as_u64().unwrap() >= 2, "{shown:#}");
    assert!(east["serverErrors"].as_u64().unwrap() >= 1, "{shown:#}");
    assert_eq!(east["connections"], 3, "{shown:#}");
    let by_route = stage.told(&["top", "east", "-n1", "--by", "route"]).await;
    assert!(by_route.contains("demo.a/"), "{by_route}");
    stage.refused(&["top", "--interval", "1ms"], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_what_helps_and_no_secret() {
    let stage = Stage::new().await;
    let said = stage.told(&["support-bundle", "-o", "bundle.tar.gz"]).await;
    assert_eq!(said, "bundle.tar.gz written\n");
    let bytes = std::fs::read(stage.folder.path().join("bundle.tar.gz")).unwrap();
    let piped = stage.skep(&["support-bundle", "-o", "-"]).await;
    assert!(piped.status.success());
    assert!(
        piped.stdout.starts_with(&bytes[..3]),
        "gzip on standard output"
    );
    assert!(!stage.folder.path().join("-").exists());
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        assert!(!text.contains("hunter2"), "{path}: {text}");
        found.insert(path, text);
    }
    for wanted in [
        "versions.json",
        "doctor.txt",
        "clusters/east.yaml",
        "clusters/east.plan.txt",
        "engine/info.json",
        "swarm/services.json",
        "swarm/tasks.json",
        "routes.json",
        "events.json",
        "logs/skep-proxy-east.log",
    ] {
        let text = found.get(&format!("skep-support/{wanted}"));
        assert!(
            text.is_some_and(|text| text.len() > 20),
            "{wanted}: {:?}",
            found.keys()
        );
    }
    let log = &found["skep-support/logs/skep-proxy-east.log"];
    assert!(log.contains("/api?[redacted]"), "{log}");
    assert!(log.contains("\"message\":\"serving\""), "{log}");
    let error = stage
        .refused(&["support-bundle", "-o", "bundle.tar.gz"], 1)
        .await;
    assert!(error.contains("is there already"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_explain_which_one_takes_a_request() {
    let stage = Stage::new().await;
    let shown = stage
        .told(&["routes", "--explain", "http://demo.a/x"])
        .await;
    assert!(
        shown.contains("demo.a/") && shown.contains("yes"),
        "{shown}"
    );
    let shown = stage.told(&["routes", "--explain", "other.b"]).await;
    assert!(shown.contains("404"), "{shown}");
    let args = ["routes", "--explain", "http://demo.a/x", "-o", "json"];
    let json: Value = serde_json::from_str(&stage.told(&args).await).unwrap();
    assert_eq!(json["routes"][0]["takes"], true);
    stage
        .refused(&["routes", "--explain", "ftp://demo.a/"], 2)
        .await;
    let described = stage.told(&["describe", "east"]).await;
    for wanted in ["Events:", "Tasks:", "current"] {
        assert!(described.contains(wanted), "{wanted} in {described}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_swarm_complete() {
    let stage = Stage::new().await;
    for (words, at, wanted) in [
        (&["skep", "get", "e"][..], "2", "east"),
        (&["skep", "logs", "east", "--proxy", "node"], "4", "node-1"),
        (
            &["skep", "explain", "spec.proxy.pub"],
            "2",
            "spec.proxy.publish.mode",
        ),
        (&["skep", "doc"], "1", "doctor"),
    ] {
        let mut args = vec!["--"];
        args.extend(words);
        let output = stage
            .command(&args)
            .env("SKEP_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", at)
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "true")
            .env("_CLAP_IFS", "\n")
            .output()
            .await
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            shown.lines().any(|line| line.trim() == wanted),
            "{words:?}: {shown}"
        );
    }
}

/// Commands of docs/cli.md that a simulated Swarm can answer.
const SHOWN: [&str; 7] = [
    "skep get -",
    "skep events ",
    "skep logs ",
    "skep top ",
    "skep doctor",
    "skep support-bundle ",
    "skep routes --explain ",
];

/// What a command prints in a terminal on this stage, for comparison with the docs.
fn printed(stage: &Stage, command: &str) -> String {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
    let path = std::env::var("PATH").unwrap_or_default();
    let socket = stage.folder.path().join("docker.sock");
    let mut shell = std::process::Command::new("timeout");
    // One that goes on until it is interrupted is shown after its first refresh.
    let end = if command.starts_with("skep top ") {
        " -n 1"
    } else {
        ""
    };
    shell
        .args([
            "--foreground",
            "60",
            "bash",
            "-c",
            &format!("{command}{end}"),
        ])
        .current_dir(stage.folder.path())
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .env("HOME", stage.folder.path())
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("TERM", "xterm-256color");
    for key in ["NO_COLOR", "DOCKER_CONTEXT"] {
        shell.env_remove(key);
    }
    let shown = terminal::in_terminal(&mut shell).0;
    // The stage's operator is a part of this test and no service, which is warned of.
    let lines = shown.split_inclusive('\n');
    let lines = lines.filter(|line| !line.starts_with("warning: no operator is installed"));
    lines.collect()
}

/// A text in which the figures of `top` are one figure, and rows of events are in one order: no
/// two runs have them in common.
fn settled(command: &str, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if command.starts_with("skep events ") {
        lines.sort_by_cached_key(|line| line.split_whitespace().skip(1).collect::<String>());
    } else if command.starts_with("skep top ") {
        for line in lines.iter_mut().skip(1) {
            let figures = |c: char| c.is_ascii_digit() || c == '.';
            *line = line
                .split_whitespace()
                .map(|word| if word.starts_with(figures) { "N" } else { word })
                .collect::<Vec<_>>()
                .join(" ");
        }
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_command_line_shows_what_is_printed() {
    let stage = Stage::new().await;
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let steps = shown::parts(&std::fs::read_to_string(page).unwrap());
    let steps = steps.into_iter().filter_map(|part| match part {
        shown::Part::Step { command, output } => Some((command, output)),
        shown::Part::Text(_) => None,
    });
    let of_swarm = |command: &String| {
        SHOWN.iter().any(|verb| command.starts_with(verb)) && !command.contains("{.items[}")
    };
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (command, output) in steps.filter(|(command, _)| of_swarm(command)) {
        seen += 1;
        let wanted = settled(&command, &output);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = tokio::task::block_in_place(|| printed(&stage, &command));
            if shown::alike(&settled(&command, &shown), &wanted) {
                break;
            }
            // What it tells of may still settle; a bundle is written once.
            if Instant::now() > end || command.contains("bundle") {
                wrong.push(format!(
                    "$ {command}\n--- shown\n{output}--- printed\n{shown}"
                ));
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > SHOWN.len(), "only {seen} commands were typed");
    let bundle = tokio::task::block_in_place(|| printed(&stage, "skep support-bundle -o -"));
    assert!(
        bundle.contains("a bundle is no text for a terminal"),
        "{bundle}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_what_goes_on() {
    let stage = Stage::new().await;
    for verb in [&["logs", "east", "-f"][..], &["top", "--interval", "1s"]] {
        let mut going = stage.command(verb).stdout(Stdio::piped()).spawn().unwrap();
        let out = going.stdout.take().unwrap();
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(out));
        let line = timeout(Duration::from_secs(30), lines.next_line()).await;
        assert!(line.unwrap().unwrap().is_some(), "{verb:?} shows something");
        let pid = going.id().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status();
        assert!(kill.unwrap().success());
        let ended = timeout(Duration::from_secs(10), going.wait()).await;
        let ended = ended.unwrap().unwrap();
        assert_eq!(ended.code(), Some(130), "{verb:?}");
    }
    assert_eq!(
        stage.told(&["get", "-o", "name"]).await,
        "servicecluster/east\n"
    );
}
