//! Certificates that people hand over: checked as pairs, sealed to the operator, opened by it.
//! No I/O; what is secret never shows in `Debug`.

pub mod key;
pub mod pair;
pub mod seal;

pub use key::unusable;
pub use pair::{Facts, Pair, PairError};
pub use seal::{PublicKey, SealError, SealingKey};
