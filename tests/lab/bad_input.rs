//! Declarations that cannot be met: the status says why, and traffic goes on.

use libtest_mimic::Trial;

use super::apps::{manifest, relabel, tasks, whoami};
use super::harness::{apply, cluster, condition, installed, node, ready, shared, skep, skep_with};
use super::http::status_is;
use super::wait::eventually;

pub fn trials() -> Vec<Trial> {
    vec![
        shared(
            "a_bad_revision_made_by_docker_config_create_is_reported_and_traffic_goes_on",
            bad_revision,
        ),
        shared(
            "a_good_revision_made_by_docker_config_create_counts",
            good_config,
        ),
        shared(
            "a_missing_network_or_node_fails_apply_and_is_named_in_the_status",
            missing_things,
        ),
        shared("an_invalid_manifest_is_refused_whole", refused),
    ]
}

fn create_config(name: &str, cluster: &str, generation: u32, text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let labels = [
        "dev.skep.kind=ServiceCluster".to_owned(),
        format!("dev.skep.name={cluster}"),
        format!("dev.skep.generation={generation}"),
    ];
    let mut args = vec!["config", "create"];
    for label in &labels {
        args.extend(["--label", label]);
    }
    args.extend([name, file.path().to_str().unwrap()]);
    node(0).docker(&args);
}

fn bad_revision() {
    let here = node(2).address();
    apply(&manifest(
        "badrev",
        "node-2",
        8210,
        "[{name: badrev, create: {}}]",
    ));
    ready("badrev");
    whoami(
        "badrevapp",
        "badrev",
        &["hosts=one.badrev", "port=8000", "service_cluster=badrev"],
    );
    eventually("it serves", || {
        status_is(200, here, 8210, "one.badrev", "/")
    });
    let proxies = tasks("skep-proxy-badrev");

    let bad = manifest("badrev", "node-2", 8212, "[{name: badrev}]")
        .replace("replicas: 1", "replicaz: many");
    create_config("servicecluster.badrev.2", "badrev", 2, &bad);
    eventually("the status says why", || {
        let (status, reason, message) = condition(&cluster("badrev"), "Accepted");
        if status == "False" && message.contains("replicaz") {
            Ok(())
        } else {
            Err(format!("{status} {reason}: {message}"))
        }
    });
    status_is(200, here, 8210, "one.badrev", "/").unwrap();
    relabel("badrevapp", "hosts=two.badrev");
    eventually("routes still change", || {
        status_is(200, here, 8210, "two.badrev", "/")
    });
    assert_eq!(tasks("skep-proxy-badrev"), proxies);

    apply(&manifest("badrev", "node-2", 8214, "[{name: badrev}]"));
    ready("badrev");
    eventually("a good revision mends it", || {
        status_is(200, here, 8214, "two.badrev", "/")
    });
}

fn good_config() {
    installed();
    create_config(
        "anyname",
        "plainconf",
        1,
        &manifest(
            "plainconf",
            "node-1",
            8220,
            "[{name: plainconf, create: {}}]",
        ),
    );
    whoami_when_ready();
}

fn whoami_when_ready() {
    ready("plainconf");
    whoami(
        "plainconfapp",
        "plainconf",
        &["hosts=plainconf", "port=8000", "service_cluster=plainconf"],
    );
    eventually("it serves", || {
        status_is(200, node(1).address(), 8220, "plainconf", "/")
    });
}

fn missing_things() {
    installed();
    let manifest = manifest("missing", "node-7", 8230, "[{name: nosuchnet}]");
    let refused = skep_with(&manifest, &["apply", "-f", "-"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("nosuchnet") && told.contains("node-7"),
        "{told}"
    );
    assert_eq!(skep(&["get", "missing"]).status.code(), Some(1));
    let stored = skep_with(&manifest, &["apply", "-f", "-", "--allow-missing"]);
    assert!(stored.status.success(), "{stored:?}");
    eventually("both are named", || {
        let shown = cluster("missing");
        let (networks, nodes) = (
            condition(&shown, "NetworksReady"),
            condition(&shown, "NodesReady"),
        );
        let named = networks.0 == "False"
            && networks.2.contains("nosuchnet")
            && nodes.0 == "False"
            && nodes.2.contains("node-7");
        if named {
            Ok(())
        } else {
            Err(format!("{networks:?} {nodes:?}"))
        }
    });
    node(0).docker(&["network", "create", "--driver", "overlay", "nosuchnet"]);
    eventually("a network that comes later is taken", || {
        let networks = condition(&cluster("missing"), "NetworksReady");
        if networks.0 == "True" {
            Ok(())
        } else {
            Err(format!("{networks:?}"))
        }
    });
    super::apps::delete("missing");
}

fn refused() {
    let good = manifest("refusedgood", "node-0", 8240, "[]");
    let bad = manifest("refusedbad", "node-0", 8242, "[]")
        .replace("http: 8242", "http: 99999")
        .replace("replicas", "replicsa");
    let output = skep_with(&format!("{good}---\n{bad}"), &["apply", "-f", "-"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("replicsa") && said.contains("99999"),
        "all faults at once: {said}"
    );
    let names = skep(&["get", "-o", "name"]);
    assert!(
        !String::from_utf8_lossy(&names.stdout).contains("refused"),
        "nothing is half-written"
    );
}
