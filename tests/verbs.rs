//! The verbs that change what is declared: the real binary against the simulated engine.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod desk;
mod sim;
#[path = "lab/terminal.rs"]
mod terminal;

use std::process::Stdio;
use std::time::Duration;

use desk::{Swarm, said};
use skep::store;
use skep::world::Stored as _;

fn manifest(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/v1\nkind: ServiceCluster\nmetadata: {{name: {name}, labels: {{team: a}}}}\nspec:\n  networks: [{{name: eastnet}}]\n{rest}"
    )
}

const THREE: &str = "  proxy: {replicas: 3}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_network_or_node_fails_before_anything_is_stored() {
    let swarm = Swarm::new().await;
    let lost = manifest(
        "lost",
        "  placement: {nodes: [nowhere], labels: {zone: x}}\n",
    )
    .replace("eastnet", "nonet");
    let both = format!("{}---\n{lost}", manifest("east", ""));
    let writes = swarm.sim.writes();
    let told = swarm.apply(&both, &[]).await;
    let told = told.fails(1);
    for wanted in [
        "no network nonet",
        "docker network create",
        "no node nowhere",
        "--allow-missing",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert_eq!(swarm.sim.writes(), writes);
    let stored = swarm.apply(&both, &["--allow-missing"]).await;
    assert!(stored.ok().contains("servicecluster/lost created"));
    assert!(
        stored
            .err
            .contains("warning: servicecluster/lost: there is no network nonet")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_is_warned_of_once_and_applied_all_the_same() {
    let swarm = Swarm::new().await;
    swarm.sim.miss_image("reg.example/team/skep:9");
    let with =
        |name: &str, image: &str| manifest(name, &format!("  proxy: {{image: '{image}'}}\n"));
    let both = format!(
        "{}---\n{}---\n{}",
        with("east", "reg.example/team/skep:9"),
        with("west", "reg.example/team/skep:9"),
        with("north", "reg.example/team/skep:8")
    );
    let told = swarm.apply(&both, &[]).await;
    assert_eq!(told.ok().lines().count(), 3);
    let warnings = told
        .err
        .lines()
        .filter(|line| line.contains("spec.proxy.image"));
    let warnings: Vec<&str> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{}", told.err);
    for wanted in [
        "servicecluster/east and 1 more: ",
        "reg.example/team/skep:9 is not on this engine",
        "manifest unknown",
        "`docker load` it on the nodes",
    ] {
        assert!(warnings[0].contains(wanted), "{wanted}: {warnings:?}");
    }
    // An engine that lets nobody ask is no reason to fail, nor to warn.
    swarm
        .sim
        .fault(|f| f.fail("GET /images", 0, 403, "authorization denied by plugin"));
    let silent = swarm
        .apply(&with("east", "reg.example/team/skep:9"), &[])
        .await;
    assert!(!silent.err.contains("spec.proxy.image"), "{}", silent.err);
    silent.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_the_same_folder_twice_writes_nothing() {
    let swarm = Swarm::new().await;
    let both = format!(
        "{}---\n{}",
        manifest("east", ""),
        manifest("west", "  proxy: {publish: {http: 81}}\n")
    );
    swarm.apply(&both, &["--set", "shop"]).await.ok();
    let writes = swarm.sim.writes();
    let again = swarm.apply(&both, &["--set", "shop", "--prune"]).await;
    assert_eq!(
        again.ok(),
        "servicecluster/east unchanged\nservicecluster/west unchanged\n"
    );
    assert_eq!(swarm.sim.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_prune_what_they_applied_and_never_one_another() {
    let swarm = Swarm::new().await;
    let (east, west) = (manifest("east", ""), manifest("west", ""));
    swarm.apply(&east, &["--set", "a"]).await.ok();
    swarm.apply(&west, &["--set", "b"]).await.ok();
    let other = manifest("north", "");
    swarm
        .apply(&format!("{east}---\n{other}"), &["--set", "a"])
        .await
        .ok();
    let unbounded = swarm.apply(&east, &["--prune"]).await;
    assert!(unbounded.fails(2).contains("--set NAME or -l"));
    let dry = swarm
        .apply(&east, &["--set", "a", "--prune", "--dry-run"])
        .await;
    assert!(dry.ok().contains("servicecluster/north pruned (dry run)"));
    let elsewhere = swarm
        .apply(&east, &["--set", "a", "--prune", "-l", "team=b"])
        .await;
    assert!(!elsewhere.ok().contains("pruned"));
    let pruned = swarm.apply(&east, &["--set", "a", "--prune"]).await;
    assert!(pruned.ok().contains("servicecluster/north pruned"));
    assert!(swarm.declared("north").await.is_none());
    assert!(swarm.declared("west").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_managers_of_one_cluster_are_told_with_the_fields_and_force_takes_over() {
    let swarm = Swarm::new().await;
    swarm
        .apply(&manifest("east", ""), &["--set", "a"])
        .await
        .ok();
    // The same from elsewhere is no conflict, but stays the other's.
    let b: &[&str] = &["--set", "b"];
    for more in [b, &[], &["--set", "b", "--dry-run"]] {
        let same = swarm.apply(&manifest("east", ""), more).await;
        assert!(same.ok().starts_with("servicecluster/east unchanged"));
        let whose = "servicecluster/east is managed by apply/a, which may change or prune it; --force-conflicts takes it over";
        assert!(same.err.contains(whose), "{more:?}: {}", same.err);
    }
    let own = swarm.apply(&manifest("east", ""), &["--set", "a"]).await;
    assert!(!own.err.contains("is managed by"), "{}", own.err);
    let told = swarm.apply(&manifest("east", THREE), &["--set", "b"]).await;
    let told = told.fails(1);
    for wanted in [
        "apply/a manages it",
        "spec.proxy.replicas",
        "--force-conflicts",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let force = ["--set", "b", "--force-conflicts"];
    swarm.apply(&manifest("east", THREE), &force).await.ok();
    let east = swarm.declared("east").await.unwrap();
    assert_eq!(east.manager().as_deref(), Some("apply/b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_nobody_manages_is_taken_in_once() {
    let swarm = Swarm::new().await;
    let text = manifest("east", "");
    let parsed = skep::api::parse::manifests("", &text);
    store::apply(&swarm.sim.engine(), &parsed.clusters[0])
        .await
        .unwrap();
    let first = swarm.apply(&text, &["--set", "shop"]).await;
    assert!(first.ok().contains("managed by apply/shop now"));
    let writes = swarm.sim.writes();
    assert!(
        swarm
            .apply(&text, &["--set", "shop"])
            .await
            .ok()
            .ends_with("unchanged\n")
    );
    assert_eq!(swarm.sim.writes(), writes);
    assert_eq!(swarm.declared("east").await.unwrap().revisions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_dry_run_asks_no_engine() {
    let swarm = Swarm::new().await;
    let mut command = swarm.command(&["apply", "--dry-run=client", "-f"]);
    let file = swarm.file("east.yaml", &manifest("east", ""));
    command
        .arg(file)
        .env("DOCKER_HOST", "unix:///nonexistent.sock");
    let said = said(command.output().await.unwrap());
    assert_eq!(said.ok(), "servicecluster/east is valid (dry run)\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_the_manifest_and_the_plan_and_tells_by_its_exit_code() {
    let swarm = Swarm::new().await;
    let file = swarm.file("east.yaml", &manifest("east", ""));
    let new = swarm.skep(&["diff", "-f", &file]).await;
    assert_eq!(new.code, 1, "{}", new.err);
    assert!(new.out.contains("+kind: ServiceCluster"), "{}", new.out);
    swarm.skep(&["apply", "-f", &file]).await.ok();
    let same = swarm.skep(&["diff", "-f", &file]).await;
    assert!(!same.ok().contains("@@"), "{}", same.out);
    swarm.file("east.yaml", &manifest("east", THREE));
    let changed = swarm.skep(&["diff", "-f", &file]).await;
    assert_eq!(changed.code, 1);
    assert!(changed.out.contains("+    replicas: 3"), "{}", changed.out);
    assert!(
        !changed.out.contains('\u{1b}'),
        "no colour without a terminal"
    );
    swarm.file("east.yaml", "kind: Pod\n");
    assert_eq!(swarm.skep(&["diff", "-f", &file]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_what_changed_and_rollback_goes_back() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", ""), &[]).await.ok();
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let history = swarm.skep(&["history", "east"]).await;
    assert!(
        history.ok().contains("spec.proxy.replicas"),
        "{}",
        history.out
    );
    let dry = swarm.skep(&["rollback", "east", "--dry-run"]).await;
    assert!(
        dry.ok()
            .ends_with("back to generation 1, as generation 3 (dry run)\n")
    );
    for line in ["-    replicas: 3\n", "plan of servicecluster/east:\n"] {
        assert!(dry.out.contains(line), "{line}: {}", dry.out);
    }
    assert_eq!(swarm.declared("east").await.unwrap().revisions.len(), 2);
    swarm.skep(&["rollback", "sc/east"]).await.ok();
    let east = swarm.declared("east").await.unwrap();
    let accepted = east.accepted.as_ref().unwrap();
    assert_eq!(
        (accepted.generation, accepted.cluster.spec.proxy.replicas),
        (3, None)
    );
    assert_eq!(east.manager().as_deref(), Some("apply"));
    swarm.skep(&["rollback", "east", "--to", "2"]).await.ok();
    let replicas = swarm.declared("east").await.unwrap().accepted.unwrap();
    assert_eq!(replicas.cluster.spec.proxy.replicas, Some(3));
    let none = swarm.skep(&["rollback", "east", "--to", "9"]).await;
    assert!(
        none.fails(1).contains("there are 1, 2, 3, 4"),
        "{}",
        none.err
    );
    assert!(
        swarm
            .skep(&["history", "nope"])
            .await
            .fails(1)
            .contains("does not exist")
    );
    swarm.skep(&["rollback", "east", "west"]).await.fails(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_or_stack_declares_is_not_changed_by_hand_unless_forced() {
    let swarm = Swarm::new().await;
    let text = manifest("east", "");
    let labels = [
        ("dev.skep.kind", "ServiceCluster"),
        ("com.docker.stack.namespace", "shop"),
    ];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let engine = swarm.sim.engine();
    engine
        .create_config("shop_east", &labels, text.as_bytes())
        .await
        .unwrap();
    let history = swarm.skep(&["history", "east"]).await;
    assert!(history.ok().contains(" stack/shop "), "{}", history.out);
    let told = swarm.apply(&manifest("east", THREE), &[]).await;
    assert!(
        told.fails(1).contains("stack/shop manages it"),
        "{}",
        told.err
    );
    let editor = swarm.editor("sed -i 's/eastnet/eastnet/' \"$1\"");
    let edit = swarm
        .command(&["edit", "east"])
        .env("EDITOR", &editor)
        .output()
        .await;
    assert!(
        said(edit.unwrap())
            .fails(1)
            .contains("stack/shop manages it")
    );
    let told = swarm.skep(&["delete", "east"]).await;
    let told = told.fails(1);
    assert!(
        told.contains("stack/shop manages it and would undo this")
            && told.contains("--force-conflicts"),
        "{told}"
    );
    assert!(swarm.declared("east").await.is_some());
    let forced = ["delete", "east", "--force-conflicts"];
    let forced = swarm.skep(&forced).await;
    assert_eq!(forced.ok(), "servicecluster/east deleted\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_stored_and_one_without_a_change_is_not() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let edit = async |script: &str| {
        let editor = swarm.editor(script);
        let output = swarm
            .command(&["edit", "east"])
            .env("EDITOR", editor)
            .output();
        said(output.await.unwrap())
    };
    assert_eq!(edit("true").await.ok(), "servicecluster/east unchanged\n");
    assert_eq!(
        edit(": > \"$1\"").await.ok(),
        "servicecluster/east unchanged\n"
    );
    assert_eq!(
        edit("sed -i 's/replicas: 3/replicas: 4/' \"$1\"")
            .await
            .ok(),
        "servicecluster/east edited\n"
    );
    let east = swarm.declared("east").await.unwrap().accepted.unwrap();
    assert_eq!(east.cluster.spec.proxy.replicas, Some(4));
    assert!(
        edit("exit 3")
            .await
            .fails(1)
            .contains("nothing was changed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_an_edit_are_shown_in_the_editor_and_the_text_is_kept() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let editor = swarm.editor(&format!(
        "grep -h '^#|' \"$1\" >> {0}/shown; sed -i 's/replicas: 3/replicas: many/; s/name: east$/name: other/' \"$1\"",
        swarm.dir.path().display()
    ));
    let mut edit = swarm.command(&["edit", "east"]);
    let edit = edit.env("VISUAL", editor).as_std_mut();
    let (told, code) = tokio::task::block_in_place(|| terminal::in_terminal(edit));
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("replicas") && told.contains("your text is kept in"),
        "{told}"
    );
    let kept = told.rsplit("kept in ").next().unwrap().trim();
    assert!(
        std::fs::read_to_string(kept)
            .unwrap()
            .contains("replicas: many")
    );
    let shown = std::fs::read_to_string(swarm.path("shown")).unwrap();
    assert!(
        shown.contains("error: ") && shown.contains("replicas"),
        "{shown}"
    );
    assert_eq!(swarm.declared("east").await.unwrap().revisions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_nobody_drives_is_not_asked_for_ever() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let script = "echo x >> \"$0.runs\"; sed -i 's/replicas: .*/&x/' \"$1\"";
    let editor = swarm.editor(script);
    let runs = || {
        let runs = std::fs::read_to_string(format!("{editor}.runs")).unwrap();
        runs.lines().count()
    };
    let mut edit = swarm.command(&["edit", "east"]);
    let told = said(edit.env("EDITOR", &editor).output().await.unwrap());
    let fault = told.fails(2);
    assert!(fault.contains("spec.proxy.replicas") && fault.contains("your text is kept in"));
    assert_eq!(runs(), 1);
    let (told, code) = tokio::task::block_in_place(|| terminal::in_terminal(edit.as_std_mut()));
    assert_eq!((code, runs()), (2, 21), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_is_killed_leaves_no_file_of_what_was_not_changed() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let mut edit = swarm.command(&["edit", "east"]);
    let texts = || {
        let files = std::fs::read_dir(swarm.dir.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".yaml")).count()
    };
    let killed = swarm.editor("kill -9 $$");
    let told = said(edit.env("EDITOR", killed).output().await.unwrap());
    assert!(!told.fails(1).contains("kept in"), "{}", told.err);
    assert_eq!(texts(), 0);
    let changed = swarm.editor("sed -i 's/replicas: 3/replicas: 4/' \"$1\"; kill -9 $$");
    let told = said(edit.env("EDITOR", changed).output().await.unwrap());
    assert!(told.fails(1).contains("kept in"), "{}", told.err);
    assert_eq!(texts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumb_terminal_gets_no_escape_and_no_terminal_those_of_others() {
    let swarm = Swarm::new().await;
    let mut get = swarm.command(&["get", "\u{1b}[31mred"]);
    let (dumb, _) = tokio::task::block_in_place(|| {
        terminal::written_to_terminal(get.env("TERM", "dumb").as_std_mut())
    });
    assert!(
        !dumb.contains('\u{1b}') && dumb.contains("error: "),
        "{dumb:?}"
    );
    let (shown, _) = tokio::task::block_in_place(|| {
        terminal::written_to_terminal(get.env("TERM", "xterm").as_std_mut())
    });
    assert!(
        shown.contains("\\u001b[31mred") && !shown.contains("\u{1b}[31mred"),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_says_what_became_of_the_text_and_what_is_missing() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let edit = || swarm.command(&["edit", "east"]);
    let gone = edit().env("EDITOR", "rm").output().await.unwrap();
    let told = said(gone);
    let told = told.fails(1);
    assert!(
        told.contains("no text to keep") && !told.contains("is kept in"),
        "{told}"
    );
    let mut nowhere = edit();
    nowhere.env("EDITOR", "true").env("TMPDIR", "/nonexistent");
    let told = said(nowhere.output().await.unwrap());
    let told = told.fails(1);
    assert!(
        told.contains("in /nonexistent") && told.contains("TMPDIR"),
        "{told}"
    );
    let mut nobody = edit();
    nobody.env_remove("EDITOR").env_remove("VISUAL");
    let told = said(nobody.stdin(Stdio::null()).output().await.unwrap());
    let told = told.fails(1);
    assert!(told.contains("VISUAL or EDITOR"), "{told}");
    for stopped in ["kill -INT $$", "exit 130"] {
        let editor = swarm.editor(stopped);
        let told = said(edit().env("EDITOR", editor).output().await.unwrap());
        assert!(told.fails(130).contains("interrupted"), "{}", told.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_told_to_end_ends_its_editor_and_says_where_the_text_is() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let open = swarm.path("open");
    let editor = swarm.editor(&format!(
        "echo '# mine' >> \"$1\"; echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60",
        open.display()
    ));
    let mut edit = swarm.command(&["edit", "east"]);
    let child = edit.env("EDITOR", editor).spawn().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !open.exists() {
        assert!(tokio::time::Instant::now() < deadline, "no editor");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = |id: u32| rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    let signal = rustix::process::Signal::TERM;
    rustix::process::kill_process(pid(child.id().unwrap()), signal).unwrap();
    let told = said(child.wait_with_output().await.unwrap());
    let told = told.fails(130);
    let (_, kept) = told.trim().split_once("your text is kept in ").unwrap();
    assert!(std::fs::read_to_string(kept).unwrap().contains("# mine"));
    let editor: u32 = std::fs::read_to_string(open)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(rustix::process::test_kill_process(pid(editor)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_never_writes_over_what_somebody_stored_meanwhile() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let other = swarm.file("other.yaml", &manifest("east", "  proxy: {replicas: 5}\n"));
    let editor = swarm.editor(&format!(
        "sed -i 's/replicas: 3/replicas: 4/' \"$1\"; {} apply -q -f {other}",
        env!("CARGO_BIN_EXE_skep")
    ));
    let output = swarm
        .command(&["edit", "east"])
        .env("EDITOR", editor)
        .output();
    let told = said(output.await.unwrap());
    let told = told.fails(1);
    assert!(
        told.contains("changed by somebody else") && told.contains("kept in"),
        "{told}"
    );
    let east = swarm.declared("east").await.unwrap().accepted.unwrap();
    assert_eq!(east.cluster.spec.proxy.replicas, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_does_not_bring_back_what_was_deleted_or_made_anew_meanwhile() {
    let swarm = Swarm::new().await;
    let skep = env!("CARGO_BIN_EXE_skep");
    let other = swarm.file("other.yaml", &manifest("east", "  proxy: {replicas: 5}\n"));
    for after in ["true".to_owned(), format!("{skep} apply -q -f {other}")] {
        swarm
            .apply(&manifest("east", THREE), &["--force-conflicts"])
            .await
            .ok();
        let editor = swarm.editor(&format!(
            "sed -i 's/replicas: 3/replicas: 4/' \"$1\"; {skep} delete -q east; {after}"
        ));
        let output = swarm
            .command(&["edit", "east"])
            .env("EDITOR", editor)
            .output();
        let told = said(output.await.unwrap());
        assert!(
            told.fails(1).contains("changed by somebody else"),
            "{}",
            told.err
        );
        let left = swarm.declared("east").await.and_then(|d| d.accepted);
        let replicas = left.map(|a| a.cluster.spec.proxy.replicas);
        assert_eq!(replicas, (after != "true").then_some(Some(5)));
        swarm
            .skep(&["delete", "east", "--ignore-not-found"])
            .await
            .ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_the_editor_is_the_editors() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", THREE), &[]).await.ok();
    let (open, go) = (swarm.path("open"), swarm.path("go"));
    let editor = swarm.editor(&format!(
        "touch {}; while ! [ -e {} ]; do sleep 0.05; done; sed -i 's/replicas: 3/replicas: 4/' \"$1\"",
        open.display(),
        go.display()
    ));
    let mut edit = swarm.command(&["edit", "east"]);
    let child = edit.env("EDITOR", editor).spawn().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !open.exists() {
        assert!(tokio::time::Instant::now() < deadline, "no editor");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    std::fs::write(go, "").unwrap();
    let told = said(child.wait_with_output().await.unwrap());
    assert_eq!(told.ok(), "servicecluster/east edited\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_wait_with_130_and_says_that_nothing_is_half_done() {
    let swarm = Swarm::new().await;
    swarm.apply(&manifest("east", ""), &[]).await.ok();
    let child = swarm
        .command(&["wait", "east", "--timeout", "60s"])
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    // Once it has asked the engine it is past the start, where a signal would just kill it.
    let before = swarm.sim.calls();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while swarm.sim.calls() == before {
        assert!(tokio::time::Instant::now() < deadline, "it never asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let told = said(child.wait_with_output().await.unwrap());
    assert!(told.fails(130).contains("interrupted"), "{}", told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_clusters_are_applied_with_few_reads() {
    let swarm = Swarm::new().await;
    let all: Vec<String> = (0..500)
        .map(|i| manifest(&format!("c{i:03}"), ""))
        .collect();
    let said = swarm.apply(&all.join("---\n"), &[]).await;
    assert_eq!(said.ok().lines().count(), 500);
    let lists = swarm
        .sim
        .calls()
        .get("GET /configs")
        .copied()
        .unwrap_or_default();
    assert!(lists <= 3, "{lists} lists: {:?}", swarm.sim.calls());
}
