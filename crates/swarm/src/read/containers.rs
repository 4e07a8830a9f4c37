//! Containers of the asked engine's node, as far as their networks go.

use std::collections::BTreeMap;

use pvcheck_audit::{ContainerId, NetworkId};
use serde_json::Value;

use crate::engine::{CallError, Engine, wire};

/// The label by which an engine knows the container of a service's task (moby `daemon/cluster/executor/container`).
const OF_A_TASK: &str = "com.docker.swarm.task.id";

/// A container that was started by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerFacts {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    /// The engine's word: `running`, `exited`, `paused`.
    pub(crate) status: String,
    /// What it has on each of its networks, as the engine shows it.
    pub(crate) places: BTreeMap<NetworkId, Value>,
}

impl ContainerFacts {
    pub(crate) fn is_running(&self) -> bool {
        self.status == "running"
    }
}

/// The containers of this node that are set to a network, also those that are stopped; none of a service's.
pub(crate) async fn read_containers_on(
    engine: &Engine,
    network: &NetworkId,
) -> Result<Vec<ContainerFacts>, CallError> {
    let path = format!("/containers/json?all=1&filters=%7B%22network%22%3A%5B%22{network}%22%5D%7D");
    let listed: Vec<wire::ListedContainer> = engine.connection().get(&path).await?;
    let mut found = Vec::new();
    for container in listed {
        if container.labels.is_some_and(|labels| labels.contains_key(OF_A_TASK)) {
            continue;
        }
        let facts = read_container(engine, &ContainerId::new(container.id)).await?;
        // The filter takes a name as well, which may be that of another network.
        found.extend(facts.filter(|facts| facts.places.contains_key(network)));
    }
    Ok(found)
}

/// One container of this node; `None` if there is none.
pub(crate) async fn read_container(
    engine: &Engine,
    id: &ContainerId,
) -> Result<Option<ContainerFacts>, CallError> {
    let found: Result<wire::Container, _> = engine.connection().get(&format!("/containers/{id}/json")).await;
    match found {
        Ok(raw) => Ok(Some(facts(raw))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn facts(raw: wire::Container) -> ContainerFacts {
    let places = raw.network_settings.unwrap_or_default().networks;
    // One that is stopped has no network's id where it has not been on it since it was set to it.
    let of = |place: Value| {
        let id = place["NetworkID"].as_str().filter(|id| !id.is_empty()).map(NetworkId::new)?;
        Some((id, place))
    };
    ContainerFacts {
        id: ContainerId::new(raw.id),
        name: raw.name.trim_start_matches('/').to_owned(),
        status: raw.state.status,
        places: places.into_values().filter_map(of).collect(),
    }
}
