//! What a census is asked for, what it found, and why there was none.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_audit::{Network, NoSuchNetwork, TaskId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::CallError;

/// How the addresses were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CensusMethod {
    /// Many tasks at once that no node can run. Faster on a large network; the leader's log gets a line per address.
    Bulk,
    /// A few services without tasks at a time, each for one virtual address. It holds next to nothing, leaves the log
    /// alone, and is the only one that can ask on `ingress`.
    Cursor,
    /// The allocator's own count, less the owners: `Status.IPAM` of API 1.52 and later. It asks for no address and changes
    /// nothing, so it is possible while a service waits for one; but it is a number without names, and only ever used when
    /// asked for.
    Status,
}

impl CensusMethod {
    /// Up to here the cursor is as fast as the task reaper's quarter of a second per batch lets `Bulk` be.
    const MOST_FOR_CURSOR: u64 = 2048;

    /// The method for a network with this much to hand out: see the methods' own words.
    pub(super) fn fitting(network: &Network, usable: u64) -> Self {
        if network.ingress || usable <= Self::MOST_FOR_CURSOR { Self::Cursor } else { Self::Bulk }
    }
}

/// What a census found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Load balancers that hold an address which nobody could name.
    pub load_balancers: u64,
    /// Addresses that nobody owns and that were not handed out; `null` unless the census is complete.
    pub leaked: Option<u64>,
    /// Which: as many as `leaked` says, and one more per unnamed load balancer, since nothing tells them apart. Empty by
    /// `status`, which names none.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// Addresses that are free and owned at once: somebody else may be given them (L3 in the docs). Empty by `status`, which
    /// cannot see them.
    pub free_and_owned: Vec<Ipv4Addr>,
    /// How the addresses were asked for.
    pub method: CensusMethod,
    /// True iff the ring went round and its owners were known before and after; by `status`, iff two counts agreed, or one
    /// found nothing leaked, and the owners were the same before and after each.
    pub complete: bool,
    /// Why it is not complete; by `status` also what the method leaves unsaid.
    pub reason: Option<String>,
    /// How long it took.
    pub elapsed_ms: u64,
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
    /// A service or a task waits for an address: a census would cost more of them, or be wrong.
    #[error(
        "{} waits for an address on {network}; {}; remove or fix that service first{}",
        waiter(service, task.as_ref()),
        if task.is_none() { "a census now would lose more of them" } else { "its attempts move the ring that a census follows" },
        if *.status_offered { ", or count with `--method status`, which asks for no address" } else { "" }
    )]
    SomebodyWaits {
        /// The waiting service.
        service: String,
        /// Its task, where its service has its addresses and one of its tasks has none.
        task: Option<TaskId>,
        /// The network it waits on, by name or id.
        network: String,
        /// True iff the engine offers [`CensusMethod::Status`], which is possible all the same.
        status_offered: bool,
    },
    /// The engine tells no count of its own; with the reason.
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

fn waiter(service: &str, task: Option<&TaskId>) -> String {
    task.map_or_else(|| format!("service `{service}`"), |task| format!("task {task} of service `{service}`"))
}
