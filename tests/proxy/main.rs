//! The data plane against real sockets and real clients.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod certificates;
mod forwarding;
mod harness;
mod life;
mod limits;
mod passthrough;
mod streams;
mod tls;
