//! The calls that change something.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::swarm::error::Error;
use crate::swarm::wire;
use crate::world::{NetworkSpec, ServiceSpec};

use super::{Engine, answer, escaped, parse};

impl Engine {
    /// Makes an overlay network; its id.
    pub async fn create_network(&self, spec: &NetworkSpec) -> Result<String, Error> {
        let what = format!("create network {:?}", spec.name);
        let body = wire::network_spec(spec);
        self.create(&what, "/networks/create", &body).await
    }

    /// Removes a network.
    pub async fn remove_network(&self, id: &str) -> Result<(), Error> {
        self.delete("network", "/networks", id).await
    }

    /// Replaces the labels of a node; role and availability stay as they are.
    pub async fn label_node(
        &self,
        id: &str,
        version: u64,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let what = format!("label node {id}");
        let path = format!("/nodes/{}", escaped(id));
        // The engine only replaces whole specs, and has fields we do not know.
        let mut node: Value = self.get(&what, &path).await?;
        if node["Version"]["Index"].as_u64() != Some(version) {
            return Err(Error::Conflict { what });
        }
        let mut spec = node["Spec"].take();
        spec["Labels"] = json!(labels);
        self.update(&what, &path, version, &spec).await
    }

    /// Makes a service; its id.
    pub async fn create_service(&self, spec: &ServiceSpec) -> Result<String, Error> {
        let what = format!("create service {:?}", spec.name);
        let body = wire::ServiceSpec::from(spec);
        self.create(&what, "/services/create", &body).await
    }

    /// Replaces the definition of a service, when it still has the version.
    pub async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: &ServiceSpec,
    ) -> Result<(), Error> {
        let what = format!("update service {:?}", spec.name);
        let path = format!("/services/{}", escaped(id));
        self.update(&what, &path, version, &wire::ServiceSpec::from(spec))
            .await
    }

    /// Removes a service and its tasks.
    pub async fn remove_service(&self, id: &str) -> Result<(), Error> {
        self.delete("service", "/services", id).await
    }

    /// Makes a config of 1 to 1,023,999 bytes; its id.
    pub async fn create_config(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        data: &[u8],
    ) -> Result<String, Error> {
        let body = json!({"Name": name, "Labels": labels, "Data": STANDARD.encode(data)});
        let what = format!("create config {name:?}");
        self.create(&what, "/configs/create", &body).await
    }

    /// Replaces the labels of a config, when it still has the version. Its name must be given
    /// because the engine compares it.
    pub async fn update_config_labels(
        &self,
        id: &str,
        name: &str,
        version: u64,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let what = format!("update the labels of config {name:?}");
        let path = format!("/configs/{}", escaped(id));
        let body = json!({"Name": name, "Labels": labels});
        self.update(&what, &path, version, &body).await
    }

    /// Removes a config.
    pub async fn remove_config(&self, id: &str) -> Result<(), Error> {
        self.delete("config", "/configs", id).await
    }

    /// Makes a secret; its id.
    pub async fn create_secret(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        data: &[u8],
    ) -> Result<String, Error> {
        let body = json!({"Name": name, "Labels": labels, "Data": STANDARD.encode(data)});
        let what = format!("create secret {name:?}");
        self.create(&what, "/secrets/create", &body).await
    }

    /// Removes a secret.
    pub async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        self.delete("secret", "/secrets", id).await
    }

    async fn create<B: serde::Serialize>(
        &self,
        what: &str,
        path: &str,
        body: &B,
    ) -> Result<String, Error> {
        let body = serde_json::to_vec(body).map_err(|e| answer(what, &e))?;
        let bytes = self.call(what, Method::POST, path, Some(body)).await?;
        let made: wire::Created = parse(what, bytes).await?;
        Ok(made.id)
    }

    async fn update<B: serde::Serialize>(
        &self,
        what: &str,
        path: &str,
        version: u64,
        body: &B,
    ) -> Result<(), Error> {
        let body = serde_json::to_vec(body).map_err(|e| answer(what, &e))?;
        let path = format!("{path}/update?version={version}");
        self.call(what, Method::POST, &path, Some(body)).await?;
        Ok(())
    }

    async fn delete(&self, kind: &str, path: &str, id: &str) -> Result<(), Error> {
        let what = format!("remove {kind} {id}");
        let path = format!("{path}/{}", escaped(id));
        self.call(&what, Method::DELETE, &path, None).await?;
        Ok(())
    }
}
