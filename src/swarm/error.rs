//! What can go wrong between us and an engine, sorted by what to do about it.
//!
//! The engine's status codes do not tell: a stale version is a 500, an unknown network too. So
//! the texts decide, as engines from 20.10 to 28.5 write them.

use http::StatusCode;

use crate::runtime::{Failure, Retry};

/// Why a call to the engine failed. Messages say what to do where the engine's own do not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object changed since it was read.
    #[error("{what}: the object changed meanwhile; look again")]
    Conflict {
        /// The call.
        what: String,
    },
    /// Another object has the name.
    #[error("{what}: the name is taken: {message}")]
    NameTaken {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The object, or one that the call refers to, does not exist.
    #[error("{what}: not found: {message}")]
    NotFound {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The object is used by another one.
    #[error("{what}: still in use: {message}")]
    InUse {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The engine cannot act for a Swarm.
    #[error(
        "the engine at {host} is not a Swarm manager; run this on a manager, point DOCKER_HOST or a docker context at one, or make this engine one with `docker swarm init`"
    )]
    NotManager {
        /// Where the engine is.
        host: String,
    },
    /// The managers have lost their majority, or elect a leader.
    #[error(
        "{what}: the Swarm has no leader: {message}; wait for the election, or bring managers back"
    )]
    NoLeader {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// No engine answers.
    #[error("cannot reach a Docker engine at {host}: {message}")]
    Unreachable {
        /// Where it was looked for.
        host: String,
        /// Why, and what to do.
        message: String,
    },
    /// No answer in time. A write may have happened all the same.
    #[error(
        "{what}: the engine at {host} did not answer within {seconds} s; see whether it hangs (`docker info`), then run this again"
    )]
    Timeout {
        /// The call.
        what: String,
        /// Where the engine is.
        host: String,
        /// The deadline.
        seconds: u64,
    },
    /// The engine is too old.
    #[error(
        "the engine at {host} speaks API {version}, Skep needs {needed} (Docker 20.10) or newer; upgrade the engine"
    )]
    TooOld {
        /// Where the engine is.
        host: String,
        /// Its API version.
        version: String,
        /// The oldest one that will do.
        needed: String,
    },
    /// The API version in use no longer suits the engine: it was replaced by another one.
    #[error(
        "{what}: the engine no longer takes this API version: {message}; it is negotiated anew"
    )]
    VersionChanged {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The engine refuses the request as it is.
    #[error("{what}: the engine refused: {message}")]
    Invalid {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// We may not do that there.
    #[error(
        "{what}: permission denied: {message}; whoever runs the engine must allow this call (its authorization plugin, or the proxy before its socket)"
    )]
    Denied {
        /// The call.
        what: String,
        /// The engine's words.
        message: String,
    },
    /// The engine failed.
    #[error("{what}: the engine failed ({status}): {message}")]
    Engine {
        /// The call.
        what: String,
        /// HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("{what}: cannot read the engine's answer: {message}")]
    Answer {
        /// The call.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// DOCKER_HOST, the docker context or the TLS files cannot be used.
    #[error("{message}")]
    Endpoint {
        /// What is wrong and what to do.
        message: String,
    },
}

impl Error {
    /// A bounded CamelCase word: metric label, event and condition reason.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "Conflict",
            Self::NameTaken { .. } => "NameTaken",
            Self::NotFound { .. } => "NotFound",
            Self::InUse { .. } => "InUse",
            Self::NotManager { .. } => "NotManager",
            Self::NoLeader { .. } => "NoLeader",
            Self::Unreachable { .. } => "Unreachable",
            Self::Timeout { .. } => "Timeout",
            Self::TooOld { .. } => "EngineTooOld",
            Self::VersionChanged { .. } => "EngineReplaced",
            Self::Invalid { .. } => "Invalid",
            Self::Denied { .. } => "Denied",
            Self::Engine { .. } => "EngineError",
            Self::Answer { .. } => "BadAnswer",
            Self::Endpoint { .. } => "BadEndpoint",
        }
    }

    /// When to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. } | Self::VersionChanged { .. } => Retry::Now,
            Self::InUse { .. }
            | Self::NotFound { .. }
            | Self::NotManager { .. }
            | Self::NoLeader { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Engine { .. }
            | Self::Answer { .. } => Retry::Backoff,
            Self::NameTaken { .. }
            | Self::TooOld { .. }
            | Self::Invalid { .. }
            | Self::Denied { .. }
            | Self::Endpoint { .. } => Retry::Never,
        }
    }

    /// Sorts an answer that is not a success.
    pub(crate) fn from_answer(what: &str, host: &str, status: StatusCode, text: &str) -> Self {
        let what = what.to_owned();
        let message = tidy(text);
        let has = |needle: &str| text.contains(needle);
        if has("update out of sequence") {
            return Self::Conflict { what };
        }
        if has("node is not a swarm manager") || has("not part of a swarm") {
            return Self::NotManager {
                host: host.to_owned(),
            };
        }
        if has("does not have a leader") || has("lost leadership") || has("not the leader") {
            return Self::NoLeader { what, message };
        }
        if has("client version") && (has("too old") || has("too new")) {
            return Self::VersionChanged { what, message };
        }
        if has("is in use by") {
            return Self::InUse { what, message };
        }
        if has("already exists") || has("AlreadyExists") || has("name conflicts") {
            return Self::NameTaken { what, message };
        }
        // An unknown network in a service is a 500, an unknown config a 400.
        if status == StatusCode::NOT_FOUND || has(" not found") {
            return Self::NotFound { what, message };
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Denied { what, message },
            StatusCode::NOT_IMPLEMENTED => Self::Invalid { what, message },
            s if s.is_client_error() => Self::Invalid { what, message },
            s => Self::Engine {
                what,
                status: s.as_u16(),
                message,
            },
        }
    }
}

