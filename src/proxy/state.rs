//! The last good state: the resources as they came, in one file that is replaced as a whole.
//!
//! *Guarantees*: a reader sees the old file or the new one; a file that is cut short, changed, of
//! another cluster or of another form is told from a good one, and never used; a private key is
//! never in it in the clear.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

pub use super::seal::Seal;
use crate::control::session::TYPES;
use crate::control::wire::{self, CERTIFICATE};
use crate::control::{Resource, Snapshot, TypeUrl};
use crate::names::content_hash;
use crate::route::CertificateSource;

/// First line: form and version of the file; a reader of another version starts without state.
const FORM: &str = "skep-state 2";
/// The form before this one, without sealed records.
const FORM_1: &str = "skep-state 1";
/// Stands for the type of a certificate whose body is sealed.
const SEALED: &str = "sealed certificate";
/// Half written files that are older were left by a process that is gone.
const STALE: Duration = Duration::from_secs(600);

/// Two proxies of one cluster may share a node and its volume: each writes to a file of its own
/// before it puts that in place.
static OWN: LazyLock<String> = LazyLock::new(|| {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    format!("{:016x}", RandomState::new().build_hasher().finish())
});

/// Why there is no state to start from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no file: the first start.
    #[error("there is no state yet")]
    None,
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}; is the volume writable for this user?")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what was written.
    #[error("{path} is not used: {reason}; it is replaced at the next change")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Error {
    /// A bounded name for logs.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::None => "NoState",
            Self::Io { .. } => "StateIo",
            Self::Unusable { .. } => "StateUnusable",
        }
    }
}

/// The file of a cluster's state.
#[must_use]
pub fn path(dir: &Path, cluster: &str) -> PathBuf {
    dir.join(format!("{cluster}.state"))
}

/// Reads the state of a cluster. What is sealed by another identity is left out.
pub fn load(dir: &Path, cluster: &str, seal: Option<&Seal>) -> Result<Snapshot, Error> {
    let path = path(dir, cluster);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::None),
        Err(source) => return Err(Error::Io { path, source }),
    };
    decode(cluster, &bytes, seal).map_err(|reason| Error::Unusable { path, reason })
}

/// Replaces the state of a cluster. When it returns, the new one survives a power cut. Without a
/// seal certificates that come with their keys are left out.
pub fn save(dir: &Path, cluster: &str, state: &Snapshot, seal: Option<&Seal>) -> Result<(), Error> {
    let path = path(dir, cluster);
    let temporary = dir.join(format!("{cluster}.{}.tmp", *OWN));
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&encode(cluster, state, seal))?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        std::fs::File::open(dir)?.sync_all()
    };
    clean(dir, cluster);
    write().map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })
}

/// Removes what processes that ended in the middle of writing have left.
fn clean(dir: &Path, cluster: &str) {
    let prefix = format!("{cluster}.");
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let changed = entry.metadata().and_then(|data| data.modified());
        let age = changed
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        let is_ours = name.starts_with(&prefix) && name.ends_with(".tmp");
        if is_ours && age.is_some_and(|age| age > STALE) {
            // Another proxy may have removed it at this moment.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn encode(cluster: &str, state: &Snapshot, seal: Option<&Seal>) -> Vec<u8> {
    let mut payload = Vec::new();
    for (&kind, resources) in &state.types {
        for (name, resource) in resources {
            let Resource { version, body } = resource;
            if kind == CERTIFICATE && holds_a_key(body) {
                let place = place(cluster, name, version);
                let sealed = seal.and_then(|seal| seal.close(&place, body));
                if let Some(sealed) = sealed {
                    put(&mut payload, [SEALED, name, version], &sealed);
                }
            } else {
                put(&mut payload, [kind, name, version], body);
            }
        }
    }
    let sum = content_hash(&payload);
    let mut bytes = format!("{FORM}\n{cluster}\n{sum}\n").into_bytes();
    bytes.append(&mut payload);
    bytes
}

fn put(payload: &mut Vec<u8>, texts: [&str; 3], body: &[u8]) {
    for field in texts.map(str::as_bytes).into_iter().chain([body]) {
        // No resource comes near 4 GiB: a message of the control stream bounds it.
        payload.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
        payload.extend_from_slice(field);
    }
}

/// What cannot be read might hold one.
fn holds_a_key(body: &[u8]) -> bool {
    let read = wire::decode_certificate(body);
    !read.is_ok_and(|it| matches!(it.source, CertificateSource::Files { .. }))
}

/// What a sealed body belongs to.
fn place(cluster: &str, name: &str, version: &str) -> Vec<u8> {
    [cluster, name, version].join("\n").into_bytes()
}

fn decode(cluster: &str, bytes: &[u8], seal: Option<&Seal>) -> Result<Snapshot, &'static str> {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().ok_or("it is cut short");
    let form = next()?;
    if form != FORM.as_bytes() && form != FORM_1.as_bytes() {
        return Err("it has another form");
    }
    if next()? != cluster.as_bytes() {
        return Err("it belongs to another cluster");
    }
    let sum = next()?;
    let mut payload = next()?;
    if content_hash(payload).as_bytes() != sum {
        return Err("its checksum is wrong");
    }
    let mut types: BTreeMap<TypeUrl, BTreeMap<String, Resource>> = BTreeMap::new();
    while !payload.is_empty() {
        let kind = text(field(&mut payload)?)?;
        let name = text(field(&mut payload)?)?;
        let version = text(field(&mut payload)?)?;
        let body = field(&mut payload)?;
        let (kind, body) = if kind == SEALED {
            let place = place(cluster, &name, &version);
            let Some(body) = seal.and_then(|seal| seal.open(&place, body)) else {
                tracing::warn!(name, "a kept certificate is sealed by another identity");
                continue;
            };
            (CERTIFICATE, body)
        } else {
            let known = TYPES.into_iter().find(|known| **known == *kind);
            (known.ok_or("it holds an unknown type")?, body.to_vec())
        };
        let body = Bytes::from(body);
        types
            .entry(kind)
            .or_default()
            .insert(name, Resource { version, body });
    }
    Ok(Snapshot { types })
}

