//! Something that was looked at: seen or not, when, and for how long.

use std::fmt::Display;
use std::time::Instant;

use jiff::Timestamp;
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};

use crate::verdict::{CheckReport, Evidence};

/// Seen, or not and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen<T> {
    /// What was seen.
    Known(T),
    /// Why it could not be seen, and the mend.
    Unknown(String),
}

/// A look at something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed<T> {
    /// Who was asked.
    pub source: String,
    /// When the look was over, by this machine's clock.
    pub at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What came of it.
    pub seen: Seen<T>,
}

impl<T> Observed<T> {
    /// Looks, and notes when and for how long.
    pub async fn look<E: Display>(
        source: impl Into<String>,
        look: impl Future<Output = Result<T, E>>,
    ) -> Self {
        let began = Instant::now();
        let seen = match Box::pin(look).await {
            Ok(value) => Seen::Known(value),
            Err(error) => Seen::Unknown(error.to_string()),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { source: source.into(), at: Timestamp::now(), elapsed_ms, seen }
    }

    /// Something that was not looked at.
    pub fn not_looked(source: impl Into<String>, why: impl Into<String>) -> Self {
        Self { source: source.into(), at: Timestamp::now(), elapsed_ms: 0, seen: Seen::Unknown(why.into()) }
    }

    /// What was seen, if anything.
    pub fn known(&self) -> Option<&T> {
        match &self.seen {
            Seen::Known(value) => Some(value),
            Seen::Unknown(_) => None,
        }
    }

    /// A required check over what was seen; unknown, with the reason, if nothing was.
    pub(crate) fn check(&self, id: &str, title: &str, judge: impl FnOnce(&T) -> Finding) -> CheckReport {
        let finding = match &self.seen {
            Seen::Known(value) => judge(value),
            Seen::Unknown(why) => Finding::unknown(why.clone()),
        };
        let evidence = |text| Evidence { source: self.source.clone(), at: self.at, text };
        CheckReport {
            id: id.to_owned(),
            title: title.to_owned(),
            verdict: finding.verdict,
            reason: finding.reason,
            required: true,
            evidence: finding.evidence.into_iter().map(evidence).collect(),
            elapsed_ms: self.elapsed_ms,
        }
    }
}

/// What a check finds in what was seen.
pub(crate) struct Finding {
    verdict: Verdict,
    reason: String,
    evidence: Vec<String>,
}

impl Finding {
    pub(crate) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), evidence: Vec::new() }
    }

    pub(crate) fn pass(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, reason)
    }

    pub(crate) fn fail(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, reason)
    }

    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, reason)
    }

    /// Passes iff there is nothing to complain about; the complaints are the reason otherwise.
    pub(crate) fn of(complaints: &[String], otherwise: impl Into<String>) -> Self {
        if complaints.is_empty() { Self::pass(otherwise) } else { Self::fail(complaints.join("; ")) }
    }

    pub(crate) fn evidence(mut self, text: impl Into<String>) -> Self {
        self.evidence.push(text.into());
        self
    }

    pub(crate) fn evidences(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(texts);
        self
    }
}
