//! The load balancers that nodes have on a network: which address is this node's, and what is not sure about the others.

use std::net::Ipv4Addr;

use pvcheck_audit::{Network, Snapshot, load_balancers_unsure, owners};

use super::doubt::Doubt;
use super::evidence::Settled;
use crate::engine::{CallError, Engine, wire};
use crate::read::address;

/// Why it is not sure how many of the suspects are load balancers; `None` if it is.
pub(super) fn balancers_doubt(after: &Snapshot, network: &Network, settled: &Settled) -> Option<Doubt> {
    let report = &settled.report;
    if 0 < report.load_balancers_missing {
        return Some(Doubt::LoadBalancersMissing { nodes: report.load_balancers_missing });
    }
    let owners = owners(after, network);
    // Whether a node got its load balancer makes a difference only where something may be one.
    let unsure = load_balancers_unsure(after, network, &owners);
    // The asked node names its own, unless it has none although tasks run there (moby#35995).
    let lacks = owners.load_balancers.contains(&after.engine.node) && settled.local_load_balancer.is_none();
    ((0 < unsure || lacks) && !report.suspects.is_empty())
        .then(|| Doubt::LoadBalancersUnsure { network: network.name.clone() })
}

/// The address of this node's own load balancer, which the node alone can name; `None` if it has none.
pub(super) async fn local_load_balancer(
    engine: &Engine,
    network: &Network,
) -> Result<Option<Ipv4Addr>, CallError> {
    // The full id is answered from the node's own copy of the network, the only one that lists endpoints.
    match engine.connection().get::<wire::Network>(&format!("/networks/{}", network.id)).await {
        Ok(network) => Ok(load_balancer_of(&network)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// libnetwork names the endpoint `NETWORK-endpoint` in the container `lb-NETWORK` (`ingress-sbox` for ingress).
fn load_balancer_of(network: &wire::Network) -> Option<Ipv4Addr> {
    let lb = |key: &str| key == format!("lb-{}", network.name) || key == format!("{}-sbox", network.name);
    let endpoint = format!("{}-endpoint", network.name);
    let found = network.containers.iter().find(|(key, c)| lb(key) && c.name == endpoint)?;
    address(&found.1.ipv4_address)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pvcheck_audit::TaskState;
    use pvcheck_ipam::LeakReport;
    use serde_json::json;

    use super::super::testing::{NETWORK, calm, network, read};
    use super::*;

    /// The asked node, with a task on the network.
    fn look(state: TaskState) -> Snapshot {
        let mut look = calm();
        look.tasks[0].state = state;
        look
    }

    fn settled(suspects: &[u8], missing: u64, local_named: bool) -> Settled {
        let local_load_balancer = local_named.then(|| Ipv4Addr::new(10, 9, 0, 2));
        let report = LeakReport {
            usable: 26,
            handed_out: 20,
            owned: 2,
            load_balancers_unnamed: 0,
            leaked: suspects.len() as u64,
            suspects: suspects.iter().map(|n| Ipv4Addr::new(10, 9, 0, *n)).collect(),
            load_balancers_missing: missing,
            free_and_owned: BTreeSet::new(),
            foreign: BTreeSet::new(),
        };
        Settled { report, handed_out: BTreeSet::new(), local_load_balancer }
    }

    #[test]
    fn a_suspect_may_be_a_load_balancer_that_nobody_named() {
        let doubt = |suspects: &[u8], missing, named, state| {
            balancers_doubt(&look(state), &network(NETWORK), &settled(suspects, missing, named))
        };
        let unsure = Some(Doubt::LoadBalancersUnsure { network: "proxy".into() });
        assert_eq!(doubt(&[5], 0, true, TaskState::Running), None, "its node named its load balancer");
        assert_eq!(doubt(&[5], 0, false, TaskState::Running), unsure, "and here it did not");
        assert_eq!(doubt(&[], 0, false, TaskState::Running), None, "nothing is suspected");
        assert_eq!(doubt(&[5], 0, true, TaskState::Assigned), unsure, "its task has not started");
        assert_eq!(doubt(&[], 0, true, TaskState::Assigned), None);
        assert_eq!(doubt(&[], 2, true, TaskState::Running), Some(Doubt::LoadBalancersMissing { nodes: 2 }));
    }

    #[test]
    fn the_load_balancer_is_the_endpoint_of_that_name_in_the_container_of_that_name() {
        let found = |name: &str, key: &str, endpoint: &str| {
            let container = json!({"Name": endpoint, "IPv4Address": "10.9.0.4/28"});
            load_balancer_of(&read(json!({"Name": name, "Containers": {key: container}})))
        };
        let address = Some(Ipv4Addr::new(10, 9, 0, 4));
        assert_eq!(found("proxy", "lb-proxy", "proxy-endpoint"), address);
        assert_eq!(found("ingress", "ingress-sbox", "ingress-endpoint"), address);
        for (key, endpoint) in [("lb-other", "proxy-endpoint"), ("lb-proxy", "other"), ("0a1b", "app.1.x")] {
            assert_eq!(found("proxy", key, endpoint), None, "{key} {endpoint}");
        }
    }
}
