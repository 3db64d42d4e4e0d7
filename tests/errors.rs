//! What can go wrong, for every verb: the real binary against no engine, one that it may not
//! speak to, one that is no manager, one that refuses, one that hangs, and an interrupt; and for
//! the verbs that name or read something, what is not there. Each error says what happened, where
//! and what to do, with the exit code that the help names.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod sim;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use sim::Sim;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::process::Command;
use tokio::time::timeout;

/// Every verb that asks an engine, as it is typed. `@NAME` is a file of the stage.
const VERBS: &[&str] = &[
    "install --image skep:1",
    "uninstall",
    "apply -f @east.yaml",
    "apply -f @source.yaml",
    "diff -f @east.yaml",
    "edit east",
    "rollout status east --timeout 25s",
    "rollout restart east",
    "history east",
    "rollback east",
    "get",
    "get sources",
    "describe east",
    "describe source shop",
    "delete east",
    "delete source shop",
    "wait east --timeout 25s",
    "routes",
    "routes --explain http://demo.a/",
    "events",
    "logs east",
    "top -n 1",
    "support-bundle",
    "doctor",
    "sync shop --timeout 25s",
    "source auth shop --username me --password-file @secret",
    "source hook shop --secret-file @secret",
    "certs add shop --cert @cert.pem --key @key.pem",
    "certs ls",
    "certs rm shop",
    "version",
];

/// Verbs that ask none.
const OFFLINE: &[&str] = &[
    "validate",
    "convert interlock",
    "convert manifest",
    "schema",
    "explain",
    "init",
    "completion",
];

/// Verbs that name something which is not there, and what is said of it.
const NOTHING: &[(&str, &str)] = &[
    ("edit none", "servicecluster/none does not exist"),
    ("rollout status none", "servicecluster/none does not exist"),
    ("rollout restart none", "servicecluster/none does not exist"),
    ("history none", "servicecluster/none does not exist"),
    ("rollback none", "servicecluster/none does not exist"),
    ("get none", "servicecluster/none does not exist"),
    ("get source none", "source/none does not exist"),
    (
        "get clusters",
        "servicecluster/clusters does not exist; the kinds are servicecluster (sc) and source; `skep get` lists",
    ),
    (
        "describe all",
        "`skep get all` lists service clusters and sources",
    ),
    ("get nodes", "`docker node ls`"),
    ("get svc", "`skep routes` lists services"),
    ("delete sorces", "did you mean `sources`?"),
    ("describe none", "servicecluster/none does not exist"),
    ("describe source none", "source/none does not exist"),
    ("delete none", "servicecluster/none does not exist"),
    ("delete source none", "source/none does not exist"),
    ("wait none --timeout 1s", "servicecluster/none"),
    ("routes none", "servicecluster/none does not exist"),
    ("events none", "servicecluster/none does not exist"),
    ("logs none", "servicecluster/none does not exist"),
    ("top none", "servicecluster/none does not exist"),
    ("sync none", "source/none does not exist"),
    // A webhook's secret may come before its source; credentials need to know the repository.
    (
        "source auth none --username me --password-file @secret",
        "source/none is not declared",
    ),
    ("certs ls none", "certificate/none does not exist"),
    ("certs rm none", "certificate/none does not exist"),
];

/// Verbs that read a file: one that is not there, and one that is no such thing.
const FILES: &[&str] = &[
    "apply -f",
    "diff -f",
    "delete -f",
    "validate -f",
    "convert interlock",
    "convert manifest -f",
    "certs add shop --key @key.pem --cert",
    "source auth shop --username me --password-file",
    "source hook shop --secret-file",
];

const EAST: &str = "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {name: east}\nspec: {networks: [{name: eastnet, create: {}}]}\n";
const SOURCE: &str = "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {name: shop}\nspec: {url: 'https://git.example.com/shop.git'}\n";

/// A folder with the files that verbs read, the socket of an engine, and the binary, all open to
/// whoever may not do more.
struct Stage {
    dir: tempfile::TempDir,
}

