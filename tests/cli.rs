//! The `skep` binary as people and pipelines meet it: output, messages, exit codes.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const EAST: &str = "\
apiVersion: skep.dev/v1
kind: ServiceCluster
metadata:
  name: east
spec:
  networks:
    - name: eastnet
";

/// A call of the binary with nothing of this machine's Docker settings.
fn skep(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    skep(args).output().expect("the binary runs")
}

fn with_input(args: &[&str], input: &str) -> Output {
    let mut child = skep(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Fails with `code`, says nothing on standard output, and every line on standard error is plain
/// and marked.
#[track_caller]
fn fails(output: &Output, expected: i32) -> String {
    let text = err(output);
    assert_eq!(code(output), expected, "{text}");
    assert_eq!(out(output), "");
    assert!(
        text.lines().all(|line| line.starts_with("error: ")),
        "{text}"
    );
    assert!(!text.is_empty() && !text.contains("panicked"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour without a terminal");
    text
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a writable folder");
    path.display().to_string()
}

#[test]
fn a_good_manifest_is_valid_from_file_folder_and_standard_input() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = file(dir.path(), "east.yaml", EAST);
    let folder = dir.path().display().to_string();
    for given in [&path, &folder] {
        let output = run(&["validate", "-f", given]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert_eq!(out(&output), "servicecluster/east is valid\n");
    }
    let west = EAST.replace("east", "west");
    let output = with_input(&["validate", "-f", "-"], &format!("{EAST}---\n{west}"));
    assert_eq!(
        out(&output),
        "servicecluster/east is valid\nservicecluster/west is valid\n"
    );
    assert_eq!(out(&with_input(&["validate", "-q", "-f", "-"], EAST)), "");
}

#[test]
fn all_faults_of_all_files_are_shown_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let bad = EAST
        .replace("name: east\n", "name: Not_A_Name\n")
        .replace("networks", "netwroks");
    let a = file(dir.path(), "a.yaml", &bad);
    let bad = format!("{EAST}  proxy:\n    replicas: many\n");
    let b = file(dir.path(), "b.yaml", &bad);
    let good = EAST.replace("name: east\n", "name: west\n");
    let c = file(dir.path(), "c.yaml", &good);
    let text = fails(&run(&["validate", "-f", &a, &b, &c]), 2);
    for wanted in ["a.yaml", "netwroks", "Not_A_Name", "b.yaml", "replicas"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(!text.contains("c.yaml"), "{text}");
}

#[test]
fn malformed_yaml_is_told_with_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let broken = "metadata:\n  name: [east\nspec: {\n";
    let path = file(dir.path(), "broken.yaml", broken);
    let text = fails(&run(&["validate", "-f", &path]), 2);
    assert!(text.contains("broken.yaml:"), "{text}");
}

#[test]
fn a_missing_file_an_empty_one_and_a_name_declared_twice_are_faults() {
    let text = fails(&run(&["validate", "-f", "/nonexistent/east.yaml"]), 2);
    assert!(text.contains("/nonexistent/east.yaml"), "{text}");
    fails(&with_input(&["validate", "-f", "-"], ""), 2);
    let twice = format!("{EAST}---\n{EAST}");
    let text = fails(&with_input(&["validate", "-f", "-"], &twice), 2);
    let again = EAST.lines().count() + 1;
    let name = 1 + EAST
        .lines()
        .position(|line| line.contains("name: east"))
        .unwrap_or_default();
    let first = format!("metadata.name: `east` is declared twice, first in -:{name}:");
    assert!(text.contains(&format!("-:{}:", again + name)), "{text}");
    assert!(text.contains(&first), "{text}");
}

#[test]
fn the_schema_is_one_json_document() {
    let output = run(&["schema"]);
    assert_eq!(code(&output), 0);
    let schema: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert!(schema["properties"]["spec"].is_object());
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completion", shell]);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains("skep"), "{shell}");
    }
}

#[test]
fn a_field_is_explained_and_a_wrong_one_answered_with_the_nearest() {
    let output = run(&["explain", "spec.proxy.publish.mode"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("DEFAULT:  host"), "{}", out(&output));
    let deep = out(&run(&["explain", "sc.status", "--recursive"]));
    assert!(deep.contains("lastTransitionTime <string"), "{deep}");
    let text = fails(&run(&["explain", "spec.proxy.publsh"]), 2);
    assert!(text.contains("`spec.proxy.publish`"), "{text}");
}

#[test]
fn a_starter_manifest_is_valid_and_overwrites_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let call = |args: &[&str]| {
        let output = skep(args).current_dir(dir.path()).output();
        output.expect("the binary runs")
    };
    let output = call(&["init", "shop"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let text = std::fs::read_to_string(dir.path().join("shop.yaml")).expect("it was written");
    assert!(text.starts_with("# yaml-language-server: $schema="));
    let valid = out(&call(&["validate", "-f", "shop.yaml"]));
    assert_eq!(valid, "servicecluster/shop is valid\n");
    let text = fails(&call(&["init", "shop"]), 1);
    assert!(text.contains("is there already"), "{text}");
    fails(&call(&["init", "shop", "-o", "/nonexistent/x"]), 1);
    assert_eq!(code(&call(&["init", "Not_A_Name"])), 2);
    assert!(out(&call(&["init", "-o", "-"])).contains("name: east"));
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0_with_the_exit_codes() {
    for wrong in [
        &["gett"][..],
        &[],
        &["apply"],
        &["wait", "east", "--for=condition=Reddy"],
        &["delete"],
        &["install", "--control-subnet", "10.0.0.1/20"],
        &["wait", "east", "--timeout", "soon"],
    ] {
        let output = run(wrong);
        assert_eq!(code(&output), 2, "{wrong:?}");
        assert_eq!(out(&output), "", "{wrong:?}");
    }
    for verb in [&["--help"][..], &["apply", "--help"], &["wait", "-h"]] {
        let output = run(verb);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains("Usage: skep"), "{}", out(&output));
    }
    assert!(out(&run(&["--help"])).contains("Exit codes:"));
    for (asked, flag) in [
        (&["help", "apply"][..], &["apply", "--help"][..]),
        (&["help", "certs", "add"], &["certs", "add", "--help"]),
        (&["certs", "help", "add"], &["certs", "add", "--help"]),
    ] {
        assert_eq!(out(&run(asked)), out(&run(flag)));
    }
}

#[test]
fn a_dry_run_of_install_prints_the_stack_file_and_needs_no_engine() {
    let output = run(&["install", "--dry-run"]);
    assert_eq!(code(&output), 0);
    assert_eq!(out(&output), include_str!("../deploy/stack.yml"));
    let other = [
        "install",
        "--dry-run",
        "--image",
        "r/skep:2",
        "--replicas",
        "3",
    ];
    let other = out(&run(&other));
    assert!(other.contains("image: \"r/skep:2\""));
    assert!(other.contains("replicas: 3"));
}

#[test]
fn the_docker_cli_can_use_it_as_a_plugin() {
    let dir = tempfile::tempdir().expect("a folder");
    let plugin = dir.path().join("docker-skep");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skep"), &plugin).expect("a link");
    let call = |args: &[&str]| {
        let mut command = Command::new(&plugin);
        command.args(args).env_clear().output().expect("it runs")
    };
    let metadata = call(&["docker-cli-plugin-metadata"]);
    let metadata: serde_json::Value = serde_json::from_str(&out(&metadata)).expect("JSON");
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
    for field in ["Vendor", "Version", "ShortDescription"] {
        assert!(
            metadata[field]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let schema = call(&["--debug", "--config", "/x", "skep", "schema"]);
    assert_eq!(out(&schema), out(&run(&["schema"])));
    let help = out(&call(&["skep", "certs", "--help"]));
    assert!(help.contains("Usage: docker skep certs "), "{help}");
    assert!(help.contains("\n  docker skep certs ls\n"), "{help}");
    let wrong = err(&call(&["skep", "get", "--sideways"]));
    assert!(wrong.contains("Usage: docker skep get "), "{wrong}");
    // Docker hands on its own flags before the word that it calls the program by.
    let nowhere = ["-H", "unix:///nonexistent/docker.sock"];
    let there = call(&[&nowhere[..], &["skep", "get"]].concat());
    let here = run(&[&nowhere[..], &["get"]].concat());
    assert_eq!((code(&there), err(&there)), (3, err(&here)));
}

#[test]
fn the_version_of_the_client_needs_no_engine() {
    let output = run(&["version", "--client"]);
    assert_eq!(code(&output), 0);
    assert!(out(&output).contains(env!("CARGO_PKG_VERSION")));
    assert!(out(&run(&["--version"])).starts_with("skep "));
}

#[test]
fn an_invalid_manifest_is_told_before_any_engine_is_asked() {
    let args = ["-H", "unix:///nonexistent/docker.sock", "apply", "-f", "-"];
    let text = fails(&with_input(&args, "kind: Pod\n"), 2);
    assert!(text.contains("Pod"), "{text}");
}

#[test]
fn a_configuration_of_interlock_becomes_manifests_that_are_valid() {
    let config = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interlock/east-west.toml"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clusters.yaml").display().to_string();
    let output = run(&["convert", "interlock", config, "-o", &path]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(out(&output), "");
    assert!(err(&output).contains("servicecluster/east from [Extensions.east]"));
    let valid = run(&["validate", "-f", &path]);
    assert_eq!(
        out(&valid),
        "servicecluster/east is valid\nservicecluster/west is valid\n"
    );
    let text = std::fs::read_to_string(config).expect("a text");
    let piped = with_input(&["convert", "interlock", "-", "-q", "-o", "-"], &text);
    assert_eq!((code(&piped), err(&piped).as_str()), (0, ""));
    let written = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(out(&piped), written.replace(config, "-"));
}

#[test]
fn what_convert_writes_is_told_and_overwrites_nothing_unless_it_is_forced() {
    let dir = tempfile::tempdir().expect("a folder");
    let east = file(dir.path(), "east.yaml", EAST);
    let to = file(dir.path(), "to.yaml", "somebody's work");
    let config = file(dir.path(), "config.toml", "[Extensions.default]\n");
    for call in [
        &["convert", "manifest", "-f", &east, "-o", &to][..],
        &["convert", "interlock", &config, "-o", &to],
    ] {
        let text = fails(&run(call), 1);
        assert!(text.contains("to.yaml is there already"), "{text}");
        assert!(text.contains("--force"), "{text}");
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "somebody's work");
        let output = run(&[call, &["--force"]].concat());
        let told = format!("{to} written\n");
        assert_eq!((code(&output), out(&output).as_str()), (0, ""));
        assert!(err(&output).contains(&told), "{}", err(&output));
        assert_eq!(code(&run(&["validate", "-f", &to])), 0);
        std::fs::write(&to, "somebody's work").expect("it is written");
    }
    let left = std::fs::read_dir(dir.path()).expect("a folder").count();
    assert_eq!(left, 3);
}

/// Waits for the end of a verb, and kills one that goes on.
fn ended(
    mut child: std::process::Child,
    mut meanwhile: impl FnMut(&std::process::Child),
) -> Output {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while child.try_wait().expect("it is ours").is_none() {
        if std::time::Instant::now() > end {
            child.kill().expect("it runs");
            panic!("skep goes on");
        }
        meanwhile(&child);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.wait_with_output().expect("it ends")
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}

#[test]
fn an_interrupt_ends_a_verb_that_waits_for_a_pipe_that_nobody_writes_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let pipe = dir.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let pipe = pipe.display().to_string();
    for args in [["apply", "-f", &pipe], ["delete", "-f", &pipe]] {
        let child = skep(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let status = format!("/proc/{}/status", child.id());
        let output = ended(child, |child| {
            // Before it listens, the system itself would end it.
            let known = std::fs::read_to_string(&status).unwrap_or_default();
            let caught = known.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            if caught.is_some_and(|mask| mask & 0b10 != 0) {
                interrupt(child);
            }
        });
        assert_eq!(code(&output), 130, "{args:?}: {}", err(&output));
    }
}

#[test]
fn an_interrupt_ends_a_verb_that_waits_for_what_is_typed() {
    for args in [
        &["apply", "-f", "-"][..],
        &["diff", "-f", "-"],
        &["delete", "-f", "-"],
        &["certs", "add", "shop", "--cert", "-", "--key", "-"],
    ] {
        let mut child = skep(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("it was piped");
        // More than a pipe holds: once it is written, the verb reads.
        let some = vec![b'#'; 300_000];
        stdin.write_all(&some).expect("it reads");
        interrupt(&child);
        let output = ended(child, |_| {});
        assert_eq!(code(&output), 130, "{args:?}: {}", err(&output));
        drop(stdin);
    }
}

#[test]
fn a_configuration_that_cannot_be_converted_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clusters.yaml");
    let to = path.display().to_string();
    let broken = "[Extensions.east]\nProxyReplica = 2\nPublishMode = 1\n";
    let text = fails(
        &with_input(&["convert", "interlock", "-", "-o", &to], broken),
        2,
    );
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("-:2:1: Extensions.east.ProxyReplica:"),
        "{text}"
    );
    assert!(text.contains("did you mean `ProxyReplicas`?"), "{text}");
    assert!(!path.exists());
    for (args, word) in [
        (
            &["convert", "interlock", "/nonexistent/config.toml"][..],
            "cannot be read",
        ),
        (&["convert", "interlock", "-"], "empty"),
    ] {
        let text = fails(&run(args), 2);
        assert!(text.contains(word) && text.lines().count() == 1, "{text}");
    }
    let good = "[Extensions.default]\n";
    fails(
        &with_input(&["convert", "interlock", "-", "-o", "/nonexistent/x"], good),
        1,
    );
}

const OLD: &str = "\
# A remark.
apiVersion: skep.dev/v1alpha1
kind: ServiceCluster
metadata: {name: west}
spec:
  traffic: {idleTimeout: 9s, maxConnections: 7, connectTimeout: 1s}
";

#[test]
fn an_old_version_is_valid_and_warns_on_standard_error_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = file(dir.path(), "west.yaml", OLD);
    for args in [
        &["validate", "-f", &path][..],
        &["apply", "--dry-run=client", "-f", &path],
    ] {
        let output = run(args);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(out(&output).starts_with("servicecluster/west is valid"));
        assert_eq!(
            err(&output),
            format!(
                "warning: {path}:2:13: apiVersion: skep.dev/v1alpha1 is deprecated since Skep 0.1.0 (`skep convert manifest -f FILE` rewrites it as skep.dev/v1)\n"
            )
        );
    }
    assert_eq!(err(&run(&["validate", "-q", "-f", &path])), "");
}

#[test]
fn a_manifest_is_rewritten_in_another_version_and_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = file(dir.path(), "west.yaml", OLD);
    let output = run(&["convert", "manifest", "-f", &path]);
    let new = out(&output);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
    assert_eq!(
        new,
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata:\n  name: west\nspec:\n  traffic:\n    maxConnections: 7\n    timeouts:\n      connect: 1s\n      idle: 9s\n"
    );
    let back = with_input(
        &[
            "convert",
            "manifest",
            "-f",
            "-",
            "--to",
            "skep.dev/v1alpha1",
        ],
        &new,
    );
    assert_eq!(
        out(&back),
        "apiVersion: skep.dev/v1alpha1\nkind: ServiceCluster\nmetadata:\n  name: west\nspec:\n  traffic:\n    maxConnections: 7\n    connectTimeout: 1s\n    idleTimeout: 9s\n"
    );
    // A folder becomes one text, in order of its files.
    file(dir.path(), "a.yaml", EAST);
    let all = dir.path().join("all.out").display().to_string();
    let folder = dir.path().display().to_string();
    let output = run(&["convert", "manifest", "-f", &folder, "-o", &all]);
    assert_eq!((code(&output), out(&output).as_str()), (0, ""));
    let output = run(&["validate", "-f", &all]);
    assert_eq!(
        out(&output),
        "servicecluster/east is valid\nservicecluster/west is valid\n"
    );
    assert_eq!(err(&output), "");
    // With a fault nothing is written.
    let bad = OLD.replace(": 7", ": many");
    let text = fails(&with_input(&["convert", "manifest", "-f", "-"], &bad), 2);
    assert!(
        text.contains("-:6:46: spec.traffic.maxConnections"),
        "{text}"
    );
}

#[test]
fn schema_and_explanations_are_of_the_version_that_is_asked_for() {
    for (more, version, field, other) in [
        (
            &[][..],
            "v1",
            "spec.traffic.timeouts.idle",
            "spec.traffic.idleTimeout",
        ),
        (
            &["--api-version", "v1alpha1"],
            "v1alpha1",
            "spec.traffic.idleTimeout",
            "spec.traffic.timeouts.idle",
        ),
    ] {
        let output = run(&[&["schema"], more].concat());
        let schema: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
        let wanted = format!("skep.dev/{version}");
        assert_eq!(schema["properties"]["apiVersion"]["const"], wanted.as_str());
        let told = out(&run(&[&["explain", field], more].concat()));
        assert!(told.contains(&format!("VERSION:  {wanted}\n")), "{told}");
        assert!(told.contains("DEFAULT:  300s"), "{told}");
        fails(&run(&[&["explain", other], more].concat()), 2);
    }
}
