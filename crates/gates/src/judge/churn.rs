//! The churn: two complete censuses, no duplicate, no leak, no refusal.

use pvcheck_swarm::{Census, Churn, ChurnCounts};

use super::finding::{Finding, Judge, Sight};
use crate::check::Check;
use crate::coverage::Coverage;
use crate::facts::ChurnOutcome;
use crate::fault::{HandedOut, IncompleteCensus, When};
use crate::gate_report::CheckReport;
use crate::leaks::sum;
use crate::observed::Observed;
use crate::reason::Reason;

/// One of the checks of the churn: its censuses, duplicates, leaks, or removals.
pub(super) fn churn_check(
    judge: &Judge<'_, impl Coverage>,
    about: Check<'_>,
    churn: &Observed<ChurnOutcome>,
) -> CheckReport {
    judge.check(about, churn, |outcome| match outcome.get() {
        ChurnOutcome::Refused(why) => Finding::unknown(Reason::ChurnRefused(why.clone())),
        ChurnOutcome::Failed(why) => Finding::fail(Reason::ChurnBrokeOff(why.clone())),
        ChurnOutcome::Done(churn) => {
            let churn = outcome.part(&**churn);
            match about {
                Check::ChurnCensus => censuses(&churn),
                Check::ChurnDuplicates => duplicates(&churn),
                Check::ChurnLeaks => leaks(&churn),
                _ => removals(&churn),
            }
        }
    })
}

fn removals(churn: &Sight<'_, Churn>) -> Finding {
    let removed = Reason::StacksRemoved { stacks: churn.cycles, slowest_ms: churn.removal_ms };
    churn.faultless(churn.errors.iter().map(ToString::to_string).collect(), Reason::Left, removed)
}

fn both(churn: &Churn) -> [(When, &Census); 2] {
    [(When::Before, &churn.census_before), (When::After, &churn.census_after)]
}

fn censuses(churn: &Sight<'_, Churn>) -> Finding {
    let broken = both(churn).into_iter().filter(|(_, c)| !c.complete);
    let broken: Vec<_> = broken
        .map(|(when, c)| IncompleteCensus { when, reason: c.reason.as_ref().map(ToString::to_string) })
        .collect();
    let finding = if broken.is_empty() {
        churn.pass(Reason::CensusesComplete)
    } else {
        Finding::unknown(Reason::CensusIncomplete(broken))
    };
    finding.evidences(both(churn).map(|(when, c)| census_line(when, c)))
}

/// An address that is free for the allocator and has an owner will get a second owner (L3 in docs/leaks.md).
fn duplicates(churn: &Sight<'_, Churn>) -> Finding {
    let found = both(churn).into_iter().filter(|(_, c)| !c.free_and_owned.is_empty());
    let found: Vec<_> =
        found.map(|(when, c)| HandedOut { when, addresses: c.free_and_owned.clone() }).collect();
    if !found.is_empty() {
        return Finding::fail(Reason::Duplicates(found));
    }
    if both(churn).iter().any(|(_, c)| !c.complete) {
        return Finding::unknown(Reason::DuplicatesNotSeen);
    }
    churn.pass(Reason::NoDuplicates)
}

fn census_line(when: When, census: &Census) -> String {
    format!("census {when}: {}", sum(census))
}

fn leaks(churn: &Sight<'_, Churn>) -> Finding {
    let Some(leaked) = churn.leaked else {
        return Finding::unknown(Reason::LeaksNotCounted);
    };
    // A churn of no stack leaks nothing either.
    if churn.cycles == 0 {
        return Finding::unknown(Reason::NoCycle);
    }
    // Unknown even with 0 leaks: what they gave back may have covered what the churn lost.
    if !churn.strangers.is_empty() {
        return Finding::unknown(Reason::Strangers { stacks: churn.strangers.clone(), leaked });
    }
    let (cycles, order) = (churn.cycles, churn.order);
    let finding = if leaked == 0 {
        let below = churn.leak_per_cycle.map(|r| format!("{:.2}", r.upper95)).unwrap_or_default();
        churn.pass(Reason::NoLeak { cycles, order, below })
    } else {
        Finding::fail(Reason::Leaked {
            overlay: churn.network.clone(),
            leaked,
            cycles,
            order,
            addresses: churn.leaked_addresses.clone(),
        })
    };
    finding.evidences(moments(churn))
}

/// The counts at the three moments of a churn, a line each.
fn moments(churn: &Churn) -> [String; 3] {
    let line = |(when, c): (&str, &ChurnCounts)| {
        let leaked = c.leaked.map_or_else(|| "not counted".into(), |n| n.to_string());
        format!(
            "{when}: {} addresses owned, {} tasks, {} stacks, leaked: {leaked}",
            c.owned, c.tasks, c.stacks
        )
    };
    [("baseline", &churn.baseline), ("deployed", &churn.deployed), ("removed", &churn.removed)].map(line)
}
