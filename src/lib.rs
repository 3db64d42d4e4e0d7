//! Skep: service clusters for Docker Swarm.
//!
//! The rooms stand on floors; a module imports only from lower floors (a test holds it).
//!
//! | floor | rooms |
//! |---|---|
//! | 0 | [`names`], [`api`] |
//! | 1, pure | [`world`], [`route`], [`plan`], [`status`], [`convert`] |
//! | 2 | [`runtime`], [`certs`], [`git`], [`control`] `session` |
//! | 3 | [`swarm`], [`store`], [`control`] `server` and `client`, [`proxy`] |
//! | 4 | [`operator`] |
//! | 5 | [`cli`], [`web`], `main` |

pub mod api;
pub mod certs;
pub mod cli;
pub mod control;
pub mod convert;
pub mod git;
pub mod names;
pub mod operator;
pub mod plan;
pub mod proxy;
pub mod route;
pub mod runtime;
pub mod status;
pub mod store;
pub mod swarm;
pub mod web;
pub mod world;
