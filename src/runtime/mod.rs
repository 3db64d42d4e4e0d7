//! A level-triggered work queue in kube-runtime's manner: keys, not events.
//!
//! # Guarantees
//! * One run per key at a time; a wake during a run makes exactly one more run.
//! * Wakes of a key within the hold-off are one run, and the hold-off is bounded: a key that is
//!   woken without end still runs.
//! * A failed run is tried again after an exponential, jittered wait that a success resets. A
//!   change of the world does not shorten that wait (nor lengthen it); a change of what is
//!   declared ends it.
//!
//! # Assumptions
//! A run looks at the whole state when it starts. Nothing is told to it but its key.

pub mod action;
pub mod backoff;
pub mod controller;
pub mod file;
pub mod scheduler;

pub use action::{Action, Failure, Retry, Wake};
pub use backoff::Backoff;
pub use controller::{Controller, ControllerSettings, Waker, jitter};
pub use scheduler::{HoldOff, Scheduler};
