//! Reads the files of one folder of a git repository, as they are at one revision.
//!
//! The git protocol and the pack format are gitoxide's; the connection, the limits and the errors
//! are ours. Only the newest commit is asked for, everything stays in memory, and nothing is
//! written anywhere. What is read is checked by its hash, from the commit down.
//!
//! # Guarantees
//! * Never more than [`Limits`] allows of bytes and time: a repository beyond is an error.
//! * With [`Request::signers`] nothing is read of a commit that none of them signed.
//! * Credentials go to the server of the URL only, and by HTTPS only: redirects are not followed.
//!
//! # Caveats
//! No ssh (it needs a program or a second stack of cryptography), no SHA-256 repositories, no
//! submodules, no large-file storage.

mod bounds;
mod daemon;
mod error;
mod http;
mod pack;
mod talk;
mod tree;
mod url;
mod verify;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use ssh_key::public::KeyData;
pub use url::Url;

/// How much a repository may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the server may send.
    pub sent: usize,
    /// Bytes of all objects together once they are unpacked.
    pub unpacked: usize,
    /// Bytes of one file, and of the unpacked form of one object that others build on.
    pub file: usize,
    /// Files that are read.
    pub files: usize,
    /// Time for all of it.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sent: 32 << 20,
            unpacked: 128 << 20,
            file: 1_000_000,
            files: 5_000,
            time: Duration::from_secs(60),
        }
    }
}

/// A user's name and a password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name; most servers take any beside a token.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, secret)", self.username)
    }
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Request {
    /// The repository.
    pub url: Url,
    /// Branch, tag or commit; `None`: what the server's HEAD names.
    pub reference: Option<String>,
    /// The folder, without a leading or closing slash; empty: the whole repository.
    pub folder: String,
    /// Authorities (PEM) to trust in place of the public ones.
    pub authorities: Option<String>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// The keys of which one must have signed the commit; `None`: nobody need have.
    pub signers: Option<Vec<KeyData>>,
    /// The commit whose files are known: they are not read again.
    pub known: Option<String>,
    /// How much it may cost.
    pub limits: Limits,
    /// Ends it early.
    pub stop: CancellationToken,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The commit is the one that is known.
    Known(String),
    /// Another commit, with its files.
    Revision(Revision),
}

/// One revision of the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// The commit, in hex.
    pub commit: String,
    /// Its manifests, in order of their paths.
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its path in the repository.
    pub path: String,
    /// Its content.
    pub data: Vec<u8>,
}

/// Reads a revision, on a thread of its own.
pub async fn fetch(request: Request) -> Result<Fetched, Error> {
    let runtime = tokio::runtime::Handle::current();
    let run = tokio::task::spawn_blocking(move || talk::fetch(&runtime, &request));
    run.await
        .unwrap_or_else(|error| Err(Error::Protocol(format!("the reader ended: {error}"))))
}
