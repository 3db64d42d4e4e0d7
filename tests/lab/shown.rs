//! Documents that show commands with what they print, and whether that is what is printed.
#![allow(dead_code)] // the lab and the tests without it use different parts

use std::path::Path;

/// A part of a document.
pub enum Part {
    /// Anything that is not run.
    Text(String),
    /// A command and what it prints.
    Step { command: String, output: String },
}

/// Writes the files that a text shows: a block after a line that ends with `FILE`:.
pub fn files(dir: &Path, text: &str) {
    let mut lines = text.lines();
    let mut name = None;
    while let Some(line) = lines.next() {
        // The fences of console blocks stand alone here: their steps are parts of their own.
        if line == "```" || line == "```console" {
            name = None;
        } else if line.starts_with("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if let Some(name) = name.take() {
                let path = dir.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, body.join("\n") + "\n").unwrap();
            }
        } else if let Some(head) = line.strip_suffix("`:") {
            name = head.rsplit('`').next().map(str::to_owned);
        } else if !line.trim().is_empty() {
            name = None;
        }
    }
}

/// Whether two outputs are the same but for what no two runs have in common: ages, times, ids,
/// addresses, widths of columns. A line `...` in the docs stands for any lines.
pub fn alike(shown: &str, wanted: &str) -> bool {
    let (shown, wanted) = (common(shown), common(wanted));
    let mut shown = shown.iter().peekable();
    let mut wanted = wanted.iter().peekable();
    while let Some(line) = wanted.next() {
        if line == "..." {
            let Some(next) = wanted.peek() else {
                return true;
            };
            while shown.peek().is_some_and(|shown| !fits(shown, next)) {
                shown.next();
            }
        } else if !shown.next().is_some_and(|shown| fits(shown, line)) {
            return false;
        }
    }
    shown.next().is_none()
}

/// Whether a line is the wanted one, in which ` ... ` stands for anything.
fn fits(shown: &str, wanted: &str) -> bool {
    match wanted.split_once(" ... ") {
        Some((head, tail)) => shown.starts_with(head) && shown.ends_with(tail),
        None => shown == wanted,
    }
}

fn common(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        // Sizes of files differ with what is in them.
        let line = match line.rsplit_once('(') {
            Some((head, tail)) if tail.ends_with(" bytes)") => head,
            _ => line,
        };
        let words = line.split_whitespace().map(word);
        words.collect::<Vec<_>>().join(" ")
    });
    // What goes on meanwhile is for who watches, and differs from run to run.
    let passing = |line: &String| line.is_empty() || line.starts_with("waiting: ");
    lines.filter(|line| !passing(line)).collect()
}

/// A text with `ADDRESS` for every IPv4 address in it.
fn without_addresses(text: &str) -> String {
    let inside = |c: char| c.is_ascii_digit() || c == '.';
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[at..]
            .find(|c| !inside(c))
            .map_or(rest.len(), |end| at + end);
        let run = &rest[at..end];
        let is = run.split('.').filter(|part| !part.is_empty()).count() == 4;
        plain.push_str(&rest[..at]);
        plain.push_str(if is { "ADDRESS" } else { run });
        rest = &rest[end..];
    }
    plain + rest
}

/// A word without what differs between runs.
fn word(word: &str) -> String {
    let word = &without_addresses(word);
    let core = word.trim_matches(|c: char| "(),;:".contains(c));
    let digits = |c: char| c.is_ascii_digit();
    let like = |text: &str, rest: fn(char) -> bool| {
        text.chars().any(|c| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || rest(c))
    };
    let age =
        core.starts_with(digits) && like(core, |c| "dhmsu.".contains(c)) && !core.ends_with(digits);
    let kind = if age {
        "AGE"
    } else if core.len() >= 20
        && core.starts_with(digits)
        && core.contains('T')
        && like(core, |c| "TZ-:.+".contains(c))
    {
        "TIME"
    } else if core.ends_with('B') && like(core, |c| c == 'B') {
        "SIZE"
    } else if core.len() >= 12 && like(core, |c| c.is_ascii_lowercase()) {
        "ID"
    } else if core.len() == 10 && core.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        "COMMIT"
    } else {
        return word.to_owned();
    };
    word.replace(core, kind)
}

/// The text and the steps of a document.
pub fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut running = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        match (running, line) {
            (false, "```console") => running = true,
            (true, "```") => running = false,
            (true, line) if line.starts_with("$ ") => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                let mut command = line[2..].to_owned();
                while command.ends_with('\\') {
                    command.push('\n');
                    command.push_str(lines.next().unwrap_or_default());
                }
                let mut output = String::new();
                while let Some(line) =
                    lines.next_if(|line| *line != "```" && !line.starts_with("$ "))
                {
                    output.push_str(line);
                    output.push('\n');
                }
                parts.push(Part::Step { command, output });
                continue;
            }
            _ => {}
        }
        plain.push_str(line);
        plain.push('\n');
    }
    parts.push(Part::Text(plain));
    parts
}

/// The document again.
pub fn whole(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Step { command, output } => format!("$ {command}\n{output}"),
    };
    parts.iter().map(part).collect()
}
