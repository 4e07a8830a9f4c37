//! What a check finds in what was seen, and the report made of it.

use std::ops::Deref;

use pvcheck_routes::Verdict;

use crate::cause::Unseen;
use crate::check::Check;
use crate::config::Config;
use crate::coverage::Coverage;
use crate::digest::sha256;
use crate::gate_report::{AttemptReport, CheckReport, Evidence};
use crate::observed::Observed;
use crate::reason::Reason;
use crate::repeat;

/// A verdict, why, and what it rests on. Only a [`Sight`] makes one that passes.
pub(super) struct Finding {
    verdict: Verdict,
    reason: Reason,
    evidence: Vec<Line>,
    attempts: Vec<AttemptReport>,
}

/// The longest text of one line of evidence, in characters; its digest is of all of it.
const MOST_CHARS: usize = 4096;

/// A line of evidence.
struct Line {
    text: String,
    /// How to see it, where the line knows better than its check.
    command: Option<String>,
    /// The digest of what it is the end of, where it is no whole text.
    digest: Option<String>,
}

impl Line {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None, digest: None }
    }

    fn shortened(&self) -> String {
        match self.text.char_indices().nth(MOST_CHARS) {
            Some((end, _)) => format!("{}…", &self.text[..end]),
            None => self.text.clone(),
        }
    }
}

impl Finding {
    fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason, evidence: Vec::new(), attempts: Vec::new() }
    }

    pub(super) fn fail(reason: Reason) -> Self {
        Self::new(Verdict::Fail, reason)
    }

    pub(super) fn unknown(reason: Reason) -> Self {
        Self::new(Verdict::Unknown, reason)
    }

    /// True iff it is a FAIL.
    pub(super) fn fails(&self) -> bool {
        self.verdict == Verdict::Fail
    }

    pub(super) fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The same finding for another reason, if it passes.
    pub(super) fn passing(mut self, reason: Reason) -> Self {
        if self.verdict == Verdict::Pass {
            self.reason = reason;
        }
        self
    }

    pub(super) fn evidence(mut self, text: impl Into<String>) -> Self {
        self.evidence.push(Line::new(text));
        self
    }

    /// A line with the command by which anyone sees it.
    pub(super) fn shown_by(mut self, text: impl Into<String>, command: impl Into<Option<String>>) -> Self {
        self.evidence.push(Line { command: command.into(), ..Line::new(text) });
        self
    }

    /// A line that is a part of what has this digest.
    pub(super) fn part_of(mut self, digest: &str, text: impl Into<String>) -> Self {
        self.evidence.push(Line { digest: Some(digest.to_owned()), ..Line::new(text) });
        self
    }

    /// A line about what has this digest.
    pub(super) fn whole_is(mut self, digest: &str, text: String, command: String) -> Self {
        self.evidence.push(Line { text, command: Some(command), digest: Some(digest.to_owned()) });
        self
    }

    /// The same finding, which is the last of these.
    pub(super) fn attempts(mut self, attempts: Vec<AttemptReport>) -> Self {
        self.attempts = attempts;
        self
    }

    pub(super) fn evidences(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(texts.into_iter().map(Line::new));
        self
    }

    /// What it rests on. What was seen to be so, or not to be so, is evidence by itself where nothing else is.
    fn lines(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.evidence);
        if lines.is_empty() && self.verdict != Verdict::Unknown {
            lines.push(Line::new(self.reason.to_string()));
        }
        lines
    }
}

/// Something that was seen, and whether all that the check needs was seen whole.
///
/// A fault may be found in a part: a record of exhaustion is one, even in a log of which lines are missing. A pass may
/// not, so [`Sight::pass`] is the only way to one, and it gives UNKNOWN with the reason where there is a gap.
pub(super) struct Sight<'a, T> {
    seen: &'a T,
    gap: Option<Reason>,
}

impl<T> Deref for Sight<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.seen
    }
}

impl<'a, T> Sight<'a, T> {
    /// A part of what was seen, with the same gap.
    pub(super) fn part<U>(&self, part: &'a U) -> Sight<'a, U> {
        Sight { seen: part, gap: self.gap.clone() }
    }

    /// The value itself, for as long as the facts live.
    pub(super) fn get(&self) -> &'a T {
        self.seen
    }

