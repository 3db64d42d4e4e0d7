//! What leaves a Swarm in a support bundle, and what does not. Pure.
//!
//! Services of users are taken field by field, so that a field nobody thought of stays out.
//! Values of environments, and of labels that may hold a password, are never written.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use clap::CommandFactory as _;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::cli::args::Cli;

/// Written in place of a value.
pub(super) const GONE: &str = "[redacted]";

/// Parts of the names of labels and settings whose values may be secret.
const WORDS: [&str; 8] = [
    "auth",
    "pass",
    "secret",
    "token",
    "credential",
    "private",
    "apikey",
    "cookie",
];

/// Whether the value of such a name may be secret; `X-Api-Key` is as good as `apikey`.
fn is_delicate(name: &str) -> bool {
    let name = name.replace(['-', '_', '.'], "").to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Whether a setting may hold a secret, by its name or by what it says: labels may set headers, an
/// `Authorization` among them.
pub(super) fn hidden(key: &str, value: &str) -> bool {
    is_delicate(key) || is_delicate(value) || names_user(value)
}

/// Whether a URL in a text carries a user, and so perhaps a password.
pub(super) fn names_user(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ',', ' ', '"']).next();
        authority.is_some_and(|authority| authority.contains('@'))
    })
}

/// A condition of a route without the values that it asks headers for, which may hold anything.
pub(super) fn condition(when: &str) -> String {
    match when.split_once('=') {
        Some((head, _)) => format!("{head}={GONE}"),
        None => when.to_owned(),
    }
}

/// A service of the engine's list: what says how it runs and how it is reached.
pub(super) fn service(service: &Value) -> Value {
    let spec = &service["Spec"];
    let task = &spec["TaskTemplate"];
    let container = &task["ContainerSpec"];
    json!({
        "ID": service["ID"],
        "Version": service["Version"],
        "CreatedAt": service["CreatedAt"],
        "UpdatedAt": service["UpdatedAt"],
        "UpdateStatus": service["UpdateStatus"],
        "ServiceStatus": service["ServiceStatus"],
        "Endpoint": service["Endpoint"],
        "Name": spec["Name"],
        "Labels": labels(&spec["Labels"]),
        "Mode": spec["Mode"],
        "UpdateConfig": spec["UpdateConfig"],
        "EndpointSpec": spec["EndpointSpec"],
        "Image": container["Image"],
        "Env": env(&container["Env"]),
        "ContainerLabels": labels(&container["Labels"]),
        "Secrets": names(&container["Secrets"], "SecretName"),
        "Configs": names(&container["Configs"], "ConfigName"),
        "Networks": task["Networks"],
        "Placement": task["Placement"],
        "Resources": task["Resources"],
        "LogDriver": task["LogDriver"]["Name"],
        "ForceUpdate": task["ForceUpdate"],
    })
}

/// A task of the engine's list.
pub(super) fn task(task: &Value) -> Value {
    let networks = task["NetworksAttachments"].as_array();
    let networks: Vec<Value> = networks
        .into_iter()
        .flatten()
        .map(|one| json!({"ID": one["Network"]["ID"], "Addresses": one["Addresses"]}))
        .collect();
    let status = &task["Status"];
    json!({
        "ID": task["ID"],
        "ServiceID": task["ServiceID"],
        "NodeID": task["NodeID"],
        "Slot": task["Slot"],
        "CreatedAt": task["CreatedAt"],
        "DesiredState": task["DesiredState"],
        "Status": {
            "State": status["State"],
            "Timestamp": status["Timestamp"],
            "Message": status["Message"],
            "Err": status["Err"],
            "ContainerID": status["ContainerStatus"]["ContainerID"],
            "ExitCode": status["ContainerStatus"]["ExitCode"],
            "PortStatus": status["PortStatus"],
        },
        "Networks": networks,
    })
}

/// A node of the engine's list.
pub(super) fn node(node: &Value) -> Value {
    let description = &node["Description"];
    json!({
        "ID": node["ID"],
        "Version": node["Version"],
        "Spec": {
            "Role": node["Spec"]["Role"],
            "Availability": node["Spec"]["Availability"],
            "Labels": labels(&node["Spec"]["Labels"]),
        },
        "Hostname": description["Hostname"],
        "Platform": description["Platform"],
        "Resources": description["Resources"],
        "EngineVersion": description["Engine"]["EngineVersion"],
        "Status": node["Status"],
        "ManagerStatus": node["ManagerStatus"],
    })
}

/// A network of the engine's list.
pub(super) fn network(network: &Value) -> Value {
    json!({
        "Id": network["Id"],
        "Name": network["Name"],
        "Created": network["Created"],
        "Driver": network["Driver"],
        "Attachable": network["Attachable"],
        "Ingress": network["Ingress"],
        "EnableIPv6": network["EnableIPv6"],
        "IPAM": network["IPAM"]["Config"],
        "Labels": labels(&network["Labels"]),
    })
}

