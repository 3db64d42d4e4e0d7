//! The control stream between operator and proxies: delta xDS with our own resource types.
//!
//! `session` (floor 2) is one stream as a pure state machine, for both ends; `server` and
//! `client` (floor 3) drive it over mutual TLS. `wire` turns route tables into resources and back.

pub mod client;
pub mod identity;
pub mod pki;
pub mod proto;
pub mod published;
pub mod resource;
pub mod server;
pub mod session;
pub mod wire;

pub use resource::{
    Change, ProxyState, Refusal, Refused, Resource, ShownCertificate, Snapshot, TypeUrl,
};
