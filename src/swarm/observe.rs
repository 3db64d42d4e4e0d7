//! One full look at the Swarm.

use crate::world::World;

use super::engine::Engine;
use super::error::Error;

/// Everything, in six calls. One failing call fails the look: a partial list is never read as
/// an empty one.
pub async fn observe(engine: &Engine) -> Result<World, Error> {
    let (nodes, networks, services, tasks, configs, secrets) = tokio::try_join!(
        engine.list_nodes(),
        engine.list_networks(),
        engine.list_services(),
        engine.list_tasks(),
        engine.list_configs(),
        engine.list_secrets(),
    )?;
    Ok(World {
        nodes,
        networks,
        services,
        tasks,
        configs,
        secrets,
    })
}
