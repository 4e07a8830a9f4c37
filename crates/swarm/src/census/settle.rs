//! What a turn amounts to, and the census as a value.

use std::net::Ipv4Addr;
use std::time::Instant;

use pvcheck_audit::{Network, Owners, Snapshot, load_balancers_unsure, owners};
use pvcheck_ipam::{CensusFacts, LeakReport, reconcile};

use super::doubt::Doubt;
use super::evidence::Settled;
use super::prober::Prober;
use super::report::Census;
use super::ring::Turn;
use crate::engine::{CallError, Engine, wire};
use crate::read::address;

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
        let settled = Settled { report, handed_out: turn.seen().clone(), local_named: local.is_some() };
        Ok((settled, after))
    }

    /// Why it is not sure how many of the suspects are load balancers; `None` if it is.
    pub(super) fn balancers_doubt(&self, after: &Snapshot, settled: &Settled) -> Option<Doubt> {
        let report = &settled.report;
        if 0 < report.load_balancers_missing {
            return Some(Doubt::LoadBalancersMissing { nodes: report.load_balancers_missing });
        }
        // Whether a node got its load balancer makes a difference only where something may be one.
        let unsure = load_balancers_unsure(after, self.network, &owners(after, self.network));
        // The asked node names its own, unless it has none although tasks run there (moby#35995).
        let lacks =
            owners(after, self.network).load_balancers.contains(&after.engine.node) && !settled.local_named;
        ((0 < unsure || lacks) && !report.suspects.is_empty())
            .then(|| Doubt::LoadBalancersUnsure { network: self.network.name.clone() })
    }

    /// A census as a value. What a count that is not complete suspects is nothing that it says.
    pub(super) fn conclude(&self, report: LeakReport, doubt: Option<Doubt>) -> Census {
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

/// The network's subnets as a census writes them.
pub(super) fn subnets_of(network: &Network) -> String {
    network.subnets().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Milliseconds since then.
pub(super) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// libnetwork names the endpoint `NETWORK-endpoint` in the container `lb-NETWORK` (`ingress-sbox` for ingress).
fn load_balancer_of(network: &wire::Network) -> Option<Ipv4Addr> {
    let lb = |key: &str| key == format!("lb-{}", network.name) || key == format!("{}-sbox", network.name);
    let endpoint = format!("{}-endpoint", network.name);
    let found = network.containers.iter().find(|(key, c)| lb(key) && c.name == endpoint)?;
    address(&found.1.ipv4_address)
}
