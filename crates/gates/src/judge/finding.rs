//! What a check finds in what was seen, and the report made of it.

use pvcheck_routes::Verdict;

use crate::check::Check;
use crate::config::Config;
use crate::gate_report::{CheckReport, Evidence};
use crate::observed::{Observed, Seen};
use crate::reason::Reason;

/// A verdict, why, and what it rests on.
pub(super) struct Finding {
    verdict: Verdict,
    reason: Reason,
    evidence: Vec<String>,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason, evidence: Vec::new() }
    }

    pub(super) fn pass(reason: Reason) -> Self {
        Self::new(Verdict::Pass, reason)
    }

    pub(super) fn fail(reason: Reason) -> Self {
        Self::new(Verdict::Fail, reason)
    }

    pub(super) fn unknown(reason: Reason) -> Self {
        Self::new(Verdict::Unknown, reason)
    }

    /// Passes with `otherwise` iff there is no fault, else fails with the faults.
    pub(super) fn of<F>(faults: Vec<F>, fail: impl FnOnce(Vec<F>) -> Reason, otherwise: Reason) -> Self {
        if faults.is_empty() { Self::pass(otherwise) } else { Self::fail(fail(faults)) }
    }

    pub(super) fn evidence(mut self, text: impl Into<String>) -> Self {
        self.evidence.push(text.into());
        self
    }

    pub(super) fn evidences(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(texts);
        self
    }
}

/// A required check over what was seen; unknown, with the reason, if nothing was.
pub(super) fn check<T>(
    config: &Config,
    check: Check<'_>,
    observed: &Observed<T>,
    judge: impl FnOnce(&T) -> Finding,
) -> CheckReport {
    let finding = match &observed.seen {
        Seen::Known(value) => judge(value),
        Seen::Unknown(why) => Finding::unknown(Reason::NotSeen(why.clone())),
    };
    let evidence = |text| Evidence { source: observed.source.clone(), at: observed.at, text };
    CheckReport {
        id: check.id(),
        title: check.title(&config.overlay.name),
        verdict: finding.verdict,
        reason: finding.reason,
        required: true,
        evidence: finding.evidence.into_iter().map(evidence).collect(),
        elapsed_ms: observed.elapsed_ms,
    }
}
