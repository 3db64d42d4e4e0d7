//! What README and docs show is what is printed: their sessions are typed into a real terminal,
//! on a real Swarm, and compared. `UPDATE_TRANSCRIPTS=1` writes what was printed into the docs.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use super::harness::{images, shared};
use super::lab::{Lab, Wanted, package};
use super::shown::{Part, alike, files, parts, whole};
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
            Part::Text(text) => files(place.dir.path(), text),
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
pub struct Place {
    dir: tempfile::TempDir,
    host: String,
    path: String,
}

impl Place {
    pub fn new(lab: &Lab) -> Self {
        let skep = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            dir: tempfile::tempdir().unwrap(),
            host: lab.node(0).docker_host(),
            path: format!("{}:{path}", skep.parent().unwrap().display()),
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

    /// Writes a file where the commands are typed.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// What a command prints, and whether that is what was to be shown. One that only looks is
    /// tried again until what it looks at has settled.
    pub fn shows(&self, command: &str, wanted: &str) -> (String, bool) {
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
