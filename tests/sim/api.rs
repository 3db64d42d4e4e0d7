//! The calls, with the answers of real engines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::object::{Object, Refusal, refuse, singular};
use super::serve::unversioned;
use super::{State, Timer};

type Answer = Result<(u16, Value), Refusal>;

impl State {
    pub(super) fn handle(&mut self, method: &str, path: &str, query: &str, body: Value) -> Answer {
        let plain = unversioned(path);
        let parts: Vec<&str> = plain.trim_matches('/').split('/').collect();
        let collection = parts.first().copied().unwrap_or_default();
        let name = format!("{method} /{collection}");
        *self.calls.entry(name).or_default() += 1;
        if let Some((status, message)) = self.faults.take(&format!("{method} {plain}")) {
            return refuse(status, message);
        }
        speaks(path, self.api)?;
        match (method, parts.as_slice()) {
            ("GET", ["version"]) => Ok((
                200,
                json!({"Version": "20.10.24", "ApiVersion": format!("1.{}", self.api.1), "MinAPIVersion": format!("1.{}", self.api.0)}),
            )),
            ("GET", ["info"]) => Ok((200, self.info())),
            ("GET", ["tasks"]) => self.list_tasks(query),
            ("GET", [kind @ ("images" | "distribution"), name @ .., "json"]) => {
                let name = name.join("/").replace("%3A", ":").replace("%40", "@");
                match (*kind, self.missing_images.contains(&name)) {
                    (_, false) => Ok((200, json!({}))),
                    ("images", true) => refuse(404, format!("No such image: {name}")),
                    _ => refuse(500, format!("manifest unknown: {name}")),
                }
            }
            ("GET", [kind]) => Ok((200, self.list(known(kind)?, query))),
            ("GET", [kind, id]) => self.inspect(known(kind)?, id),
            ("POST", [kind, "create"]) => self.create(known(kind)?, body),
            ("POST", [kind, id, "update"]) => {
                let version = parameter(query, "version").and_then(|v| v.parse().ok());
                self.update(known(kind)?, id, version, body)
            }
            ("DELETE", [kind, id]) => self.remove(known(kind)?, id),
            _ => refuse(404, "page not found"),
        }
    }

    fn info(&self) -> Value {
        let nodes = self.objects.get("nodes");
        let id = nodes.and_then(|n| n.keys().next()).cloned();
        let now = time::OffsetDateTime::now_utc();
        let now = now.format(&time::format_description::well_known::Rfc3339);
        json!({"Name": "node-1", "KernelVersion": "6.1.0", "ServerVersion": "20.10.24",
            "SystemTime": now.unwrap_or_default(), "Plugins": {"Network": ["bridge", "overlay"]},
            "HttpProxy": "http://user:hunter2@proxy", "Swarm": {
            "NodeID": id, "LocalNodeState": "active", "ControlAvailable": true,
            "Cluster": {"ID": "simcluster"},
        }})
    }

    fn list(&self, kind: &'static str, query: &str) -> Value {
        let objects = self.stale.as_ref().map_or(&self.objects, |(o, _)| o);
        let ids = filter(query, "id");
        let labels = filter(query, "label");
        let counts = parameter(query, "status").is_some();
        let wanted = |o: &&Object| {
            (ids.is_empty() || ids.iter().any(|id| o.id.starts_with(id)))
                && labels.iter().all(|label| match label.split_once('=') {
                    Some((key, value)) => o.spec["Labels"][key] == value,
                    None => !o.spec["Labels"][label.as_str()].is_null(),
                })
        };
        let all = objects.get(kind).into_iter().flat_map(|m| m.values());
        all.filter(wanted)
            .map(|object| {
                let mut shown = self.shown(kind, object);
                if kind == "services" && counts {
                    shown["ServiceStatus"] = self.counts(object);
                }
                shown
            })
            .collect()
    }

    fn shown(&self, kind: &str, object: &Object) -> Value {
        if kind == "networks" {
            let mut shown = object.spec.clone();
            shown["Id"] = json!(object.id);
            shown["Scope"] = json!("swarm");
            return shown;
        }
        let mut shown = object.shown();
        if kind == "secrets" {
            shown["Spec"]["Data"].take();
        }
        shown
    }

    fn inspect(&self, kind: &'static str, id: &str) -> Answer {
        match self.find(kind, id) {
            Some(object) => Ok((200, self.shown(kind, object))),
            None => refuse(404, format!("{} {id} not found", singular(kind))),
        }
    }

