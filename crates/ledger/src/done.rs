//! A phase is done, or is not any more.

use serde::{Deserialize, Serialize};

/// All gates of a phase have fresh passes, and no critical finding about it is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The phase.
    pub phase: String,
    /// Its gates.
    pub gates: Vec<String>,
    /// The age of a verdict that was accepted.
    pub max_age_ms: i64,
}

/// A phase that was done is so no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// The phase.
    pub phase: String,
    /// Why, one reason each.
    pub because: Vec<String>,
}
