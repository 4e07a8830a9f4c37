//! What a builder says of a gate.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::facts::{Facts, Measured};

/// What was done, how, what is expected, and where: commit, files and live facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The gate that is claimed.
    pub gate: String,
    /// What was done.
    pub what: Option<String>,
    /// How it was done.
    pub how: Option<String>,
    /// What is expected to be found.
    pub expected: Option<String>,
    /// The commit that it was done with.
    pub commit: Option<String>,
    /// Files that it rests on.
    pub files: Vec<ClaimedFile>,
    /// Digest of the report that the facts are of, so that its evidence can be held against the claim.
    pub report: Digest,
    /// What the report says.
    pub facts: Facts,
}

/// A file of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimedFile {
    /// Its path, as it was given.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Digest,
}

/// The report is none to claim a gate with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the report says {verdict} of {gate}, and only a PASS can be claimed; mend what does not pass and run the gate again"
)]
pub struct NotClaimable {
    gate: String,
    verdict: Measured,
}

impl Claim {
    /// The claim, if its report passes.
    ///
    /// # Errors
    /// If the report's verdict is FAIL or UNKNOWN.
    pub fn of_a_pass(self) -> Result<Self, NotClaimable> {
        if self.facts.verdict == Measured::Pass {
            return Ok(self);
        }
        Err(NotClaimable { gate: self.gate, verdict: self.facts.verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::claim;

    #[test]
    fn only_a_pass_is_claimed() {
        assert!(claim().of_a_pass().is_ok());
        for verdict in [Measured::Fail, Measured::Unknown] {
            let mut claim = claim();
            claim.facts.verdict = verdict;
            let error = claim.of_a_pass().expect_err("no pass").to_string();
            assert!(error.contains(&format!("says {verdict} of pvcheck.m1")), "{error}");
        }
    }
}
