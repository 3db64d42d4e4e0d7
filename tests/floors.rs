//! Holds the floors of `docs/architecture.md`: a room imports only from lower floors, and the
//! data plane never from the Swarm side. Reads the sources, so that it needs no build of them.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rooms by floor. `control` stands on two: its pure part on 2, the rest on 3.
const FLOORS: [(&str, u8); 20] = [
    ("names", 0),
    ("api", 0),
    ("world", 1),
    ("route", 1),
    ("plan", 1),
    ("status", 1),
    ("convert", 1),
    ("runtime", 2),
    ("certs", 2),
    ("git", 2),
    ("control/resource", 2),
    ("control/session", 2),
    ("control/proto", 2),
    ("control/published", 2),
    ("control", 3),
    ("swarm", 3),
    ("store", 3),
    ("proxy", 3),
    ("operator", 4),
    ("web", 4),
];

/// The pure core shares a floor; within it a room sees only those before it.
const CORE: [&str; 4] = ["world", "route", "plan", "status"];

/// Rooms of one floor that one may see of the other: the store is kept in the Swarm, proxies are
/// clients of the control stream, the operator answers on its admin port.
const BESIDE: [(&str, &str); 3] = [
    ("store", "swarm"),
    ("proxy", "control"),
    ("operator", "web"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every file below `src`, as (path relative to it, text).
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    found
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The floor of a path such as `control/session/server.rs` or `control::session`.
fn floor(path: &str) -> u8 {
    let path = path.trim_end_matches(".rs").replace("::", "/");
    FLOORS
        .iter()
        .filter(|(room, _)| path == *room || path.starts_with(&format!("{room}/")))
        .max_by_key(|(room, _)| room.len())
        .map_or(5, |(_, floor)| *floor)
}

fn room(path: &str) -> &str {
    path.split(['/', ':', '.']).next().unwrap_or_default()
}

/// What a line imports from the crate: `route::table::Route` of `use crate::route::table::Route;`,
/// and each of several in braces.
fn imports(line: &str) -> Vec<String> {
    let Some(start) = line.find("crate::") else {
        return Vec::new();
    };
    let rest = &line[start + "crate::".len()..];
    let path = |text: &str| {
        let end = text
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(text.len());
        text[..end].trim_end_matches(':').to_owned()
    };
    match rest.strip_prefix('{') {
        Some(list) => list.split(',').map(|item| path(item.trim())).collect(),
        None => vec![path(rest)],
    }
}

/// Numbered lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn allowed(file: &str, target: &str) -> bool {
    let (from, to) = (room(file), room(target));
    let (here, there) = (floor(file), floor(target));
    let place = |name: &str| CORE.iter().position(|room| *room == name);
    let within_core = matches!((place(from), place(to)), (Some(from), Some(to)) if to <= from);
    there < here
        || (from == to && there <= here)
        || within_core
        || BESIDE.contains(&(from, to))
        || (here == 5 && there == 5)
        || (here == 0 && to == "names")
        || (to == "names")
}

#[test]
fn a_room_imports_only_from_lower_floors() {
    let mut faults = Vec::new();
    for (file, text) in files() {
        if matches!(file.as_str(), "lib.rs" | "main.rs") {
            continue;
        }
        for (number, line) in code(&text) {
            for target in imports(line) {
                if !allowed(&file, &target) {
                    faults.push(format!("src/{file}:{number}: imports {target}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_data_plane_never_sees_the_swarm() {
    let side = ["swarm", "store", "world", "plan", "status", "operator"];
    let mut faults = Vec::new();
    for (file, text) in files() {
        if !file.starts_with("proxy") {
            continue;
        }
        for (number, line) in code(&text) {
            if imports(line)
                .iter()
                .any(|target| side.contains(&room(target)))
            {
                faults.push(format!("src/{file}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_pure_core_knows_no_clock_no_chance_and_no_io() {
    let banned = [
        "tokio",
        "std::fs",
        "std::net::Tcp",
        "Instant::now",
        "SystemTime",
        "HashMap",
        "HashSet",
        "rand::",
        "std::env::var",
        "std::process",
    ];
    let pure = [
        "names.rs", "api/", "convert/", "plan/", "route/", "status/", "world/",
    ];
    let mut faults = Vec::new();
    for (file, text) in files() {
        if !pure.iter().any(|p| file.starts_with(p)) || file.contains("test") {
            continue;
        }
        for (number, line) in code(&text) {
            if let Some(word) = banned.iter().find(|word| line.contains(*word)) {
                faults.push(format!("src/{file}:{number}: {word}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_the_swarm_room_opens_connections_to_an_engine() {
    let faults: Vec<String> = files()
        .into_iter()
        .filter(|(file, text)| {
            !file.starts_with("swarm/") && code(text).any(|(_, line)| line.contains("UnixStream"))
        })
        .map(|(file, _)| file)
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn no_file_outgrows_its_reader() {
    // The aim is 400 lines; a hot path or a long list of types may go somewhat beyond it.
    let faults: Vec<String> = files()
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > 700)
        .map(|(file, lines)| format!("src/{file}: {lines} lines"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

/// Libraries of which the tools of the tests switch on more, which changes nothing of what the
/// program does: they only add functions, which the program would not compile without.
const MORE_IN_TESTS: [&str; 8] = [
    "chacha20",
    "getrandom",
    "num-traits",
    "regex-automata",
    "rustix",
    "similar",
    "syn",
    "tokio",
];

/// Name, version and features of the libraries that are built for `edges`.
fn libraries(edges: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--features", "demo"])
        .args(["--prefix", "none", "--format", "{p} [{f}]", "-e", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{errors}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

/// Cargo builds a library once, with the features of all who ask, so a test never misses what only
/// the program that is shipped lacks. Without Unicode, `\d` was no expression there.
#[test]
fn the_tests_judge_the_program_that_is_shipped() {
    let (shipped, tested) = (libraries("normal"), libraries("normal,dev"));
    assert!(shipped.len() > 100, "{shipped:?}");
    let more: Vec<&String> = shipped
        .difference(&tested)
        .filter(|line| !MORE_IN_TESTS.contains(&line.split(' ').next().unwrap_or_default()))
        .collect();
    assert!(
        more.is_empty(),
        "built with more features in tests; ask for them in Cargo.toml: {more:#?}"
    );
}
