//! A census from its request to its report.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use pvcheck_audit::{Network, Snapshot};
use pvcheck_ipam::Capacity;

use super::actors::Names;
use super::estimate::late;
use super::prober::Prober;
use super::report::{Census, CensusError, CensusMethod, CensusOptions, is_large};
use super::ring::MOST_EACH;
use super::{by_status, by_waiting};
use crate::operation::Operation;

/// Counts and names the leaked addresses of one overlay.
///
/// It first waits until no task of the network is stopping: such a task may lose its address when it ends, and its
/// node's load balancer comes and goes with it. Then it creates services labelled with `run` that have no task, or whose
/// tasks can never be scheduled, reads the addresses they were given, and removes them again (see [`CensusMethod`]); no
/// container starts and no other service is touched. A turn during which another client may have moved the ring, by the
/// engine's events and by what is not as it was, is made again. A turn that leaves nothing over ends the census; else two
/// undisturbed ones in a row have to show the very same. Until then it is not complete, with the reason.
///
/// While a service or a task waits for an address on this network and on no other, nothing is free there: then no address
/// is asked for ([`CensusMethod::Waiting`]). By [`CensusMethod::Status`] it only reads, and needs no permit.
///
/// # Errors
/// If the network is not there, not allocated, or has IPv6 subnets, if a service waits for an address anywhere else (see
/// [`pvcheck_audit::waiting_services`]) or a task with this network among its own, if another census of the network is at
/// work, if the method is `Status` and the engine publishes no count, or if a call fails. After an error or a dropped
/// future a census service may be left: [`crate::sweep_run`] removes it.
pub async fn census(op: Operation<'_>, name: &str, options: &CensusOptions) -> Result<Census, CensusError> {
    let started = Instant::now();
    let before = op.engine.snapshot().await?;
    let snapshot_took = started.elapsed();
    let (network, capacity) = admit(&before, name)?;
    let method = options
        .method
        .filter(|method| *method != CensusMethod::Waiting)
        .unwrap_or_else(|| CensusMethod::fitting(&network, capacity.usable()));
    if network.ingress && method == CensusMethod::Bulk {
        return Err(CensusError::IngressInBulk(network.name));
    }
    if method == CensusMethod::Status {
        return by_status::count(op, before, &network, options, started).await;
    }
    if let Some(counted) = by_waiting::count(op, &before, &network, started).await? {
        return Ok(counted);
    }
    // A snapshot is six calls.
    if let Some(late) = late(method, capacity.usable(), (6, snapshot_took), options.deadline) {
        op.say(format!("census of {name}: {late}"));
    }
    if let Some(lines) = log_lines(method, capacity.usable()) {
        op.say(format!(
            "census of {name}: the leader's log gets about {lines} lines `error reallocating node` for each turn of the ring"
        ));
    }
    let (writer, made, names) = (op.writer(), AtomicU64::new(0), Names::new(op.run, &network));
    let prober = Prober { op, writer, network: &network, capacity, method, options, started, names, made };
    prober.count(before).await
}

/// How many lines a turn writes into the leader's log; `None` where it is none, or few.
///
/// Each task that is removed without ever having had a node has one (swarmkit `manager/allocator/network.go`,
/// `doTaskAlloc`), and only tasks can ask for many addresses at once.
fn log_lines(method: CensusMethod, usable: u64) -> Option<u64> {
    (method == CensusMethod::Bulk && is_large(usable)).then(|| usable.div_ceil(u64::from(MOST_EACH)))
}

/// The network, if a census of it may begin.
fn admit(snapshot: &Snapshot, name: &str) -> Result<(Network, Capacity), CensusError> {
    let network = snapshot.named_overlay(name)?;
    countable(network)?;
    let capacity = network.capacity().ok_or_else(|| CensusError::NotAllocated(network.name.clone()))?;
    Ok((network.clone(), capacity))
}

/// Refuses a network whose addresses cannot be counted.
///
/// # Errors
/// If it has no subnet, or one of IPv6.
pub fn countable(network: &Network) -> Result<(), CensusError> {
    if !network.is_allocated() {
        return Err(CensusError::NotAllocated(network.name.clone()));
    }
    if !network.is_ipv4_only() {
        return Err(CensusError::Ipv6(network.name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_tasks_of_a_large_network_write_lines_that_are_worth_a_word() {
        assert_eq!(log_lines(CensusMethod::Bulk, 65_533), Some(2_048), "32 addresses a task");
        assert_eq!(log_lines(CensusMethod::Bulk, 2_049), Some(65));
        assert_eq!(log_lines(CensusMethod::Bulk, 2_048), None);
        assert_eq!(log_lines(CensusMethod::Cursor, 65_533), None, "it has no tasks");
    }

    #[test]
    fn what_is_not_ipv4_is_refused_and_not_called_absent() {
        let pool = json!({"subnet": "10.10.0.0/24", "gateway": "10.10.0.1", "ip_range": null});
        let network = json!({
            "id": "n", "name": "proxy", "driver": "overlay", "scope": "swarm", "ingress": false,
            "attachable": false, "internal": false, "pools": [pool], "stack": null, "run": null
        });
        let mut network: Network = serde_json::from_value(network).expect("the form of a saved network");
        assert!(countable(&network).is_ok(), "{network:?}");
        network.ipv6_subnets = vec!["fd00:7::/64".parse().expect("a subnet")];
        assert!(matches!(countable(&network), Err(CensusError::Ipv6(_))), "dual");
        network.pools.clear();
        assert!(matches!(countable(&network), Err(CensusError::Ipv6(_))), "IPv6 only");
        network.ipv6_subnets.clear();
        assert!(matches!(countable(&network), Err(CensusError::NotAllocated(_))), "no subnet");
    }
}
