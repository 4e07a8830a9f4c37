//! The two ways to renew a network.

use serde::{Deserialize, Serialize};

/// How a network is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RenewalStrategy {
    /// Services move to a holding network, and from there to the new one: each is on one of them at any time.
    Bridge,
    /// Services leave the network, and join it again when it is new: nothing is reached through it in between.
    Recreate,
}

impl RenewalStrategy {
    /// Both, the gentler one first.
    pub const ALL: [Self; 2] = [Self::Bridge, Self::Recreate];

    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Recreate => "recreate",
        }
    }
}
