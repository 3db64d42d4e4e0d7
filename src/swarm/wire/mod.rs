//! The engine's JSON, as far as Skep reads or writes it, and its way into the world's types.
//!
//! Go writes `null` for what is empty, so every field takes it.

mod objects;
mod service;
mod spec;

use serde::{Deserialize, Deserializer};

pub(super) use objects::{Config, Created, Info, Version, network_spec};
pub(super) use spec::ServiceSpec;

/// An object of the world, read from its wire form one at a time: a list of 50,000 tasks is
/// never there twice.
pub(super) struct Out<T>(pub(super) T);

macro_rules! out {
    ($world:ty, $wire:ty) => {
        impl<'de> Deserialize<'de> for Out<$world> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$wire>::deserialize(deserializer).map(|wire| Out(wire.into()))
            }
        }
    };
}

out!(crate::world::Node, objects::Node);
out!(crate::world::Network, objects::Network);
out!(crate::world::Secret, objects::Secret);
out!(crate::world::Service, service::Service);
out!(crate::world::Task, objects::Task);

/// `null` or nothing as the default.
pub(super) fn nil<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The address of `10.0.1.3/24`.
pub(super) fn address(cidr: &str) -> Option<std::net::IpAddr> {
    cidr.split('/').next()?.parse().ok()
}

/// Ports are 32-bit numbers in the engine's API; one above 65,535 cannot be.
pub(super) fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}
