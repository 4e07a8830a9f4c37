//! What a row of lines says, as of its last one.

use crate::claim::Claim;
use crate::content::Content;
use crate::finding::{Finding, FindingEvent};
use crate::line::Line;
use crate::verdict::Verdict;

/// The last claim of a gate.
pub(crate) fn last_claim<'a>(lines: &'a [Line], gate: &str) -> Option<(&'a Line, &'a Claim)> {
    lines.iter().rev().find_map(|line| match &line.content {
        Content::Claim(claim) if claim.gate == gate => Some((line, claim)),
        _ => None,
    })
}

/// The last verdict on a gate.
pub(crate) fn last_verdict<'a>(lines: &'a [Line], gate: &str) -> Option<(&'a Line, &'a Verdict)> {
    lines.iter().rev().find_map(|line| match &line.content {
        Content::Verdict(verdict) if verdict.gate == gate => Some((line, verdict)),
        _ => None,
    })
}

/// Every finding, in the order in which they were opened.
pub(crate) fn findings(lines: &[Line]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for line in lines {
        match &line.content {
            Content::Finding(FindingEvent::Open(opened)) => findings.push(Finding {
                line: line.number,
                at: line.at,
                by: line.role,
                opened: opened.clone(),
                closed_by_line: None,
            }),
            Content::Finding(FindingEvent::Closed(closed)) => {
                let of_it = findings.iter_mut().find(|finding| finding.opened.id == closed.id);
                if let Some(finding) = of_it {
                    finding.closed_by_line = Some(line.number);
                }
            }
            _ => {}
        }
    }
    findings
}

/// The id of the finding that is opened next.
pub(crate) fn next_finding(lines: &[Line]) -> String {
    format!("F{}", findings(lines).len() + 1)
}

/// True iff the last word on the phase is that it is done.
pub(crate) fn is_declared_done(lines: &[Line], phase: &str) -> bool {
    let last = lines.iter().rev().find_map(|line| match &line.content {
        Content::Done(done) if done.phase == phase => Some(true),
        Content::Withdrawn(withdrawn) if withdrawn.phase == phase => Some(false),
        _ => None,
    });
    last.unwrap_or(false)
}
