//! The objects of a pack, in memory.

use std::collections::BTreeMap;
use std::fmt::Display;

use gix_hash::{Kind as HashKind, ObjectId, oid};
use gix_object::{Kind, compute_hash};
use gix_pack::cache::DecodeEntry;
use gix_pack::data::decode::entry::ResolvedBase;
use gix_pack::data::{Entry, File};
use gix_zlib::Inflate;

use super::bounds::Bounds;
use super::{Error, Limits};

/// Where the first entry of a pack stands.
const FIRST: u64 = 12;
/// Bytes of unpacked objects that are remembered while others are built on them.
const CACHE: usize = 16 << 20;

/// Unpacked objects that others may build on; all are forgotten when they become too many.
#[derive(Default)]
struct Remembered {
    objects: BTreeMap<u64, (Kind, usize, Vec<u8>)>,
    bytes: usize,
}

impl DecodeEntry for Remembered {
    fn put(&mut self, _pack: u32, offset: u64, data: &[u8], kind: Kind, packed: usize) {
        if data.len() > CACHE / 4 {
            return;
        }
        if self.bytes + data.len() > CACHE {
            self.objects.clear();
            self.bytes = 0;
        }
        self.bytes += data.len();
        self.objects.insert(offset, (kind, packed, data.to_vec()));
    }

    fn get(&mut self, _pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        let (kind, packed, data) = self.objects.get(&offset)?;
        out.clear();
        out.extend_from_slice(data);
        Some((*kind, *packed))
    }
}

/// A pack whose objects are known by their hash.
pub(super) struct Pack {
    file: File<Vec<u8>>,
    objects: BTreeMap<ObjectId, u64>,
}

fn broken(error: impl Display) -> Error {
    Error::Protocol(format!("a broken pack: {error}"))
}

pub(super) fn too_large(limits: Limits) -> Error {
    Error::TooLarge(format!(
        "the repository is too large: its newest revision unpacks to more than {} MiB; keep the manifests in a repository of their own",
        limits.unpacked >> 20
    ))
}

impl Pack {
    /// Finds all objects. Every byte that is unpacked is booked, so that nothing that is small
    /// when packed and huge afterwards takes the memory or the time.
    pub(super) fn index(data: Vec<u8>, limits: Limits, bounds: &Bounds) -> Result<Self, Error> {
        let end = data.len().saturating_sub(HashKind::Sha1.len_in_bytes()) as u64;
        let file = File::from_data(data, "pack".into(), HashKind::Sha1)
            .map_err(broken)?
            .with_alloc_limit_bytes(Some(limits.unpacked / 2));
        let mut pack = Self {
            file,
            objects: BTreeMap::new(),
        };
        let mut left = limits.unpacked as u64;
        let mut inflate = Inflate::default();
        let mut buffer = Vec::new();
        let mut deltas = Vec::new();
        let mut offset = FIRST;
        for _ in 0..pack.file.num_objects() {
            bounds.time()?;
            if offset >= end {
                return Err(broken("it ends too early"));
            }
            let entry = pack.file.entry(offset).map_err(broken)?;
            let size = entry.decompressed_size;
            left = left.checked_sub(size).ok_or_else(|| too_large(limits))?;
            buffer.resize(usize::try_from(size).map_err(broken)?, 0);
            let packed = pack
                .file
                .decompress_entry(&entry, &mut inflate, &mut buffer);
            let packed = packed.map_err(broken)?;
            match entry.header.as_kind() {
                Some(kind) => pack.add(kind, &buffer, offset)?,
                None => deltas.push(offset),
            }
            offset = entry.data_offset + packed as u64;
        }
        pack.resolve(deltas, left, limits, bounds)?;
        Ok(pack)
    }

    fn add(&mut self, kind: Kind, data: &[u8], offset: u64) -> Result<(), Error> {
        let id = compute_hash(HashKind::Sha1, kind, data).map_err(broken)?;
        self.objects.insert(id, offset);
        Ok(())
    }

    /// Unpacks what is stored as a difference to another object, which may be one itself.
    fn resolve(
        &mut self,
        mut deltas: Vec<u64>,
        mut left: u64,
        limits: Limits,
        bounds: &Bounds,
    ) -> Result<(), Error> {
        let mut cache = Remembered::default();
        let mut inflate = Inflate::default();
        let mut buffer = Vec::new();
        while !deltas.is_empty() {
            let mut waiting = Vec::new();
            let before = deltas.len();
            for offset in deltas {
                bounds.time()?;
                let entry = self.file.entry(offset).map_err(broken)?;
                if !self.has_base(&entry) {
                    waiting.push(offset);
                    continue;
                }
                let kind = self.decode(entry, &mut buffer, &mut inflate, &mut cache)?;
                let size = buffer.len() as u64;
                left = left.checked_sub(size).ok_or_else(|| too_large(limits))?;
                self.add(kind, &buffer, offset)?;
            }
            if waiting.len() == before {
                return Err(broken("an object builds on one that is missing"));
            }
            deltas = waiting;
        }
        Ok(())
    }

    /// Whether an object that is named by its hash is known already, along the whole chain.
    fn has_base(&self, entry: &Entry) -> bool {
        use gix_pack::data::entry::Header;
        let mut entry = entry.clone();
        // A chain that is longer than this is one that git does not write.
        for _ in 0..4_096 {
            let next = match entry.header {
                Header::RefDelta { base_id } => return self.objects.contains_key(&base_id),
                Header::OfsDelta { base_distance } => entry
                    .checked_base_pack_offset(base_distance)
                    .and_then(|offset| self.file.entry(offset).ok()),
                _ => return true,
            };
            match next {
                Some(base) => entry = base,
                None => return true,
            }
        }
        true
    }

    fn decode(
        &self,
        entry: Entry,
        buffer: &mut Vec<u8>,
        inflate: &mut Inflate,
        cache: &mut Remembered,
    ) -> Result<Kind, Error> {
        let resolve = |id: &oid, _: &mut Vec<u8>| {
            let offset = self.objects.get(id).copied();
            let entry = offset.map(|offset| self.file.entry(offset)).transpose()?;
            Ok(entry.map(ResolvedBase::InPack))
        };
        let outcome = self
            .file
            .decode_entry(entry, buffer, inflate, &resolve, cache)
            .map_err(broken)?;
        buffer.truncate(usize::try_from(outcome.object_size).map_err(broken)?);
        Ok(outcome.kind)
    }

    /// An object by its hash; `None`: the pack has none.
    pub(super) fn object(&self, id: &oid) -> Result<Option<(Kind, Vec<u8>)>, Error> {
        let Some(offset) = self.objects.get(id) else {
            return Ok(None);
        };
        let entry = self.file.entry(*offset).map_err(broken)?;
        let mut buffer = Vec::new();
        let mut cache = Remembered::default();
        let kind = self.decode(entry, &mut buffer, &mut Inflate::default(), &mut cache)?;
        Ok(Some((kind, buffer)))
    }
}
