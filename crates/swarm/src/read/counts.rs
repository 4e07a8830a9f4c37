//! Reading the allocator's own count of a network; [`AllocatorCounts`] says how far it can be trusted.

use pvcheck_audit::{AllocatorCounts, CountsUnknown, Network, Snapshot, counts_refused, speaks_counts};
use pvcheck_ipam::AllocatorStatus;

use crate::engine::{CallError, Engine, wire};

/// Characters of a Swarm network's id.
const FULL_ID: usize = 25;

/// Characters of the id in the request: all but one, which still names one network only. The full id is answered from the
/// asked node's own copy of the network, with that node's endpoints instead of the leader's count (29.7.2).
const PREFIX: usize = FULL_ID - 1;

/// The allocator's count of one overlay, in one call; `None` if the engine reports none, or the network is not an
/// allocated overlay, or is gone.
///
/// Call it only where [`counts_refused`] returns `None`, once per network, and never in a loop: the engine reads the
/// count without a lock, and a tight loop during network changes can crash it (moby `manager/apihooks.go`).
///
/// # Errors
/// If the call fails for any other reason than a network that is gone.
pub async fn read_count(engine: &Engine, network: &Network) -> Result<Option<AllocatorStatus>, CallError> {
    let id = network.id.as_str();
    if !speaks_counts(engine.api()) || !network.is_overlay() || !network.is_allocated() || id.len() != FULL_ID
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

/// The sum over the subnets; `None` if there are none, or a number is missing.
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

/// The counts of all allocated overlays of a snapshot, one call each, one after the other; no call at all if
/// [`counts_refused`] has a reason. The first failed call ends the reading, and the missing counts are unknown, with its
/// reason.
pub async fn read_counts(engine: &Engine, snapshot: &Snapshot) -> AllocatorCounts {
    if let Some(why) = counts_refused(snapshot) {
        return AllocatorCounts::none(why);
    }
    let mut counts = AllocatorCounts::default();
    for network in snapshot.overlays().into_iter().filter(|n| n.is_allocated()) {
        match read_count(engine, network).await {
            Ok(Some(status)) => {
                counts.networks.insert(network.id.clone(), status);
            }
            Ok(None) => {
                counts.unknown = Some(CountsUnknown::NotAnswered { network: network.name.clone() });
            }
            Err(error) => {
                counts.unknown = Some(error.to_string().into());
                break;
            }
        }
    }
    counts
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
}
