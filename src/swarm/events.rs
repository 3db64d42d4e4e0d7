//! The engine's event stream: one JSON object after another, for as long as it lasts.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use super::error::Error;
use super::transport::Transport;
use super::wire::nil;

/// Events longer than this end the stream: no event of an engine comes near it.
const LONGEST: usize = 1 << 20;

/// What a swarm-scoped event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A service; its tasks have no events of their own.
    Service,
    /// A node.
    Node,
    /// A network.
    Network,
    /// A config.
    Config,
    /// A secret.
    Secret,
}

/// One event: something happened to an object. What it is now must be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of object.
    pub kind: Kind,
    /// Its id; for some networks and configs of old engines empty.
    pub id: String,
    /// `create`, `update`, `remove`.
    pub action: String,
    /// When (nanoseconds since 1970): the object's time of update, by the engine's clock.
    pub at: i64,
    /// The object's name; empty when the engine does not say it.
    pub name: String,
    /// What changed, where the engine says it: `state.new` of a node and the like.
    pub details: BTreeMap<String, String>,
}

/// An open event stream.
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
    transport: Transport,
}

#[derive(Deserialize)]
struct WireEvent {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor", default)]
    actor: Actor,
    #[serde(rename = "time", default)]
    seconds: i64,
    #[serde(rename = "timeNano", default)]
    nanoseconds: i64,
}

#[derive(Deserialize, Default)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default, deserialize_with = "nil")]
    attributes: BTreeMap<String, String>,
}

impl Events {
    pub(crate) fn new(body: Incoming, transport: Transport) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            transport,
        }
    }

    /// The next event; `None` when the engine ends the stream. Kinds that Skep does not know are
    /// passed over. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(object) = self.buffered()? {
                if let Some(event) = object.known() {
                    return Ok(Some(event));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.transport.unreachable(&error)),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }

    /// The next whole object in the buffer.
    fn buffered(&mut self) -> Result<Option<WireEvent>, Error> {
        let (outcome, read) = {
            let mut objects =
                serde_json::Deserializer::from_slice(&self.buffer).into_iter::<WireEvent>();
            let outcome = objects.next();
            (outcome, objects.byte_offset())
        };
        match outcome {
            None => Ok(None),
            Some(Err(error)) if error.is_eof() && self.buffer.len() < LONGEST => Ok(None),
            Some(Err(error)) => Err(Error::Answer {
                what: "read the event stream".to_owned(),
                message: error.to_string(),
            }),
            Some(Ok(event)) => {
                self.buffer.advance(read);
                Ok(Some(event))
            }
        }
    }
}

impl WireEvent {
    fn known(self) -> Option<Event> {
        let kind = match self.kind.as_str() {
            "service" => Kind::Service,
            "node" => Kind::Node,
            "network" => Kind::Network,
            "config" => Kind::Config,
            "secret" => Kind::Secret,
            _ => return None,
        };
        let mut details = self.actor.attributes;
        Some(Event {
            kind,
            id: self.actor.id,
            action: self.action,
            at: match self.nanoseconds {
                0 => self.seconds.saturating_mul(1_000_000_000),
                at => at,
            },
            name: details.remove("name").unwrap_or_default(),
            details,
        })
    }
}
