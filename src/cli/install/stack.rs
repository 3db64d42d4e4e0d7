//! The operator as a stack file, for those who keep their Swarm in files.

use std::fmt::Write as _;

use super::spec::{self, SOCKET};
use crate::names;
use crate::world::{Mode, ServiceSpec};

/// Whole seconds in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// A compose file (3.8) that `docker stack deploy` turns into the operator service of `spec`.
///
/// Network and secrets are external: a stack cannot make certificates, and proxies of service
/// clusters stay on the network when the stack is removed. A stack calls the service
/// `STACK_operator`; the alias gives it the one name that proxies look for.
#[must_use]
pub fn render(spec: &ServiceSpec) -> String {
    let replicas = match spec.mode {
        Mode::Replicated(replicas) => replicas,
        Mode::Global | Mode::Job => 1,
    };
    let mut text = head();
    let _ = write!(
        text,
        "version: \"3.8\"\n\nservices:\n  operator:\n    image: {}\n    command: {}\n    user: {}\n",
        quoted(&spec.image),
        list(&spec.args),
        quoted(&spec.user)
    );
    text.push_str("    environment:\n");
    for pair in &spec.env {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let _ = writeln!(text, "      {key}: {}", quoted(value));
    }
    let _ = write!(
        text,
        "    read_only: {}\n    cap_drop: {}\n    volumes:\n      - type: bind\n        source: {SOCKET}\n        target: {SOCKET}\n",
        spec.read_only,
        list(&spec.capability_drop)
    );
    let _ = write!(
        text,
        "    networks:\n      control:\n        aliases: [{}]\n    secrets:\n",
        names::OPERATOR_SERVICE
    );
    for secret in &spec.secrets {
        let _ = write!(
            text,
            "      - source: {}\n        target: {}\n        uid: {}\n        gid: {}\n        mode: {:04o}\n",
            secret.name,
            secret.target,
            quoted(&secret.uid),
            quoted(&secret.gid),
            secret.mode
        );
    }
    text.push_str("    labels:\n");
    for (key, value) in &spec.container_labels {
        let _ = writeln!(text, "      {key}: {value}");
    }
    deploy(&mut text, spec, replicas);
    let _ = write!(
        text,
        "\nnetworks:\n  control:\n    name: {}\n    external: true\n\nsecrets:\n",
        names::CONTROL_NETWORK
    );
    for name in spec::OPERATOR_SECRETS {
        let _ = writeln!(text, "  {name}:\n    external: true");
    }
    text
}

fn head() -> String {
    format!(
        "\
# The Skep operator as a stack; the same service that `skep install` makes.
#
# What a stack file cannot make is made once, on a manager:
#
#   skep install --prepare      # the network {network} and the secrets (certificates, keys)
#   docker stack deploy -c stack.yml skep
#
# Every node must be able to get the image. `skep install --dry-run --image IMAGE --replicas N`
# prints this file for another image or number of operators.
# To remove all of it: `skep uninstall`, or `docker stack rm skep` for the operator alone.
",
        network = names::CONTROL_NETWORK
    )
}

fn deploy(text: &mut String, spec: &ServiceSpec, replicas: u64) {
    let _ = write!(
        text,
        "    deploy:\n      mode: replicated\n      replicas: {replicas}\n      endpoint_mode: dnsrr\n      labels:\n"
    );
    for (key, value) in &spec.labels {
        let _ = writeln!(text, "        {key}: {value}");
    }
    text.push_str("      placement:\n        constraints:\n");
    for constraint in &spec.placement.constraints {
        let _ = writeln!(text, "          - {constraint}");
    }
    if let Some(delay) = spec.restart_delay {
        let _ = write!(
            text,
            "      restart_policy:\n        condition: any\n        delay: {}s\n",
            delay / SECOND
        );
    }
    if let Some(update) = &spec.update {
        let _ = write!(
            text,
            "      update_config:\n        parallelism: {}\n        order: {}\n        failure_action: {}\n        monitor: {}s\n",
            update.parallelism,
            update.order,
            update.failure_action,
            update.monitor / SECOND
        );
    }
}

/// A string that YAML takes for a string and nothing else. `$` is doubled, because a stack
/// file's own variables begin with it.
fn quoted(text: &str) -> String {
    format!("{:?}", text.replace('$', "$$"))
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}
