//! GitOps from the command line: sources with a real git server, and the recipes of
//! `docs/gitops.md` run as they stand there. The real binary, the simulated engine, an operator in
//! process.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod repo;
mod sim;
mod stage;

use std::collections::BTreeMap;

use repo::web::Web;
use repo::{Daemon, Repo, cluster};
use skep::names;
use stage::Stage;

#[tokio::test]
async fn a_source_is_declared_watched_asked_and_deleted_from_the_command_line() {
    let stage = Stage::new().await;
    let repo = Repo::new();
    repo.write("east.yaml", cluster("east", 1));
    let first = repo.push();
    let web = Web::start(&repo.served(), true, Some(("git", "t0ken"))).await;
    let ca = web.authority.trim().replace('\n', "\n    ");
    let source = stage.write(
        "source.yaml",
        &format!(
            "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop}}\nspec:\n  url: {}\n  interval: 24h\n  ca: |\n    {ca}\n",
            web.url()
        ),
    );
    assert_eq!(
        Stage::good(&stage.skep(&["validate", "-f", &source]).await),
        "source/shop is valid\n"
    );
    assert_eq!(
        Stage::good(&stage.skep(&["apply", "-f", &source]).await),
        "source/shop created\n"
    );
    let told = Stage::bad(&stage.skep(&["sync", "shop", "--timeout", "30s"]).await, 1);
    assert!(told.contains("source/shop: AccessDenied: "), "{told}");
    // Wrong ones, then good ones, from a file with a line break.
    let wrong = stage.write("wrong", "no\n");
    let auth = ["source", "auth", "shop", "--password-file"];
    Stage::good(&stage.skep(&[&auth[..], &[&wrong]].concat()).await);
    let told = Stage::bad(&stage.skep(&["sync", "shop", "--timeout", "30s"]).await, 1);
    assert!(told.contains("refuses the credentials"), "{told}");
    let token = stage.write("token", "t0ken\n");
    let told = Stage::good(&stage.skep(&[&auth[..], &[&token]].concat()).await);
    assert!(
        told.contains("credentials stored, for https://127.0.0.1:"),
        "{told}"
    );
    let told = Stage::good(
        &stage
            .skep(&["sync", "source/shop", "--timeout", "30s"])
            .await,
    );
    let applied = format!("commit {} is applied: 1 service cluster\n", &first[..10]);
    let created = "servicecluster/east created\n";
    assert_eq!(told, format!("{created}source/shop in sync: {applied}"));
    assert_eq!(
        Stage::good(&stage.skep(&["get", "-o", "name"]).await),
        "servicecluster/east\n"
    );
    let wait = ["apply", "-f", &source, "--wait", "--timeout", "20s"];
    assert_eq!(
        Stage::good(&stage.skep(&wait).await),
        format!("source/shop unchanged\nsource/shop in sync: {applied}")
    );
    let told = Stage::bad(&stage.skep(&["uninstall"]).await, 1);
    assert!(told.contains("declared"), "{told}");
    // A day's interval: only a request brings the next commit.
    repo.write("west.yaml", cluster("west", 1));
    let second = repo.push();
    let told = Stage::good(&stage.skep(&["sync", "shop"]).await);
    assert!(told.starts_with("servicecluster/west created\n"), "{told}");
    let shown = Stage::good(&stage.skep(&["get", "source", "shop", "-o", "json"]).await);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["status"]["revision"], second.as_str());
    let validator = jsonschema::validator_for(&skep::api::schema::source()).unwrap();
    assert!(validator.is_valid(&shown), "{shown}");
    let table = Stage::good(&stage.skep(&["get", "sources"]).await);
    assert!(table.contains("True   Applied"), "{table}");
    let text = Stage::good(&stage.skep(&["describe", "source", "shop"]).await);
    for part in ["  east  1 ", "  west  1 ", "Credentials:    stored"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    // A broken push is told by its file and line.
    repo.write("west.yaml", "kind: ServiceCluster\nspec: {x: 1}\n");
    repo.push();
    let told = Stage::bad(&stage.skep(&["sync", "shop"]).await, 1);
    assert!(
        told.contains("InvalidManifest") && told.contains("west.yaml:2:"),
        "{told}"
    );
    let wait = ["apply", "-f", &source, "--wait", "--timeout", "5s"];
    let told = Stage::bad(&stage.skep(&wait).await, 1);
    assert!(told.contains("source/shop: InvalidManifest: "), "{told}");
    assert_eq!(
        Stage::good(&stage.skep(&["apply", "-f", &source, "--dry-run"]).await),
        "source/shop unchanged (dry run)\n"
    );
    assert_eq!(
        Stage::good(&stage.skep(&["delete", "source", "shop"]).await),
        "source/shop deleted\n"
    );
    Stage::bad(&stage.skep(&["get", "source", "shop"]).await, 1);
    Stage::bad(&stage.skep(&["sync", "shop"]).await, 1);
    assert_eq!(
        Stage::good(&stage.skep(&["get", "-o", "name"]).await),
        "servicecluster/east\nservicecluster/west\n"
    );
    let left = stage.sim.engine().list_configs().await.unwrap();
    let kinds = left
        .values()
        .map(|config| config.labels[names::LABEL_KIND].as_str());
    assert!(kinds.into_iter().all(|kind| kind == names::KIND));
}

