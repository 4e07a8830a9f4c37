//! The allocator's own count of a network, where the engine tells it: `Status.IPAM` of API 1.52 (Docker 29.0).
//!
//! It has three traps, all measured on 29.7.2. The full id is answered from the asked node's own copy of the network, with
//! that node's endpoints instead of the leader's count; so is a manager of 29 whose leader is older. A look-up by name
//! fails while any network of the Swarm is unallocated (moby #53325). And the count is read without a lock (moby
//! `manager/apihooks.go`), so that a tight loop beside network changes can end the engine. Hence: by a prefix of the id,
//! of allocated networks, one call after the other, each network once, and absent is unknown.

use std::collections::BTreeMap;

use pvcheck_ipam::AllocatorStatus;
use serde::{Deserialize, Serialize};

use crate::connection::CallError;
use crate::engine::Engine;
use crate::ids::NetworkId;
use crate::snapshot::{Network, Snapshot};
use crate::wire;

/// First API whose networks have a status, as the N of `1.N` (moby #50946).
const FIRST_API_MINOR: u32 = 52;
/// First release whose leader tells it.
const FIRST_LEADER_MAJOR: u32 = 29;
/// Characters of a Swarm network's id.
const FULL_ID: usize = 25;
/// Characters of it that are asked for: all but one, so that it is a prefix and still names one network only.
const PREFIX: usize = FULL_ID - 1;

/// The allocator's counts, network by network, as far as they were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statuses {
    /// The counts. A network that is not here was not told, which is not 0.
    pub networks: BTreeMap<NetworkId, AllocatorStatus>,
    /// Why there are none, or not all; `None` where every allocated overlay has one.
    pub unknown: Option<String>,
}

impl Statuses {
    /// The count of one network, if it was told.
    pub fn of(&self, network: &NetworkId) -> Option<AllocatorStatus> {
        self.networks.get(network).copied()
    }

    /// None, and why.
    pub fn none(why: impl Into<String>) -> Self {
        Self { networks: BTreeMap::new(), unknown: Some(why.into()) }
    }
}

/// Why the engine's counts cannot be had or must not be believed: an API before 1.52, or a leader before 29, whose
/// managers of 29 answer with their own numbers. `None` where they can.
pub fn status_refused(snapshot: &Snapshot) -> Option<String> {
    let api = &snapshot.engine.api;
    if !speaks_status(api) {
        return Some(format!("API {api} has no Status.IPAM; it came with 1.52 (Docker 29.0)"));
    }
    let Some(leader) = snapshot.nodes.iter().find(|n| n.leader) else {
        return Some("no leader is known, and only the leader's count is the true one".into());
    };
    let version = &leader.engine_version;
    let told = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match told {
        Some(major) if FIRST_LEADER_MAJOR <= major => None,
        _ => Some(format!("the leader's engine is {version}; Status.IPAM needs 29.0 or newer there")),
    }
}

fn speaks_status(api: &str) -> bool {
    let minor = api.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| FIRST_API_MINOR <= minor)
}

/// The allocator's count of one overlay, in one call; `None` where the engine tells none, or the network is not
/// allocated, not Swarm's, or gone.
///
/// Ask it only where [`status_refused`] has nothing against it, once per network and never in a loop (see above).
///
/// # Errors
/// When the call fails for any other reason.
pub async fn read_status(engine: &Engine, network: &Network) -> Result<Option<AllocatorStatus>, CallError> {
    let id = network.id.as_str();
    if !speaks_status(engine.api()) || !network.is_overlay() || !network.is_allocated() || id.len() != FULL_ID
    {
        return Ok(None);
    }
    let Some(prefix) = id.get(..PREFIX) else { return Ok(None) };
    match engine.connection().get::<wire::NetworkStatus>(&format!("/networks/{prefix}")).await {
        Ok(answer) if answer.id == id => Ok(sum(&answer)),
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The subnets' numbers together; `None` where there are none.
fn sum(answer: &wire::NetworkStatus) -> Option<AllocatorStatus> {
    let subnets = answer.status.as_ref()?.ipam.as_ref()?.subnets.as_ref()?;
    let add = |field: fn(&wire::SubnetStatus) -> Option<u64>| {
        let mut numbers = subnets.values().map(field);
        numbers.try_fold(0_u64, |sum, number| number.map(|n| sum.saturating_add(n)))
    };
    if subnets.is_empty() {
        return None;
    }
    Some(AllocatorStatus { ips_in_use: add(|s| s.ips_in_use)?, dynamic_available: add(|s| s.available)? })
}

/// The counts of all allocated overlays of a look, one call each and one after the other; no call at all where
/// [`status_refused`]. A failed call ends the reading: what is missing then is unknown, with the reason.
pub async fn read_statuses(engine: &Engine, snapshot: &Snapshot) -> Statuses {
    if let Some(why) = status_refused(snapshot) {
        return Statuses::none(why);
    }
    let mut statuses = Statuses::default();
    for network in snapshot.overlays().into_iter().filter(|n| n.is_allocated()) {
        match read_status(engine, network).await {
            Ok(Some(status)) => {
                statuses.networks.insert(network.id.clone(), status);
            }
            Ok(None) => {
                statuses.unknown = Some(format!("the engine told no count of network {}", network.name));
            }
            Err(error) => {
                statuses.unknown = Some(error.to_string());
                break;
            }
        }
    }
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<AllocatorStatus> {
        sum(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn subnets_are_summed_and_what_is_missing_is_unknown() {
        let two = r#"{"Id":"x","Status":{"IPAM":{"Subnets":{"10.0.0.0/28":{"IPsInUse":7,"DynamicIPsAvailable":9},"10.1.0.0/28":{"IPsInUse":3,"DynamicIPsAvailable":13}}}}}"#;
        assert_eq!(read(two), Some(AllocatorStatus { ips_in_use: 10, dynamic_available: 22 }));
        for unknown in [
            r#"{"Id":"x"}"#,
            r#"{"Id":"x","Status":null}"#,
            r#"{"Id":"x","Status":{"IPAM":{}}}"#,
            r#"{"Id":"x","Status":{"IPAM":{"Subnets":{}}}}"#,
            r#"{"Id":"x","Status":{"IPAM":{"Subnets":{"10.0.0.0/28":{"IPsInUse":7}}}}}"#,
        ] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
        let most = format!(
            r#"{{"Status":{{"IPAM":{{"Subnets":{{"a":{{"IPsInUse":{0},"DynamicIPsAvailable":{0}}},"b":{{"IPsInUse":{0},"DynamicIPsAvailable":{0}}}}}}}}}}}"#,
            u64::MAX
        );
        assert_eq!(read(&most).map(|s| s.ips_in_use), Some(u64::MAX));
    }

    #[test]
    fn only_newer_apis_are_asked() {
        assert!(["1.52", "1.55"].iter().all(|api| speaks_status(api)));
        assert!(["1.51", "1.41", "", "2", "1."].iter().all(|api| !speaks_status(api)));
    }
}
