//! README and docs show what is printed, without a Swarm: what needs none is typed into a real
//! terminal and compared, and every other block is named here with the place that proves it, or
//! the reason why nothing can.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "lab/shown.rs"]
mod shown;
#[path = "lab/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;

use shown::{Part, alike, files, parts};
use terminal::in_terminal;

const LAB: &str = "typed on a real Swarm by tests/lab/transcript.rs";
const SIMULATED: &str = "typed on the simulated engine by tests/look.rs";
const TOUR: &str = "the tour types the same, with files of its own";
const NAMES: &str = "names of the reader's own: a registry, nodes, clusters";
const INTERLOCK: &str = "needs Interlock, which is closed and cannot be run here";

/// Blocks that need a Swarm: page, how the block begins, and where it is proved or why it is not.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("README.md", "# make demo", LAB),
    ("README.md", "# make test", "it runs these tests"),
    ("README.md", "$ docker service create --name demo", TOUR),
    ("README.md", "$ make image", NAMES),
    ("docs/cli.md", "$ skep diff -f clusters/", TOUR),
    ("docs/cli.md", "$ skep get -o jsonpath=", SIMULATED),
    ("docs/cli.md", "$ skep events east", SIMULATED),
    ("docs/cli.md", "$ skep logs east", SIMULATED),
    ("docs/cli.md", "$ skep top --by route", SIMULATED),
    ("docs/cli.md", "$ skep doctor", SIMULATED),
    ("docs/cli.md", "$ skep support-bundle", SIMULATED),
    ("docs/cli.md", "$ skep routes --explain", SIMULATED),
    (
        "docs/cli.md",
        "$ skep completion bash > /etc",
        "writes into folders of the machine; the tour types it into a pipe",
    ),
    (
        "docs/cli.md",
        "$ docker config create",
        "tests/lab/edits.rs declares one so, through the engine's API",
    ),
    (
        "docs/gitops.md",
        "$ skep apply -f source.yaml",
        "typed on a real Swarm, with a git server, by tests/lab/gitops.rs",
    ),
    ("docs/gitops.md", "$ skep source auth", TOUR),
    ("docs/gitops.md", "$ openssl rand", TOUR),
    ("docs/gitops.md", "$ REVISION=", NAMES),
    ("docs/migrate-from-interlock.md", "$ NAME=", INTERLOCK),
    (
        "docs/migrate-from-interlock.md",
        "$ docker service ls -q -f label=type",
        INTERLOCK,
    ),
    (
        "docs/migrate-from-interlock.md",
        "$ docker service ls -q | xargs",
        NAMES,
    ),
    ("docs/migrate-from-interlock.md", "$ skep install", NAMES),
    (
        "docs/migrate-from-interlock.md",
        "$ skep routes -o json | jq",
        INTERLOCK,
    ),
    (
        "docs/migrate-from-interlock.md",
        "$ docker service update --constraint-add",
        INTERLOCK,
    ),
    (
        "docs/migrate-from-interlock.md",
        "$ docker service scale",
        INTERLOCK,
    ),
    (
        "docs/migrate-from-interlock.md",
        "$ skep delete NAME",
        INTERLOCK,
    ),
    (
        "docs/migrate-from-interlock.md",
        "$ docker service ls -f name=interlock",
        INTERLOCK,
    ),
];

/// Verbs that ask no engine.
const OFFLINE: [&str; 7] = [
    "skep explain ",
    "skep init ",
    "skep validate ",
    "skep convert ",
    "skep schema",
    "skep completion ",
    "skep version --client",
];

/// A page, by its name below the package.
struct Page {
    name: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = docs
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.push("README.md".to_owned());
    names.sort();
    let page = |name: String| Page {
        text: std::fs::read_to_string(root().join(&name)).unwrap(),
        name,
    };
    names.into_iter().map(page).collect()
}

impl Page {
    /// The console blocks, without their fences.
    fn blocks(&self) -> Vec<&str> {
        let blocks = self.text.split("```console\n").skip(1);
        blocks
            .map(|rest| rest.split("```").next().unwrap())
            .collect()
    }
}

/// Whether a command can be typed without an engine, and touches nothing but its folder.
fn needs_none(command: &str) -> bool {
    let outside = command.contains("> /") || command.contains("> ~");
    let offline = OFFLINE.iter().any(|verb| command.starts_with(verb));
    let only_reads = command.starts_with("head -n 12 north.yaml");
    !outside && (offline || only_reads || cannot_be_parsed(command))
}

/// How a mistake is told needs no engine.
fn cannot_be_parsed(command: &str) -> bool {
    command == r"skep get -o 'jsonpath={.items[}'"
}

fn steps(block: &str) -> Vec<(String, String)> {
    let steps = parts(&format!("```console\n{block}```\n"));
    let steps = steps.into_iter().filter_map(|part| match part {
        Part::Step { command, output } => Some((command, output)),
        Part::Text(_) => None,
    });
    steps.collect()
}

fn typed(dir: &Path, command: &str) -> String {
    let skep = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("timeout");
    shell
        .args(["--foreground", "60", "bash", "-c", command])
        .current_dir(dir)
        .env(
            "PATH",
            format!("{}:{path}", skep.parent().unwrap().display()),
        )
        .env("HOME", dir)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("TERM", "xterm-256color");
    for key in ["NO_COLOR", "DOCKER_CONTEXT", "EDITOR", "VISUAL"] {
        shell.env_remove(key);
    }
    in_terminal(&mut shell).0
}

#[test]
fn what_needs_no_engine_prints_what_the_docs_show() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let dir = tempfile::tempdir().unwrap();
        if page.name == "docs/migrate-from-interlock.md" {
            // What a Swarm with Interlock gives there.
            let shipped = root().join("tests/interlock/shipped.toml");
            std::fs::copy(shipped, dir.path().join("interlock.toml")).unwrap();
        }
        for part in parts(&page.text) {
            let (command, output) = match part {
                Part::Text(text) => {
                    files(dir.path(), &text);
                    continue;
                }
                Part::Step { command, output } => (command, output),
            };
            if !needs_none(&command) {
                continue;
            }
            seen += 1;
            let shown = typed(dir.path(), &command);
            if !alike(&shown, &output) {
                wrong.push(format!(
                    "{}: $ {command}\n--- shown in the docs\n{output}--- printed\n{shown}",
                    page.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 8, "only {seen} commands were typed");
}

#[test]
fn every_block_is_typed_here_or_named_with_the_place_that_does() {
    let mut lost = Vec::new();
    let mut rows: Vec<_> = ELSEWHERE
        .iter()
        .map(|(page, head, _)| (*page, *head))
        .collect();
    for page in pages() {
        // All of its blocks are typed by the lab.
        if page.name == "docs/tour.md" {
            continue;
        }
        for block in page.blocks() {
            let found = rows
                .iter()
                .position(|(name, head)| *name == page.name && block.starts_with(head));
            let all_here = steps(block).iter().all(|(command, _)| needs_none(command));
            match found {
                Some(at) => {
                    rows.remove(at);
                }
                None if all_here && block.starts_with("$ ") => {}
                None => lost.push(format!("{}: {block}", page.name)),
            }
        }
    }
    assert!(
        lost.is_empty(),
        "neither typed nor named:\n{}",
        lost.join("\n")
    );
    assert_eq!(rows, [], "named, and not in the docs");
}
