//! What a line may say after those before it. The same rules refuse a line and find one that was forged.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use crate::content::Content;
use crate::done::{Done, Withdrawn};
use crate::facts::Measured;
use crate::finding::{Closed, FindingEvent, Opened};
use crate::line::Line;
use crate::lines::{findings, is_declared_done, last_claim, next_finding};
use crate::role::Role;
use crate::standing::{Lack, lacks};
use crate::verdict::{Outcome, Verdict};

/// A rule that a line breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Breach {
    /// The kind is the other role's.
    #[error(
        "a {kind} is the {only}'s to sign, and this is the {role}'s key; name the {only}'s with --key FILE"
    )]
    NotItsKind {
        /// The kind.
        kind: &'static str,
        /// The role that may write it.
        only: Role,
        /// The role that wrote it.
        role: Role,
    },
    /// A ledger has one first line.
    #[error("keys are set in the first line only")]
    FoundedTwice,
    /// The line before is later.
    #[error("its time {at} is before {before}, the time of the line before; set the clock")]
    ClockBehind {
        /// Its time.
        at: Timestamp,
        /// The time of the line before.
        before: Timestamp,
    },
    /// A claim is of a report that does not pass.
    #[error("it claims {gate} with a report that says {verdict}; only a PASS can be claimed")]
    ClaimOfNoPass {
        /// The gate.
        gate: String,
        /// What the report says.
        verdict: Measured,
    },
    /// The verdict is on another claim than the last.
    #[error("the verdict on {gate} is not on its last claim, which is {}; verify again", claim_of(.last.as_ref()))]
    NotTheLastClaim {
        /// The gate.
        gate: String,
        /// The line of its last claim.
        last: Option<u64>,
    },
    /// The verdict's outcome is not what its parts make.
    #[error("the verdict on {gate} says {said}, and what it lists makes {made}")]
    Contradicts {
        /// The gate.
        gate: String,
        /// What it says.
        said: Outcome,
        /// What its parts make.
        made: Outcome,
    },
    /// There is a finding of this id.
    #[error("there is a finding {id} already")]
    FindingTwice {
        /// The id.
        id: String,
    },
    /// Findings are numbered: another id would keep the next ones from being opened.
    #[error("a finding {id} out of turn: the next one is {next}")]
    FindingOutOfTurn {
        /// The id.
        id: String,
        /// The id that is due.
        next: String,
    },
    /// A verifier's finding is the verifier's to close.
    #[error("{id} is the verifier's, so only the verifier may close it")]
    NotTheBuilders {
        /// The id.
        id: String,
    },
    /// There is no such finding.
    #[error("there is no finding {id}; pvcheck gate finding list names them")]
    NoFinding {
        /// The id.
        id: String,
    },
    /// It is closed.
    #[error("{id} was closed by line {line}")]
    ClosedTwice {
        /// The id.
        id: String,
        /// The line that closed it.
        line: u64,
    },
    /// It is the other role's to close.
    #[error("{id} may be closed by the {may} only, and this is the {role}'s key")]
    NotTheirsToClose {
        /// The id.
        id: String,
        /// Who may.
        may: Role,
        /// Who did.
        role: Role,
    },
    /// The phase is not done.
    #[error("{phase} is not done: {}", list(.lacks))]
    NotDone {
        /// The phase.
        phase: String,
        /// What it lacks.
        lacks: Vec<Lack>,
    },
    /// The phase was not done before.
    #[error("{phase} is not declared done, so there is nothing to withdraw")]
    NothingToWithdraw {
        /// The phase.
        phase: String,
    },
}

fn claim_of(line: Option<&u64>) -> String {
    line.map_or_else(|| "not there".to_owned(), |line| format!("of line {line}"))
}

fn list(lacks: &[Lack]) -> String {
    lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The rule that a line breaks after the lines before it; `None` if it keeps them all.
pub(crate) fn breach(before: &[Line], line: &Line) -> Option<Breach> {
    let role = line.role;
    if let Some(breach) = of_its_kind(&line.content, role) {
        return Some(breach);
    }
    if let Some(last) = before.last().filter(|last| line.at < last.at) {
        return Some(Breach::ClockBehind { at: line.at, before: last.at });
    }
    match &line.content {
        Content::Founded(_) => (!before.is_empty()).then_some(Breach::FoundedTwice),
        Content::Claim(claim) => (claim.facts.verdict != Measured::Pass)
            .then(|| Breach::ClaimOfNoPass { gate: claim.gate.clone(), verdict: claim.facts.verdict }),
        Content::Verdict(verdict) => of_verdict(before, verdict),
        Content::Finding(FindingEvent::Open(opened)) => of_opened(before, role, opened),
        Content::Finding(FindingEvent::Closed(closed)) => of_closed(before, role, closed),
        Content::Note(_) => None,
        Content::Done(done) => of_done(before, line.at, done),
        Content::Withdrawn(Withdrawn { phase, .. }) => {
            (!is_declared_done(before, phase)).then(|| Breach::NothingToWithdraw { phase: phase.clone() })
        }
    }
}

/// The breach of a role that writes what is the other's.
pub(crate) fn of_its_kind(content: &Content, role: Role) -> Option<Breach> {
    let only = content.only().filter(|only| *only != role)?;
    Some(Breach::NotItsKind { kind: content.kind(), only, role })
}

fn of_verdict(before: &[Line], verdict: &Verdict) -> Option<Breach> {
    let last = last_claim(before, &verdict.gate).map(|(line, _)| line);
    if last.map(|line| (line.number, line.digest)) != verdict.claim.map(|claim| (claim.line, claim.digest)) {
        let last = last.map(|line| line.number);
        return Some(Breach::NotTheLastClaim { gate: verdict.gate.clone(), last });
    }
    let (said, made) = (verdict.outcome, verdict.made());
    (said != made).then(|| Breach::Contradicts { gate: verdict.gate.clone(), said, made })
}

fn of_opened(before: &[Line], role: Role, opened: &Opened) -> Option<Breach> {
    let id = || opened.id.clone();
    if findings(before).iter().any(|finding| finding.opened.id == opened.id) {
        return Some(Breach::FindingTwice { id: id() });
    }
    let next = next_finding(before);
    if opened.id != next {
        return Some(Breach::FindingOutOfTurn { id: id(), next });
    }
    let given_away = role == Role::Verifier && opened.may_close != Role::Verifier;
    given_away.then(|| Breach::NotTheBuilders { id: id() })
}

fn of_closed(before: &[Line], role: Role, closed: &Closed) -> Option<Breach> {
    let id = closed.id.clone();
    let Some(finding) = findings(before).into_iter().find(|finding| finding.opened.id == closed.id) else {
        return Some(Breach::NoFinding { id });
    };
    if let Some(line) = finding.closed_by_line {
        return Some(Breach::ClosedTwice { id, line });
    }
    let may = finding.opened.may_close;
    (may != role).then_some(Breach::NotTheirsToClose { id, may, role })
}

fn of_done(before: &[Line], at: Timestamp, done: &Done) -> Option<Breach> {
    let max_age = Duration::from_millis(u64::try_from(done.max_age_ms).unwrap_or(0));
    let lacks = lacks(before, &done.gates, at, max_age);
    (!lacks.is_empty()).then(|| Breach::NotDone { phase: done.phase.clone(), lacks })
}
