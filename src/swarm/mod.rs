//! The engine: how it is found and reached, its calls, one full look at the Swarm, and the watch
//! that keeps looking.
//!
//! The calls are plain HTTP with models of our own rather than a client library's: those found
//! send no API version, lose a task's addresses, end the event stream on an unknown type, and
//! cannot tell an absent field from an empty one.

pub mod endpoint;
mod engine;
mod error;
mod events;
pub mod facts;
pub mod logs;
mod observe;
mod transport;
pub mod watch;
mod wire;

pub use endpoint::Endpoint;
pub use engine::{ApiVersion, Engine, EngineInfo};
pub use error::Error;
pub use events::{Event, Events, Kind};
pub use observe::observe;
pub use transport::{Dial, Io};
