//! Why the store could not read or write.

use crate::runtime::{Failure, Retry};
use crate::swarm;

/// Why the store could not read or write.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The engine would not.
    #[error(transparent)]
    Swarm(#[from] swarm::Error),
    /// There is no such cluster.
    #[error("there is no service cluster {name:?}; `skep get` lists them")]
    NoSuchCluster {
        /// Its name.
        name: String,
    },
    /// Somebody else declares it.
    #[error("{name:?} is managed by {manager}")]
    Managed {
        /// Its name.
        name: String,
        /// Who declares it.
        manager: String,
    },
    /// Somebody else wrote since it was read.
    #[error("{name:?} was changed by somebody else since it was read; look again")]
    Changed {
        /// Its name.
        name: String,
    },
    /// There is no such source.
    #[error("there is no source {name:?}; `skep get sources` lists them")]
    NoSuchSource {
        /// Its name.
        name: String,
    },
    /// Other writers came first, again and again.
    #[error("others keep writing {name:?}; try again")]
    Contended {
        /// Its name.
        name: String,
    },
    /// A status that is no JSON.
    #[error("cannot write the status as JSON: {0}")]
    Status(String),
}

impl Error {
    /// A bounded CamelCase word: metric label, event and condition reason.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Swarm(error) => error.category(),
            Self::NoSuchCluster { .. } | Self::NoSuchSource { .. } => "NotFound",
            Self::Managed { .. } => "Managed",
            Self::Changed { .. } | Self::Contended { .. } => "Conflict",
            Self::Status(_) => "Invalid",
        }
    }

    /// When to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Swarm(error) => error.retry(),
            Self::Contended { .. } => Retry::Backoff,
            Self::NoSuchCluster { .. }
            | Self::NoSuchSource { .. }
            | Self::Managed { .. }
            | Self::Changed { .. }
            | Self::Status(_) => Retry::Never,
        }
    }
}

impl Failure for Error {
    fn retry(&self) -> Retry {
        Self::retry(self)
    }
}
