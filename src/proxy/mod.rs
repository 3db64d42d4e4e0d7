//! The data plane: takes requests, finds their route in an immutable table, forwards them.
//!
//! It knows the route table's types and the control client, and nothing of the Swarm.
//!
//! | file | what it does |
//! |---|---|
//! | `table` | the compiled table: lookup, weights, health of endpoints |
//! | `assemble` | resources in, the next table out, at the cost of what changed |
//! | `worker`, `connection`, `watch` | one runtime a core; sockets, limits, time |
//! | `handle`, `prepare`, `headers`, `framing`, `body`, `tunnel` | one request |
//! | `send`, `upstream`, `stalls` | to an endpoint, another one where that fails, and back |
//! | `health` | endpoints are asked for a sign of life |
//! | `access_log`, `metrics`, `report`, `admin` | what is told of it |
//! | `control`, `state` | where tables come from: the operator, and the disk |
//! | `run`, `drain` | the beginning and the end |

mod access_log;
mod admin;
mod assemble;
mod body;
mod clock;
mod connection;
mod control;
mod drain;
mod error;
mod framing;
mod handle;
mod headers;
mod health;
mod host;
mod id;
mod limits;
mod metrics;
mod prepare;
mod proxy_protocol;
mod reply;
mod report;
mod run;
mod send;
mod settings;
mod stalls;
pub mod state;
pub mod table;
mod ticket;
mod tunnel;
mod upstream;
mod watch;
mod worker;

pub use assemble::Assembler;
pub use error::{Error, Result};
pub use run::{run, run_with};
pub use settings::{Bound, ControlSettings, ProxySettings};
