//! World and cluster in, route table out: pure, and the same bytes for the same input.

pub mod table;

pub use table::{Backend, Endpoint, Listener, PathMatch, Route, RouteTable, Target};
