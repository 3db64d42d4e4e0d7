//! The least and the most of every amount in a manifest, for the parser and the schema alike.

use std::ops::RangeInclusive;

use super::value::{ByteSize, Cpus, Span};

/// Proxies of a cluster, of a node, of one step of an update: more than any Swarm has nodes for.
pub const PROXIES_MAX: u64 = 10_000;
/// Client connections of one proxy: far more than its memory holds, for who means "any number".
pub const CONNECTIONS: RangeInclusive<u64> = 1..=1_000_000_000;
/// Proxies in front of a proxy.
pub const HOPS_MAX: u32 = 32;
/// Any length of time: ten years, for who means "never".
pub const TIME_MAX: Span = Span::from_secs(87_600 * 3_600);
/// [`TIME_MAX`] as people write it.
pub const TIME_MAX_TEXT: &str = "87600h";
/// Pause between two looks at a repository. Shorter ones are unkind to servers, longer ones
/// forgotten, not followed.
pub const INTERVAL: RangeInclusive<Span> = Span::from_secs(10)..=Span::from_secs(24 * 3_600);
/// Any number of bytes: a pebibyte.
pub const BYTES_MAX: ByteSize = ByteSize(1 << 50);
/// Memory of a proxy, from the least with which an engine starts a container (6 MiB since 20.10;
/// Swarm itself refuses less than 4 MiB).
pub const MEMORY: RangeInclusive<ByteSize> = ByteSize(6 << 20)..=BYTES_MAX;
/// Processors of a proxy, from the least that Swarm accepts.
pub const CPUS: RangeInclusive<Cpus> = Cpus(1_000_000)..=Cpus(10_000 * 1_000_000_000);
