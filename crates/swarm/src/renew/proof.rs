//! What the Swarm shows of a renewal afterwards.

use std::collections::BTreeMap;

use pvcheck_audit::{NetworkId, ServiceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attachments::fingerprint;
use super::facts::{inspect, specs};
use super::record::{Unfinished, unfinished};
use crate::engine::{CallError, Engine};
use crate::lock::{Lock, LockFacts};

/// What the Swarm shows of a renewal afterwards, read at one time. It has nothing of a service's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenewalProof {
    /// The id of the network that has the name now.
    pub network: NetworkId,
    /// Its IPAM driver; `None` while Swarm has not allocated it.
    pub ipam_driver: Option<String>,
    /// The gateway of each of its subnets, as the engine shows them.
    pub gateways: Vec<String>,
    /// Of the spec of each service of the Swarm, the network's id left out.
    pub fingerprints: BTreeMap<ServiceId, String>,
    /// A renewal that was begun and not finished.
    pub unfinished: Option<Unfinished>,
    /// The Swarm's lock, expired or not.
    pub lock: Option<LockFacts>,
}

impl RenewalProof {
    /// Reads it, for the overlay with this id. Nothing is changed.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn read(engine: &Engine, network: &NetworkId) -> Result<Self, CallError> {
        let inspected = inspect(engine, network).await?;
        let ipam = &inspected["IPAM"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let configs = ipam["Config"].as_array().into_iter().flatten();
        let specs = specs(engine).await?;
        Ok(Self {
            network: network.clone(),
            ipam_driver: text(&ipam["Driver"]),
            gateways: configs.filter_map(|config| text(&config["Gateway"])).collect(),
            fingerprints: specs.into_iter().map(|(id, spec)| (id, fingerprint(&spec, network))).collect(),
            unfinished: unfinished(engine).await?.map(|(found, _)| found),
            lock: Lock::read(engine).await?,
        })
    }
}