fn field<'a>(payload: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let short = "a record is cut short";
    let (len, rest) = payload.split_first_chunk::<4>().ok_or(short)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| short)?;
    let (field, rest) = rest.split_at_checked(len).ok_or(short)?;
    *payload = rest;
    Ok(field)
}

fn text(bytes: &[u8]) -> Result<String, &'static str> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name is not text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::route::{Certificate, Route, RouteTable, SecretText};

    fn state() -> Snapshot {
        let mut table = RouteTable::default();
        let route = Route {
            host: "demo.a".into(),
            ..Route::default()
        };
        table.routes.insert(route.name(), route);
        wire::snapshot(&table)
    }

    /// Types without a resource leave no trace in the file.
    fn filled(mut state: Snapshot) -> Snapshot {
        state.types.retain(|_, resources| !resources.is_empty());
        state
    }

    /// The same with a certificate of each kind; the key of one is in the state itself.
    fn with_certificates() -> Snapshot {
        let certificate = |source| Certificate {
            hosts: vec!["demo.a".to_owned()],
            stands_in: BTreeMap::new(),
            awaited: false,
            source,
        };
        let files = CertificateSource::Files {
            chain: "demo.crt".to_owned(),
            key: "demo.key".to_owned(),
        };
        let pem = CertificateSource::Pem {
            chain: "the chain".to_owned(),
            key: SecretText("the very secret key".to_owned()),
        };
        let mut table = RouteTable::default();
        let certificates = [("files", files), ("pem", pem)];
        table.certificates = certificates
            .map(|(name, source)| (name.to_owned(), certificate(source)))
            .into();
        wire::snapshot(&table)
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(load(dir.path(), "east", None), Err(Error::None)));
        save(dir.path(), "east", &state(), None).unwrap();
        assert_eq!(load(dir.path(), "east", None).unwrap(), filled(state()));
    }

    #[test]
    fn a_key_is_sealed_and_comes_back_to_the_same_identity_only() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Seal::of(b"one").unwrap(), Seal::of(b"two").unwrap());
        save(dir.path(), "east", &with_certificates(), Some(&one)).unwrap();
        let bytes = std::fs::read(path(dir.path(), "east")).unwrap();
        let found = |text: &[u8]| bytes.windows(text.len()).any(|it| it == text);
        assert!(found(b"demo.crt"));
        assert!(!found(b"secret key") && !found(b"the chain"));
        let names = |seal| {
            let state = load(dir.path(), "east", seal).unwrap();
            state.types[CERTIFICATE].keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(Some(&one)), ["files", "pem"]);
        assert_eq!(names(Some(&two)), ["files"]);
        assert_eq!(names(None), ["files"]);
        let back = load(dir.path(), "east", Some(&one)).unwrap();
        assert_eq!(back, filled(with_certificates()));
    }

    #[test]
    fn without_an_identity_a_key_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "east", &with_certificates(), None).unwrap();
        let bytes = std::fs::read(path(dir.path(), "east")).unwrap();
        assert!(!bytes.windows(10).any(|it| it == b"secret key"));
        let state = load(dir.path(), "east", None).unwrap();
        assert_eq!(state.types[CERTIFICATE].len(), 1);
    }

    #[test]
    fn a_file_of_the_form_before_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = encode("east", &state(), None);
        let text = [FORM_1.as_bytes(), &bytes[FORM.len()..]].concat();
        std::fs::write(path(dir.path(), "east"), text).unwrap();
        assert_eq!(load(dir.path(), "east", None).unwrap(), filled(state()));
    }

    #[test]
    fn what_others_left_is_removed_when_it_is_old_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, age| {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        make("east.1.tmp", STALE * 2);
        make("east.2.tmp", Duration::ZERO);
        make("west.1.tmp", STALE * 2);
        save(dir.path(), "east", &state(), None).unwrap();
        let names = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["east.2.tmp", "east.state", "west.1.tmp"]);
    }

    #[test]
    fn a_foreign_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "east", &state(), None).unwrap();
        std::fs::rename(path(dir.path(), "east"), path(dir.path(), "west")).unwrap();
        let error = load(dir.path(), "west", None).unwrap_err();
        assert!(error.to_string().contains("another cluster"), "{error}");
    }

    proptest! {
        #[test]
        fn a_file_cut_short_or_changed_is_not_used(at in 0usize..10_000, flip in 1u8..) {
            let good = encode("east", &state(), None);
            let at = at % good.len();
            prop_assert!(decode("east", &good[..at], None).is_err());
            let mut changed = good;
            changed[at] ^= flip;
            // The last digit of the form tells the two forms apart that are read alike.
            let other_form = changed.starts_with(FORM_1.as_bytes());
            prop_assert!(other_form || decode("east", &changed, None).is_err());
        }
    }
}
