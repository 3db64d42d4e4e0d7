//! The data plane against real sockets and real clients.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod auth;
mod certificates;
mod cors;
mod forwarding;
mod harness;
mod life;
mod limits;
mod linger;
mod passthrough;
mod paths;
mod policy;
mod streams;
mod tls;
mod told;
