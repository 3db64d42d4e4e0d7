//! The one lab of the run, Skep on it, and what a failed test says.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock, RwLock};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::lab::{Lab, Node, Wanted, package, script, text};
use super::wait::eventually;

/// The image of operator and proxies, on every node.
pub const SKEP: &str = "localhost:5000/skep:dev";
/// The demo application, on every node.
pub const WHOAMI: &str = "localhost:5000/whoami:dev";

static LAB: LazyLock<&'static Lab> = LazyLock::new(|| {
    let wanted = Wanted {
        name: &format!("test-{}", std::process::id()),
        nodes: 3,
        managers: 1,
        images: &images(),
    };
    let lab: &'static Lab = Box::leak(Box::new(Lab::start(&wanted)));
    *STARTED.lock().unwrap() = Some(wanted.name.to_owned());
    lab
});
static STARTED: Mutex<Option<String>> = Mutex::new(None);
static INSTALLED: OnceLock<()> = OnceLock::new();
/// Held for reading by tests that share the Swarm, for writing by those that must have it alone.
static ALONE: RwLock<()> = RwLock::new(());

/// Whether the tests can run.
pub enum Gate {
    Open,
    Leave(String),
    Fail(String),
}

/// Says whether the lab can be had here, and whether that matters.
pub fn gate() -> Gate {
    let wish = std::env::var("SKEP_LAB").unwrap_or_default();
    if wish == "off" {
        return Gate::Leave("SKEP_LAB=off".to_owned());
    }
    let must = wish == "on" || std::env::var("CI").is_ok_and(|ci| ci == "true");
    let refuse = if must { Gate::Fail } else { Gate::Leave };
    if let Some(path) = images().iter().find(|path| !path.exists()) {
        return refuse(format!(
            "there is no {}; `make image` builds it",
            path.display()
        ));
    }
    let check = script(&["check"]);
    if !check.status.success() {
        return refuse(String::from_utf8_lossy(&check.stderr).trim().to_owned());
    }
    // What a run that was killed may have left.
    script(&["sweep"]);
    Gate::Open
}

/// The images of every lab.
pub fn images() -> [PathBuf; 2] {
    ["skep.tar", "whoami.tar"].map(|name| package().join("target/images").join(name))
}

/// Removes the lab of this run.
pub fn end() {
    let name = STARTED.lock().unwrap().take();
    if let Some(name) = name {
        text(&script(&["down", &name]), "removing the lab");
    }
}

/// The lab, without Skep on it.
pub fn lab() -> &'static Lab {
    *LAB
}

/// A node of the lab.
pub fn node(number: u8) -> Node<'static> {
    lab().node(number)
}

/// A test on the shared Swarm.
pub fn shared(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        let _shared = ALONE
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        with_context(test)
    })
}

/// A test that must have the Swarm for itself.
pub fn alone(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        let _alone = ALONE
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        with_context(test)
    })
}

fn with_context(test: fn()) -> Result<(), Failed> {
    catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Failed::from(format!("{reason}\n\n{}", scene()))
    })
}

/// What the Swarm looks like, for the reader of a failure.
fn scene() -> String {
    if STARTED.lock().unwrap().is_none() {
        return String::new();
    }
    let manager = node(0);
    let mut text = String::new();
    let mut show = |title: &str, output: Output| {
        text.extend(["--- ", title, "\n"]);
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    };
    show("skep get -o wide", skep(&["get", "-o", "wide"]));
    show("skep routes", skep(&["routes"]));
    show("docker service ls", manager.try_docker(&["service", "ls"]));
    let services = manager.try_docker(&["service", "ls", "-q"]);
    for id in String::from_utf8_lossy(&services.stdout).split_whitespace() {
        show(
            "docker service ps",
            manager.try_docker(&["service", "ps", "--no-trunc", id]),
        );
    }
    let ours = manager.try_docker(&[
        "service",
        "ls",
        "-q",
        "--filter",
        "label=dev.skep.managed-by=skep",
    ]);
    for id in String::from_utf8_lossy(&ours.stdout).split_whitespace() {
        show(
            &format!("logs of {id}"),
            manager.try_docker(&["service", "logs", "--tail", "25", id]),
        );
    }
    text
}

/// Runs the command line against node 0.
pub fn skep(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// The same, with something on standard input.
pub fn skep_with(input: &str, args: &[&str]) -> Output {
    let mut child = command(args)
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
    child.wait_with_output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.args(args).env("DOCKER_HOST", node(0).docker_host());
    command
}

/// Installs Skep, once a run.
pub fn installed() {
    INSTALLED.get_or_init(|| {
        text(&skep(&["install", "--image", SKEP]), "skep install");
    });
}

/// Applies a manifest; it has to be accepted.
pub fn apply(manifest: &str) -> String {
    installed();
    text(&skep_with(manifest, &["apply", "-f", "-"]), "skep apply")
}

/// A service cluster as `skep get -o json` shows it, which is always what the schema says.
pub fn cluster(name: &str) -> Value {
    let shown = text(&skep(&["get", name, "-o", "json"]), "skep get");
    let value: Value = serde_json::from_str(&shown).unwrap();
    let cluster = match value {
        Value::Array(mut list) => list.remove(0),
        Value::Object(mut object) if object.contains_key("items") => object["items"][0].take(),
        other => other,
    };
    let validator = jsonschema::validator_for(&skep::api::schema::service_cluster()).unwrap();
    let faults = validator.iter_errors(&cluster);
    let faults: Vec<String> = faults
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:?} in {cluster:#}");
    cluster
}

/// Status, reason and message of a condition; empty while there is none.
pub fn condition(cluster: &Value, kind: &str) -> (String, String, String) {
    let conditions = cluster["status"]["conditions"].as_array();
    let found = conditions.and_then(|list| list.iter().find(|condition| condition["type"] == kind));
    let field = |name: &str| {
        found
            .map_or("", |found| found[name].as_str().unwrap_or_default())
            .to_owned()
    };
    (field("status"), field("reason"), field("message"))
}

/// Waits until the operator says that the newest generation is in force everywhere.
pub fn ready(name: &str) {
    eventually(&format!("{name} is ready"), || {
        let cluster = cluster(name);
        let newest = cluster["metadata"]["generation"] == cluster["status"]["observedGeneration"];
        if newest && condition(&cluster, "Ready").0 == "True" {
            Ok(())
        } else {
            Err(cluster["status"].to_string())
        }
    });
}
