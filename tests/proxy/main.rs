//! The data plane against real sockets and real clients.

mod forwarding;
mod harness;
mod life;
mod limits;
