//! The risks of each strategy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::strategy::Strategy;

/// A risk while a strategy is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Risk {
    /// Nothing can be deployed at each change of leader.
    NoDeployAtElections,
    /// The Swarm survives one failure of a manager less.
    OneFailureLess,
    /// The leadership may not come back.
    LeadershipMayStay,
    /// Nothing can be deployed while the manager has no quorum.
    NoDeployForHalfAMinute,
    /// If the private engine ends while it is a member, the quorum is gone until a resume.
    QuorumNeedsPrivateEngine,
    /// Join tokens that were kept become invalid.
    TokensRotated,
    /// Every container restarts.
    ContainersRestart,
}

impl Risk {
    /// The risks of a strategy. `helped` is true iff managers other than the connected one can be reached.
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
            Self::OneFailureLess => "while one manager is demoted, the Swarm survives one failure less",
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
