//! How it is known that nothing is free on a network.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::described::{Described, described};
use crate::seen::TaskId;

/// How it is known that nothing is free on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FullBecause {
    /// The allocator counts no free address.
    Counted,
    /// The known owners are at least as many as the usable addresses.
    Owned,
    /// A service waits for its virtual address here and on no other network.
    ServiceWaits {
        /// The service's name.
        service: String,
    },
    /// A task waits for its address here and on no other network.
    TaskWaits {
        /// The task.
        task: TaskId,
    },
    /// A node got no address for its load balancer here.
    BalancerMissing {
        /// The task that the node rejected for it.
        task: TaskId,
    },
    /// A probe on it was given no address while probes on other networks were.
    Probed,
    /// The service or task that `why` was asked about waits here and on no other network.
    AskedWaitsOnlyHere,
    /// Something waits on it and on others, which are too young to have lost all their addresses.
    OthersTooYoung {
        /// What waits: `service NAME` or `task ID`.
        who: String,
        /// The other networks.
        others: Vec<YoungNetwork>,
    },
    /// The allocator counts free addresses on every other network that the service or task waits on.
    OthersHaveFree,
}

/// A network that is taken not to have run out of addresses since it was created: an assumption on the rate of losses, not
/// a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct YoungNetwork {
    /// Its name.
    pub network: String,
    /// How old it is, in seconds.
    pub age_s: u64,
    /// Addresses without an owner, all of which it would have had to lose since.
    pub unowned: u64,
}

impl fmt::Display for FullBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted => f.write_str("the allocator itself counts no free address"),
            Self::Owned => f.write_str("its known owners take every usable address"),
            Self::ServiceWaits { service } => {
                write!(f, "service {service} waits for an address here and nowhere else, so nothing is free")
            }
            Self::TaskWaits { task } => {
                write!(f, "task {task} waits for an address here and nowhere else, so nothing is free")
            }
            Self::BalancerMissing { task } => {
                write!(f, "task {task} was rejected because its node got no load-balancer address here")
            }
            Self::Probed => f.write_str("a probe was given no address here while probes elsewhere were"),
            Self::AskedWaitsOnlyHere => {
                f.write_str("it waits for an address here and nowhere else, so nothing is free")
            }
            Self::OthersTooYoung { who, others } => {
                write!(f, "{who} waits here")?;
                for YoungNetwork { network, age_s, unowned } in others {
                    write!(
                        f,
                        " and on {network}, which is {age_s} s old and would have had to lose {unowned} addresses since"
                    )?;
                }
                f.write_str(", so this one is taken to be full; `pvcheck why --probe` proves it")
            }
            Self::OthersHaveFree => {
                f.write_str("the allocator counts free addresses on every other network that it waits on")
            }
        }
    }
}

impl Described for Option<FullBecause> {
    type Text = Option<String>;

    fn text(&self) -> Option<String> {
        self.as_ref().map(ToString::to_string)
    }

    fn from_text(_: Option<String>) -> Self {
        None
    }
}

described!(full_because_json, Option<FullBecause>, "full_because", "full_kind");
