//! The four pages of a phase, written from the ledger: added to, never changed.
//!
//! Every entry ends with a comment that has the number and the digest of its line, so that a later run adds only what is
//! new, and what was written from another ledger is refused. What stands there besides is left as it is.

use jiff::Timestamp;
use thiserror::Error;

use crate::content::Content;
use crate::finding::FindingEvent;
use crate::ledger::Ledger;
use crate::line::Line;
use crate::render::{claim_markdown, finding_markdown, said, verdict_markdown};
use crate::status::{Phase, PhaseStatus};
use crate::text::escaped;
use crate::verdict::{Outcome, hours};

/// The heading of a phase that is done. The words behind it say whether it still is.
const DONE: &str = "## DONE";
const WITHDRAWN: &str = "## DONE withdrawn";

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What is claimed and how it was judged, and whether the phase is done.
    Status,
    /// What is to be done: claims to verify, and findings.
    Backlog,
    /// Verdicts with what they rest on.
    Review,
    /// Every line, in a line.
    Journal,
}

/// A page cannot be added to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PageError {
    /// It has a line that is not this ledger's.
    #[error(
        "{name} was written from another ledger: it has line {line} as {digest}; name its ledger with --ledger FILE, or another folder with --write DIR"
    )]
    OtherLedger {
        /// Its name.
        name: &'static str,
        /// The number of the line.
        line: u64,
        /// The line's digest, as the page has it.
        digest: String,
    },
    /// It is of another phase: entries of two would be taken for those of one.
    #[error("{name} is not of this phase: it begins with `{head}`; name another folder with --write DIR")]
    OtherPhase {
        /// Its name.
        name: &'static str,
        /// Its first line.
        head: String,
    },
}

impl Page {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Status, Self::Backlog, Self::Review, Self::Journal];

    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Status => "STATUS.md",
            Self::Backlog => "BACKLOG.md",
            Self::Review => "REVIEW.md",
            Self::Journal => "JOURNAL.md",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Backlog => "Backlog",
            Self::Review => "Review",
            Self::Journal => "Journal",
        }
    }

    /// What is to be added to the page as it is now, which is empty if it is not there. Nothing if nothing is new.
    ///
    /// # Errors
    /// If the page was written from another ledger, or for another phase.
    pub fn addition(
        self,
        now_there: &str,
        ledger: &Ledger,
        phase: &Phase,
        status: &PhaseStatus,
        at: Timestamp,
    ) -> Result<String, PageError> {
        let written = self.written(now_there, ledger)?;
        let head = now_there.lines().next().unwrap_or_default().trim_end();
        if 0 < written && head != self.heading(&phase.name) {
            return Err(PageError::OtherPhase { name: self.file_name(), head: head.to_owned() });
        }
        let new = ledger.lines().iter().filter(|line| written < line.number && is_about(line, ledger, phase));
        let mut text: String =
            new.filter_map(|line| Some(self.entry(line, ledger)? + &marker(line))).collect();
        if self == Self::Status {
            text.push_str(&turn(now_there, status, at));
        }
        if text.is_empty() {
            return Ok(text);
        }
        Ok(match now_there {
            "" => self.head(&phase.name) + &text,
            ended if ended.ends_with('\n') => text,
            // A line that was added by hand without its line break must not take up what follows.
            _ => "\n".to_owned() + &text,
        })
    }

    fn head(self, phase: &str) -> String {
        format!(
            "{}\n\nWritten by `pvcheck gate status --write` from a signed ledger, which alone counts. Entries are added, never changed.\n\n",
            self.heading(phase)
        )
    }

    /// The first line.
    fn heading(self, phase: &str) -> String {
        format!("# {}: {}", self.title(), escaped(phase))
    }

    /// The number of the last line that the page has; 0 if it has none.
    fn written(self, page: &str, ledger: &Ledger) -> Result<u64, PageError> {
        let mut last = 0;
        for (number, digest) in page.lines().filter_map(marked) {
            let line =
                usize::try_from(number).ok().and_then(|number| ledger.lines().get(number.checked_sub(1)?));
            if line.is_none_or(|line| line.digest.short() != digest) {
                let digest = digest.to_owned();
                return Err(PageError::OtherLedger { name: self.file_name(), line: number, digest });
            }
            last = last.max(number);
        }
        Ok(last)
    }

    /// The entry of a line on this page; `None` if it has none.
    fn entry(self, line: &Line, ledger: &Ledger) -> Option<String> {
        match self {
            Self::Status => status_entry(line),
            Self::Backlog => backlog_entry(line, ledger),
            Self::Review => match &line.content {
                Content::Verdict(verdict) => Some(format!(
                    "## {} {} {} (line {})\n\n{}\n",
                    line.at,
                    escaped(&verdict.gate),
                    said(verdict),
                    line.number,
                    verdict_markdown(verdict)
                )),
                _ => None,
            },
            Self::Journal => {
                Some(format!("- {} line {}, {}: {}\n", line.at, line.number, line.role, journal_entry(line)))
            }
        }
    }
}

