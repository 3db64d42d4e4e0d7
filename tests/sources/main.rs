//! Sources: the operator on the simulated engine, with a paused clock, and real git servers.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "../repo/mod.rs"]
mod repo;
#[path = "../sim/mod.rs"]
mod sim;

mod applied;
mod secrets;
mod signed;
mod stage;
mod told;
mod wrong;
