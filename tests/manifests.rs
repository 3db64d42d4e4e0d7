//! Manifests from files: what is good is read, what is bad is told, all of it, with its place.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use skep::api::parse::{canonical, manifests};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/manifests")
        .join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn name_of(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

#[test]
fn every_fault_of_a_bad_manifest_is_told_at_once_with_its_place() {
    for file in files("bad") {
        let name = name_of(&file);
        let parsed = manifests(name, &std::fs::read_to_string(&file).unwrap());
        assert!(!parsed.faults.is_empty(), "{name} has no fault");
        let mut told = String::new();
        for fault in &parsed.faults {
            writeln!(told, "{fault}").unwrap();
        }
        for cluster in &parsed.clusters {
            writeln!(told, "good: {}", cluster.metadata.name).unwrap();
        }
        for source in &parsed.sources {
            writeln!(told, "good: source {}", source.metadata.name).unwrap();
        }
        insta::assert_snapshot!(name, told);
    }
}

#[test]
fn every_good_manifest_is_read_and_survives_its_canonical_form() {
    for file in files("good") {
        let name = name_of(&file);
        let parsed = manifests(name, &std::fs::read_to_string(&file).unwrap());
        assert_eq!(parsed.faults, [], "{name}");
        let mut told = String::new();
        for cluster in &parsed.clusters {
            let text = canonical(cluster);
            let again = manifests("canonical", &text);
            assert_eq!(again.faults, [], "{name}");
            assert_eq!(again.clusters, std::slice::from_ref(cluster), "{name}");
            assert_eq!(canonical(&again.clusters[0]), text, "{name}");
            writeln!(told, "---\n{text}").unwrap();
        }
        for source in &parsed.sources {
            let text = canonical(source);
            let again = manifests("canonical", &text);
            assert_eq!(again.sources, std::slice::from_ref(source), "{name}");
            assert_eq!(canonical(&again.sources[0]), text, "{name}");
            writeln!(told, "---\n{text}").unwrap();
        }
        insta::assert_snapshot!(name, told);
    }
}
