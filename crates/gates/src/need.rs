//! What a check can need: the names of observations and of their parts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An observation, or a part of one, that a check needs whole before it can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// When the unit that creates the overlay was activated.
    Activation,
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
    /// The file that is to have the team's guard.
    Guard,
    /// A run of the harness that the check is about, its result, and the Swarm meanwhile.
    Harness,
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
    /// The newest report of a gate that ran before.
    Report,
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

impl fmt::Display for Need {
    /// As JSON has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Canary => "canary",
            Self::CanaryRoute => "canary_route",
            Self::CensusAfter => "census_after",
            Self::CensusBefore => "census_before",
            Self::Activation => "activation",
            Self::Churn => "churn",
            Self::Declared => "declared",
            Self::Deployed => "deployed",
            Self::Guard => "guard",
            Self::Harness => "harness",
            Self::Journal => "journal",
            Self::Leaked => "leaked",
            Self::Plan => "plan",
            Self::Proof => "proof",
            Self::Record => "record",
            Self::Report => "report",
            Self::Residue => "residue",
            Self::Routes => "routes",
            Self::RoutesAfter => "routes_after",
            Self::RoutesDuring => "routes_during",
            Self::Snapshot => "snapshot",
            Self::Window => "window",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::explain::catalogue;

    #[test]
    fn a_need_is_printed_as_json_has_it() {
        for need in catalogue().flat_map(|row| row.needs) {
            assert_eq!(serde_json::to_value(need).expect("a name"), need.to_string());
        }
    }
}
