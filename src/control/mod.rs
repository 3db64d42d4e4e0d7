//! The control stream between operator and proxies: delta xDS with our own resource types.
//!
//! `session` (floor 2) is one stream as a pure state machine, for both ends; `server` and
//! `client` (floor 3) drive it over mutual TLS.

pub mod resource;

pub use resource::{Change, ProxyState, Resource, Snapshot, TypeUrl};