#[tokio::test]
async fn diff_tells_of_sources_and_delete_takes_what_an_interrupted_one_left() {
    let stage = Stage::new().await;
    let text = "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {name: shop}\nspec: {url: 'https://127.0.0.1:1/x'}\n";
    let source = stage.write("source.yaml", text);
    let diff = stage.skep(&["diff", "-f", &source]).await;
    assert_eq!(diff.status.code(), Some(1));
    let shown = String::from_utf8(diff.stdout).unwrap();
    assert!(shown.contains("+kind: Source\n"), "{shown}");
    Stage::good(&stage.skep(&["apply", "-f", &source]).await);
    assert_eq!(Stage::good(&stage.skep(&["diff", "-f", &source]).await), "");
    let delete = ["delete", "source", "shop"];
    Stage::good(&stage.skep(&delete).await);
    // Credentials without a source are what an interrupted deletion leaves.
    let token = stage.write("token", "t0ken\n");
    let url = "https://127.0.0.1:1/x";
    let auth = [
        "source",
        "auth",
        "shop",
        "--url",
        url,
        "--password-file",
        &token,
    ];
    Stage::good(&stage.skep(&auth).await);
    assert_eq!(
        Stage::good(&stage.skep(&delete).await),
        "source/shop deleted\n"
    );
    Stage::bad(&stage.skep(&delete).await, 1);
}

#[tokio::test]
async fn sources_are_stored_before_clusters_are_waited_for() {
    let stage = Stage::new().await;
    let late = cluster("late", 1).replace(", create: {}", "");
    let both = format!(
        "{late}---\napiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop}}\nspec: {{url: 'https://127.0.0.1:1/x'}}\n"
    );
    let both = stage.write("both.yaml", &both);
    let apply = [
        "apply",
        "-f",
        &both,
        "--allow-missing",
        "--wait",
        "--timeout",
        "2s",
    ];
    let applied = stage.skep(&apply).await;
    assert!(!applied.status.success());
    let told = String::from_utf8(applied.stdout).unwrap();
    assert_eq!(told, "servicecluster/late created\nsource/shop created\n");
}

#[tokio::test]
async fn secrets_of_sources_are_checked_before_they_are_sealed() {
    let stage = Stage::new().await;
    let short = stage.write("short", "fifteen letters\n");
    let secret = stage.write("secret", "sixteen letters.\n");
    let empty = stage.write("empty", "\n");
    let auth = ["source", "auth", "shop", "--password-file"];
    let told = Stage::bad(&stage.skep(&[&auth[..], &[&secret]].concat()).await, 1);
    assert!(told.contains("--url"), "{told}");
    let plain = [&auth[..], &[&secret, "--url", "http://h/r"]].concat();
    let told = Stage::bad(&stage.skep(&plain).await, 2);
    assert!(told.contains("https:// only"), "{told}");
    let hook = ["source", "hook", "shop", "--secret-file"];
    Stage::bad(&stage.skep(&[&hook[..], &[&empty]].concat()).await, 2);
    let told = Stage::bad(&stage.skep(&[&hook[..], &[&short]].concat()).await, 2);
    assert!(told.contains("openssl rand -hex 32"), "{told}");
    let told = Stage::good(&stage.skep(&[&hook[..], &[&secret]].concat()).await);
    assert!(told.contains("/hooks/shop"), "{told}");
    Stage::good(&stage.skep(&["source", "hook", "shop", "--remove"]).await);
    Stage::bad(
        &stage.skep(&["source", "hook", "shop", "--remove"]).await,
        1,
    );
    Stage::bad(&stage.skep(&["source", "auth", "shop"]).await, 2);
}

