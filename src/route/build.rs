//! From service labels to route tables.

use std::collections::BTreeMap;

use super::Routing;
use crate::world::{Declared, World};

/// The routes of all declared clusters.
#[must_use]
pub fn routing(world: &World, declared: &BTreeMap<String, Declared>) -> Routing {
    let _ = (world, declared);
    Routing::default()
}
