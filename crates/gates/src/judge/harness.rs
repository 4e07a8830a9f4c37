//! A harness: run now or offered, its tiers, its level, what it left, and whether it was on the overlay at all.

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, Judge, Sight};
use crate::check::Check;
use crate::config::HarnessConfig;
use crate::coverage::Coverage;
use crate::fault::list;
use crate::gate_report::CheckReport;
use crate::harness::{end_not_seen, sound};
use crate::harness_facts::{
    After, AfterWhat, HarnessEnd, HarnessFact, HarnessHow, HarnessRun, ResultFile, ResultSaid,
};
use crate::harness_reason::{FailureClass, Fresh, HarnessFailure, HarnessLack, HarnessReason};
use crate::harness_result::{HarnessResult, TierOutcome};
use crate::observed::{Observed, Seen};
use crate::reason::Reason;
use crate::repeat;

/// What times may lack: a harness that writes seconds, a file system that rounds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);
/// How far two clocks may be apart before a time counts as still to come.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);
/// The most characters of its output that are shown.
const SHOWN_CHARS: usize = 4000;

/// The check of one harness, over the fact of the same name.
pub(super) fn harness_check(
    judge: &Judge<'_, impl Coverage>,
    harness: &HarnessConfig,
    facts: &Observed<Vec<HarnessFact>>,
) -> CheckReport {
    let now = facts.at;
    let has_core_routes = judge.config.core_routes().next().is_some();
    judge.check(Check::Harness(harness), facts, |seen| {
        match seen.get().iter().find(|fact| fact.name == harness.name) {
            Some(fact) => finding(harness, &seen.part(fact), now, has_core_routes),
            None => Finding::unknown(Reason::NotSeen(crate::cause::Unseen::NotRecorded)),
        }
    })
}

fn finding(
    harness: &HarnessConfig,
    fact: &Sight<'_, HarnessFact>,
    now: Timestamp,
    has_core_routes: bool,
) -> Finding {
    let (mut faults, mut lacks) = (Vec::new(), Vec::new());
    if let HarnessHow::Ran(run) = &fact.how {
        of_end(run, &mut faults, &mut lacks);
    }
    let fresh = match sound(fact) {
        Ok((file, result)) => match fresh(fact, file, result, now) {
            Ok(fresh) => {
                of_result(harness, result, &mut faults, &mut lacks);
                Some((result.level, fresh))
            }
            // What an old run says is nothing, good or bad.
            Err(lack) => {
                lacks.push(lack);
                None
            }
        },
        Err(lack) => {
            lacks.push(lack);
            None
        }
    };
    of_watch(fact, &mut faults, &mut lacks);
    let said = |reason| Reason::Harness(reason);
    let finding = match fresh {
        _ if !faults.is_empty() => {
            let is_of_tier = |fault: &HarnessFailure| matches!(fault, HarnessFailure::Tier { .. });
            let class = faults.iter().any(is_of_tier).then(|| class(fact, has_core_routes));
            Finding::fail(said(HarnessReason::Failed { faults, class, lacks }))
        }
        Some((level, fresh)) if lacks.is_empty() => fact.pass(said(HarnessReason::Passed {
            tiers: harness.tiers.len() as u64,
            level,
            network: fact.watch.network.clone(),
            joined: fact.watch.joined.clone(),
            fresh,
        })),
        _ => Finding::unknown(said(HarnessReason::NotShown(lacks))),
    };
    with_evidence(finding, fact)
}

fn of_end(run: &HarnessRun, faults: &mut Vec<HarnessFailure>, lacks: &mut Vec<HarnessLack>) {
    let program = run.program.clone();
    match &run.end {
        HarnessEnd::Code { code: 0 } => {}
        HarnessEnd::Code { code } => faults.push(HarnessFailure::Code { program, code: *code }),
        HarnessEnd::Signal => faults.push(HarnessFailure::Signal { program }),
        HarnessEnd::Late { seconds } => faults.push(HarnessFailure::Late { program, seconds: *seconds }),
        HarnessEnd::NotStarted { why } => lacks.push(HarnessLack::NotStarted { program, why: why.clone() }),
    }
}

/// How the result is known to be of after the change, or why it is not.
fn fresh(
    fact: &HarnessFact,
    file: &ResultFile,
    result: &HarnessResult,
    now: Timestamp,
) -> Result<Fresh, HarnessLack> {
    let (started, modified) = (result.started_at, file.modified);
    if CLOCKS < started.duration_since(now) {
        return Err(HarnessLack::StillToCome { started });
    }
    if let HarnessHow::Ran(run) = &fact.how {
        let after = After { at: run.started, of: AfterWhat::Run };
        let is_older = |at: Timestamp| ROUNDING < run.started.duration_since(at);
        return if !file.is_new || is_older(modified) {
            Err(HarnessLack::NotWritten { path: file.path.clone() })
        } else if is_older(started) {
            Err(HarnessLack::Old { started, after })
        } else {
            Ok(Fresh::RanNow { started: run.started })
        };
    }
    let Some(after) = fact.after else { return Err(HarnessLack::AfterNothing) };
    // A file that was written before its run began is of another run.
    if started.min(modified) <= after.at {
        return Err(HarnessLack::Old { started: started.min(modified), after });
    }
    if ROUNDING < started.duration_since(modified) {
        return Err(HarnessLack::StillToCome { started });
    }
    Ok(Fresh::Offered { started, modified, after })
}

