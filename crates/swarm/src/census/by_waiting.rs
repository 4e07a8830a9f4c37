//! A census of a network on which nothing is free, known from what waits there: no address is asked for. A task without a
//! network shows that the allocator is at work.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Instant;

use pvcheck_audit::{AllocatorCounts, FullBecause, Network, Snapshot, pool_counts};

use super::actors::{self, Names};
use super::balancers::local_load_balancer;
use super::doubt::Doubt;
use super::prober::{CAUGHT_UP, JUST_MADE};
use super::report::{Census, CensusMethod};
use super::settle::{elapsed_ms, named_owners, subnets_of, told_apart};
use super::witness::allocator_has_tried;
use crate::engine::{CallError, wait_until};
use crate::operation::Operation;

/// The count of a network on which something waits and on no other; `None` where that is not so in two snapshots a second
/// apart, between which nothing changed.
pub(super) async fn count(
    op: Operation<'_>,
    before: &Snapshot,
    network: &Network,
    started: Instant,
) -> Result<Option<Census>, CallError> {
    let Some(first) = proven(before, network) else { return Ok(None) };
    // What has an address soon was only being made.
    let after = wait_until!(JUST_MADE, async {
        match op.engine.snapshot().await {
            Ok(look) => (proven(&look, network) != Some(first.clone())).then_some(Ok(look)),
            Err(error) => Some(Err(error)),
        }
    });
    if after.transpose()?.is_some() {
        return Ok(None);
    }
    let names = Names::new(op.run, network);
    // An allocator that is hung or late serves nothing, however much is free.
    if !allocator_has_tried(op, &names.nth(0), CAUGHT_UP).await? {
        return Ok(None);
    }
    let after = op.engine.snapshot().await?;
    let changed = actors::difference(before, &after, network, &names);
    let second = proven(&after, network);
    if changed.is_some() || second.as_ref() != Some(&first) {
        return Ok(None);
    }
    let local = local_load_balancer(op.engine, network).await?;
    Ok(Some(conclude(&after, network, local, first, started)))
}

/// How many addresses are leaked and how it is known, if what waits proves that nothing is free.
fn proven(look: &Snapshot, network: &Network) -> Option<(u64, FullBecause)> {
    let counts = pool_counts(look, &AllocatorCounts::default(), &network.id);
    let because = counts.full_because?;
    let waits = match &because {
        // A service that publishes through the mesh may wait for a port (swarmkit `serviceAllocatePorts`).
        FullBecause::ServiceWaits { service } => {
            look.service_named(service).is_some_and(|s| !s.publishes_ingress)
        }
        FullBecause::TaskWaits { .. } => true,
        _ => false,
    };
    let stopping = look.tasks.iter().any(|t| t.is_stopping_on(&network.id));
    counts.leaked.filter(|_| waits && !stopping).map(|leaked| (leaked, because))
}

fn conclude(
    look: &Snapshot,
    network: &Network,
    local: Option<Ipv4Addr>,
    (leaked, because): (u64, FullBecause),
    started: Instant,
) -> Census {
    let owners = named_owners(look, network, local);
    let owned = owners.addresses();
    let usable: BTreeSet<Ipv4Addr> =
        network.capacity().iter().flat_map(|c| c.usable_addresses().collect::<Vec<_>>()).collect();
    let load_balancers = owners.load_balancers.len() as u64;
    let (leaked_addresses, leaked_or_load_balancers) =
        told_apart(usable.difference(&owned).copied().collect(), load_balancers);
    Census {
        network: network.name.clone(),
        subnet: subnets_of(network),
        usable: network.usable(),
        handed_out: 0,
        owned: usable.intersection(&owned).count() as u64,
        load_balancers,
        leaked: Some(leaked),
        leaked_addresses,
        leaked_or_load_balancers,
        local_load_balancer: local,
        free_and_owned: Vec::new(),
        method: CensusMethod::Waiting,
        complete: true,
        reason: Some(Doubt::NothingFree { because }),
        elapsed_ms: elapsed_ms(started),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NETWORK, calm, network};
    use super::*;

    /// A service on the network, with its virtual address or without; it may publish a port through the mesh.
    fn look(has_address: bool, publishes: bool) -> Snapshot {
        let mut look = calm();
        look.tasks.clear();
        let service = &mut look.services[0];
        service.publishes_ingress = publishes;
        if !has_address {
            service.vips[0].address = None;
        }
        look
    }

    #[test]
    fn a_service_that_waits_on_this_network_alone_proves_that_nothing_is_free() {
        let network = network(NETWORK);
        let because = FullBecause::ServiceWaits { service: "web".into() };
        assert_eq!(proven(&look(false, false), &network), Some((13, because)));
        assert_eq!(proven(&look(true, false), &network), None, "it has its address");
        assert_eq!(proven(&look(false, true), &network), None, "it may wait for a port");
    }
}