/// The engine's page about itself: what says how it works, not what it is given to reach others.
pub(super) fn info(info: &Value) -> Value {
    let kept = [
        "ID",
        "Name",
        "ServerVersion",
        "OperatingSystem",
        "OSType",
        "OSVersion",
        "Architecture",
        "KernelVersion",
        "NCPU",
        "MemTotal",
        "Driver",
        "LoggingDriver",
        "CgroupDriver",
        "CgroupVersion",
        "Plugins",
        "SecurityOptions",
        "LiveRestoreEnabled",
        "SystemTime",
        "Containers",
        "ContainersRunning",
        "Images",
        "Warnings",
        "DefaultAddressPools",
        "IPv4Forwarding",
        "BridgeNfIptables",
        "MemoryLimit",
        "PidsLimit",
        "InitBinary",
    ];
    let mut found: Map<String, Value> = kept
        .iter()
        .map(|key| ((*key).to_owned(), info[*key].clone()))
        .collect();
    let swarm = &info["Swarm"];
    let kept = [
        "NodeID",
        "NodeAddr",
        "LocalNodeState",
        "ControlAvailable",
        "Error",
        "Nodes",
        "Managers",
    ];
    let swarm: Map<String, Value> = kept
        .iter()
        .map(|key| ((*key).to_owned(), swarm[*key].clone()))
        .collect();
    found.insert("Swarm".to_owned(), Value::Object(swarm));
    Value::Object(found)
}

fn labels(labels: &Value) -> Value {
    let all = labels.as_object().into_iter().flatten();
    all.map(|(key, value)| {
        let value = if hidden(key, value.as_str().unwrap_or_default()) {
            json!(GONE)
        } else {
            value.clone()
        };
        (key.clone(), value)
    })
    .collect::<Map<_, _>>()
    .into()
}

/// What `skep operator` and `skep proxy` read from their environment. A person's own variable may
/// begin with `SKEP_` too.
static OWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let command = Cli::command();
    let daemons = ["operator", "proxy"].into_iter();
    let daemons = daemons.filter_map(|name| command.find_subcommand(name));
    let names = daemons.flat_map(|daemon| daemon.get_arguments().filter_map(clap::Arg::get_env));
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("SKEP_"))
        .collect()
});

/// `KEY=[redacted]`; Skep's own settings stay.
fn env(env: &Value) -> Value {
    let all = env
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    all.map(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        if OWN.contains(key) {
            json!(pair)
        } else {
            json!(format!("{key}={GONE}"))
        }
    })
    .collect()
}

fn names(list: &Value, key: &str) -> Value {
    let all = list.as_array().into_iter().flatten();
    all.map(|one| one[key].clone()).collect()
}

/// What stands behind a `?` in a request's path.
static QUERY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\?[^\s"\\]+"#).ok());

/// A line of a log without queries: they may hold tokens.
pub(super) fn line(line: &str) -> String {
    match QUERY.as_ref() {
        Some(query) => query.replace_all(line, format!("?{GONE}")).into_owned(),
        None => GONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_conditions_and_users_of_urls_are_left_out() {
        assert_eq!(
            condition("GET x-api-key=s3c r3t x-b=c"),
            "GET x-api-key=[redacted]"
        );
        assert_eq!(condition("POST"), "POST");
        assert!(hidden("redirects", "http://a.b,https://user:s3cr3t@x.a"));
        assert!(!hidden("redirects", "http://a.b,https://x.a/me@home"));
    }

    #[test]
    fn no_value_of_an_environment_or_of_a_delicate_label_gets_through() {
        let given = json!({
            "ID": "s",
            "Spec": {
                "Name": "shop",
                "Labels": {"com.docker.lb.hosts": "shop.a", "com.docker.lb.basic_auth.users": "hunter2",
                    "skep.headers": "Authorization=hunter2",
                    "com.docker.lb.request_headers.set.X-Api-Key": "hunter2"},
                "TaskTemplate": {"ContainerSpec": {
                    "Image": "shop:1",
                    "Env": ["DB_PASSWORD=hunter2", "PLAIN=hunter2", "SKEP_CLUSTER=east",
                        "SKEP_TOKEN=hunter2", "SKEP_REPLICA=1"],
                    "Args": ["--token", "hunter2"],
                    "Healthcheck": {"Test": ["CMD", "hunter2"]},
                    "Secrets": [{"SecretName": "db", "SecretID": "x"}],
                }, "LogDriver": {"Name": "gelf", "Options": {"url": "hunter2"}}},
            },
            "PreviousSpec": {"TaskTemplate": {"ContainerSpec": {"Env": ["A=hunter2"]}}},
        });
        let text = service(&given).to_string();
        assert!(!text.contains("hunter2"), "{text}");
        for kept in [
            "shop.a",
            "DB_PASSWORD=",
            "PLAIN=",
            "SKEP_CLUSTER=east",
            "SKEP_REPLICA=1",
            "SKEP_TOKEN=[redacted]",
            "\"db\"",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn an_engine_does_not_tell_its_ways_out() {
        let given = json!({"Name": "n", "HttpProxy": "http://u:hunter2@p", "Swarm": {
            "NodeID": "x", "Cluster": {"JoinTokens": "hunter2"}}, "Labels": ["k=hunter2"]});
        let text = info(&given).to_string();
        assert!(
            !text.contains("hunter2") && text.contains("\"NodeID\":\"x\""),
            "{text}"
        );
    }

    #[test]
    fn queries_are_cut_from_lines() {
        assert_eq!(
            line(r#"{"path":"/a?token=hunter2","status":200}"#),
            r#"{"path":"/a?[redacted]","status":200}"#
        );
        assert_eq!(
            line("\"GET /a?x=hunter2 HTTP/1.1\" 200"),
            "\"GET /a?[redacted] HTTP/1.1\" 200"
        );
        assert_eq!(line("ready"), "ready");
    }
}
