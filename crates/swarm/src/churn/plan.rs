//! The plan of a churn.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::census::CensusOptions;
use crate::lock::LockAs;
use crate::removal::Order;
use crate::write::PublishMode;

/// What a throwaway stack has in addition to a service on the shared network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ChurnShape {
    /// A private network: the shape that leaks.
    #[default]
    #[serde(rename = "shared+private")]
    SharedAndPrivate,
    /// Nothing else.
    Shared,
    /// A private network, and a port that is published on the node; the engine chooses its number.
    HostPort,
    /// A private network, and a port that is published through the routing mesh; the engine chooses its number. What
    /// `ingress` loses is not counted.
    IngressPort,
}

impl ChurnShape {
    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedAndPrivate => "shared+private",
            Self::Shared => "shared",
            Self::HostPort => "host-port",
            Self::IngressPort => "ingress-port",
        }
    }

    /// True iff a stack has a private network.
    pub(crate) fn is_private(self) -> bool {
        self != Self::Shared
    }

    pub(super) fn publish(self) -> Option<PublishMode> {
        match self {
            Self::HostPort => Some(PublishMode::Host),
            Self::IngressPort => Some(PublishMode::Ingress),
            Self::SharedAndPrivate | Self::Shared => None,
        }
    }
}

/// What a churn does.
#[derive(Clone, Debug)]
pub struct ChurnPlan {
    /// The shared overlay under test, by name.
    pub network: String,
    /// Stacks per round, side by side.
    pub stacks: u32,
    /// Tasks per stack.
    pub replicas: u32,
    /// Rounds, one after the other.
    pub rounds: u32,
    /// The order in which stacks are removed.
    pub order: Order,
    /// What each stack consists of.
    pub shape: ChurnShape,
    /// The image of their service.
    pub image: String,
    /// Its command; empty for the image's own.
    pub command: Vec<String>,
    /// Addresses that must stay free on the shared network at the planned peak.
    pub reserve: u64,
    /// How long the stacks of a round may take to run, and again to stop.
    pub patience: Duration,
    /// The options of each census.
    pub census: CensusOptions,
    /// The identity under which the Swarm's lock is held from the first stack to the last; `None` if the caller holds it.
    pub lock: Option<LockAs>,
}

impl ChurnPlan {
    /// Addresses of the shared network that a round takes at its peak: per stack a VIP and one per task.
    pub fn peak_addresses(&self) -> u64 {
        u64::from(self.stacks) * (1 + u64::from(self.replicas))
    }

    /// Addresses that earlier rounds are expected to have lost by the peak of the last one: one per task if Docker's order
    /// meets a private network, else none.
    pub(super) fn expected_losses(&self) -> u64 {
        let leaks = self.order == Order::StackRm && self.shape.is_private();
        let lossy_rounds = if leaks { self.rounds.saturating_sub(1) } else { 0 };
        u64::from(lossy_rounds) * u64::from(self.stacks) * u64::from(self.replicas)
    }
}
