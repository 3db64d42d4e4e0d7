//! What is remembered of client addresses: one bucket each, in a table of fixed size.
//!
//! *Guarantees*: no lock, and no more memory however many clients come. *Caveats*: when more
//! clients are active than there is room for, those with the fullest buckets are forgotten, which
//! lets them ask a little more than they should; two workers that see a new client at the same
//! moment may let one request more pass.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::rate::Bucket;

/// Clients in one set: only they are looked at for a request.
const WAYS: usize = 8;
/// 65,536 clients in 1 MiB.
const SETS: usize = 8192;

/// The table. Its memory is taken when the first client is to be remembered.
#[derive(Debug, Default)]
pub(super) struct Clients {
    seed: RandomState,
    slots: OnceLock<Box<[Slot]>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Hash of what is counted and the client; 0: nobody yet.
    key: AtomicU64,
    /// See [`Bucket`].
    until: AtomicU64,
}

impl Clients {
    /// Takes one out of the client's bucket, or says how long to wait for it. Buckets of
    /// different `purpose` are different ones.
    pub(super) fn take(
        &self,
        purpose: u64,
        client: IpAddr,
        bucket: &Bucket,
        now: u64,
    ) -> Result<(), Duration> {
        let key = self.key(purpose, client);
        let set = self.set(key);
        if let Some(slot) = set.iter().find(|slot| slot.key.load(Relaxed) == key) {
            return bucket.take(&slot.until, now);
        }
        // The fullest bucket knows the least of its client.
        let mut slots: Vec<&Slot> = set.iter().collect();
        slots.sort_by_key(|slot| slot.until.load(Relaxed));
        for slot in slots {
            let old = slot.key.load(Relaxed);
            if old == key {
                return bucket.take(&slot.until, now);
            }
            let claimed = slot.key.compare_exchange(old, key, Relaxed, Relaxed);
            if claimed.is_ok() {
                slot.until.store(now, Relaxed);
                return bucket.take(&slot.until, now);
            }
        }
        Ok(())
    }

    /// Whether something is left in the client's bucket, or how long to wait for it.
    pub(super) fn peek(
        &self,
        purpose: u64,
        client: IpAddr,
        bucket: &Bucket,
        now: u64,
    ) -> Result<(), Duration> {
        let key = self.key(purpose, client);
        let found = (self.set(key).iter()).find(|slot| slot.key.load(Relaxed) == key);
        found.map_or(Ok(()), |slot| bucket.peek(&slot.until, now))
    }

    fn key(&self, purpose: u64, client: IpAddr) -> u64 {
        self.seed.hash_one((purpose, network(client))).max(1)
    }

    fn set(&self, key: u64) -> &[Slot] {
        let empty = || (0..SETS * WAYS).map(|_| Slot::default()).collect();
        let slots = self.slots.get_or_init(empty);
        let first = usize::try_from(key % SETS as u64).unwrap_or(0) * WAYS;
        &slots[first..first + WAYS]
    }
}

/// Who counts as one client: whoever has an IPv6 address has at least 2^64 of them.
fn network(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_a_second() -> Bucket {
        Bucket::new(1, Duration::from_secs(1), 0)
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own_for_each_purpose() {
        let (clients, bucket) = (Clients::default(), one_a_second());
        let take = |purpose, client: &str| {
            clients
                .take(purpose, client.parse().unwrap(), &bucket, 1)
                .is_ok()
        };
        assert!(take(1, "10.0.0.1"));
        assert!(!take(1, "10.0.0.1"));
        assert!(take(1, "10.0.0.2"));
        assert!(take(2, "10.0.0.1"));
        assert!(take(1, "2001:db8::1"));
        assert!(!take(1, "2001:db8::2"), "a neighbour in the same /64");
        assert!(take(1, "2001:db8:0:1::1"));
    }

    #[test]
    fn a_look_takes_nothing() {
        let (clients, bucket) = (Clients::default(), one_a_second());
        let client = [10, 0, 0, 1].into();
        assert!(clients.peek(1, client, &bucket, 1).is_ok());
        assert!(clients.take(1, client, &bucket, 1).is_ok());
        assert!(clients.peek(1, client, &bucket, 1).is_err());
    }

    #[test]
    fn more_clients_than_there_is_room_for_do_not_free_one_that_has_used_up_its_share() {
        let (clients, bucket) = (
            Clients::default(),
            Bucket::new(5, Duration::from_secs(1), 0),
        );
        let greedy = [192, 0, 2, 1].into();
        while clients.take(1, greedy, &bucket, 1).is_ok() {}
        for number in 0..100_000_u32 {
            let crowd = IpAddr::V4((0x0A00_0000 + number).into());
            assert!(clients.take(1, crowd, &bucket, 1).is_ok(), "{crowd}");
        }
        assert!(clients.take(1, greedy, &bucket, 1).is_err());
        assert_eq!(clients.slots.get().unwrap().len(), SETS * WAYS);
    }
}
