//! Options, plan, report and errors of a removal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::left::{Left, LeftReason, PartKind};
use super::order::Order;
use crate::engine::CallError;

/// How stacks are removed. The default is drained, with a patience of two minutes.
#[derive(Clone, Debug)]
pub struct RemovalOptions {
    /// The order of the parts.
    pub order: Order,
    /// How long to wait for tasks to stop before their networks are left in place.
    pub patience: Duration,
}

impl Default for RemovalOptions {
    fn default() -> Self {
        Self { order: Order::Drained, patience: Duration::from_mins(2) }
    }
}

/// What was removed of one stack, and what was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StackRemoval {
    /// The stack's name.
    pub stack: String,
    /// Services removed.
    pub services: u64,
    /// Networks removed.
    pub networks: u64,
    /// Secrets and configs removed.
    pub stored: u64,
    /// The parts that were not removed, each with its reason; empty if the stack is gone.
    pub left: Vec<Left>,
}

impl StackRemoval {
    /// Notes that a second look failed. Where parts are left, those say enough.
    pub(super) fn not_seen_again(&mut self, error: &CallError) {
        if self.left.is_empty() {
            let why = LeftReason::NotSeenAgain { error: error.to_string() };
            self.left.push(Left { kind: PartKind::Stack, name: self.stack.clone(), why });
        }
    }

    /// Adds what a second pass over the same stack did.
    pub(super) fn add(&mut self, more: Self) {
        self.services += more.services;
        self.networks += more.networks;
        self.stored += more.stored;
        self.left.extend(more.left);
    }
}

/// What a removal would remove, as of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemovalPlan {
    /// The stack's name.
    pub stack: String,
    /// Its services.
    pub services: Vec<String>,
    /// Its own networks; external ones are not among them.
    pub networks: Vec<String>,
    /// Its secrets.
    pub secrets: Vec<String>,
    /// Its configs.
    pub configs: Vec<String>,
    /// Those of its networks that services of no stack, or of another one, use: the engine refuses to remove them.
    #[serde(default)]
    pub used: Vec<NetworkUse>,
}

/// A network of a stack, and the services outside of that stack that are on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkUse {
    /// The network's name.
    pub network: String,
    /// The services' names.
    pub services: Vec<String>,
}

/// Why stacks could not be removed.
#[derive(Debug, Error)]
pub enum RemovalError {
    /// No service, network, secret or config carries this stack's name.
    #[error("there is no stack `{name}`{}", known(stacks))]
    NoSuchStack {
        /// The name that was given.
        name: String,
        /// The stacks of the Swarm, in order.
        stacks: Vec<String>,
    },
    /// A call failed; nothing was removed before.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn known(stacks: &[String]) -> String {
    if stacks.is_empty() {
        "; the Swarm has no stack at all".into()
    } else {
        format!("; there are {}", stacks.join(", "))
    }
}

/// Names split into stacks that exist and stacks that do not, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundStacks {
    /// Stacks of which a service, network, secret or config exists.
    pub present: Vec<String>,
    /// Names that no part carries.
    pub missing: Vec<String>,
}
