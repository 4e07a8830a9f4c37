//! What must have been before a gate: that other gates passed, on this Swarm, lately.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;

use super::finding::{Finding, Judge, Sight};
use crate::catalogue::Kind;
use crate::check::{Check, Subjects, checks_of};
use crate::config::{Config, PreconditionConfig};
use crate::gate_report::{CheckReport, GateReport};
use crate::precondition_reason::PreconditionReason;
use crate::reason::Reason;
use crate::repeat;
use crate::run_facts::{PastReport, RunFacts};
use crate::waived::waived;

/// How far two clocks may be apart before a time counts as still to come.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);

/// The checks of what must have been before this gate; none where the configuration asks for nothing.
pub fn judge_preconditions(config: &Config, gate: &str, facts: &RunFacts) -> Vec<CheckReport> {
    let judge = Judge { config, facts };
    let Some(asked) = config.preconditions.iter().find(|asked| asked.gate == gate) else { return Vec::new() };
    let of = Subjects { before: &asked.requires, ..Subjects::of(config) };
    let judged = |check: Check<'_>| match check {
        Check::Precondition(name) => precondition(&judge, asked, check, name),
        other => judge.unobserved(other),
    };
    checks_of(&[Kind::Precondition], of).into_iter().map(judged).collect()
}

/// The report with what it is about: the Swarm, in front of its checks those of what was before, and what the configuration
/// waives of its own ones at the time of the run. Preconditions cannot be waived, and it is no better than it was without them.
pub fn judge_run(config: &Config, facts: &RunFacts, report: GateReport) -> GateReport {
    let report = waived(config, facts.at, report);
    let own = report.verdict;
    let mut checks = judge_preconditions(config, &report.gate, facts);
    checks.extend(report.checks);
    for evidence in checks.iter_mut().flat_map(|check| &mut check.evidence) {
        evidence.node = facts.node.clone().filter(|_| is_of_an_engine(&evidence.source));
    }
    let whole = GateReport::named(&report.gate, config, checks);
    // Preconditions alone make no gate pass that has shown nothing itself.
    let verdict = Verdict::worst([own, whole.verdict]);
    // A report without evidence is of the time of its run, too.
    let at = whole.at.max(facts.at);
    GateReport { verdict, at, swarm: Some(facts.swarm.clone()), waivers: report.waivers, ..whole }
}

/// True iff the engine that was asked said it, and not this machine.
fn is_of_an_engine(source: &str) -> bool {
    ["engine", "allocator", "canary", "churn"].iter().any(|begin| source.starts_with(begin))
}

fn precondition(
    judge: &Judge<'_, RunFacts>,
    asked: &PreconditionConfig,
    check: Check<'_>,
    gate: &str,
) -> CheckReport {
    let Some(before) = judge.facts.before.iter().find(|before| before.gate == gate) else {
        return judge.unobserved(check);
    };
    let now = before.newest.at;
    judge.check(check, &before.newest, |past| {
        let line = format!("{}: {} of {gate} at {}", past.file, past.verdict, past.at);
        passed(&past, gate, judge.facts, now, asked.max_age).shown_by(line, repeat::report(&past.file))
    })
}

fn passed(
    past: &Sight<'_, PastReport>,
    gate: &str,
    here: &RunFacts,
    now: Timestamp,
    most: Duration,
) -> Finding {
    let PastReport { file, verdict, at, swarm, engine, waived } = past.get().clone();
    let gate = gate.to_owned();
    let unknown = |reason| Finding::unknown(Reason::Precondition(reason));
    // First whether it is about this Swarm at all: what another one has is no fault of this one.
    if engine == EngineKind::Embedded && here.engine == EngineKind::Real {
        return unknown(PreconditionReason::OfAModel { gate, file });
    }
    let Some(swarm) = swarm else { return unknown(PreconditionReason::OfSomeSwarm { gate, file }) };
    if swarm != here.swarm {
        let here = here.swarm.clone();
        return unknown(PreconditionReason::OfAnotherSwarm { gate, swarm, here, file });
    }
    let age = now.duration_since(at);
    if age < -CLOCKS {
        return unknown(PreconditionReason::StillToCome { gate, at, file });
    }
    let age = Duration::try_from(age).unwrap_or_default();
    match verdict {
        Verdict::Fail => {
            Finding::fail(Reason::Precondition(PreconditionReason::NotPassed { gate, verdict, at, file }))
        }
        Verdict::Unknown => unknown(PreconditionReason::NotPassed { gate, verdict, at, file }),
        Verdict::Pass if most < age => unknown(PreconditionReason::TooOld { gate, at, age, most, file }),
        Verdict::Pass => {
            past.pass(Reason::Precondition(PreconditionReason::Passed { gate, at, file, waived }))
        }
    }
}
