//! Services as the engine lists them.

use serde::Deserialize;

use crate::world;

use super::objects::Index;
use super::{address, nil, spec};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    #[serde(rename = "ID")]
    id: String,
    version: Index,
    #[serde(default, deserialize_with = "nil")]
    created_at: String,
    spec: spec::ServiceSpec,
    #[serde(default, deserialize_with = "nil")]
    endpoint: Endpoint,
    update_status: Option<UpdateStatus>,
    #[serde(rename = "ServiceStatus", default, deserialize_with = "nil")]
    counts: Counts,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Endpoint {
    #[serde(rename = "VirtualIPs", deserialize_with = "nil")]
    virtual_ips: Vec<VirtualIp>,
}

#[derive(Deserialize)]
struct VirtualIp {
    #[serde(rename = "NetworkID")]
    network: String,
    #[serde(rename = "Addr", default, deserialize_with = "nil")]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStatus {
    #[serde(default, deserialize_with = "nil")]
    state: String,
    #[serde(default, deserialize_with = "nil")]
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Counts {
    running_tasks: u64,
    desired_tasks: u64,
}

impl From<Service> for world::Service {
    fn from(service: Service) -> Self {
        let ips = service.endpoint.virtual_ips.into_iter();
        Self {
            id: service.id,
            version: service.version.index,
            created_at: service.created_at,
            spec: service.spec.into(),
            virtual_ips: ips
                .filter_map(|vip| Some((vip.network, address(&vip.address)?)))
                .collect(),
            update: service.update_status.and_then(UpdateStatus::known),
            running: service.counts.running_tasks,
            desired: service.counts.desired_tasks,
        }
    }
}

impl UpdateStatus {
    /// Nothing for the empty status that some engines send for a service never updated.
    fn known(self) -> Option<world::UpdateStatus> {
        use world::UpdateState as S;
        let state = match self.state.as_str() {
            "updating" => S::Updating,
            "paused" => S::Paused,
            "completed" => S::Completed,
            "rollback_started" => S::RollbackStarted,
            "rollback_paused" => S::RollbackPaused,
            "rollback_completed" => S::RollbackCompleted,
            _ => return None,
        };
        Some(world::UpdateStatus {
            state,
            message: self.message,
        })
    }
}
