//! What can go wrong in the operator.

use std::net::SocketAddr;

use crate::runtime::{Failure, Retry};
use crate::{control, store, swarm};

/// Why the operator could not start, or why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or could not be reached.
    #[error(transparent)]
    Swarm(#[from] swarm::Error),
    /// A resource could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The certificates are unusable.
    #[error(transparent)]
    Identity(#[from] control::identity::Error),
    /// The engine is no Swarm manager.
    #[error(
        "the engine is not a Swarm manager; run the operator on a manager (constraint node.role==manager)"
    )]
    NotManager,
    /// A port could not be opened.
    #[error("failed to listen on {address} for {what}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// One of the loops ended without being told to.
    #[error("a part of the operator ended by itself; see the log above")]
    PartEnded,
}

impl Error {
    /// A word from a bounded set, for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Swarm(error) => error.category(),
            Self::Store(error) => error.category(),
            Self::Identity(_) => "Identity",
            Self::NotManager => "NotManager",
            Self::Bind { .. } => "Bind",
            Self::PartEnded => "PartEnded",
        }
    }
}

impl Failure for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Swarm(error) => error.retry(),
            Self::Store(error) => error.retry(),
            _ => Retry::Never,
        }
    }
}
