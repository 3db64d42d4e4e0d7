//! What README and docs show is what is printed: their sessions are typed into a real terminal,
//! on a real Swarm, and compared. `UPDATE_TRANSCRIPTS=1` writes what was printed into the docs.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use super::harness::{images, shared};
use super::lab::{Lab, Wanted, package};
use super::terminal::in_terminal;

/// How long a command may take to print what the docs show: what it tells of may still settle.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same where what is printed goes into the docs.
const SETTLING: Duration = Duration::from_secs(6);

pub fn trials() -> Vec<Trial> {
    vec![
        shared("the_tour_prints_what_it_shows", tour),
        shared("make_demo_prints_what_the_readme_shows", demo),
    ]
}

/// A part of a document.
enum Part {
    /// Anything that is not run.
    Text(String),
    /// A command and what it prints.
    Step { command: String, output: String },
}

fn tour() {
    let path = package().join("docs/tour.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let name = format!("tour-{}", std::process::id());
    let lab = Lab::start(&Wanted {
        name: &name,
        nodes: 3,
        managers: 1,
        images: &images(),
    });
    let place = Place::new(&lab);
    let mut parts = parts(&text);
    let mut wrong = Vec::new();
    for part in &mut parts {
        match part {
            Part::Text(text) => place.files(text),
            Part::Step { command, output } => {
                let (shown, same) = place.shows(command, output);
                if !same {
                    wrong.push(format!(
                        "$ {command}\n--- shown in the docs\n{output}--- printed\n{shown}"
                    ));
                    *output = shown;
                }
            }
        }
    }
    if updates() {
        std::fs::write(&path, whole(&parts)).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `make demo` without the building, under another name so that it may run beside a demo.
fn demo() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let block = readme.split("```console\n# make demo\n").nth(1).unwrap();
    let wanted = block.split("```").next().unwrap();
    let name = format!("demo-{}", std::process::id());
    let script = |verb: &str| {
        let mut script = Command::new(package().join("examples/demo/demo.sh"));
        script
            .arg(verb)
            .env("DEMO_LAB", &name)
            .current_dir(package());
        script.env("TERM", "xterm-256color");
        in_terminal(&mut script)
    };
    let (shown, code) = script("up");
    let (_, gone) = script("down");
    std::fs::remove_file(package().join("target").join(format!("{name}.yaml"))).ok();
    let shown = shown.replace(&name, "demo");
    assert_eq!((code, gone), (0, 0), "{shown}");
    assert!(
        alike(&shown, wanted),
        "--- shown in README\n{wanted}--- printed\n{shown}"
    );
}

/// Where the commands are typed: a folder of its own, and a Swarm.
struct Place {
    dir: tempfile::TempDir,
    host: String,
    path: String,
}

impl Place {
    fn new(lab: &Lab) -> Self {
        let skep = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            dir: tempfile::tempdir().unwrap(),
            host: lab.node(0).docker_host(),
            path: format!("{}:{path}", skep.parent().unwrap().display()),
        }
    }

    /// Writes the files that a text shows: a block after a line that ends with `FILE`:.
    fn files(&self, text: &str) {
        let mut lines = text.lines();
        let mut name = None;
        while let Some(line) = lines.next() {
            // The fences of console blocks stand alone here: their steps are parts of their own.
            if line == "```" || line == "```console" {
                name = None;
            } else if line.starts_with("```") {
                let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                if let Some(name) = name.take() {
                    let path = self.dir.path().join(name);
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

    fn typed(&self, command: &str) -> String {
        let mut shell = Command::new("timeout");
        shell
            .args(["--foreground", "150", "bash", "-c", command])
            .current_dir(self.dir.path())
            .env("PATH", &self.path)
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.dir.path())
            .env("DOCKER_HOST", &self.host)
            .env("TERM", "xterm-256color");
        for key in ["NO_COLOR", "DOCKER_CONTEXT", "EDITOR", "VISUAL"] {
            shell.env_remove(key);
        }
        let (shown, code) = in_terminal(&mut shell);
        if code == 0 {
            shown
        } else {
            format!("{shown}[exit code {code}]\n")
        }
    }

    /// What a command prints, and whether that is what was to be shown. One that only looks is
    /// tried again until what it looks at has settled.
    fn shows(&self, command: &str, wanted: &str) -> (String, bool) {
        let patience = if updates() { SETTLING } else { PATIENCE };
        let looks = LOOKS.iter().any(|verb| command.starts_with(verb));
        let begun = Instant::now();
        loop {
            let shown = self.typed(command);
            let same = alike(&shown, wanted);
            if same || !looks || begun.elapsed() > patience {
                return (shown, same);
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Whether the docs are to be written.
fn updates() -> bool {
    std::env::var_os("UPDATE_TRANSCRIPTS").is_some()
}

/// Commands that change nothing.
const LOOKS: [&str; 10] = [
    "skep logs",
    "skep get",
    "skep describe",
    "skep routes",
    "skep history",
    "skep diff",
    "skep certs ls",
    "skep events",
    "skep doctor",
    "skep version",
];

/// Whether two outputs are the same but for what no two runs have in common: ages, times, ids,
/// addresses, widths of columns. A line `...` in the docs stands for any lines.
fn alike(shown: &str, wanted: &str) -> bool {
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
    } else {
        return word.to_owned();
    };
    word.replace(core, kind)
}

/// The text and the steps of a document.
fn parts(text: &str) -> Vec<Part> {
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
fn whole(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Step { command, output } => format!("$ {command}\n{output}"),
    };
    parts.iter().map(part).collect()
}
