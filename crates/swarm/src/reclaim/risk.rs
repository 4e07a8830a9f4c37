//! What a strategy puts at risk.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::strategy::Strategy;

/// What is at risk while a strategy works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Risk {
    /// At each change of leader nothing can be deployed.
    NoDeployAtElections,
    /// One manager less holds the Swarm's state.
    OneFailureLess,
    /// The leadership may not come back.
    LeadershipMayStay,
    /// While the manager has no quorum nothing can be deployed.
    NoDeployForHalfAMinute,
    /// The private engine may die while it is a member.
    QuorumNeedsPrivateEngine,
    /// Join tokens are rotated.
    TokensRotated,
    /// Every container restarts.
    ContainersRestart,
}

impl Risk {
    /// Those of a strategy. `helped` says whether managers other than the one asked can be asked as well.
    pub(super) fn of(strategy: Strategy, helped: bool) -> Vec<Self> {
        match strategy {
            Strategy::Handover if helped => vec![Self::NoDeployAtElections, Self::OneFailureLess],
            Strategy::Handover => {
                vec![Self::NoDeployAtElections, Self::OneFailureLess, Self::LeadershipMayStay]
            }
            Strategy::Borrow => {
                vec![Self::NoDeployForHalfAMinute, Self::QuorumNeedsPrivateEngine, Self::TokensRotated]
            }
            Strategy::Restart => vec![Self::ContainersRestart],
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDeployAtElections => {
                "no container restarts; for some seconds at each change of leader nothing can be deployed"
            }
            Self::OneFailureLess => "while one manager is demoted, one failure less is survived",
            Self::LeadershipMayStay => {
                "only one manager can be asked from here, so the leadership may stay where it went; name others with --helper URL to have it back"
            }
            Self::NoDeployForHalfAMinute => {
                "no container restarts; for about half a minute nothing can be deployed"
            }
            Self::QuorumNeedsPrivateEngine => {
                "if the private engine dies while it is a member, nothing can be deployed until `pvcheck reclaim --resume`; containers run on"
            }
            Self::TokensRotated => "join tokens that are kept elsewhere stop working",
            Self::ContainersRestart => {
                "every container of this engine restarts, those that no service owns too"
            }
        })
    }
}
