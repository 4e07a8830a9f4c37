//! The strategies of a reclaim.

use serde::{Deserialize, Serialize};

/// A way to cause a change of leader, which frees leaked addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The leader is demoted and promoted again, among three or more managers.
    Handover,
    /// A private engine becomes a second manager for half a minute, so that the only manager has to be elected again.
    Borrow,
    /// The engine is restarted, and all its containers with it.
    Restart,
}

impl Strategy {
    /// All strategies, the gentlest first.
    pub const ALL: [Self; 3] = [Self::Handover, Self::Borrow, Self::Restart];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handover => "handover",
            Self::Borrow => "borrow",
            Self::Restart => "restart",
        }
    }
}

/// Which strategies may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Only this one; `None` for the gentlest that is possible.
    pub only: Option<Strategy>,
    /// True iff a restart of the engine is allowed at this moment.
    pub restart_allowed: bool,
    /// True iff it is allowed although services start or stop at this moment.
    pub busy_allowed: bool,
}
