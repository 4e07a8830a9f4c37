//! Who writes a line: the builder claims, the verifier judges.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A role, which has one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Does the work and claims that a gate passes.
    Builder,
    /// Measures afresh and gives the verdict.
    Verifier,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Builder, Self::Verifier];

    /// Its name, as it stands in a ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Verifier => "verifier",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
