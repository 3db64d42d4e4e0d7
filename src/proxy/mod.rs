//! The data plane: takes requests, finds their route in an immutable table, forwards them.
//!
//! It knows the route table's types and the control client, and nothing of the Swarm.
//!
//! | file | what it does |
//! |---|---|
//! | `table` | the compiled table: lookup, weights, health of endpoints |
//! | `assemble` | resources in, the next table out, at the cost of what changed |
//! | `worker`, `connection`, `greet`, `attend`, `watch` | one runtime a core; sockets, limits, time |
//! | `tls` | connections over TLS: opened with a certificate, or passed on by `passthrough` |
//! | `handle`, `prepare`, `path`, `headers`, `forwarded`, `framing`, `body`, `tunnel` | one request |
//! | `policy`, `reply` | what a route asks for besides forwarding; the proxy's own answers |
//! | `send`, `upstream`, `stalls` | to an endpoint, another one where that fails, and back |
//! | `health` | endpoints are asked for a sign of life |
//! | `linger` | the end of a connection that a client still writes to |
//! | `access_log`, `metrics`, `reasons`, `words`, `report`, `admin` | what is told of it |
//! | `control`, `state`, `seal` | where tables come from: the operator, and the disk |
//! | `run`, `drain` | the beginning and the end |

mod access_log;
mod admin;
mod assemble;
mod attend;
mod body;
mod clock;
mod connection;
mod control;
mod drain;
mod error;
mod forwarded;
mod framing;
mod greet;
mod handle;
mod headers;
mod health;
mod host;
mod id;
mod limits;
mod linger;
mod metrics;
mod passthrough;
mod path;
mod policy;
mod prepare;
mod proxy_protocol;
mod reasons;
mod reply;
mod report;
mod run;
mod seal;
mod send;
mod settings;
mod stalls;
pub mod state;
pub mod table;
mod ticket;
mod tls;
mod tunnel;
mod upstream;
mod watch;
mod words;
mod worker;

pub use assemble::Assembler;
pub use error::{Error, Result};
pub use run::{run, run_with};
pub use settings::{Bound, ControlSettings, ProxySettings};
