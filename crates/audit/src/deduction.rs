//! Networks that are full because every other network of something that waits cannot be.
//!
//! Addresses are given on all networks of a service or on none, so one that waits on several shows that at least one of
//! them refuses. If all but one are too young to have run out, the one that is left is it.

use std::collections::BTreeMap;

use crate::full_because::{FullBecause, YoungNetwork};
use crate::holders::ended_tasks;
use crate::seen::{Network, NetworkId};
use crate::waiting::Waiting;

/// Addresses that a network is taken to lose per second of its age, at most. An assumption: a loss takes a task that ends
/// or an attempt of the allocator, and an allocator that is kept busy may attempt more often. So nothing that passes or
/// fails may rest on it alone, and its text names the probe that proves it.
const LOST_PER_SECOND: u64 = 2;
/// Addresses that it may lose in addition, in bursts at its beginning.
const LOST_AT_ONCE: u64 = 16;

/// Every network that is full by deduction, and why.
pub(crate) fn deduced(waiting: &Waiting<'_>) -> BTreeMap<NetworkId, FullBecause> {
    let (mut found, mut ages) = (BTreeMap::new(), BTreeMap::new());
    for (who, on) in waited_sets(waiting) {
        // Where one is known to refuse, the others may be anything.
        let refuses = |n: &&Network| !n.is_allocated() || waiting.full_by_itself(n).is_some();
        if on.iter().any(refuses) {
            continue;
        }
        let mut age = |n: &Network| ages.entry(n.id.clone()).or_insert_with(|| too_young(waiting, n)).clone();
        let young: Vec<YoungNetwork> = on.iter().filter_map(|n| age(n)).collect();
        let left: Vec<&Network> = on
            .into_iter()
            .filter(|n| !waiting.has_free(n) && !young.iter().any(|y| y.network == n.name))
            .collect();
        if let ([one], [_, ..]) = (left.as_slice(), young.as_slice()) {
            found.entry(one.id.clone()).or_insert(FullBecause::OthersTooYoung { who, others: young });
        }
    }
    found
}

/// Everything that waits on several networks, with those networks.
fn waited_sets<'a>(waiting: &Waiting<'a>) -> Vec<(String, Vec<&'a Network>)> {
    let services = waiting.snapshot.services.iter().filter(|s| waiting.waits(&s.name));
    let services = services.map(|service| {
        let mut on = waiting.overlays_wanted(service);
        on.retain(|n| waiting.waits_of(&service.name).any(|w| w.network == n.id));
        (format!("service {}", service.name), on)
    });
    // A task waits for its service first, so one whose service waits says nothing of its own.
    let alone = waiting.lacks.iter().filter(|l| !l.service.is_some_and(|s| waiting.waits(&s.name)));
    let tasks = alone.map(|lack| (format!("task {}", lack.task.id), lack.on.clone()));
    services.chain(tasks).filter(|(_, on)| 1 < on.len()).collect()
}

/// The network with its numbers if it cannot have run out since it was created: to be full, it would have had to lose
/// all addresses that nothing owns.
fn too_young(waiting: &Waiting<'_>, network: &Network) -> Option<YoungNetwork> {
    let age = waiting.snapshot.engine.at.duration_since(network.created?);
    // A clock that is behind the leader's makes a network that was just created look younger than it is by little.
    let age_s = u64::try_from(age.as_secs()).unwrap_or(0);
    let owned = waiting.owners(network).total();
    let unowned = network.usable().saturating_sub(owned);
    let ended = ended_tasks(&waiting.lookup, &network.id);
    let lost_at_most =
        age_s.saturating_mul(LOST_PER_SECOND).saturating_add(LOST_AT_ONCE).saturating_add(ended);
    let young = network.is_ipv4_only() && lost_at_most < unowned;
    young.then(|| YoungNetwork { network: network.name.clone(), age_s, unowned })
}

#[cfg(test)]
mod tests;
