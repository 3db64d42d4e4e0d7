//! A map that is copied shard by shard: an edit of one key costs one small shard, not the map.

use std::collections::HashMap;
use std::sync::Arc;

/// With 10,000 keys a shard holds some twenty, and copying the row of shards takes microseconds.
const SHARDS: usize = 512;

type Shard<T> = HashMap<Arc<str>, Arc<T>>;

/// An immutable map from names to shared values; a clone shares all shards.
#[derive(Debug)]
pub(super) struct Shards<T> {
    shards: Box<[Arc<Shard<T>>]>,
    len: usize,
}

// By hand: the values are shared, so they need not be `Clone`.
impl<T> Clone for Shards<T> {
    fn clone(&self) -> Self {
        Self {
            shards: self.shards.clone(),
            len: self.len,
        }
    }
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        let empty = Arc::new(HashMap::new());
        Self {
            shards: vec![empty; SHARDS].into(),
            len: 0,
        }
    }
}

impl<T> Shards<T> {
    pub(super) fn get(&self, key: &str) -> Option<&Arc<T>> {
        self.shards[shard_of(key)].get(key)
    }

    pub(super) fn insert(&mut self, key: &str, value: Arc<T>) {
        let shard = Arc::make_mut(&mut self.shards[shard_of(key)]);
        if shard.insert(key.into(), value).is_none() {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        let at = shard_of(key);
        if self.shards[at].contains_key(key) {
            Arc::make_mut(&mut self.shards[at]).remove(key);
            self.len -= 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<T>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

/// FNV-1a. Who can choose host names is the operator, so this need not withstand attacks; the
/// map inside a shard does.
fn shard_of(key: &str) -> usize {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low 9 bits of the upper half: the remainder is below SHARDS, so it fits.
    usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or(0)
}
