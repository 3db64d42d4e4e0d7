//! The lab itself: without these, nothing else here means anything.

use std::process::Command;

use libtest_mimic::Trial;

use super::apps::{containers, overlay, whoami};
use super::harness::{node, shared};
use super::http;
use super::lab::{Lab, Wanted, root, script, text};
use super::wait::{eventually, until};

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "lab_runs_a_service_that_answers_on_the_overlay",
            lab_runs_a_service,
        ),
        shared(
            "lab_stands_beside_another_one_and_goes_without_a_trace",
            goes_without_a_trace,
        ),
        shared("lab_of_a_killed_owner_goes_away_by_itself", killed_owner),
        shared("lab_that_nobody_owns_is_not_swept_away", not_swept),
    ]
}

fn lab_runs_a_service() {
    overlay("itself");
    whoami("itself", "itself", &[]);
    let ids = eventually("a container runs", || {
        let ids = containers("itself");
        if ids.is_empty() {
            Err("none".to_owned())
        } else {
            Ok(ids)
        }
    });
    node(0).docker(&[
        "service",
        "update",
        "--detach",
        "--publish-add",
        "mode=host,target=8000,published=8999",
        "itself",
    ]);
    let answer = eventually("one of three nodes answers with another container", || {
        let answers = (0..3)
            .map(|i| http::get(node(i).address(), 8999, "any", "/x?y").and_then(|a| a.container()));
        answers
            .into_iter()
            .find_map(Result::ok)
            .ok_or_else(|| "none answers".to_owned())
    });
    assert!(
        !ids.contains(&answer),
        "a task that was replaced still answers"
    );
    node(0).docker(&["service", "rm", "itself"]);
}

fn beside(name: &str) -> Wanted<'_> {
    Wanted {
        name,
        nodes: 1,
        managers: 1,
        images: &[],
    }
}

/// Everything on this machine that carries the name of a lab.
fn traces(name: &str) -> String {
    let look = format!(
        "ip netns list | grep -F 'skep-{name}-'; find /sys/fs/cgroup -maxdepth 2 -name 'skep-lab-{name}'; \
         printf '/%s/' '{name}' | grep -lsFf - /proc/[0-9]*/cmdline; ls -d '{}/{name}' 2>/dev/null; true",
        root().display()
    );
    text(
        &Command::new("bash").args(["-c", &look]).output().unwrap(),
        "looking for traces",
    )
}

fn goes_without_a_trace() {
    let name = format!("beside-{}", std::process::id());
    let images = super::harness::images();
    let lab = Lab::start(&Wanted {
        images: &images,
        ..beside(&name)
    });
    // A container has cgroups of its own below those of its node.
    lab.node(0).docker(&["run", "-d", super::harness::WHOAMI]);
    assert_ne!(lab.node(0).address(), node(0).address());
    assert_eq!(lab.node(0).run(&["hostname"]), "node-0");
    assert_ne!(traces(&name), "");
    let before = node(0).docker(&["node", "ls", "-q"]);
    drop(lab);
    until("no trace is left", || traces(&name).is_empty());
    assert_eq!(node(0).docker(&["node", "ls", "-q"]), before);
}

fn killed_owner() {
    let name = format!("orphan-{}", std::process::id());
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = owner.id().to_string();
    let up = script(&["up", &name, "--nodes", "1", "--no-swarm", "--owner", &pid]);
    text(&up, "starting a lab");
    assert_ne!(traces(&name), "");
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("no trace is left", || traces(&name).is_empty());
}

fn not_swept() {
    let name = format!("kept-{}", std::process::id());
    let up = script(&["up", &name, "--nodes", "1", "--no-swarm"]);
    text(&up, "starting a lab");
    text(&script(&["sweep"]), "sweeping");
    assert_ne!(traces(&name), "", "a demo of this machine would be gone");
    text(&script(&["down", &name]), "removing it");
    until("no trace is left", || traces(&name).is_empty());
}
