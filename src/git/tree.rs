//! From a commit to the manifests of one folder.

use gix_hash::{Kind as HashKind, ObjectId, oid};
use gix_object::bstr::ByteSlice as _;
use gix_object::tree::EntryKind;
use gix_object::{CommitRef, Kind, TagRef, TreeRef};

use super::bounds::Bounds;
use super::pack::{Pack, too_large};
use super::{Error, File, Limits, Request, Revision, verify};

/// Folders within folders.
const DEPTH: usize = 32;

/// The revision that a commit, or a tag of one, names.
pub(super) fn revision(
    pack: &Pack,
    object: ObjectId,
    request: &Request,
    bounds: &Bounds,
) -> Result<Revision, Error> {
    let (folder, limits) = (&request.folder, request.limits);
    let (commit, mut data) = commit(pack, object)?;
    if let Some(signers) = &request.signers {
        // From here on only what was signed is looked at.
        data = verify::signed(&data, &commit, signers)?;
    }
    let parsed = CommitRef::from_bytes(&data, HashKind::Sha1).map_err(broken)?;
    let root = parsed.tree();
    let mut reader = Reader {
        pack,
        limits,
        bounds,
        commit: &commit,
        left: limits.unpacked,
        files: Vec::new(),
    };
    match reader.enter(root, folder)? {
        Place::Folder(tree) => reader.folder(&tree, folder, 0)?,
        Place::File(id) => reader.file(&id, folder)?,
    }
    if reader.files.is_empty() {
        let place = if folder.is_empty() {
            "the repository".to_owned()
        } else {
            format!("folder `{folder}`")
        };
        return Err(reader.fail(format!(
            "{place} holds no *.yaml, *.yml or *.json file: check spec.path (nothing is deleted; to remove everything, delete the source and its clusters)"
        )));
    }
    Ok(Revision {
        commit: commit.to_hex().to_string(),
        files: reader.files,
    })
}

pub(super) fn broken(error: impl std::fmt::Display) -> Error {
    Error::Protocol(format!("a broken object: {error}"))
}

/// Follows tags to the commit.
fn commit(pack: &Pack, mut object: ObjectId) -> Result<(ObjectId, Vec<u8>), Error> {
    for _ in 0..8 {
        match pack.object(&object)? {
            Some((Kind::Commit, data)) => return Ok((object, data)),
            Some((Kind::Tag, data)) => {
                let tag = TagRef::from_bytes(&data, HashKind::Sha1).map_err(broken)?;
                object = tag.target();
            }
            Some(_) => {
                let why = "the reference names no commit: check spec.ref".to_owned();
                return Err(Error::NoReference(why));
            }
            None => break,
        }
    }
    Err(broken(format!("{object} is missing")))
}

struct Reader<'p> {
    pack: &'p Pack,
    limits: Limits,
    bounds: &'p Bounds,
    commit: &'p oid,
    /// Bytes that may still be read: a pack holds each object once, folders name it any number of
    /// times.
    left: usize,
    files: Vec<File>,
}

/// What a path leads to.
enum Place {
    Folder(Vec<u8>),
    File(ObjectId),
}

impl Reader<'_> {
    fn fail(&self, why: String) -> Error {
        Error::NoFolder {
            commit: self.commit.to_hex().to_string(),
            why,
        }
    }

    /// Books bytes before they are kept.
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| too_large(self.limits))?;
        Ok(())
    }

    fn tree(&mut self, id: &oid) -> Result<Vec<u8>, Error> {
        self.bounds.time()?;
        match self.pack.object(id)? {
            Some((Kind::Tree, data)) => {
                self.take(data.len())?;
                Ok(data)
            }
            _ => Err(broken(format!("tree {id} is missing"))),
        }
    }

    /// Walks down to the folder.
    fn enter(&mut self, root: ObjectId, folder: &str) -> Result<Place, Error> {
        let mut data = self.tree(&root)?;
        let mut steps = folder.split('/').filter(|step| !step.is_empty()).peekable();
        while let Some(step) = steps.next() {
            let tree = TreeRef::from_bytes(&data, HashKind::Sha1).map_err(broken)?;
            let found = tree.entries.iter().find(|entry| entry.filename == step);
            let missing = || {
                self.fail(format!(
                    "it has no folder `{folder}`: check spec.path and spec.ref"
                ))
            };
            let entry = found.ok_or_else(missing)?;
            let id = entry.oid.to_owned();
            match entry.mode.kind() {
                EntryKind::Tree => data = self.tree(&id)?,
                EntryKind::Blob | EntryKind::BlobExecutable if steps.peek().is_none() => {
                    return Ok(Place::File(id));
                }
                _ => return Err(missing()),
            }
        }
        Ok(Place::Folder(data))
    }

    /// The manifests in a folder and below it, by the rules of `skep apply -f`.
    fn folder(&mut self, data: &[u8], path: &str, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::TooLarge(format!(
                "`{path}` is more than {DEPTH} folders deep"
            )));
        }
        let tree = TreeRef::from_bytes(data, HashKind::Sha1).map_err(broken)?;
        for entry in &tree.entries {
            let name = entry.filename.to_str_lossy();
            if name.starts_with('.') {
                continue;
            }
            let below = || match path {
                "" => name.to_string(),
                path => format!("{path}/{name}"),
            };
            match entry.mode.kind() {
                EntryKind::Tree => {
                    let inner = self.tree(entry.oid)?;
                    self.folder(&inner, &below(), depth + 1)?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable if is_manifest(&name) => {
                    self.file(entry.oid, &below())?;
                }
                EntryKind::Link if is_manifest(&name) => {
                    return Err(self.fail(format!(
                        "`{}` is a symbolic link, which a source does not follow: put the file there itself",
                        below()
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, id: &oid, path: &str) -> Result<(), Error> {
        self.bounds.time()?;
        let limit = self.limits.file;
        let larger = || {
            Error::TooLarge(format!(
                "`{path}` has more than {limit} bytes, the largest that a manifest can have"
            ))
        };
        // What the server was asked to leave out is missing.
        let (_, data) = self.pack.object(id)?.ok_or_else(larger)?;
        if data.len() > limit {
            return Err(larger());
        }
        if self.files.len() >= self.limits.files {
            return Err(Error::TooLarge(format!(
                "there are more than {} manifests below spec.path",
                self.limits.files
            )));
        }
        self.take(data.len() + path.len())?;
        self.files.push(File {
            path: path.to_owned(),
            data,
        });
        Ok(())
    }
}

fn is_manifest(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| matches!(ending, "yaml" | "yml" | "json"))
}