fn of_result(
    harness: &HarnessConfig,
    result: &HarnessResult,
    faults: &mut Vec<HarnessFailure>,
    lacks: &mut Vec<HarnessLack>,
) {
    for tier in harness.tiers.iter().copied() {
        match result.tier(tier) {
            Some(TierOutcome::Pass) => {}
            Some(TierOutcome::Fail) => faults.push(HarnessFailure::Tier { tier }),
            outcome => lacks.push(HarnessLack::Tier { tier, outcome }),
        }
    }
    if result.level < harness.level {
        faults.push(HarnessFailure::Level { reached: result.level, wanted: harness.level });
    }
    if !result.clean_teardown {
        faults.push(HarnessFailure::Teardown);
    }
    if !result.no_secret_leak {
        faults.push(HarnessFailure::SecretLeak);
    }
}

fn of_watch(fact: &HarnessFact, faults: &mut Vec<HarnessFailure>, lacks: &mut Vec<HarnessLack>) {
    let watch = &fact.watch;
    if watch.joined.is_empty() {
        lacks.push(match (watch.looks, &watch.missed) {
            (0, why) => {
                HarnessLack::NotWatched { why: why.clone().unwrap_or_else(|| "it ended first".into()) }
            }
            _ => HarnessLack::NotJoined { network: watch.network.clone() },
        });
    }
    lacks.extend(end_not_seen(fact));
    // What was offered may have run at any time, and what is there now need not be its.
    if !watch.left.is_empty() && watch.seen_at_end && matches!(fact.how, HarnessHow::Ran(_)) {
        faults.push(HarnessFailure::Left { services: watch.left.clone() });
    }
}

/// Whose fault a failed tier is. What waits for an address waits in New: Swarm starts no task without one.
fn class(fact: &HarnessFact, has_core_routes: bool) -> FailureClass {
    let watch = &fact.watch;
    if matches!(fact.how, HarnessHow::Offered) {
        return FailureClass::Unclear { because: "the run was not watched".into() };
    }
    if let Some(route) = &watch.route_down {
        return FailureClass::Infra { because: format!("core route {route} was down") };
    }
    let waits = list(&watch.waits, ", ");
    match (&watch.signatures, watch.waits.is_empty()) {
        (Seen::Known(found), false) if !found.is_empty() => {
            FailureClass::Infra { because: format!("{waits}; the log has {}", list(found, ", ")) }
        }
        (Seen::Unknown(why), false) => {
            FailureClass::Unclear { because: format!("{waits}, and the log was not read: {why}") }
        }
        (Seen::Known(_), false) => {
            FailureClass::Unclear { because: format!("{waits}, and the log has no signature of it") }
        }
        (_, true) if watch.looks == 0 || watch.missed.is_some() => {
            FailureClass::Unclear { because: "the Swarm was not seen all the time".into() }
        }
        (_, true) if !has_core_routes => FailureClass::Unclear {
            because: "nothing waited for an address, and there is no core route to ask".into(),
        },
        (_, true) => FailureClass::Recipe,
    }
}

fn with_evidence(mut finding: Finding, fact: &HarnessFact) -> Finding {
    if let HarnessHow::Ran(run) = &fact.how {
        finding = finding.evidence(format!("{} from {} to {}", run.program, run.started, run.ended));
        if let Some(text) = last_of(&run.output) {
            finding = finding.part_of(&run.output_digest, text);
        }
    }
    if let Seen::Known(file) = &fact.result {
        finding = finding.whole_is(&file.digest, said(file), repeat::result(&file.path));
    }
    let watch = &fact.watch;
    let seen = |what: &str, of: String| format!("{what}: {}", if of.is_empty() { "none".into() } else { of });
    finding
        .evidence(format!("the Swarm was read {} times", watch.looks))
        .evidence(seen(&format!("joined {}", watch.network), list(&watch.joined, ", ")))
        .evidence(seen("waited", list(&watch.waits, ", ")))
}

fn said(file: &ResultFile) -> String {
    let ResultFile { path, modified, bytes, said, .. } = file;
    let said = match said {
        ResultSaid::Unsound(fault) => fault.to_string(),
        ResultSaid::Sound(result) => {
            let tiers: Vec<String> = result.tiers.iter().map(|(tier, how)| format!("{tier} {how}")).collect();
            format!(
                "started {}, level {}, {}, clean_teardown {}, no_secret_leak {}",
                result.started_at,
                result.level,
                list(&tiers, ", "),
                result.clean_teardown,
                result.no_secret_leak
            )
        }
    };
    format!("{path} ({bytes} bytes, written {modified}): {said}")
}

/// The last lines of an output, as many as are shown.
fn last_of(lines: &[String]) -> Option<String> {
    let mut chars = 0;
    let fits = |line: &&String| {
        chars += line.chars().count() + 1;
        chars <= SHOWN_CHARS
    };
    let shown = lines.iter().rev().take_while(fits).count();
    let text = lines[lines.len() - shown..].join("\n");
    (!text.is_empty()).then_some(text)
}
