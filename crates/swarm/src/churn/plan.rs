//! What a churn is to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::census::CensusOptions;
use crate::lock::LockAs;
use crate::removal::Order;
use crate::write::PublishMode;

/// What a throwaway stack consists of, beside a service on the shared network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChurnShape {
    /// A private network of its own: the shape that leaks.
    #[default]
    #[serde(rename = "shared+private")]
    SharedAndPrivate,
    /// Nothing.
    Shared,
    /// A private network, and a port published on the node, which the engine chooses.
    HostPort,
    /// A private network, and a port published through the routing mesh, which the engine chooses. What `ingress` loses
    /// is not counted: nothing can be attached to it, so it has no census.
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

    /// True iff a stack has a network of its own.
    pub fn is_private(self) -> bool {
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
    /// How stacks are removed.
    pub order: Order,
    /// What stacks consist of.
    pub shape: ChurnShape,
    /// The image of their service.
    pub image: String,
    /// What it runs; empty for the image's own.
    pub command: Vec<String>,
    /// Addresses that must stay free at the planned peak.
    pub reserve: u64,
    /// How long a round's stacks may take to run, and to stop.
    pub patience: Duration,
    /// The bounds of each census.
    pub census: CensusOptions,
    /// In whose name the Swarm's lock is held from the first stack to the last; `None` where the caller holds it.
    pub lock: Option<LockAs>,
}

impl ChurnPlan {
    /// Addresses of the shared network that a round takes at its peak: one VIP and its tasks per stack.
    pub fn peak_addresses(&self) -> u64 {
        u64::from(self.stacks) * (1 + u64::from(self.replicas))
    }

    /// Addresses that earlier rounds are expected to have lost at the peak of the last: one per task, where Docker's
    /// order meets a private network.
    pub(super) fn expected_losses(&self) -> u64 {
        let leaks = self.order == Order::StackRm && self.shape.is_private();
        let lossy_rounds = if leaks { self.rounds.saturating_sub(1) } else { 0 };
        u64::from(lossy_rounds) * u64::from(self.stacks) * u64::from(self.replicas)
    }
}
