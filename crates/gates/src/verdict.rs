//! Verdicts, and what they rest on.

use jiff::Timestamp;
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Something that was seen, in the words of who said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who said it: the engine's API, a route, a log.
    pub source: String,
    /// When it was seen.
    pub at: Timestamp,
    /// What was seen.
    pub text: String,
}

/// One check of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its id, such as `overlay.subnet` or `route.dashboard`.
    pub id: String,
    /// What it is about, for a person.
    pub title: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// True iff the gate cannot pass without it.
    pub required: bool,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// How long it took to observe what it is about.
    pub elapsed_ms: u64,
}

/// A gate's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// The gate's name, such as `pvcheck.m1`.
    pub gate: String,
    /// The worst verdict of its required checks.
    pub verdict: Verdict,
    /// When the last of its evidence was seen; the epoch if there is none.
    pub at: Timestamp,
    /// SHA-256 of the configuration that it ran with, in hex.
    pub config_digest: String,
    /// Its checks, in order.
    pub checks: Vec<CheckReport>,
}

impl GateReport {
    /// Sums up checks. Without a required check the verdict is unknown.
    pub fn new(gate: &str, config: &Config, checks: Vec<CheckReport>) -> Self {
        let evidence = checks.iter().flat_map(|c| &c.evidence).map(|e| e.at);
        Self {
            gate: gate.into(),
            verdict: Verdict::worst(checks.iter().filter(|c| c.required).map(|c| c.verdict)),
            at: evidence.max().unwrap_or(Timestamp::UNIX_EPOCH),
            config_digest: config.digest().to_owned(),
            checks,
        }
    }

    /// The checks that are not passed, required or not.
    pub fn open(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|c| c.verdict != Verdict::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_worse_than_pass_and_fail_is_worst() {
        use Verdict::{Fail, Pass, Unknown};
        assert_eq!(Verdict::worst([Pass, Pass]), Pass);
        assert_eq!(Verdict::worst([Pass, Unknown]), Unknown);
        assert_eq!(Verdict::worst([Unknown, Fail, Pass]), Fail);
        assert_eq!(Verdict::worst([]), Unknown);
    }
}
