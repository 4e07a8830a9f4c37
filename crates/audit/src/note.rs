//! What an audit could not know of a network from where it looked, and how to learn it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::described::{Described, described};
use crate::exhaustion::{PoolCounts, balancers_unsure};
use crate::faults::{causes, pools_have_free};
use crate::full_because::FullBecause;
use crate::seen::{Network, NetworkId};
use crate::waiting::Waiting;

/// A remark on one network of an audit. JSON has the sentences as `notes`, the kinds as `note_kinds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// Swarm has given the network no subnet.
    NotAllocated {
        /// The network's id, by which the manager's log names it.
        network: NetworkId,
        /// True iff the default pools still have a free subnet; `None` if the pools are not known.
        #[serde(default)]
        pools_have_free: Option<bool>,
    },
    /// Nothing is free, and this is how that is known.
    Full {
        /// How.
        because: FullBecause,
    },
    /// More addresses are owned than the allocator counts as taken.
    OwnedButFree {
        /// How many.
        addresses: u64,
    },
    /// Some load balancers are counted that may have got no address.
    BalancersUnsure {
        /// How many.
        load_balancers: u64,
    },
    /// Only a part of the subnet is handed out.
    Ranged {
        /// The range.
        range: String,
        /// Addresses that VIPs, tasks and load balancers can have.
        usable: u64,
    },
    /// The network has IPv6 subnets, whose addresses are not counted.
    Ipv6 {
        /// The subnets; empty if it was created with `--ipv6` and without one.
        subnets: Vec<String>,
    },
    /// How many addresses are leaked takes a census to know.
    LeaksUnknown {
        /// The network's name.
        network: String,
        /// A service that waits, because of which a census is refused.
        waiting: Option<String>,
    },
    /// Tasks that hold an address here are stopping.
    Stopping {
        /// How many.
        tasks: u64,
    },
    /// Load balancers hold addresses that no manager names.
    BalancersUnnamed,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllocated { network, pools_have_free } => write!(
                f,
                "Swarm has given this network no subnet: {}. The API does not show which, nor the subnet asked for; \
                 search the log of the leading manager for `Failed allocation for network {network}`",
                causes(*pools_have_free)
            ),
            Self::Ranged { range, usable } => write!(
                f,
                "only addresses of its range {range} are handed out, {usable} in all, whatever the size of its subnet"
            ),
            Self::Ipv6 { subnets } if subnets.is_empty() => f.write_str(
                "it was created with --ipv6 and has no IPv6 subnet: nodes up to 26.1 reject every task on it",
            ),
            Self::Ipv6 { subnets } => write!(
                f,
                "the allocator also hands out addresses of {}, which are not counted here; nodes up to 26.1 reject a task that is given one",
                subnets.join(" and ")
            ),
            Self::Full { because } => because.fmt(f),
            Self::OwnedButFree { addresses } => write!(
                f,
                "{addresses} addresses more have an owner than the allocator counts as taken: a failed update freed \
                 them, or a node lacks its load balancer"
            ),
            Self::BalancersUnsure { load_balancers } => write!(
                f,
                "{load_balancers} of the load balancers counted here may have got no address: no task of their nodes \
                 has started"
            ),
            Self::LeaksUnknown { network, waiting: None } => write!(
                f,
                "leaked addresses cannot be seen from lists; run `pvcheck census {network}` to count and name them"
            ),
            Self::LeaksUnknown { waiting: Some(service), .. } => write!(
                f,
                "leaked addresses cannot be seen from lists, and a census is refused while service {service} waits; \
                 run `pvcheck why {service}` first"
            ),
            Self::Stopping { tasks } => {
                write!(f, "{tasks} of the tasks that hold an address here are stopping")
            }
            Self::BalancersUnnamed => f.write_str(
                "load balancers are counted one per node with a task here; no manager names their addresses",
            ),
        }
    }
}

impl Described for Vec<Note> {
    type Text = Vec<String>;

    fn text(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }

    fn from_text(_: Vec<String>) -> Self {
        Self::new()
    }
}

described!(notes_json, Vec<Note>, "notes", "note_kinds");

/// The remarks on one network.
pub(crate) fn notes(waiting: &Waiting<'_>, network: &Network, pool: &PoolCounts) -> Vec<Note> {
    // Of a network without a subnet nothing else can be said: it has no addresses.
    if !network.is_allocated() {
        let pools_have_free = pools_have_free(waiting.snapshot);
        return vec![Note::NotAllocated { network: network.id.clone(), pools_have_free }];
    }
    let owners = waiting.owners(network);
    let mut notes = Vec::new();
    notes.extend(
        network
            .pools
            .iter()
            .filter_map(|p| p.range)
            .map(|range| Note::Ranged { range: range.to_string(), usable: network.usable() }),
    );
    if network.ipv6 || !network.ipv6_subnets.is_empty() {
        let subnets = network.ipv6_subnets.iter().map(ToString::to_string).collect();
        notes.push(Note::Ipv6 { subnets });
    }
    notes.extend(pool.full_because.clone().map(|because| Note::Full { because }));
    if 0 < pool.owned_but_free {
        notes.push(Note::OwnedButFree { addresses: pool.owned_but_free });
    }
    let load_balancers = balancers_unsure(&waiting.lookup, network, owners);
    if pool.full_because.is_some() && 0 < load_balancers {
        notes.push(Note::BalancersUnsure { load_balancers });
    }
    // With owners that the allocator does not count, a census would show those and still not the difference.
    if pool.leaked.is_none() && 0 == pool.owned_but_free && network.is_ipv4_only() {
        let service = waiting.waits.first().map(|w| w.service.clone());
        notes.push(Note::LeaksUnknown { network: network.name.clone(), waiting: service });
    }
    let here = waiting.lookup.tasks_on(&network.id).iter();
    let stopping = here.filter(|t| t.is_stopping()).count() as u64;
    if 0 < stopping {
        notes.push(Note::Stopping { tasks: stopping });
    }
    // One is the usual case on a single node, and not worth a remark.
    if 1 < owners.load_balancers.len() {
        notes.push(Note::BalancersUnnamed);
    }
    notes
}

#[cfg(test)]
mod tests;
