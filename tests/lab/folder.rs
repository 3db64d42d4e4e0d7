//! Folders of manifests: applied again they write nothing, and many are applied quickly.

use std::process::{Command, Output};
use std::time::Instant;

use libtest_mimic::Trial;

use super::apps::{delete, manifest, tasks};
use super::harness::{alone, installed, node, ready, shared, skep};
use super::lab::{Lab, Wanted, text};
use super::wait::eventually;

pub fn trials() -> Vec<Trial> {
    vec![
        alone(
            "a_folder_applied_twice_restarts_nothing_and_leaves_the_raft_index_as_it_was",
            applied_twice,
        ),
        shared(
            "five_hundred_clusters_of_one_folder_are_applied_and_pruned",
            five_hundred,
        ),
    ]
}

fn folder(files: impl IntoIterator<Item = (String, String)>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// The index of Swarm's store, read off an object that is made for it. Making it is one step.
fn raft_index(mark: &str) -> u64 {
    let id = node(0).docker(&["config", "create", mark, "/etc/hostname"]);
    let shown = node(0).docker(&["config", "inspect", "--format", "{{.Version.Index}}", &id]);
    node(0).docker(&["config", "rm", &id]);
    shown.parse().unwrap()
}

fn applied_twice() {
    installed();
    let files = [("a", 8710), ("b", 8712)].map(|(name, port)| {
        let name = format!("twice-{name}");
        let network = format!("[{{name: {name}, create: {{}}}}]");
        (
            format!("{name}.yaml"),
            manifest(&name, "node-1", port, &network),
        )
    });
    let dir = folder(files);
    let path = dir.path().display().to_string();
    let apply = ["apply", "-f", &path, "--set", "twice", "--prune", "--wait"];
    text(&skep(&apply), "skep apply");
    ready("twice-a");
    let before = tasks("skep-proxy-twice-a");
    eventually(
        "applying again is one step between two marks: the mark itself",
        || {
            let first = raft_index("twice-mark-1");
            let said = text(&skep(&apply), "skep apply");
            let second = raft_index("twice-mark-2");
            assert!(said.contains("servicecluster/twice-a unchanged"), "{said}");
            // The first mark was removed, and the second made.
            if second - first == 2 {
                Ok(())
            } else {
                Err(format!("from {first} to {second}"))
            }
        },
    );
    assert_eq!(tasks("skep-proxy-twice-a"), before);
    delete("twice-a");
    delete("twice-b");
}

fn skep_on(lab: &Lab, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    let host = lab.node(0).docker_host();
    command
        .args(args)
        .env("DOCKER_HOST", host)
        .output()
        .unwrap()
}

fn five_hundred() {
    let name = format!("many-{}", std::process::id());
    let lab = Lab::start(&Wanted {
        name: &name,
        nodes: 1,
        managers: 1,
        images: &[],
    });
    let files = (0..500).map(|i| {
        let name = format!("many-{i:03}");
        let text = manifest(&name, "node-0", 8000, "[]");
        (format!("{name}.yaml"), text)
    });
    let dir = folder(files);
    let path = dir.path().display().to_string();
    let apply = || {
        let begun = Instant::now();
        let args = ["apply", "-f", &path, "--set", "many", "--prune"];
        let said = text(&skep_on(&lab, &args), "skep apply");
        println!("500 clusters: {:?}", begun.elapsed());
        said
    };
    let said = apply();
    let created = |line: &&str| line.ends_with(" created");
    assert_eq!(said.lines().filter(created).count(), 500);
    let names = text(&skep_on(&lab, &["get", "-o", "name"]), "skep get");
    assert_eq!(names.lines().count(), 500);
    for i in 1..500 {
        std::fs::remove_file(dir.path().join(format!("many-{i:03}.yaml"))).unwrap();
    }
    let said = apply();
    assert_eq!(
        said.lines()
            .filter(|line| line.ends_with(" pruned"))
            .count(),
        499
    );
    assert!(said.contains("servicecluster/many-000 unchanged"), "{said}");
}
