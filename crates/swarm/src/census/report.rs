//! What a census is asked for, what it found, and why there was none.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_audit::{Network, NoSuchNetwork, TaskId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::doubt::Doubt;
use crate::engine::CallError;
use crate::run::RunId;
use crate::worded;

/// How the addresses were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CensusMethod {
    /// Many tasks at once that no node can run. Faster on a large network; the leader's log gets a line per task, which is
    /// one for each address, or for 32 of them on a network of more than 2048 that is not nearly full.
    Bulk,
    /// A few services without tasks at a time, each for one virtual address. It holds next to nothing, leaves the log
    /// alone, and is the only one that can ask on `ingress`.
    Cursor,
    /// The allocator's own count, less the owners: `Status.IPAM` of API 1.52 and later. It asks for no address and changes
    /// nothing, so it is possible while a service waits for one; but it is a number without names, and only ever used when
    /// asked for.
    Status,
    /// No address was asked for, because none is free: a service or a task waits for one on this network and on no other.
    /// What has no owner is then leaked. It is chosen by itself, never asked for.
    Waiting,
}

impl CensusMethod {
    /// Up to here the cursor is as fast as the task reaper's quarter of a second per batch lets `Bulk` be.
    const MOST_FOR_CURSOR: u64 = 2048;

    /// The method for a network with this much to hand out: see the methods' own words.
    pub(super) fn fitting(network: &Network, usable: u64) -> Self {
        if network.ingress || !is_large(usable) { Self::Cursor } else { Self::Bulk }
    }
}

/// True iff a task for each of so many addresses would fill the leader's log, and they are enough that one task can ask for
/// several.
pub(super) fn is_large(usable: u64) -> bool {
    CensusMethod::MOST_FOR_CURSOR < usable
}

/// What a census found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Census {
    /// The network's name.
    pub network: String,
    /// Its subnets, separated by commas where there are several.
    pub subnet: String,
    /// Addresses that VIPs, tasks and load balancers can have.
    pub usable: u64,
    /// Addresses that were handed out to the census, each counted once: those that are free. By `status`, as many as the
    /// engine says are free.
    pub handed_out: u64,
    /// Addresses with a known holder, load balancers whose address could be read among them.
    pub owned: u64,
    /// Load balancers of other nodes, whose addresses no manager names.
    pub load_balancers: u64,
    /// Addresses without an owner that were not handed out; `null` unless the census is complete.
    pub leaked: Option<u64>,
    /// Which: exactly as many as `leaked` says. Empty where nothing tells them from load balancers (see
    /// `leaked_or_load_balancers`), by `status`, which names none, and unless the census is complete.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// Where `load_balancers` is not 0: addresses of which that many are load balancers of other nodes and `leaked` are
    /// leaked. No manager says which is which.
    #[serde(default)]
    pub leaked_or_load_balancers: Vec<Ipv4Addr>,
    /// The address of the asked node's own load balancer, which that node alone names: one of `owned`. `null` if it has none,
    /// and by `status`, which does not ask for it.
    #[serde(default)]
    pub local_load_balancer: Option<Ipv4Addr>,
    /// Addresses that are free and owned at once: another service may be given them (L3 in the docs). Two turns saw them
    /// so, with the same owner. Empty by `status`, which cannot see them, and unless the census is complete.
    pub free_and_owned: Vec<Ipv4Addr>,
    /// How the addresses were asked for.
    pub method: CensusMethod,
    /// True iff the ring went round while no other client moved it, the parts add up to `usable`, and either nothing was
    /// left over or a second turn found the very same; by `status`, iff two counts agreed, or one found nothing leaked,
    /// and the owners were the same before and after each.
    pub complete: bool,
    /// Why it is not complete; by `status` also what the method leaves unsaid. In JSON its kind and data are `doubt`,
    /// its text is `reason`.
    #[serde(flatten, with = "worded::reason")]
    #[cfg_attr(feature = "schema", schemars(with = "worded::reason::Reasoned<Doubt>"))]
    pub reason: Option<Doubt>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl Census {
    /// The leaked addresses, and where nothing tells them apart, those of load balancers among them.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.leaked_addresses.iter().chain(&self.leaked_or_load_balancers).copied()
    }
}

/// The bounds of a census.
#[derive(Clone, Debug)]
pub struct CensusOptions {
    /// When to stop, complete or not.
    pub deadline: Duration,
    /// The most addresses that are held at once; it is never more than a quarter of the pool.
    pub most_held: u32,
    /// How to ask; `None` leaves it to the size of the network.
    pub method: Option<CensusMethod>,
}

impl Default for CensusOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_mins(2), most_held: 4000, method: None }
    }
}