    fn create(&mut self, kind: &'static str, mut spec: Value) -> Answer {
        let name = spec["Name"].as_str().unwrap_or_default().to_owned();
        let taken = self.find(kind, &name).is_some_and(|o| o.name() == name);
        match kind {
            "networks" if taken => {
                return refuse(409, format!("network with name {name} already exists"));
            }
            "services" if taken => {
                return refuse(
                    409,
                    format!(
                        "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service {name} already exists"
                    ),
                );
            }
            _ if taken => {
                let kind = singular(kind);
                return refuse(
                    409,
                    format!("rpc error: code = AlreadyExists desc = {kind} {name} already exists"),
                );
            }
            "configs" => check_config(&name, &spec)?,
            _ => {}
        }
        if kind == "services" {
            self.resolve(&mut spec)?;
        }
        if kind == "networks" && spec["IPAM"].is_null() {
            let number = self.next_index();
            let subnet = format!("10.{}.{}.0/24", 100 + number / 256 % 100, number % 256);
            spec["IPAM"] = json!({"Config": [{"Subnet": subnet}]});
        }
        let id = self.insert(kind, spec, Value::Null);
        if kind == "services" {
            self.reconcile(&id);
        }
        let key = if kind == "networks" { "Id" } else { "ID" };
        Ok((201, json!({key: id})))
    }

    fn update(
        &mut self,
        kind: &'static str,
        key: &str,
        version: Option<u64>,
        mut spec: Value,
    ) -> Answer {
        let object = self.at_version(kind, key, version)?.clone();
        let id = object.id.clone();
        match kind {
            "configs" | "secrets" => {
                let same_data = spec["Data"].is_null() || spec["Data"] == object.spec["Data"];
                if spec["Name"] != object.spec["Name"] || !same_data {
                    return refuse(
                        400,
                        "rpc error: code = InvalidArgument desc = only updates to Labels are allowed",
                    );
                }
                self.change(kind, &id, |o| o.spec["Labels"] = spec["Labels"].take());
            }
            "nodes" => {
                if spec["Role"].as_str().is_none_or(str::is_empty) {
                    return refuse(400, "invalid Role: \"\"");
                }
                self.change(kind, &id, |o| o.spec = spec);
                self.placement_changed();
            }
            "services" => {
                if spec["Name"] != object.spec["Name"] {
                    return refuse(
                        501,
                        "rpc error: code = Unimplemented desc = renaming services is not supported",
                    );
                }
                if mode(&spec) != mode(&object.spec) {
                    return refuse(
                        501,
                        "rpc error: code = Unimplemented desc = service mode change is not allowed",
                    );
                }
                self.resolve(&mut spec)?;
                self.update_service(&id, spec);
            }
            _ => return refuse(404, "page not found"),
        }
        Ok((200, json!({})))
    }

    fn remove(&mut self, kind: &'static str, key: &str) -> Answer {
        let Some(object) = self.find(kind, key).cloned() else {
            return refuse(404, format!("{} {key} not found", singular(kind)));
        };
        let id = object.id.clone();
        let mut users = self
            .objects
            .get("services")
            .into_iter()
            .flat_map(|m| m.values());
        let user = users.find(|s| uses(&s.spec, kind, &id));
        if let Some(user) = user {
            let (user, name) = (&user.id, object.name());
            let kind = singular(kind);
            return refuse(
                400,
                match kind {
                    "network" => format!(
                        "rpc error: code = FailedPrecondition desc = network {id} is in use by service {user}"
                    ),
                    _ => format!(
                        "rpc error: code = InvalidArgument desc = {kind} '{name}' is in use by the following service: {user}"
                    ),
                },
            );
        }
        self.collection(kind).remove(&id);
        self.event(singular(kind), "remove", &id, object.name());
        if kind == "services" {
            self.service_removed(&id);
        }
        Ok((204, Value::Null))
    }

