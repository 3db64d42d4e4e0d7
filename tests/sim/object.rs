//! Objects with versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::State;

/// Nodes, networks, services, configs and secrets, each by collection and id.
pub(super) type Objects = BTreeMap<&'static str, BTreeMap<String, Object>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) created: u64,
    pub(super) spec: Value,
    pub(super) previous: Option<Value>,
    /// Update status of a service, node state, ...
    pub(super) extra: Value,
}

impl Object {
    pub(super) fn name(&self) -> &str {
        let spec = &self.spec["Name"];
        spec.as_str().unwrap_or_default()
    }

    /// As the engine shows it.
    pub(super) fn shown(&self) -> Value {
        let (seconds, rest) = (self.created / 1000, self.created % 1000);
        let mut shown = json!({
            "ID": self.id,
            "Version": {"Index": self.version},
            "CreatedAt": format!("2026-01-01T{:02}:{:02}:{:02}.{rest:03}Z",
                seconds / 3600 % 24, seconds / 60 % 60, seconds % 60),
            "Spec": self.spec,
        });
        if let (Some(shown), Some(extra)) = (shown.as_object_mut(), self.extra.as_object()) {
            shown.extend(extra.clone());
        }
        shown
    }
}

/// An answer of the engine that is no success.
pub(super) struct Refusal(pub(super) u16, pub(super) String);

pub(super) fn refuse<T>(status: u16, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(status, message.into()))
}

impl State {
    pub(super) fn collection(&mut self, kind: &'static str) -> &mut BTreeMap<String, Object> {
        self.objects.entry(kind).or_default()
    }

    /// By id, id prefix or name.
    pub(super) fn find(&self, kind: &str, key: &str) -> Option<&Object> {
        let all = self.objects.get(kind)?;
        all.get(key)
            .or_else(|| all.values().find(|o| o.name() == key))
    }

    pub(super) fn insert(&mut self, kind: &'static str, spec: Value, extra: Value) -> String {
        let id = self.next_id();
        let version = self.next_index();
        let object = Object {
            id: id.clone(),
            version,
            created: version,
            spec,
            previous: None,
            extra,
        };
        let name = object.name().to_owned();
        self.collection(kind).insert(id.clone(), object);
        self.event(singular(kind), "create", &id, &name);
        id
    }

    /// Changes an object and tells of it.
    pub(super) fn change(
        &mut self,
        kind: &'static str,
        id: &str,
        change: impl FnOnce(&mut Object),
    ) {
        let version = self.next_index();
        let Some(object) = self.collection(kind).get_mut(id) else {
            return;
        };
        object.version = version;
        change(object);
        let name = object.name().to_owned();
        self.event(singular(kind), "update", id, &name);
    }

    /// The object at the version that the caller saw.
    pub(super) fn at_version(
        &self,
        kind: &'static str,
        key: &str,
        version: Option<u64>,
    ) -> Result<&Object, Refusal> {
        let Some(object) = self.find(kind, key) else {
            return refuse(404, format!("{} {key} not found", singular(kind)));
        };
        match version {
            None => refuse(400, "invalid version: strconv.ParseUint: parsing \"\""),
            Some(version) if version != object.version => refuse(
                500,
                "rpc error: code = Unknown desc = update out of sequence",
            ),
            Some(_) => Ok(object),
        }
    }

    pub(super) fn add_node(&mut self, hostname: &str, role: &str) {
        let number = self.objects.get("nodes").map_or(0, BTreeMap::len) + 1;
        let spec = json!({"Labels": {}, "Role": role, "Availability": "active"});
        let mut extra = json!({
            "Description": {
                "Hostname": hostname, "Platform": {"OS": "linux"},
                "Engine": {"EngineVersion": "20.10.24"},
            },
            "Status": {"State": "ready", "Addr": format!("10.99.0.{number}")},
        });
        if role == "manager" {
            extra["ManagerStatus"] = json!({"Leader": number == 1, "Reachability": "reachable"});
        }
        self.insert("nodes", spec, extra);
    }
}

pub(super) fn singular(kind: &str) -> &str {
    kind.trim_end_matches('s')
}
