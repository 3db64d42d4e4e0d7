//! Two versions of the API in one store: the real binary against the simulated engine.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod desk;
mod sim;

use desk::{Swarm, said};
use skep::store;

/// One cluster in a version.
fn manifest(version: &str, traffic: &str, rest: &str) -> String {
    format!(
        "apiVersion: skep.dev/{version}\nkind: ServiceCluster\nmetadata: {{name: east}}\nspec:\n  networks: [{{name: eastnet}}]\n  traffic: {{{traffic}}}\n{rest}"
    )
}

fn old(rest: &str) -> String {
    manifest("v1alpha1", "requestTimeout: 7s", rest)
}

fn new(rest: &str) -> String {
    manifest("v1", "timeouts: {request: 7s}", rest)
}

impl Swarm {
    /// What the newest config of east says.
    async fn stored(&self) -> String {
        let newest = self.declared("east").await.unwrap().revisions;
        let config = newest.last().unwrap().config_id.clone();
        let all = store::read(&self.sim.engine()).await.unwrap();
        let config = all.into_iter().find(|one| one.id == config).unwrap();
        String::from_utf8(config.data).unwrap()
    }

    async fn generation(&self) -> u64 {
        let declared = self.declared("east").await.unwrap();
        declared.newest().unwrap().generation
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_document_keeps_its_version_and_warns_when_it_is_applied() {
    let swarm = Swarm::new().await;
    let said = swarm.apply(&old(""), &[]).await;
    assert_eq!(said.ok(), "servicecluster/east created\n");
    let warnings: Vec<&str> = said
        .err
        .lines()
        .filter(|l| l.contains("deprecated"))
        .collect();
    assert_eq!(
        warnings,
        [
            "warning: -:1:13: apiVersion: skep.dev/v1alpha1 is deprecated since Skep 0.1.0 (`skep convert manifest -f FILE` rewrites it as skep.dev/v1)"
        ]
    );
    let stored = swarm.stored().await;
    assert!(
        stored.starts_with("apiVersion: skep.dev/v1alpha1\n"),
        "{stored}"
    );
    assert!(stored.contains("    requestTimeout: 7s\n"), "{stored}");
    assert!(!stored.contains("timeouts"), "{stored}");
    let quiet = swarm.apply(&old(""), &["-q"]).await;
    assert_eq!((quiet.ok(), quiet.err.as_str()), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_a_newer_version_is_stored_once_and_in_an_older_one_never() {
    let swarm = Swarm::new().await;
    swarm.apply(&old(""), &["--set", "a"]).await.ok();
    let others = swarm.apply(&new(""), &["--set", "b"]).await;
    assert_eq!(others.ok(), "servicecluster/east unchanged\n");
    assert_eq!(swarm.generation().await, 1);
    let own = ["--set", "a"];
    let newer = swarm.apply(&new(""), &own).await;
    assert_eq!(newer.ok(), "servicecluster/east configured\n");
    assert!(!newer.err.contains("deprecated"), "{}", newer.err);
    for same in [new(""), old("")] {
        let same = swarm.apply(&same, &own).await;
        assert_eq!(same.ok(), "servicecluster/east unchanged\n");
    }
    assert_eq!(swarm.generation().await, 2);
    let swarm = Swarm::new().await;
    swarm.apply(&old(""), &[]).await.ok();
    let more = "  proxy: {replicas: 3}\n";
    let change = swarm.apply(&new(more), &[]).await;
    assert_eq!(change.ok(), "servicecluster/east configured\n");
    assert!(
        swarm
            .stored()
            .await
            .starts_with("apiVersion: skep.dev/v1\n")
    );
    assert_eq!(
        swarm.apply(&old(more), &[]).await.ok(),
        "servicecluster/east unchanged\n"
    );
    // What changed is what the two say, not how they are written.
    let shown = swarm.skep(&["history", "east", "-o", "json"]).await;
    let shown: serde_json::Value = serde_json::from_str(shown.ok()).unwrap();
    assert_eq!(
        shown[1]["changed"],
        serde_json::json!(["spec.proxy.replicas"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_means_it_goes_back_to_an_older_version() {
    let swarm = Swarm::new().await;
    let edit = async |script: &str, more: &[&str]| {
        let editor = swarm.editor(script);
        let args = [&["edit", "east"], more].concat();
        let output = swarm.command(&args).env("EDITOR", editor).output();
        said(output.await.unwrap())
    };
    swarm.apply(&new(""), &[]).await.ok();
    let remark = "echo '# down' >> \"$1\"";
    for generation in [2, 4, 6] {
        let back = match generation {
            2 => swarm.apply(&old(""), &["--force-conflicts"]).await,
            4 => edit(remark, &["--api-version", "v1alpha1"]).await,
            _ => swarm.skep(&["rollback", "east", "--to", "2"]).await,
        };
        assert!(!back.ok().contains("unchanged"), "{}", back.out);
        let stored = swarm.stored().await;
        assert!(
            stored.starts_with("apiVersion: skep.dev/v1alpha1\n"),
            "{stored}"
        );
        assert_eq!(swarm.generation().await, generation);
        let again = swarm.apply(&old(""), &["--force-conflicts"]).await;
        assert_eq!(again.ok(), "servicecluster/east unchanged\n");
        // Nobody else undoes the way up.
        swarm.apply(&new(""), &[]).await.ok();
        assert_eq!(
            swarm.apply(&old(""), &[]).await.ok(),
            "servicecluster/east unchanged\n"
        );
        assert_eq!(swarm.generation().await, generation + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_stores_the_version_that_the_revision_had() {
    let swarm = Swarm::new().await;
    swarm.apply(&old(""), &[]).await.ok();
    let first = swarm.stored().await;
    assert!(
        first.starts_with("apiVersion: skep.dev/v1alpha1\n"),
        "{first}"
    );
    swarm
        .apply(&new("  proxy: {replicas: 3}\n"), &[])
        .await
        .ok();
    let second = swarm.stored().await;
    let back = swarm.skep(&["rollback", "east"]).await;
    assert!(
        back.ok().contains("rolled back to generation 1"),
        "{}",
        back.out
    );
    assert_eq!(swarm.stored().await, first);
    swarm.skep(&["rollback", "east", "--to", "2"]).await.ok();
    assert_eq!(swarm.stored().await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_give_the_version_that_is_asked_for() {
    let swarm = Swarm::new().await;
    for stored in [old(""), new("  proxy: {replicas: 3}\n")] {
        swarm.apply(&stored, &[]).await.ok();
        let get = async |more: &[&str]| {
            let mut args = vec!["get", "east"];
            args.extend(more);
            swarm.skep(&args).await.ok().to_owned()
        };
        for (asked, version, gone, path) in [
            (
                vec![],
                "v1",
                "requestTimeout",
                "{.spec.traffic.timeouts.request}",
            ),
            (
                vec!["--api-version", "skep.dev/v1"],
                "v1",
                "requestTimeout",
                "{.spec.traffic.timeouts.request}",
            ),
            (
                vec!["--api-version", "v1alpha1"],
                "v1alpha1",
                "timeouts",
                "{.spec.traffic.requestTimeout}",
            ),
        ] {
            let form = |form: &str| [asked.clone(), vec!["-o", form]].concat().join(" ");
            let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let ask = async |given: &str| {
                let args = words(&form(given));
                get(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
            };
            let yaml = ask("yaml").await;
            assert!(
                yaml.starts_with(&format!("apiVersion: skep.dev/{version}\n")),
                "{yaml}"
            );
            assert!(!yaml.contains(gone), "{yaml}");
            let parsed = skep::api::parse::manifests("get", &yaml);
            assert_eq!(parsed.faults, []);
            let json: serde_json::Value = serde_json::from_str(&ask("json").await).unwrap();
            let stated: skep::api::Version = version.parse().unwrap();
            let schema = skep::api::schema::of(skep::names::KIND, stated);
            assert!(
                jsonschema::validator_for(&schema).unwrap().is_valid(&json),
                "{json}"
            );
            assert_eq!(ask(&format!("jsonpath={path}")).await, "7s");
            assert_eq!(
                ask(&format!(
                    "custom-columns=T:{}",
                    path.trim_matches(['{', '}'])
                ))
                .await,
                "T\n7s\n"
            );
        }
        let all = swarm
            .skep(&["get", "-o", "json", "--api-version=v1alpha1"])
            .await;
        let all: serde_json::Value = serde_json::from_str(all.ok()).unwrap();
        assert_eq!(all["apiVersion"], "skep.dev/v1alpha1");
        assert_eq!(all["items"][0]["spec"]["traffic"]["requestTimeout"], "7s");
        let told = swarm.skep(&["describe", "east"]).await;
        assert!(
            told.ok().contains("    timeouts:\n      connect: 5s\n"),
            "{}",
            told.out
        );
        let told = swarm
            .skep(&["describe", "east", "--api-version=v1alpha1"])
            .await;
        assert!(
            told.ok().contains("    connectTimeout: 5s\n"),
            "{}",
            told.out
        );
    }
    let wrong = swarm.skep(&["get", "--api-version", "v3"]).await;
    assert!(
        wrong.fails(2).contains("write v1alpha1 or v1"),
        "{}",
        wrong.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_is_in_one_version_whatever_is_stored() {
    let swarm = Swarm::new().await;
    swarm.apply(&old(""), &[]).await.ok();
    let same = swarm.file("same.yaml", &new(""));
    let said = swarm.skep(&["diff", "-f", &same]).await;
    assert!(!said.ok().contains("+++"), "{}", said.out);
    assert!(!said.err.contains("deprecated"), "{}", said.err);
    let change = swarm.file("change.yaml", &new("").replace("7s", "8s"));
    let said = swarm.skep(&["diff", "-f", &change]).await;
    said.fails(1);
    assert!(
        said.out
            .contains("\n-      request: 7s\n+      request: 8s\n"),
        "{}",
        said.out
    );
    let said = swarm
        .skep(&["diff", "-f", &change, "--api-version", "v1alpha1"])
        .await;
    said.fails(1);
    assert!(
        said.out
            .contains("\n-    requestTimeout: 7s\n+    requestTimeout: 8s\n"),
        "{}",
        said.out
    );
    let change = swarm.file("change.yaml", &old("").replace("7s", "8s"));
    let said = swarm.skep(&["diff", "-f", &change]).await;
    assert!(
        said.fails(1)
            .contains("change.yaml:1:13: apiVersion: skep.dev/v1alpha1 is deprecated")
    );
    assert!(
        said.out.contains("\n+    requestTimeout: 8s\n"),
        "{}",
        said.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_in_the_version_that_is_asked_for_and_stored_in_it() {
    let swarm = Swarm::new().await;
    swarm.apply(&old(""), &[]).await.ok();
    let edit = async |script: &str, more: &[&str]| {
        let editor = swarm.editor(script);
        let args = [&["edit", "east"], more].concat();
        let output = swarm.command(&args).env("EDITOR", editor).output();
        said(output.await.unwrap())
    };
    assert_eq!(
        edit("true", &[]).await.ok(),
        "servicecluster/east unchanged\n"
    );
    assert_eq!(swarm.generation().await, 1);
    let line = "sed -i 's/requestTimeout: 7s/requestTimeout: 8s/' \"$1\"";
    let said = edit(line, &["--api-version", "v1alpha1"]).await;
    assert_eq!(said.ok(), "servicecluster/east edited\n");
    let stored = swarm.stored().await;
    assert!(
        stored.contains("v1alpha1") && stored.contains("requestTimeout: 8s"),
        "{stored}"
    );
    let said = edit("sed -i 's/request: 8s/request: 9s/' \"$1\"", &[]).await;
    assert_eq!(said.ok(), "servicecluster/east edited\n");
    let stored = swarm.stored().await;
    assert!(stored.starts_with("apiVersion: skep.dev/v1\n"), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_a_stack_deployed_is_read_in_either_version() {
    let swarm = Swarm::new().await;
    let labels = |version: &str| {
        std::collections::BTreeMap::from([
            (
                skep::names::LABEL_KIND.to_owned(),
                skep::names::KIND.to_owned(),
            ),
            (
                skep::names::LABEL_STACK.to_owned(),
                format!("shop-{version}"),
            ),
        ])
    };
    let engine = swarm.sim.engine();
    for (n, text) in [old(""), new("")].into_iter().enumerate() {
        let version = ["v1alpha1", "v1"][n];
        let name = format!("shop_east-{version}");
        let labels = labels(version);
        let made = engine.create_config(&name, &labels, text.as_bytes());
        made.await.unwrap();
        let east = swarm.declared("east").await.unwrap();
        assert_eq!((east.revisions.len(), &east.faults), (n + 1, &vec![]));
        let timeouts = east.accepted.unwrap().cluster.spec.traffic.timeouts;
        assert_eq!(timeouts.request, "7s".parse().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_have_versions_too() {
    let swarm = Swarm::new().await;
    let source = |version: &str| {
        format!(
            "{{apiVersion: skep.dev/{version}, kind: Source, metadata: {{name: shop}}, spec: {{url: 'https://h/r'}}}}"
        )
    };
    let said = swarm.apply(&source("v1alpha1"), &[]).await;
    assert_eq!(said.ok(), "source/shop created\n");
    assert_eq!(said.err.matches("deprecated").count(), 1, "{}", said.err);
    for (more, version) in [(None, "v1"), (Some("--api-version=v1alpha1"), "v1alpha1")] {
        let mut args = vec!["get", "source", "shop", "-o", "jsonpath={.apiVersion}"];
        args.extend(more);
        assert_eq!(swarm.skep(&args).await.ok(), format!("skep.dev/{version}"));
    }
    let all = store::read(&swarm.sim.engine()).await.unwrap();
    let stored = all.iter().find(|one| one.name == "source.shop.1").unwrap();
    assert!(stored.data.starts_with(b"apiVersion: skep.dev/v1alpha1\n"));
    let told = swarm.skep(&["doctor", "-o", "json"]).await;
    assert!(
        told.out
            .contains("1 stored document is skep.dev/v1alpha1: source/shop"),
        "{}",
        told.out
    );
    for (version, more, what) in [
        ("v1", &[][..], "configured"),
        ("v1alpha1", &[], "unchanged"),
        ("v1alpha1", &["--force-conflicts"], "configured"),
    ] {
        let said = swarm.apply(&source(version), more).await;
        assert_eq!(said.ok(), format!("source/shop {what}\n"));
    }
}
