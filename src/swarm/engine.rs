//! The calls that Skep makes.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::names;
use crate::world::{Config, Network, Node, Secret, Service, Task};

use super::endpoint::Endpoint;
use super::error::Error;
use super::events::{Event, Events};
use super::transport::{Dial, Transport};
use super::wire;

/// No answer may take longer, but for the event stream. Managers that elect a leader keep a
/// request waiting for up to 16 seconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// An engine that tells nothing more for so long has told all that it remembers.
const SILENT: Duration = Duration::from_secs(2);
/// Answers above this many bytes are parsed off the async threads.
const LARGE: usize = 256 * 1024;

/// A version of the engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(u16, u16);

impl ApiVersion {
    /// The oldest that will do: Docker 20.10.
    pub const OLDEST: Self = Self(1, 41);
    /// The newest that this build knows.
    pub const NEWEST: Self = Self(1, 51);

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What an engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// Version of the engine, e.g. `20.10.24`.
    pub version: String,
    /// Newest API it speaks, e.g. `1.41`.
    pub api_version: String,
    /// Whether it is a Swarm manager that can act.
    pub manager: bool,
    /// Swarm's word for its state: `active`, `inactive`, `pending`, `locked`, `error`.
    pub swarm_state: String,
    /// Its node id; empty outside a Swarm.
    pub node_id: String,
    /// The Swarm's id; empty on workers and outside a Swarm.
    pub cluster_id: String,
}

/// A connection to one engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    transport: Transport,
    /// The negotiated minor of API 1; 0: not negotiated (any more).
    version: Arc<AtomicU32>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.host())
    }
}