    /// Names of networks to ids; unknown networks and configs are refused.
    fn resolve(&self, spec: &mut Value) -> Result<(), Refusal> {
        let task = &mut spec["TaskTemplate"];
        if let Some(networks) = task["Networks"].as_array_mut() {
            for network in networks {
                let target = network["Target"].as_str().unwrap_or_default().to_owned();
                match self.find("networks", &target) {
                    Some(found) => network["Target"] = json!(found.id),
                    None => return refuse(500, format!("network {target} not found")),
                }
            }
        }
        for (kind, list, key) in [
            ("configs", "Configs", "ConfigID"),
            ("secrets", "Secrets", "SecretID"),
        ] {
            for file in task["ContainerSpec"][list].as_array().into_iter().flatten() {
                let id = file[key].as_str().unwrap_or_default();
                if self.find(kind, id).is_none() {
                    let kind = singular(kind);
                    return refuse(
                        400,
                        format!("rpc error: code = InvalidArgument desc = {kind} not found: {id}"),
                    );
                }
            }
        }
        Ok(())
    }

    fn list_tasks(&self, query: &str) -> Answer {
        let tasks = self.stale.as_ref().map_or(&self.tasks, |(_, t)| t);
        let keys = filter(query, "service");
        let mut services = Vec::new();
        for key in &keys {
            match self.find("services", key) {
                Some(service) => services.push(&service.id),
                None => return refuse(404, format!("service {key} not found")),
            }
        }
        if services.is_empty() {
            return Ok((200, tasks.values().map(super::Task::shown).collect()));
        }
        let ids = services
            .iter()
            .filter_map(|s| self.by_service.get(*s))
            .flatten();
        let found = ids.filter_map(|id| tasks.get(id));
        Ok((200, found.map(super::Task::shown).collect()))
    }

    pub(super) fn update_service(&mut self, id: &str, spec: Value) {
        self.change("services", id, |o| {
            o.previous = Some(std::mem::replace(&mut o.spec, spec));
            o.extra["UpdateStatus"] = Value::Null;
        });
        let dirty = self.dirty_tasks(id);
        if !dirty.is_empty() {
            self.set_update(id, "updating", "update in progress");
        }
        self.reconcile(id);
    }

    pub(super) fn set_update(&mut self, id: &str, state: &str, message: &str) {
        self.change("services", id, |o| {
            o.extra = json!({"UpdateStatus": {"State": state, "Message": message}});
        });
        if state == "updating" {
            self.later(self.pace().monitor, Timer::Watched(id.to_owned()));
        }
    }
}

fn mode(spec: &Value) -> &'static str {
    if spec["Mode"]["Global"].is_object() {
        "global"
    } else {
        "replicated"
    }
}

fn uses(spec: &Value, kind: &str, id: &str) -> bool {
    let task = &spec["TaskTemplate"];
    let (list, key) = match kind {
        "networks" => (&task["Networks"], "Target"),
        "configs" => (&task["ContainerSpec"]["Configs"], "ConfigID"),
        "secrets" => (&task["ContainerSpec"]["Secrets"], "SecretID"),
        _ => return false,
    };
    list.as_array().into_iter().flatten().any(|x| x[key] == id)
}

fn check_config(name: &str, spec: &Value) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return refuse(
            400,
            "rpc error: code = InvalidArgument desc = invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
        );
    }
    let data = STANDARD.decode(spec["Data"].as_str().unwrap_or_default());
    match data.map_or(0, |d| d.len()) {
        1..1_024_000 => Ok(()),
        _ => refuse(
            400,
            "rpc error: code = InvalidArgument desc = config data must be larger than 0 and less than 1024000 bytes",
        ),
    }
}

fn known(kind: &str) -> Result<&'static str, Refusal> {
    ["nodes", "networks", "services", "configs", "secrets"]
        .into_iter()
        .find(|k| *k == kind)
        .map_or_else(|| refuse(404, "page not found"), Ok)
}

fn speaks(path: &str, (oldest, newest): (u32, u32)) -> Result<(), Refusal> {
    let Some((minor, _)) = path.strip_prefix("/v1.").and_then(|p| p.split_once('/')) else {
        return Ok(());
    };
    match minor.parse::<u32>() {
        Ok(theirs) if (oldest..=newest).contains(&theirs) => Ok(()),
        Ok(theirs) if theirs < oldest => refuse(
            400,
            format!(
                "client version 1.{minor} is too old. Minimum supported API version is 1.{oldest}"
            ),
        ),
        _ => refuse(
            400,
            format!(
                "client version 1.{minor} is too new. Maximum supported API version is 1.{newest}"
            ),
        ),
    }
}

/// A query parameter, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&hex, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn filter(query: &str, name: &str) -> Vec<String> {
    let filters = parameter(query, "filters").unwrap_or_default();
    let filters: Value = serde_json::from_str(&filters).unwrap_or_default();
    let list = filters[name].as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}
