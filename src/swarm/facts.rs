//! What only people ask of an engine: facts that no plan is made from.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::{Engine, escaped, filtered};
use super::error::Error;
use super::wire::nil;
use crate::names;

/// A list or a page of the engine, as it says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `/version`
    Version,
    /// `/info`
    Info,
    /// `/nodes`
    Nodes,
    /// `/networks` of the Swarm
    Networks,
    /// `/services`
    Services,
    /// `/tasks`
    Tasks,
}

/// The name of an image in a path: its slashes stay, as engines want it.
fn escaped_path(image: &str) -> String {
    let parts: Vec<String> = image.split('/').map(escaped).collect();
    parts.join("/")
}

/// One engine and its machine, by its own word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EngineFacts {
    /// Name of the machine.
    #[serde(deserialize_with = "nil")]
    pub name: String,
    /// Version of the engine.
    #[serde(deserialize_with = "nil")]
    pub server_version: String,
    /// Newest and oldest version of the API that it speaks.
    #[serde(skip)]
    pub api: (String, String),
    /// Version of the kernel.
    #[serde(deserialize_with = "nil")]
    pub kernel_version: String,
    /// Name of the operating system.
    #[serde(deserialize_with = "nil")]
    pub operating_system: String,
    /// The engine's clock (RFC 3339).
    #[serde(deserialize_with = "nil")]
    pub system_time: String,
    /// The log driver of containers that name none.
    #[serde(deserialize_with = "nil")]
    pub logging_driver: String,
    /// What the engine itself warns of.
    #[serde(deserialize_with = "nil")]
    pub warnings: Vec<String>,
    /// Its drivers.
    #[serde(deserialize_with = "nil")]
    pub plugins: Plugins,
    /// Its part in a Swarm.
    #[serde(deserialize_with = "nil")]
    pub swarm: SwarmFacts,
}

/// Drivers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Plugins {
    /// Of networks.
    #[serde(deserialize_with = "nil")]
    pub network: Vec<String>,
}

/// An engine's part in a Swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmFacts {
    /// `active`, `inactive`, `pending`, `locked`, `error`.
    #[serde(deserialize_with = "nil")]
    pub local_node_state: String,
    /// Whether it can act for the Swarm.
    pub control_available: bool,
    /// What is wrong, in the engine's words.
    #[serde(deserialize_with = "nil")]
    pub error: String,
    /// How many nodes the Swarm has.
    #[serde(deserialize_with = "nil")]
    pub nodes: u64,
    /// How many of them are managers.
    #[serde(deserialize_with = "nil")]
    pub managers: u64,
}

/// A node, as far as people alone ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Version of its engine.
    pub engine: String,
    /// `reachable`, `unreachable`, `unknown`; empty for workers.
    pub reachability: String,
    /// Whether it leads the managers.
    pub leader: bool,
    /// What Swarm says of its state.
    pub message: String,
}

/// The last update of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateFacts {
    /// The engine's word for its state.
    #[serde(deserialize_with = "nil")]
    pub state: String,
    /// When it began (RFC 3339).
    #[serde(deserialize_with = "nil")]
    pub started_at: String,
    /// When it ended (RFC 3339); empty while it goes on.
    #[serde(deserialize_with = "nil")]
    pub completed_at: String,
    /// The engine's sentence.
    #[serde(deserialize_with = "nil")]
    pub message: String,
}

impl Engine {
    /// A list or a page as the engine says it.
    pub async fn document(&self, which: Document) -> Result<Value, Error> {
        match which {
            Document::Version => self.raw_get("read the engine's version", "/version").await,
            Document::Info => self.get("read the engine's state", "/info").await,
            Document::Nodes => self.get("list nodes", "/nodes").await,
            Document::Networks => {
                let path = filtered("/networks", &json!({"scope": ["swarm"]}));
                self.get("list networks", &path).await
            }
            Document::Services => self.get("list services", "/services?status=true").await,
            Document::Tasks => self.get("list tasks", "/tasks").await,
        }
    }

    /// What the engine says of itself and its machine.
    pub async fn facts(&self) -> Result<EngineFacts, Error> {
        let version = self.document(Document::Version).await?;
        let mut facts: EngineFacts = self.get("read the engine's state", "/info").await?;
        let text = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
        facts.api = (text("ApiVersion"), text("MinAPIVersion"));
        if facts.server_version.is_empty() {
            facts.server_version = text("Version");
        }
        Ok(facts)
    }

    /// Whether this engine has an image.
    pub async fn has_image(&self, image: &str) -> Result<bool, Error> {
        let path = format!("/images/{}/json", escaped_path(image));
        match self.get::<Value>("look for the image", &path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Succeeds when the image's registry has it, as this engine sees it, without credentials.
    pub async fn registry_has(&self, image: &str) -> Result<(), Error> {
        let path = format!("/distribution/{}/json", escaped_path(image));
        let what = "ask the registry";
        self.get::<Value>(what, &path).await.map(drop)
    }

    /// What people ask of nodes, by id.
    pub async fn node_facts(&self) -> Result<BTreeMap<String, NodeFacts>, Error> {
        let list: Vec<Value> = self.get("list nodes", "/nodes").await?;
        Ok(list
            .iter()
            .map(|node| (text(&node["ID"]), node_facts(node)))
            .collect())
    }

    /// When the secrets of Skep itself were made (RFC 3339), by name.
    pub async fn secret_dates(&self) -> Result<BTreeMap<String, String>, Error> {
        let list: Vec<Value> = self.get("list secrets", "/secrets").await?;
        let named = list
            .iter()
            .map(|secret| (text(&secret["Spec"]["Name"]), text(&secret["CreatedAt"])));
        Ok(named
            .filter(|(name, _)| names::SECRETS.contains(&name.as_str()))
            .collect())
    }

    /// The last updates of services, by service id; those that had none are left out.
    pub async fn update_facts(&self) -> Result<BTreeMap<String, UpdateFacts>, Error> {
        #[derive(Deserialize)]
        struct Service {
            #[serde(rename = "ID")]
            id: String,
            #[serde(rename = "UpdateStatus", default)]
            update: Option<UpdateFacts>,
        }
        let list: Vec<Service> = self.get("list services", "/services").await?;
        Ok(list
            .into_iter()
            .filter_map(|service| Some((service.id, service.update?)))
            .collect())
    }
}

fn node_facts(node: &Value) -> NodeFacts {
    let manager = &node["ManagerStatus"];
    NodeFacts {
        engine: text(&node["Description"]["Engine"]["EngineVersion"]),
        reachability: text(&manager["Reachability"]),
        leader: manager["Leader"].as_bool().unwrap_or_default(),
        message: text(&node["Status"]["Message"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_says_little_is_read_all_the_same() {
        let facts: EngineFacts = serde_json::from_value(json!({
            "ServerVersion": "29.0", "Warnings": null, "Plugins": {"Network": null},
            "Swarm": {"LocalNodeState": "active", "Nodes": null},
        }))
        .unwrap();
        assert_eq!(facts.server_version, "29.0");
        assert_eq!(facts.swarm.local_node_state, "active");
        assert_eq!(node_facts(&json!({})), NodeFacts::default());
    }
}
