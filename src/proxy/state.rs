//! The last good state: the resources as they came, in one file that is replaced as a whole.
//!
//! *Guarantees*: a reader sees the old file or the new one; a file that is cut short, changed, of
//! another cluster or of another form is told from a good one, and never used.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::control::session::TYPES;
use crate::control::{Resource, Snapshot, TypeUrl};
use crate::names::content_hash;

/// First line: form and version of the file; a reader of another version starts without state.
const FORM: &str = "skep-state 1";

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

/// Reads the state of a cluster.
pub fn load(dir: &Path, cluster: &str) -> Result<Snapshot, Error> {
    let path = path(dir, cluster);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::None),
        Err(source) => return Err(Error::Io { path, source }),
    };
    decode(cluster, &bytes).map_err(|reason| Error::Unusable { path, reason })
}

/// Replaces the state of a cluster. When it returns, the new one survives a power cut.
pub fn save(dir: &Path, cluster: &str, state: &Snapshot) -> Result<(), Error> {
    let path = path(dir, cluster);
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&encode(cluster, state))?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })
}

fn encode(cluster: &str, state: &Snapshot) -> Vec<u8> {
    let mut payload = Vec::new();
    for (kind, resources) in &state.types {
        for (name, resource) in resources {
            let fields = [
                kind.as_bytes(),
                name.as_bytes(),
                resource.version.as_bytes(),
                &resource.body,
            ];
            for field in fields {
                // No resource comes near 4 GiB: a message of the control stream bounds it.
                payload.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
                payload.extend_from_slice(field);
            }
        }
    }
    let sum = content_hash(&payload);
    let mut bytes = format!("{FORM}\n{cluster}\n{sum}\n").into_bytes();
    bytes.append(&mut payload);
    bytes
}

fn decode(cluster: &str, bytes: &[u8]) -> Result<Snapshot, &'static str> {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().ok_or("it is cut short");
    if next()? != FORM.as_bytes() {
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
        let body = Bytes::copy_from_slice(field(&mut payload)?);
        let known = TYPES.into_iter().find(|known| **known == *kind);
        let kind = known.ok_or("it holds an unknown type")?;
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
    use crate::control::wire;
    use crate::route::{Route, RouteTable};

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

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(load(dir.path(), "east"), Err(Error::None)));
        save(dir.path(), "east", &state()).unwrap();
        assert_eq!(load(dir.path(), "east").unwrap(), filled(state()));
    }

    #[test]
    fn a_foreign_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "east", &state()).unwrap();
        std::fs::rename(path(dir.path(), "east"), path(dir.path(), "west")).unwrap();
        let error = load(dir.path(), "west").unwrap_err();
        assert!(error.to_string().contains("another cluster"), "{error}");
    }

    proptest! {
        #[test]
        fn a_file_cut_short_or_changed_is_not_used(at in 0usize..10_000, flip in 1u8..) {
            let good = encode("east", &state());
            let at = at % good.len();
            prop_assert!(decode("east", &good[..at]).is_err());
            let mut changed = good;
            changed[at] ^= flip;
            prop_assert!(decode("east", &changed).is_err());
        }
    }
}
