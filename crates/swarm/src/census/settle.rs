//! What a turn amounts to, and the census as a value.

use std::net::Ipv4Addr;
use std::time::Instant;

use pvcheck_audit::{Network, Owners, Snapshot, owners};
use pvcheck_ipam::{CensusFacts, reconcile};

use super::balancers::local_load_balancer;
use super::doubt::Doubt;
use super::evidence::Settled;
use super::prober::Prober;
use super::report::Census;
use super::ring::Turn;
use crate::engine::CallError;

impl Prober<'_> {
    /// What a turn amounts to, with the owners of before and of now; and the snapshot that showed those of now.
    pub(super) async fn settle(
        &self,
        before: &Snapshot,
        turn: &Turn,
    ) -> Result<(Settled, Snapshot), CallError> {
        let after = self.op.engine.snapshot().await?;
        let local = local_load_balancer(self.op.engine, self.network).await?;
        let (then, now) =
            (named_owners(before, self.network, local), named_owners(&after, self.network, local));
        let report = reconcile(&CensusFacts {
            capacity: self.capacity.clone(),
            handed_out: turn.seen().clone(),
            owned_before: then.addresses(),
            owned_after: now.addresses(),
            load_balancers_unnamed: then.load_balancers.union(&now.load_balancers).count() as u64,
            busy: turn.busy().clone(),
        });
        let settled = Settled { report, handed_out: turn.seen().clone(), local_load_balancer: local };
        Ok((settled, after))
    }

    /// A census as a value. What a count that is not complete suspects is nothing that it says.
    pub(super) fn conclude(&self, settled: Settled, doubt: Option<Doubt>) -> Census {
        let (report, local_load_balancer) = (settled.report, settled.local_load_balancer);
        let complete = doubt.is_none();
        let suspects: Vec<_> = if complete { report.suspects.into_iter().collect() } else { Vec::new() };
        let (leaked_addresses, leaked_or_load_balancers) =
            told_apart(suspects, report.load_balancers_unnamed);
        Census {
            network: self.network.name.clone(),
            subnet: subnets_of(self.network),
            usable: report.usable,
            handed_out: report.handed_out,
            // What is free and owned at once is free, as far as the allocator knows.
            owned: report.owned.saturating_sub(report.free_and_owned.len() as u64),
            load_balancers: report.load_balancers_unnamed,
            leaked: complete.then_some(report.leaked),
            leaked_addresses,
            leaked_or_load_balancers,
            local_load_balancer,
            free_and_owned: if complete { report.free_and_owned.into_iter().collect() } else { Vec::new() },
            method: self.method,
            complete,
            reason: doubt,
            elapsed_ms: elapsed_ms(self.started),
        }
    }
}

/// The suspects as leaked addresses, and as those of which some are load balancers: one of the two lists is empty.
pub(super) fn told_apart(suspects: Vec<Ipv4Addr>, load_balancers: u64) -> (Vec<Ipv4Addr>, Vec<Ipv4Addr>) {
    if load_balancers == 0 { (suspects, Vec::new()) } else { (Vec::new(), suspects) }
}

/// The owners of a snapshot, with the address of the asked node's own load balancer.
pub(super) fn named_owners(snapshot: &Snapshot, network: &Network, local: Option<Ipv4Addr>) -> Owners {
    let mut owners = owners(snapshot, network);
    if let Some(address) = local {
        owners.name_load_balancer(&snapshot.engine.node, address);
    }
    owners
}

/// The network's subnets as a census writes them.
pub(super) fn subnets_of(network: &Network) -> String {
    network.subnets().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Milliseconds since then.
pub(super) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network() -> Network {
        let pool = |subnet: &str| json!({"subnet": subnet, "range": null, "gateway": null});
        let saved = json!({
            "id": "net", "name": "proxy", "driver": "overlay", "scope": "swarm", "ingress": false,
            "attachable": true, "internal": false, "pools": [pool("10.9.0.0/28"), pool("10.9.1.0/28")],
            "stack": null, "run": null,
        });
        serde_json::from_value(saved).expect("as it is saved")
    }

    #[test]
    fn suspects_are_leaked_where_no_load_balancer_can_be_among_them() {
        let all = vec![Ipv4Addr::new(10, 9, 0, 5)];
        assert_eq!(told_apart(all.clone(), 0), (all.clone(), Vec::new()));
        assert_eq!(told_apart(all.clone(), 1), (Vec::new(), all));
    }

    #[test]
    fn several_subnets_are_separated_by_commas() {
        assert_eq!(subnets_of(&network()), "10.9.0.0/28,10.9.1.0/28");
    }
}