impl Engine {
    /// Connects, and refuses an engine that is too old.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, Error> {
        let engine = Self::lazy(endpoint)?;
        engine.negotiate().await?;
        Ok(engine)
    }

    /// Connects when the first call is made.
    pub fn lazy(endpoint: &Endpoint) -> Result<Self, Error> {
        Ok(Self::of(Transport::new(endpoint)?))
    }

    /// An engine reached through `dial`; `host` names it in messages.
    #[must_use]
    pub fn over(dial: Arc<dyn Dial>, host: &str) -> Self {
        Self::of(Transport::over(dial, "docker", host))
    }

    fn of(transport: Transport) -> Self {
        Self {
            transport,
            version: Arc::default(),
        }
    }

    /// Where the engine is, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        self.transport.host()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What the engine is and which part it has in a Swarm.
    pub async fn info(&self) -> Result<EngineInfo, Error> {
        let version: wire::Version = self
            .raw_get("read the engine's version", "/version")
            .await?;
        let info: wire::Info = self.get("read the engine's state", "/info").await?;
        let cluster = info.swarm.cluster.unwrap_or_default();
        Ok(EngineInfo {
            version: version.version,
            api_version: version.api_version,
            manager: info.swarm.control_available,
            swarm_state: info.swarm.local_node_state,
            node_id: info.swarm.node_id,
            cluster_id: cluster.id,
        })
    }

    /// All nodes by id.
    pub async fn list_nodes(&self) -> Result<BTreeMap<String, Node>, Error> {
        let list: Vec<wire::Out<Node>> = self.get("list nodes", "/nodes").await?;
        Ok(by_id(list, |n| &n.id))
    }

    /// All swarm-scoped networks by id.
    pub async fn list_networks(&self) -> Result<BTreeMap<String, Network>, Error> {
        let path = filtered("/networks", &json!({"scope": ["swarm"]}));
        let list: Vec<wire::Out<Network>> = self.get("list networks", &path).await?;
        Ok(by_id(list, |n| &n.id))
    }

    /// All services by id.
    pub async fn list_services(&self) -> Result<BTreeMap<String, Service>, Error> {
        let list: Vec<wire::Out<Service>> =
            self.get("list services", "/services?status=true").await?;
        Ok(by_id(list, |s| &s.id))
    }

    /// Those of the services that exist, by id.
    pub async fn services_of(
        &self,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Service>, Error> {
        let path = filtered("/services", &json!({"id": ids})) + "&status=true";
        let list: Vec<wire::Out<Service>> = self.get("list services", &path).await?;
        let mut found = by_id(list, |s| &s.id);
        // The engine's filter takes prefixes.
        found.retain(|id, _| ids.contains(id));
        Ok(found)
    }

    /// All tasks by id.
    pub async fn list_tasks(&self) -> Result<BTreeMap<String, Task>, Error> {
        let list: Vec<wire::Out<Task>> = self.get("list tasks", "/tasks").await?;
        Ok(by_id(list, |t| &t.id))
    }

    /// The tasks of some services by id. A service that is gone makes it `NotFound`.
    pub async fn tasks_of(
        &self,
        services: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Task>, Error> {
        let path = filtered("/tasks", &json!({"service": services}));
        let list: Vec<wire::Out<Task>> = self.get("list tasks", &path).await?;
        Ok(by_id(list, |t| &t.id))
    }

    /// The configs that carry `dev.skep.kind`, whole, by id.
    pub async fn list_configs(&self) -> Result<BTreeMap<String, Config>, Error> {
        let path = filtered("/configs", &json!({"label": [names::LABEL_KIND]}));
        let list: Vec<wire::Config> = self.get("list configs", &path).await?;
        list.into_iter()
            .map(|config| {
                let config = config
                    .into_world()
                    .map_err(|e| answer("list configs", &e))?;
                Ok((config.id.clone(), config))
            })
            .collect()
    }

    /// All secrets, without their content, by id.
    pub async fn list_secrets(&self) -> Result<BTreeMap<String, Secret>, Error> {
        let list: Vec<wire::Out<Secret>> = self.get("list secrets", "/secrets").await?;
        Ok(by_id(list, |s| &s.id))
    }

    /// The swarm-scoped events between two moments (seconds since 1970, by the engine's clock), as
    /// far as the engine still remembers them: it keeps 256 of all kinds.
    pub async fn past_events(&self, since: u64, until: u64) -> Result<Vec<Event>, Error> {
        let mut stream = self
            .open_events(&format!("&since={since}&until={until}"))
            .await?;
        let mut events = Vec::new();
        // An engine whose clock is behind goes on until then; what it remembers it tells at once.
        while let Ok(next) = tokio::time::timeout(SILENT, stream.next()).await {
            match next? {
                Some(event) => events.push(event),
                None => break,
            }
        }
        Ok(events)
    }

    /// Opens the stream of swarm-scoped events. With `since` (seconds since 1970, by the
    /// engine's clock) it begins with those that the engine still remembers.
    pub async fn events(&self, since: Option<u64>) -> Result<Events, Error> {
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        self.open_events(&since).await
    }

    async fn open_events(&self, more: &str) -> Result<Events, Error> {
        let what = "open the event stream";
        let kinds = ["service", "node", "network", "config", "secret"];
        let path = filtered("/events", &json!({"scope": ["swarm"], "type": kinds})) + more;
        let path = self.versioned(&path).await?;
        let (head, body) = self
            .transport
            .open(what, &path, DEADLINE)
            .await?
            .into_parts();
        if !head.status.is_success() {
            return Err(Error::from_answer(what, self.host(), head.status, ""));
        }
        Ok(Events::new(body, self.transport.clone()))
    }

    async fn negotiate(&self) -> Result<u32, Error> {
        let what = "read the engine's version";
        let answer: Result<wire::Version, Error> = self.raw_get(what, "/version").await;
        let answer = answer.map_err(|error| match error {
            // A server that is not an engine says whatever it likes.
            Error::NotFound { .. } | Error::Answer { .. } | Error::Invalid { .. } => {
                Error::Unreachable {
                    host: self.host().to_owned(),
                    message: "what answers there does not speak the engine's API; correct DOCKER_HOST or the docker context".to_owned(),
                }
            }
            other => other,
        })?;
        let theirs = ApiVersion::parse(&answer.api_version).ok_or_else(|| Error::Answer {
            what: what.to_owned(),
            message: format!("{:?} is no API version", answer.api_version),
        })?;
        if theirs < ApiVersion::OLDEST {
            return Err(Error::TooOld {
                host: self.host().to_owned(),
                version: theirs.to_string(),
                needed: ApiVersion::OLDEST.to_string(),
            });
        }
        let minor = u32::from(theirs.min(ApiVersion::NEWEST).1);
        self.version.store(minor, Ordering::Relaxed);
        Ok(minor)
    }

    pub(super) async fn versioned(&self, path: &str) -> Result<String, Error> {
        let minor = match self.version.load(Ordering::Relaxed) {
            0 => self.negotiate().await?,
            minor => minor,
        };
        Ok(format!("/v1.{minor}{path}"))
    }

    pub(super) async fn get<T>(&self, what: &str, path: &str) -> Result<T, Error>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let bytes = self.call(what, Method::GET, path, None).await?;
        parse(what, bytes).await
    }

    pub(super) async fn raw_get<T>(&self, what: &str, path: &str) -> Result<T, Error>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let bytes = self.send(what, Method::GET, path, None).await?;
        parse(what, bytes).await
    }

    async fn call(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        let path = self.versioned(path).await?;
        let result = self.send(what, method, &path, body).await;
        if let Err(Error::VersionChanged { .. }) = &result {
            self.version.store(0, Ordering::Relaxed);
        }
        result
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        let (status, bytes) = self
            .transport
            .call(what, method, path, body, DEADLINE)
            .await?;
        if status.is_success() {
            return Ok(bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        Err(Error::from_answer(what, self.host(), status, &text))
    }
}

fn answer(what: &str, error: &dyn fmt::Display) -> Error {
    Error::Answer {
        what: what.to_owned(),
        message: error.to_string(),
    }
}

async fn parse<T>(what: &str, bytes: Bytes) -> Result<T, Error>
where
    T: DeserializeOwned + Send + 'static,
{
    let large = bytes.len() > LARGE;
    let read = move || serde_json::from_slice::<T>(&bytes).map_err(|e| e.to_string());
    let parsed = if large {
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|e| Err(e.to_string()))
    } else {
        read()
    };
    parsed.map_err(|message| answer(what, &message))
}

fn by_id<T>(list: Vec<wire::Out<T>>, id: fn(&T) -> &String) -> BTreeMap<String, T> {
    list.into_iter()
        .map(|out| (id(&out.0).clone(), out.0))
        .collect()
}

pub(super) fn filtered(path: &str, filters: &Value) -> String {
    format!("{path}?filters={}", escaped(&filters.to_string()))
}

/// Percent-encoding of everything that is not plain in a path or query.
pub(super) fn escaped(text: &str) -> String {
    use fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(char::from(byte));
                }
                _ => {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            out
        })
}