impl Failure for Error {
    fn retry(&self) -> Retry {
        Self::retry(self)
    }
}

/// The engine's sentence without the wrapping of its inner protocols.
fn tidy(text: &str) -> String {
    let message = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|v| v.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| text.trim().to_owned());
    match message.split_once(" desc = ") {
        Some((head, tail)) if head.starts_with("rpc error:") => tail.to_owned(),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(status: u16, text: &str) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        Error::from_answer("call", "unix:///x", status, text).category()
    }

    #[test]
    fn the_texts_of_real_engines_are_sorted_by_what_to_do() {
        let rpc = "rpc error: code = Unknown desc =";
        assert_eq!(
            category(500, &format!("{rpc} update out of sequence")),
            "Conflict"
        );
        assert_eq!(
            category(
                409,
                &format!("{rpc} name conflicts with an existing object: service s1 already exists")
            ),
            "NameTaken"
        );
        assert_eq!(
            category(409, "network with name a already exists"),
            "NameTaken"
        );
        assert_eq!(category(500, "network nonet not found"), "NotFound");
        assert_eq!(category(400, "config not found: nope"), "NotFound");
        assert_eq!(
            category(400, "config 'c1' is in use by the following service: s1"),
            "InUse"
        );
        assert_eq!(
            category(
                503,
                "This node is not a swarm manager. Use \"docker swarm init\""
            ),
            "NotManager"
        );
        assert_eq!(
            category(
                400,
                "client version 1.43 is too old. Minimum supported API version is 1.44"
            ),
            "EngineReplaced"
        );
        assert_eq!(
            category(501, "service mode change is not allowed"),
            "Invalid"
        );
        assert_eq!(
            category(503, "rpc error: code = Unavailable desc = x"),
            "EngineError"
        );
    }

    #[test]
    fn a_message_loses_the_json_and_the_rpc_around_it() {
        let text = r#"{"message":"rpc error: code = InvalidArgument desc = invalid name"}"#;
        let error = Error::from_answer("create config", "h", StatusCode::BAD_REQUEST, text);
        assert_eq!(
            error.to_string(),
            "create config: the engine refused: invalid name"
        );
    }
}
