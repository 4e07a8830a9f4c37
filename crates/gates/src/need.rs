//! What a check can need: the names of observations and of their parts.

use serde::{Deserialize, Serialize};

/// An observation, or a part of one, that a check needs whole before it can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// What was seen of the canary.
    Canary,
    /// The answer of the canary's route.
    CanaryRoute,
    /// The census after a churn.
    CensusAfter,
    /// The census before a churn.
    CensusBefore,
    /// How the churn ended.
    Churn,
    /// The file that declares the overlay.
    Declared,
    /// The file that creates it on the host.
    Deployed,
    /// The engine's log.
    Journal,
    /// A proved count of the leaked addresses of the overlay that the check is about.
    Leaked,
    /// The plan of a renewal.
    Plan,
    /// What the Swarm shows of a renewal: specs, lock, unfinished renewals.
    Proof,
    /// The record of a renewal of this overlay in this Swarm.
    Record,
    /// What carries the run's label after the sweep.
    Residue,
    /// The answers of the routes that the check is about, before anything is deployed.
    Routes,
    /// The answers of all routes after everything was removed.
    RoutesAfter,
    /// The answers of all routes from the first stack to the last.
    RoutesDuring,
    /// The nodes, networks, services and tasks of the Swarm.
    Snapshot,
    /// Whether anything is at work.
    Window,
}
