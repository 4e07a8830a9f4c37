//! A gate's report: verdicts, reasons and evidence.

use jiff::Timestamp;
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::gate::Gate;
use crate::need::Need;
use crate::reason::Reason;
use crate::waiver::{Waiver, WaiverNote, WaiverState};

/// Something that was seen, verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Where it was seen: the engine's API, a route, a log.
    pub source: String,
    /// The node whose engine said so, by its host name; `None` where no engine did, or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When it was seen.
    pub at: Timestamp,
    /// How anyone sees the same: a line for a POSIX shell. `None` in a report of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What was seen, without values that may be secrets. A long text ends with `…`.
    pub text: String,
    /// SHA-256 of that text before it was shortened, in hex; empty in a report of an earlier version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

impl Evidence {
    /// As much of the digest as a reader compares; `None` in a report of an earlier version.
    pub fn short_digest(&self) -> Option<&str> {
        self.digest.get(..12)
    }

    /// The text in one line, as every form of a report but JSON has it.
    pub fn line(&self) -> String {
        self.text.replace(['\n', '\r'], " ")
    }
}

/// One check of a gate.
///
/// In JSON `reason` is the text, with `kind` and `data` next to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "SavedCheck", from = "SavedCheck")]
pub struct CheckReport {
    /// Its id, such as `overlay.subnet` or `route.dashboard`.
    pub id: String,
    /// What it is about, for a person.
    pub title: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why; its text is one line.
    pub reason: Reason,
    /// True iff the gate cannot pass without it.
    pub required: bool,
    /// What must have been observed whole for it to pass; empty in a report of an earlier version.
    pub needs: Vec<Need>,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// How long it took to observe what it is about.
    pub elapsed_ms: u64,
    /// What was asked and came of it each time, where it was asked more than once.
    pub attempts: Vec<AttemptReport>,
    /// Why it does not count for its gate although it is open. It never passes by that.
    pub waiver: Option<Waiver>,
}

/// One of several attempts of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptReport {
    /// When it was made.
    pub at: Timestamp,
    /// What came of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// A gate's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateReport {
    /// The gate's name, such as `pvcheck.m1`.
    pub gate: String,
    /// The worst verdict of its required checks that are not waived.
    pub verdict: Verdict,
    /// The id of the Swarm that it is about; `None` in a report of an earlier version.
    #[serde(default)]
    pub swarm: Option<String>,
    /// When the last of its evidence was seen, or else the gate began; the epoch if neither is known.
    pub at: Timestamp,
    /// SHA-256 of the configuration that it ran with, in hex.
    pub config_digest: String,
    /// Its checks, in order.
    pub checks: Vec<CheckReport>,
    /// The waivers that are about its checks, in the configuration's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverNote>,
}

impl GateReport {
    /// Sums up checks. Without a required check the verdict is unknown.
    pub fn new(gate: Gate, config: &Config, checks: Vec<CheckReport>) -> Self {
        Self::named(gate.name(), config, checks)
    }

    /// Sums up the checks of a gate of this name.
    pub(crate) fn named(gate: &str, config: &Config, checks: Vec<CheckReport>) -> Self {
        let evidence = checks.iter().flat_map(|c| &c.evidence).map(|e| e.at);
        Self {
            gate: gate.to_owned(),
            swarm: None,
            verdict: Self::sum(&checks),
            at: evidence.max().unwrap_or(Timestamp::UNIX_EPOCH),
            config_digest: config.digest().to_owned(),
            checks,
            waivers: Vec::new(),
        }
    }

    /// The verdict of a gate with these checks. Of nothing the worst is UNKNOWN: a gate without a required check has shown
    /// nothing, and so has one whose required checks are all waived.
    pub(crate) fn sum(checks: &[CheckReport]) -> Verdict {
        let counting = checks.iter().filter(|check| check.required && check.waiver.is_none());
        Verdict::worst(counting.map(|check| check.verdict))
    }

    /// How many waivers keep an open check from counting.
    pub fn waivers_in_use(&self) -> usize {
        self.waivers.iter().filter(|note| note.state == WaiverState::InUse).count()
    }

    /// The checks that are not passed, required or not.
    pub fn open(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|c| c.verdict != Verdict::Pass)
    }
}

/// [`CheckReport`] as it is saved. Versions before kinds wrote `reason` alone.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SavedCheck {
    id: String,
    title: String,
    verdict: Verdict,
    reason: String,
    #[serde(flatten)]
    why: Option<Reason>,
    required: bool,
    #[serde(default)]
    needs: Vec<Need>,
    evidence: Vec<Evidence>,
    elapsed_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<AttemptReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiver: Option<Waiver>,
}

impl From<CheckReport> for SavedCheck {
    fn from(check: CheckReport) -> Self {
        let CheckReport {
            id,
            title,
            verdict,
            reason,
            required,
            needs,
            evidence,
            elapsed_ms,
            attempts,
            waiver,
        } = check;
        Self {
            id,
            title,
            verdict,
            reason: reason.to_string(),
            why: Some(reason),
            required,
            needs,
            evidence,
            elapsed_ms,
            attempts,
            waiver,
        }
    }
}

impl From<SavedCheck> for CheckReport {
    fn from(saved: SavedCheck) -> Self {
        let SavedCheck {
            id,
            title,
            verdict,
            reason,
            why,
            required,
            needs,
            evidence,
            elapsed_ms,
            attempts,
            waiver,
        } = saved;
        let reason = why.unwrap_or(Reason::Recorded(reason));
        Self { id, title, verdict, reason, required, needs, evidence, elapsed_ms, attempts, waiver }
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
