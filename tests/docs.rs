//! README and docs: every command that they show can be typed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// README and every page below docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

/// The lines typed in console blocks, continued ones joined.
fn typed(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let (mut console, mut goes_on) = (false, false);
    for line in text.lines() {
        if line.starts_with("error: invalid value") {
            // What it shows is how a mistake is told.
            all.pop();
        }
        if line.starts_with("```") {
            console = line == "```console";
        } else if console && (goes_on || line.starts_with("$ ")) {
            let part = line.trim_start_matches("$ ").trim_end_matches('\\');
            match all.last_mut().filter(|_| goes_on) {
                Some(last) => last.push_str(part),
                None => all.push(part.to_owned()),
            }
            goes_on = line.ends_with('\\');
        }
    }
    all
}

/// The words after `skep` of each call in a line of the shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut quote = None;
    let mut calls = vec![vec![String::new()]];
    for c in line.chars() {
        let call = calls.last_mut().unwrap();
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|' | '>' | '&' | ';' | '(' | ')' | '<') => calls.push(vec![String::new()]),
            (None, ' ') => call.push(String::new()),
            _ => call.last_mut().unwrap().push(c),
        }
    }
    for call in &mut calls {
        call.retain(|word| !word.is_empty());
        while call.first().is_some_and(|word| word.contains('=')) {
            call.remove(0);
        }
    }
    calls.retain(|call| call.first().is_some_and(|word| word == "skep"));
    calls
}

#[test]
fn every_command_in_readme_and_docs_can_be_typed() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for line in typed(&std::fs::read_to_string(&page).unwrap()) {
            for call in calls(&line) {
                seen += 1;
                let command = skep::cli::examples::command();
                if let Err(error) = command.try_get_matches_from(call)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {line}\n{error}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn the_tour_shows_every_verb() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tour = std::fs::read_to_string(root.join("docs/tour.md")).unwrap();
    let shown: Vec<Vec<String>> = typed(&tour).iter().flat_map(|line| calls(line)).collect();
    // They run in containers and never end.
    let left_out = ["operator", "proxy"];
    for verb in skep::cli::examples::command().get_subcommands() {
        let name = verb.get_name();
        let there = shown
            .iter()
            .any(|call| call.get(1).is_some_and(|word| word == name));
        assert!(
            there || verb.is_hide_set() || left_out.contains(&name),
            "docs/tour.md does not show `skep {name}`"
        );
    }
}