    /// Passes for this reason; unknown if anything that the check needs was not seen whole.
    pub(super) fn pass(&self, reason: Reason) -> Finding {
        match &self.gap {
            None => Finding::new(Verdict::Pass, reason),
            Some(gap) => Finding::unknown(gap.clone()),
        }
    }

    /// Passes with `otherwise` iff there is no fault, else fails with the faults.
    pub(super) fn faultless<F>(
        &self,
        faults: Vec<F>,
        fail: impl FnOnce(Vec<F>) -> Reason,
        otherwise: Reason,
    ) -> Finding {
        if faults.is_empty() { self.pass(otherwise) } else { Finding::fail(fail(faults)) }
    }

    /// A verdict that another crate has given on what was seen.
    pub(super) fn verdict(&self, verdict: Verdict, reason: Reason) -> Finding {
        match verdict {
            Verdict::Pass => self.pass(reason),
            Verdict::Fail => Finding::fail(reason),
            Verdict::Unknown => Finding::unknown(reason),
        }
    }
}

/// The facts of a gate and what they are judged against.
pub(super) struct Judge<'a, F> {
    pub(super) config: &'a Config,
    pub(super) facts: &'a F,
}

impl<F: Coverage> Judge<'_, F> {
    /// The report of a check over what was seen; unknown, with the reason, if nothing was.
    pub(super) fn check<'a, T>(
        &self,
        about: Check<'_>,
        observed: &'a Observed<T>,
        judge: impl FnOnce(Sight<'a, T>) -> Finding,
    ) -> CheckReport {
        let finding = match observed.sight() {
            Ok(seen) => judge(Sight { seen, gap: self.gap(about) }),
            Err(why) => Finding::unknown(Reason::NotSeen(why.clone())),
        };
        self.report(about, observed, finding)
    }

    /// The report of a check that may be proved in more than one way, so that it is judged even if `observed` was not seen.
    pub(super) fn check_proved<T>(
        &self,
        about: Check<'_>,
        observed: &Observed<T>,
        judge: impl FnOnce(Sight<'static, ()>) -> Finding,
    ) -> CheckReport {
        self.report(about, observed, judge(Sight { seen: &(), gap: self.gap(about) }))
    }

    /// The report of a check that these facts have no observation for.
    pub(super) fn unobserved(&self, about: Check<'_>) -> CheckReport {
        let none = Observed::<()>::not_recorded();
        self.report(about, &none, Finding::unknown(Reason::NotSeen(Unseen::NotRecorded)))
    }

    /// The first of the check's needs that was not observed whole.
    fn gap(&self, about: Check<'_>) -> Option<Reason> {
        about.needs().iter().find_map(|need| self.facts.gap(self.config, about, *need))
    }

    fn report<T>(&self, about: Check<'_>, observed: &Observed<T>, mut finding: Finding) -> CheckReport {
        let evidence = |line: Line| Evidence {
            source: observed.source.clone(),
            node: None,
            at: observed.at,
            text: line.shortened(),
            digest: line.digest.unwrap_or_else(|| sha256(&line.text)),
            command: Some(line.command.unwrap_or_else(|| repeat::command(self.config, about))),
        };
        let lines = finding.lines();
        CheckReport {
            id: about.id(self.config),
            title: about.title(self.config),
            verdict: finding.verdict,
            reason: finding.reason,
            required: about.info().required,
            needs: about.needs().to_vec(),
            evidence: lines.into_iter().map(evidence).collect(),
            elapsed_ms: observed.elapsed_ms,
            attempts: finding.attempts,
            waiver: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pass_takes_another_reason() {
        let of = |verdict| Finding::new(verdict, Reason::NoDuplicates).passing(Reason::NothingLeft).reason;
        assert_eq!(of(Verdict::Pass), Reason::NothingLeft);
        for verdict in [Verdict::Fail, Verdict::Unknown] {
            assert_eq!(of(verdict), Reason::NoDuplicates, "{verdict:?}");
        }
    }
}
