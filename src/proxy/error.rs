//! What keeps a proxy from running at all. Faults of requests are answers, not errors.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the proxy could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; free the port or choose another address")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate or key of the control stream is missing or broken.
    #[error("cannot read {path}: {message}; `skep install` makes these secrets")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A thread or a runtime could not be made.
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
}

impl Error {
    /// A bounded name for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "Bind",
            Self::Identity { .. } => "Identity",
            Self::Worker(_) => "Worker",
        }
    }
}

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
