//! The data plane against real sockets and real clients.
// Tests say what went wrong by panicking; clippy does not see that these crates are all tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod affinity;
mod auth;
mod certificates;
mod cors;
mod forwarding;
mod grpc;
mod harness;
mod health;
mod http2;
mod life;
mod limits;
mod linger;
mod passthrough;
mod paths;
mod policy;
mod retries;
mod servers;
mod stalls;
mod streams;
mod tls;
mod told;
mod upstream_tls;
