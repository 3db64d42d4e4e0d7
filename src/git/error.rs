//! Why a repository could not be read.

/// Why a repository could not be read; each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is none that can be read.
    #[error("{0}")]
    Url(String),
    /// Nothing answers.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Why not.
        why: String,
    },
    /// The certificate is not trusted, or there is no TLS.
    #[error("no TLS with {host}: {why}; for a private authority set spec.ca")]
    Tls {
        /// Host and port.
        host: String,
        /// Why not.
        why: String,
    },
    /// No credentials, or wrong ones.
    #[error("{}", denied(*.given))]
    Denied {
        /// Whether any were sent.
        given: bool,
    },
    /// No such repository.
    #[error("the server knows no such repository ({0}): check spec.url")]
    NoRepository(String),
    /// The repository is elsewhere.
    #[error("the repository has moved to {0}: write that as spec.url")]
    Moved(String),
    /// The server is in trouble.
    #[error("the server answers {0}")]
    Answer(String),
    /// No such branch, tag or commit.
    #[error("{0}")]
    NoReference(String),
    /// No such folder, or none with manifests.
    #[error("{why}")]
    NoFolder {
        /// The commit, in hex.
        commit: String,
        /// What is missing, and what to do.
        why: String,
    },
    /// The commit is not signed as it must be.
    #[error("{why}")]
    Unverified {
        /// The commit, in hex.
        commit: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// More than the limits allow.
    #[error("{0}")]
    TooLarge(String),
    /// Not in time.
    #[error("the server has not sent everything after {0} s")]
    TimedOut(u64),
    /// Whoever asked does not want it any more.
    #[error("it was stopped")]
    Stopped,
    /// Something that is not git's protocol.
    #[error("this is not what a git server says: {0}")]
    Protocol(String),
}

fn denied(given: bool) -> &'static str {
    if given {
        "the server refuses the credentials: store good ones with `skep source auth`"
    } else {
        "the server wants credentials (or has no such repository): store them with `skep source auth`"
    }
}

impl Error {
    /// The commit that is at fault; `None`: no commit is.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Unverified { commit, .. } | Self::NoFolder { commit, .. } => Some(commit),
            _ => None,
        }
    }

    /// One CamelCase word of a bounded set: reason in conditions, label of the metric.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Url(_)
            | Self::NoReference(_)
            | Self::NoFolder { .. }
            | Self::NoRepository(_)
            | Self::Moved(_) => "NotFound",
            Self::Denied { .. } => "AccessDenied",
            Self::Unverified { .. } => "Unverified",
            Self::TooLarge(_) => "TooLarge",
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Answer(_)
            | Self::TimedOut(_)
            | Self::Stopped
            | Self::Protocol(_) => "FetchFailed",
        }
    }
}