struct Said {
    typed: String,
    code: Option<i32>,
    out: String,
    err: String,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode).unwrap();
        let stage = Self { dir };
        let own = env!("CARGO_BIN_EXE_skep");
        if std::fs::hard_link(own, stage.path("skep")).is_err() {
            std::fs::copy(own, stage.path("skep")).unwrap();
        }
        let pair = rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned()]);
        let pair = pair.unwrap();
        for (name, text) in [
            ("east.yaml", EAST),
            ("source.yaml", SOURCE),
            ("secret", "a secret of at least so many letters"),
            ("cert.pem", &pair.cert.pem()),
            ("key.pem", &pair.signing_key.serialize_pem()),
        ] {
            std::fs::write(stage.path(name), text).unwrap();
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("engine.sock")
    }

    fn command(&self, typed: &str) -> Command {
        let words = typed.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        });
        let mut command = Command::new(self.path("skep"));
        command
            .args(words)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("EDITOR", "true")
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn skep(&self, typed: &str) -> Said {
        self.said(typed, self.command(typed)).await
    }

    async fn said(&self, typed: &str, mut command: Command) -> Said {
        let output = timeout(Duration::from_secs(90), command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("skep {typed} does not end"));
        let output = output.unwrap();
        Said {
            typed: typed.to_owned(),
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What each of these says, a few at once.
    async fn all(&self, verbs: &[&str]) -> Vec<Said> {
        let mut said = Vec::new();
        for few in verbs.chunks(8) {
            said.extend(join_all(few.iter().map(|typed| self.skep(typed))).await);
        }
        said
    }

    fn files(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Said {
    /// Fails with this code and says all of this, in marked lines, and nothing as data.
    #[track_caller]
    fn fails(&self, code: i32, wanted: &[&str]) {
        let Self {
            typed, out, err, ..
        } = self;
        assert_eq!(self.code, Some(code), "skep {typed}: {out}{err}");
        for wanted in wanted {
            assert!(err.contains(wanted), "skep {typed}: {wanted:?} in {err}");
        }
        assert!(!err.contains("panicked"), "skep {typed}: {err}");
        let marked = |line: &str| line.starts_with("error: ") || line.starts_with("warning: ");
        assert!(err.lines().all(marked), "skep {typed}: {err}");
        // The client's version is known all the same.
        assert!(out.is_empty() || typed == "version", "skep {typed}: {out}");
    }
}

/// What a stub of an engine answers to everything but its version, status 0: nothing; `None`: not
/// even its version.
type Answer = Option<(u16, &'static str)>;

/// An engine that always says the same, and how often it was asked.
fn stub(socket: &Path, answer: Answer) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(socket).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut bytes = [0; 4096];
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => head.extend(&bytes[..read]),
                    }
                }
                count.fetch_add(1, SeqCst);
                let version = String::from_utf8_lossy(&head).contains("/version ");
                let (status, body) = match answer {
                    Some(_) if version => (
                        200,
                        r#"{"Version":"28.5.0","ApiVersion":"1.51","MinAPIVersion":"1.24"}"#,
                    ),
                    None | Some((0, _)) => return std::future::pending().await,
                    Some(answer) => answer,
                };
                let text = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(text.as_bytes()).await;
            });
        }
    });
    asked
}

