//! Writes about containers of the asked engine: their places on networks.

use http::Method;
use pvcheck_audit::{ContainerId, NetworkId};
use serde_json::{Value, json};

use super::writer::Writer;
use crate::engine::CallError;

impl Writer<'_> {
    /// Connects a container to an attachable network. The engine answers once it is on it, and gives up after 20 s where
    /// Swarm has no address for it (moby `daemon/cluster/networks.go`, `AttachNetwork`).
    pub(crate) async fn connect_container(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        endpoint: &Value,
    ) -> Result<(), CallError> {
        let body = json!({"Container": container, "EndpointConfig": endpoint});
        self.on_network(network, "connect", &body).await
    }

    /// Takes a container off a network.
    pub(crate) async fn disconnect_container(
        &self,
        network: &NetworkId,
        container: &ContainerId,
    ) -> Result<(), CallError> {
        self.on_network(network, "disconnect", &json!({"Container": container})).await
    }

    async fn on_network(&self, network: &NetworkId, what: &str, body: &Value) -> Result<(), CallError> {
        let path = format!("/networks/{network}/{what}");
        self.connection.write(Method::POST, &path, Some(body.to_string().into_bytes())).await.map(drop)
    }
}
