//! The operator.
pub mod hold;
pub mod telemetry;