#[test]
fn every_verb_is_in_the_table() {
    fn leaves(path: &str, command: &clap::Command, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let path = format!("{path} {}", below.get_name()).trim().to_owned();
            if below.has_subcommands() {
                leaves(&path, below, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    leaves("", &skep::cli::examples::command(), &mut found);
    let known = |verb: &String| {
        let all = VERBS.iter().chain(OFFLINE);
        let mut all = all.map(|typed| format!("{typed} "));
        all.any(|typed| typed.starts_with(&format!("{verb} ")))
            || ["operator", "proxy", "help"].contains(&verb.as_str())
    };
    found.retain(|verb| !known(verb));
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_every_verb_says_where_it_looked() {
    let stage = Stage::new();
    for said in stage.all(VERBS).await {
        said.fails(
            3,
            &[
                "cannot reach a Docker engine at unix://",
                "engine.sock",
                "start Docker, or set DOCKER_HOST",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_one_may_not_open_is_told_with_who_may() {
    let stage = Stage::new();
    let _engine = stub(&stage.socket(), Some((200, "[]")));
    let closed = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.socket(), closed).unwrap();
    let as_stranger = |typed: &str| {
        let mut command = stage.command(typed);
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        } else {
            let none = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(stage.socket(), none).unwrap();
        }
        command
    };
    for few in VERBS.chunks(8) {
        let runs = few
            .iter()
            .map(|typed| stage.said(typed, as_stranger(typed)));
        for said in join_all(runs).await {
            said.fails(
                3,
                &[
                    "cannot reach a Docker engine at unix://",
                    "permission denied; run as root or as a member of the group",
                ],
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_no_manager_is_told_to_every_verb() {
    let stage = Stage::new();
    let worker = r#"{"message":"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."}"#;
    let _engine = stub(&stage.socket(), Some((503, worker)));
    for said in stage.all(VERBS).await {
        said.fails(
            3,
            &[
                "is not a Swarm manager",
                "point DOCKER_HOST or a docker context at one",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_refuses_is_told_with_the_call_and_who_must_allow_it() {
    let stage = Stage::new();
    let refusal = r#"{"message":"authorization denied by plugin guard: not yours"}"#;
    let _engine = stub(&stage.socket(), Some((403, refusal)));
    for said in stage.all(VERBS).await {
        // 1 would say that manifests differ.
        let code = if said.typed.starts_with("diff ") {
            2
        } else {
            1
        };
        said.fails(
            code,
            &[
                "permission denied: authorization denied by plugin guard: not yours",
                "whoever runs the engine must allow this call",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_is_given_up_in_time() {
    let stage = Stage::new();
    let _engine = stub(&stage.socket(), None);
    let all = join_all(VERBS.iter().map(|typed| stage.skep(typed))).await;
    for said in all {
        said.fails(3, &["did not answer within 20 s", "run this again"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_waits_does_not_wait_longer_for_an_engine_that_hangs() {
    let stage = Stage::new();
    let _engine = stub(&stage.socket(), None);
    for typed in [
        "wait east --timeout 1s",
        "sync shop --timeout 1s",
        "rollout status east --timeout 1s",
    ] {
        stage
            .skep(typed)
            .await
            .fails(1, &["not done after 1s: the engine does not answer"]);
    }
}

/// One that answers who it is and then hangs.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_later_is_given_up_too() {
    let stage = Stage::new();
    let _engine = stub(&stage.socket(), Some((0, "")));
    for said in join_all(VERBS.iter().map(|typed| stage.skep(typed))).await {
        // 1 would say that manifests differ.
        let code = if said.typed.starts_with("diff ") {
            2
        } else {
            1
        };
        said.fails(code, &["did not answer within 20 s", "run this again"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_every_verb_with_130_and_leaves_nothing_half_done() {
    let stage = Stage::new();
    let asked = stub(&stage.socket(), None);
    let before = stage.files();
    for typed in VERBS {
        let asked_before = asked.load(SeqCst);
        let child = stage.command(typed).spawn().unwrap();
        // Once it has asked the engine it is past the start, where a signal would just kill it.
        let wait = async {
            while asked.load(SeqCst) == asked_before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let asks = timeout(Duration::from_secs(30), wait).await;
        assert!(asks.is_ok(), "skep {typed} never asked");
        let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let output = timeout(Duration::from_secs(10), child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("skep {typed} goes on"));
        let output = output.unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "skep {typed}: {err}");
        assert!(output.stdout.is_empty(), "skep {typed}");
        assert_eq!(stage.files(), before, "skep {typed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_called_by_its_name() {
    let stage = Stage::new();
    let sim = Sim::new(1);
    sim.serve_unix(&stage.socket()).unwrap();
    let verbs: Vec<&str> = NOTHING.iter().map(|(typed, _)| *typed).collect();
    let writes = sim.writes();
    for (said, (_, wanted)) in stage.all(&verbs).await.iter().zip(NOTHING) {
        said.fails(1, &[wanted]);
    }
    assert_eq!(sim.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_both_kinds_and_may_be_a_name_all_the_same() {
    let stage = Stage::new();
    let sim = Sim::new(1);
    sim.serve_unix(&stage.socket()).unwrap();
    let none = stage.skep("get all").await;
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert!(none.err.contains("nothing is declared"), "{}", none.err);
    let named = EAST.replace("east", "all");
    std::fs::write(stage.path("all.yaml"), named).unwrap();
    let applied = stage.skep("apply -f @all.yaml -f @source.yaml").await;
    assert_eq!(applied.code, Some(0), "{}", applied.err);
    let (cluster, source) = ("servicecluster/all\n", "source/shop\n");
    let said = stage.skep("get sc/all -o name").await;
    assert_eq!(said.out, cluster);
    let said = stage.skep("get all -o name").await;
    assert_eq!(said.out, [cluster, source].concat());
    let said = stage.skep("get all --no-headers").await;
    let first: Vec<_> = said.out.lines().map(|line| line.get(..4)).collect();
    assert_eq!(first, [Some("all "), None, Some("shop")], "{}", said.out);
    let said = stage.skep("get all -o json").await;
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(list["kind"], "List");
    let kinds = [&list["items"][0]["kind"], &list["items"][1]["kind"]];
    assert_eq!(kinds, ["ServiceCluster", "Source"]);
    let said = stage.skep("get all -o yaml").await;
    assert_eq!(said.out.matches("\n---\n").count(), 1, "{}", said.out);
    stage.skep("get all -w").await.fails(2, &["`skep get -w`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_kinds_are_understood_and_those_of_other_programs_stay_names() {
    let stage = Stage::new();
    let sim = Sim::new(1);
    sim.serve_unix(&stage.socket()).unwrap();
    let both = EAST.replace("east", "clusters") + "---\n" + &EAST.replace("east", "sc");
    std::fs::write(stage.path("both.yaml"), both).unwrap();
    let applied = stage.skep("apply -f @both.yaml -f @source.yaml").await;
    assert_eq!(applied.code, Some(0), "{}", applied.err);
    let (clusters, sc) = ("servicecluster/clusters\n", "servicecluster/sc\n");
    let all = [clusters, sc].concat();
    for (typed, shown) in [
        ("get", all.as_str()),
        ("ls", &all),
        ("get sc", &all),
        ("get ServiceClusters", &all),
        ("get servicecluster.skep.dev", &all),
        ("get clusters", clusters),
        ("get sc clusters", clusters),
        ("get sc/sc", sc),
        ("get source", "source/shop\n"),
        ("get sources", "source/shop\n"),
        ("get source/shop", "source/shop\n"),
    ] {
        let said = stage.skep(&format!("{typed} -o name")).await;
        assert_eq!((said.code, said.out.as_str()), (Some(0), shown), "{typed}");
    }
    let said = stage.skep("get cluster").await;
    said.fails(1, &["(did you mean `clusters`?)"]);
    let said = stage.skep("get pods/clusters").await;
    said.fails(
        2,
        &[
            "is not a service cluster",
            "the proxies of a service cluster",
        ],
    );
    let said = stage.skep("rollout history clusters -o json").await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    stage
        .skep("rollout undo none")
        .await
        .fails(1, &["servicecluster/none"]);
    let said = stage.skep("rm clusters sc").await;
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_looked_at_before_any_engine_is_asked() {
    let stage = Stage::new();
    for typed in FILES {
        let said = stage.skep(&format!("{typed} @none.yaml")).await;
        said.fails(2, &["none.yaml", "No such file"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_or_wrong_is_told_and_nothing_is_written() {
    let stage = Stage::new();
    let sim = Sim::new(1);
    sim.serve_unix(&stage.socket()).unwrap();
    let writes = sim.writes();
    std::fs::write(stage.path("latin1"), [0xe4, b'\n']).unwrap();
    for typed in FILES {
        let said = stage.skep(&format!("{typed} @none.yaml")).await;
        said.fails(2, &["none.yaml", "No such file"]);
        let said = stage.skep(&format!("{typed} @latin1")).await;
        said.fails(2, &["latin1"]);
        let said = stage.skep(&format!("{typed} /dev/zero")).await;
        said.fails(2, &["/dev/zero: is larger than"]);
    }
    for typed in ["apply -f", "diff -f", "delete -f", "validate -f"] {
        let said = stage
            .skep(&format!("{typed} https://example.com/a.yaml"))
            .await;
        said.fails(
            2,
            &["URLs are not read", "curl -fsSL URL | skep apply -f -"],
        );
    }
    assert_eq!(sim.writes(), writes);
}
