//! What wakes a key, and what a run asks for when it ends.

use std::time::Duration;

/// Why a key is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something observed differs. Waits out a running backoff.
    Observed,
    /// What is declared differs: earlier failures say nothing about it, so the backoff ends.
    Declared,
}

/// What a successful run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing until something changes.
    AwaitChange,
    /// Another run after this time, or earlier when something changes.
    Requeue(Duration),
}

/// When a failed run is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once: the failure was a race (a version conflict) and says nothing about the next try.
    Now,
    /// After the key's backoff.
    Backoff,
    /// Only when something changes: trying again cannot help.
    Never,
}

/// An error that says when to try again.
pub trait Failure {
    /// When the failed run is tried again.
    fn retry(&self) -> Retry;
}