/// Why there was no census.
#[derive(Debug, Error)]
pub enum CensusError {
    /// No overlay has this name.
    #[error(transparent)]
    NoSuchNetwork(#[from] NoSuchNetwork),
    /// The network has no subnet.
    #[error(
        "network `{0}` is not allocated yet: Swarm gave it no subnet; see the manager's log for an overlap, or recreate it with another --subnet"
    )]
    NotAllocated(String),
    /// Some of its addresses come from an IPv6 subnet: the allocator takes one of either kind, and IPv6 is never used up.
    #[error(
        "network `{0}` has an IPv6 subnet: its addresses cannot be counted, and it does not run out of them"
    )]
    Ipv6(String),
    /// A service waits for an address: a census would cost more of them.
    #[error(
        "service `{service}` waits for an address on {network}; a census now would lose more of them; remove or fix that service first, as `pvcheck why {service}` says{}",
        or_status(*.status_offered)
    )]
    ServiceWaits {
        /// The waiting service.
        service: String,
        /// The network it waits on, by name or id.
        network: String,
        /// True iff the engine offers [`CensusMethod::Status`], which is possible all the same.
        status_offered: bool,
    },
    /// Tasks wait for an address here or on another of their networks: each attempt to serve them takes an address of this
    /// network and gives it back, which moves the ring that a census follows.
    #[error(
        "{tasks} task(s) of service `{service}` wait for an address, {task} first, and each attempt moves the ring of {network} that a census follows; remove or fix that service first, as `pvcheck why {service}` says{}",
        or_status(*.status_offered)
    )]
    TasksWait {
        /// The service of the first that waits.
        service: String,
        /// The first task that waits.
        task: TaskId,
        /// How many tasks of that service wait.
        tasks: u64,
        /// The network that was to be counted.
        network: String,
        /// As in [`CensusError::ServiceWaits`].
        status_offered: bool,
    },
    /// Another census of the same network is at work; two would follow one ring.
    #[error(
        "run {run} takes a census of {network} at this moment; wait until it has ended (`pvcheck sweep --apply` removes what a killed one left)"
    )]
    AnotherCensus {
        /// The other run.
        run: RunId,
        /// The network.
        network: String,
    },
    /// The engine publishes no count of its own; with the reason.
    #[error("no census by status: {0}; leave out the method to count by asking for addresses")]
    NoStatus(String),
    /// No task can be attached to the routing mesh's network by name.
    #[error(
        "`{0}` is the ingress network, which takes no tasks by name; leave out the method, or ask by cursor"
    )]
    IngressInBulk(String),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn or_status(offered: bool) -> &'static str {
    if offered { ", or count with `--method status`, which asks for no address" } else { "" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cursor_is_for_what_is_small_and_for_ingress() {
        let network = |ingress: bool| -> Network {
            let saved = json!({
                "id": "n", "name": "proxy", "driver": "overlay", "scope": "swarm", "ingress": ingress,
                "attachable": true, "internal": false, "pools": [], "stack": null, "run": null,
            });
            serde_json::from_value(saved).expect("as it is saved")
        };
        let (bulk, cursor) = (CensusMethod::Bulk, CensusMethod::Cursor);
        for (ingress, usable, method) in
            [(false, 2048, cursor), (false, 2049, bulk), (true, 2049, cursor), (true, 13, cursor)]
        {
            assert_eq!(CensusMethod::fitting(&network(ingress), usable), method, "{ingress} {usable}");
        }
    }

    #[test]
    fn suspects_are_the_leaked_and_those_that_may_be_load_balancers() {
        let host = |n| Ipv4Addr::new(10, 9, 0, n);
        let census = Census {
            network: "proxy".into(),
            subnet: "10.9.0.0/28".into(),
            usable: 13,
            handed_out: 10,
            owned: 0,
            load_balancers: 1,
            leaked: Some(2),
            leaked_addresses: vec![host(2)],
            leaked_or_load_balancers: vec![host(3), host(4)],
            local_load_balancer: None,
            free_and_owned: vec![host(5)],
            method: CensusMethod::Cursor,
            complete: true,
            reason: None,
            elapsed_ms: 1,
        };
        assert_eq!(census.suspects().collect::<Vec<_>>(), [host(2), host(3), host(4)]);
    }

    #[test]
    fn the_way_that_asks_for_nothing_is_offered_where_the_engine_has_it() {
        let waits = |status_offered| {
            let (service, network) = ("late".to_owned(), "proxy".to_owned());
            CensusError::ServiceWaits { service, network, status_offered }.to_string()
        };
        assert!(waits(true).ends_with(", or count with `--method status`, which asks for no address"));
        assert!(waits(false).ends_with("as `pvcheck why late` says"));
    }
}