/// The fenced blocks of a kind below a heading of `docs/gitops.md`.
fn blocks(heading: &str, kind: &str) -> Vec<String> {
    let text = include_str!("../docs/gitops.md");
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let section = section.split("\n### ").next().unwrap();
    let fence = format!("```{kind}\n");
    let parts = section.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

/// The commands of the pipelines, by job, without those that get the program itself.
fn github() -> BTreeMap<String, String> {
    let text = &blocks("### GitHub Actions", "yaml")[0];
    let flow: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let jobs = flow["jobs"].as_object().unwrap().iter();
    jobs.map(|(name, job)| {
        let steps = job["steps"].as_array().unwrap().iter();
        let runs = steps.filter(|step| step["name"] != "Get skep");
        let runs = runs.filter_map(|step| step["run"].as_str());
        (name.clone(), runs.collect::<Vec<_>>().join("\n"))
    })
    .collect()
}

fn gitlab() -> BTreeMap<String, String> {
    let text = &blocks("### GitLab CI", "yaml")[0];
    let flow: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let jobs = flow.as_object().unwrap().iter();
    jobs.filter_map(|(name, job)| {
        let lines = job.get("script")?.as_array().unwrap().iter();
        let lines: Vec<&str> = lines.filter_map(|line| line.as_str()).collect();
        Some((name.clone(), lines.join("\n")))
    })
    .collect()
}

#[tokio::test]
async fn the_pipelines_of_the_docs_check_plan_apply_and_fail_by_their_exit_codes() {
    for jobs in [github(), gitlab()] {
        let stage = Stage::new().await;
        for name in ["DOCKER_CA", "DOCKER_CERT", "DOCKER_KEY"] {
            stage.write(name, "pem\n");
        }
        // As the runners do: the first command that fails ends the job.
        let run = async |job: &str| {
            let mut shell = stage.command("sh");
            for name in ["DOCKER_CA", "DOCKER_CERT", "DOCKER_KEY"] {
                shell.env(name, name);
            }
            for name in ["CA", "CERT", "KEY"] {
                shell.env(name, "pem");
            }
            shell.args(["-e", "-c", &jobs[job]]).output().await.unwrap()
        };
        stage.write("clusters/east.yaml", &cluster("east", 0));
        assert_eq!(
            Stage::good(&run("check").await),
            "servicecluster/east is valid\n"
        );
        let told = Stage::good(&run("deploy").await);
        assert!(
            told.contains("servicecluster/east created (dry run)\n"),
            "{told}"
        );
        assert!(told.contains("servicecluster/east created\n"), "{told}");
        assert!(told.contains("condition Ready met"), "{told}");
        // The same again changes nothing.
        let told = Stage::good(&run("deploy").await);
        assert!(told.contains("servicecluster/east unchanged\n"), "{told}");
        stage.write("clusters/east.yaml", "kind: ServiceCluster\n");
        Stage::bad(&run("check").await, 2);
        Stage::bad(&run("deploy").await, 2);
    }
}

#[test]
fn the_manifests_of_the_docs_are_valid() {
    let source = &blocks("## Pulled: a Source", "yaml")[0];
    assert_eq!(skep::api::parse::manifests("docs", source).faults, []);
}

#[tokio::test]
async fn a_source_that_fails_keeps_nobody_from_being_told_of_the_next() {
    let stage = Stage::new().await;
    let repo = Repo::new();
    repo.write("c/a.yaml", "kind: ServiceCluster\nmetadata: {nam: x}\n");
    repo.push();
    let daemon = Daemon::start(&repo.served());
    let source = |name: &str, path: &str| {
        let url = daemon.url();
        format!(
            "---\napiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: {name}}}\nspec:\n  url: {url}\n  path: {path}\n  interval: 24h\n"
        )
    };
    let both = source("none", "d") + &source("shop", "c");
    let file = stage.write("both.yaml", &both);
    let apply = ["apply", "-f", &file, "--wait", "--timeout", "4s"];
    for command in [&apply[..], &["sync", "none", "shop"]] {
        let told = Stage::bad(&stage.skep(command).await, 1);
        for begin in ["none: NotFound: commit", "shop: InvalidManifest: commit"] {
            let begin = format!("error: source/{begin}");
            let lines = told.lines().filter(|line| line.starts_with(&begin));
            assert_eq!(lines.count(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn faults_and_changes_of_a_repository_stand_on_a_line_each() {
    let stage = Stage::new().await;
    let repo = Repo::new();
    repo.write("c/east.yaml", cluster("east", 1));
    repo.write("c/south.yaml", cluster("south", 1));
    let first = repo.push();
    let daemon = Daemon::start(&repo.served());
    let source = format!(
        "apiVersion: skep.dev/v1\nkind: Source\nmetadata: {{name: shop}}\nspec:\n  url: {}\n  path: c\n  interval: 24h\n  prune: true\n",
        daemon.url()
    );
    let file = stage.write("source.yaml", &source);
    let apply = ["apply", "-f", &file, "--wait", "--timeout", "30s"];
    let applied = |commit: &str, clusters: usize| {
        let commit = &commit[..10];
        format!("source/shop in sync: commit {commit} is applied: {clusters} service clusters\n")
    };
    let told = Stage::good(&stage.skep(&apply).await);
    let created =
        "source/shop created\nservicecluster/east created\nservicecluster/south created\n";
    assert_eq!(told, format!("{created}{}", applied(&first, 2)));
    let told = Stage::good(&stage.skep(&["sync", "shop"]).await);
    assert_eq!(told, applied(&first, 2), "told twice");
    repo.write("c/east.yaml", cluster("east", 2));
    repo.write("c/north.yaml", cluster("north", 2));
    repo.remove("c/south.yaml");
    let second = repo.push();
    let told = Stage::good(&stage.skep(&["sync", "shop"]).await);
    let lines = "servicecluster/north created\nservicecluster/east configured\nservicecluster/south pruned\n";
    assert_eq!(told, format!("{lines}{}", applied(&second, 2)));
    let events = Stage::good(&stage.skep(&["events", "source/shop"]).await);
    for (commit, what) in [
        (&first, "created east, south"),
        (&second, "created north; configured east; pruned south"),
    ] {
        let object = format!("revision/{}", &commit[..10]);
        let row = events.lines().find(|line| line.contains(&object)).unwrap();
        assert!(row.contains("Synced") && row.ends_with(what), "{row}");
    }
    // Two broken files: one line a fault, wherever they are shown.
    repo.write("c/a.yaml", "kind: ServiceCluster\nmetadata: {nam: x}\n");
    repo.write("c/b.yaml", cluster("east", 1));
    let third = repo.push();
    let told = Stage::bad(&stage.skep(&["sync", "shop"]).await, 1);
    let errors = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("error: "));
        lines.map(str::to_owned).collect()
    };
    let lines = errors(&told);
    let begin = format!(
        "error: source/shop: InvalidManifest: commit {} is not applied: 4 faults in its manifests; commit {} stays in force",
        &third[..10],
        &second[..10]
    );
    assert!(lines[0].starts_with(&begin), "{told}");
    assert_eq!(lines.len(), 5, "{told}");
    for (line, file) in lines[1..].iter().zip(["a", "a", "a", "east"]) {
        let begin = format!("error: c/{file}.yaml:");
        assert!(line.starts_with(&begin), "{told}");
    }
    let wait = ["wait", "source/shop", "--timeout", "1s"];
    let waited = Stage::bad(&stage.skep(&wait).await, 1);
    assert_eq!(errors(&waited)[1..], lines[1..], "{waited}");
    let text = Stage::good(&stage.skep(&["describe", "source", "shop"]).await);
    for line in &lines[1..] {
        let line = line.replace("error: ", "  ");
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let events = Stage::good(&stage.skep(&["events", "source/shop"]).await);
    let row = events.lines().find(|line| line.contains("condition/Ready"));
    assert!(row.unwrap().contains("the first: c/a.yaml:"), "{events}");
    assert!(!text.contains("the first: "), "told twice:\n{text}");
    // A schema that editors use knows all of it.
    let shown = Stage::good(&stage.skep(&["get", "source/shop", "-o", "json"]).await);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let validator = jsonschema::validator_for(&skep::api::schema::source()).unwrap();
    assert!(validator.is_valid(&shown), "{shown}");
    assert_eq!(shown["status"]["faults"][0]["file"], "c/a.yaml", "{shown}");
    assert_eq!(
        shown["status"]["changes"][1]["pruned"][0], "south",
        "{shown}"
    );
    // Also with prune: what was applied stays, and that is said.
    let output = stage.skep(&["delete", "source/shop"]).await;
    assert_eq!(Stage::good(&output), "source/shop deleted\n");
    let told = String::from_utf8(output.stderr).unwrap();
    let stays = "what it applied stays: east, north; `skep delete east north` deletes it\n";
    assert_eq!(told, stays);
}
