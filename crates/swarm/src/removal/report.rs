//! What a removal is asked for, what became of it, and why there was none.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::left::Left;
use super::order::Order;
use crate::engine::CallError;

/// How a removal goes about it.
#[derive(Clone, Debug)]
pub struct RemovalOptions {
    /// Which order.
    pub order: Order,
    /// How long tasks may take to stop before their networks are left in place.
    pub patience: Duration,
}

impl Default for RemovalOptions {
    fn default() -> Self {
        Self { order: Order::Drained, patience: Duration::from_mins(2) }
    }
}

/// What became of one stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRemoval {
    /// The stack's name.
    pub stack: String,
    /// Services removed.
    pub services: u64,
    /// Networks removed.
    pub networks: u64,
    /// Secrets and configs removed.
    pub stored: u64,
    /// What is left, each with the reason; empty if the stack is gone.
    pub left: Vec<Left>,
}

/// What a removal would take away, as of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct NetworkUse {
    /// The network's name.
    pub network: String,
    /// The services' names.
    pub services: Vec<String>,
}

/// Why stacks could not be removed.
#[derive(Debug, Error)]
pub enum RemovalError {
    /// No part of such a stack exists.
    #[error("there is no stack `{name}`{}", known(stacks))]
    NoSuchStack {
        /// What was asked for.
        name: String,
        /// What there is.
        stacks: Vec<String>,
    },
    /// A call failed; nothing was removed before.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn known(stacks: &[String]) -> String {
    if stacks.is_empty() {
        "; there is none at all".into()
    } else {
        format!("; there are {}", stacks.join(", "))
    }
}

/// Which of these stacks there are, each once, and which not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundStacks {
    /// Those of which something is in the Swarm: a service, a network, a secret or a config.
    pub present: Vec<String>,
    /// Those of which nothing is.
    pub missing: Vec<String>,
}
