//! `skep install` and `skep uninstall`.

pub mod plan;
pub mod spec;
pub mod stack;
pub mod subnet;
