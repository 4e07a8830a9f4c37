//! What probes on networks came to: whether each was given an address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::NetworkId;

/// What a probe on one network came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// It was given an address, so the network has free ones.
    Given,
    /// It was given none while the allocator served other probes, so the network has none.
    Refused,
    /// It was given none, and nothing shows that the allocator serves anything at the moment.
    Undecided,
}

/// Outcomes by network. A network without one was not probed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes(pub BTreeMap<NetworkId, ProbeOutcome>);

impl Probes {
    /// What the probe on this network came to; `None` if there was none.
    pub fn of(&self, network: &NetworkId) -> Option<ProbeOutcome> {
        self.0.get(network).copied()
    }
}