fn status_entry(line: &Line) -> Option<String> {
    let head = |gate: &str, word: &str| {
        format!("## {} {} {word} (line {})\n\n", line.at, escaped(gate), line.number)
    };
    match &line.content {
        Content::Claim(claim) => Some(head(&claim.gate, "CLAIMED") + &claim_markdown(claim) + "\n"),
        Content::Verdict(verdict) => {
            let of = verdict.claim.map_or_else(
                || "of no claim".to_owned(),
                |claim| format!("of the claim of line {}", claim.line),
            );
            Some(
                head(&verdict.gate, &said(verdict))
                    + &format!("The verifier's verdict {of}; see REVIEW.md.\n\n"),
            )
        }
        _ => None,
    }
}

fn backlog_entry(line: &Line, ledger: &Ledger) -> Option<String> {
    let number = line.number;
    match &line.content {
        Content::Claim(claim) => {
            Some(format!("- [ ] verify {}: claimed in line {number}\n", escaped(&claim.gate)))
        }
        Content::Verdict(verdict) => {
            let gate = escaped(&verdict.gate);
            Some(match verdict.outcome {
                Outcome::Pass => format!("- [x] verify {gate}: {} in line {number}\n", said(verdict)),
                Outcome::Fail | Outcome::Unknown | Outcome::Veto => {
                    format!("- [ ] mend {gate}: {} in line {number}\n", said(verdict))
                }
            })
        }
        Content::Finding(event) => {
            let id = match event {
                FindingEvent::Open(opened) => &opened.id,
                FindingEvent::Closed(closed) => &closed.id,
            };
            let finding = ledger.findings().into_iter().find(|finding| finding.opened.id == *id)?;
            Some(match event {
                FindingEvent::Open(_) => format!("- [ ] {}\n", finding_markdown(&finding)),
                FindingEvent::Closed(closed) => {
                    format!(
                        "- [x] **{}** closed by the {} in line {number}: {}\n",
                        escaped(id),
                        line.role,
                        escaped(&closed.because)
                    )
                }
            })
        }
        _ => None,
    }
}

fn journal_entry(line: &Line) -> String {
    match &line.content {
        Content::Founded(_) => "ledger founded".to_owned(),
        Content::Claim(claim) => {
            let what = claim.what.as_deref().map(|what| format!(": {}", escaped(what))).unwrap_or_default();
            format!("claims {}{what}", escaped(&claim.gate))
        }
        Content::Verdict(verdict) => format!("{} {}", escaped(&verdict.gate), said(verdict)),
        Content::Finding(FindingEvent::Open(opened)) => {
            format!("opens {}, {}: {}", escaped(&opened.id), opened.severity, escaped(&opened.title))
        }
        Content::Finding(FindingEvent::Closed(closed)) => {
            format!("closes {}: {}", escaped(&closed.id), escaped(&closed.because))
        }
        Content::Note(note) => escaped(&note.text),
        Content::Done(done) => format!(
            "declares {} done by {}, none older than {}",
            escaped(&done.phase),
            escaped(&done.gates.join(", ")),
            hours(done.max_age_ms)
        ),
        Content::Withdrawn(withdrawn) => {
            format!(
                "withdraws that {} is done: {}",
                escaped(&withdrawn.phase),
                escaped(&withdrawn.because.join("; "))
            )
        }
    }
}

/// The heading that says that the phase has become done, or is so no longer; empty if the page's last one says it. The page
/// may have been edited: what counts is what it says.
fn turn(page: &str, status: &PhaseStatus, at: Timestamp) -> String {
    let last = page.lines().map(str::trim_end).rfind(|line| line.starts_with(DONE));
    let is_said = last.filter(|line| !line.starts_with(WITHDRAWN));
    if status.done {
        let heading = format!("{DONE}{}", status.on().mark());
        if is_said == Some(heading.as_str()) {
            return String::new();
        }
        let passes = status.gates.iter().filter_map(|gate| {
            Some(format!("{} {} (line {})", escaped(&gate.gate), gate.standing, gate.verdict?.line))
        });
        let passes = passes.collect::<Vec<_>>().join(", ");
        return format!("{heading}\n\nAt {at}: {passes}; no critical finding is open.\n\n");
    }
    if is_said.is_none() {
        return String::new();
    }
    let because = status.lacks.iter().map(|lack| escaped(&lack.to_string())).collect::<Vec<_>>().join("; ");
    format!("{WITHDRAWN}\n\nAt {at}: {because}.\n\n")
}

/// True iff a line belongs to the pages of a phase.
fn is_about(line: &Line, ledger: &Ledger, phase: &Phase) -> bool {
    match &line.content {
        Content::Done(done) => done.phase == phase.name,
        Content::Withdrawn(withdrawn) => withdrawn.phase == phase.name,
        Content::Finding(FindingEvent::Closed(closed)) => {
            let of_it = ledger.findings().into_iter().find(|finding| finding.opened.id == closed.id);
            of_it.is_some_and(|finding| phase.is_about(finding.opened.gate.as_deref()))
        }
        content => phase.is_about(content.gate()),
    }
}

fn marker(line: &Line) -> String {
    format!("<!-- line {} {} -->\n", line.number, line.digest.short())
}

/// Number and digest of a marker. Texts of a ledger begin no line of a page with `<`, so that none can pass for one.
fn marked(line: &str) -> Option<(u64, &str)> {
    let (number, digest) =
        line.trim_end().strip_prefix("<!-- line ")?.strip_suffix(" -->")?.split_once(' ')?;
    Some((number.parse().ok()?, digest))
}

#[cfg(test)]
mod tests;
