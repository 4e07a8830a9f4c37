//! Gate `pvcheck.m2`: a real deploy through the router, and a churn that must lose nothing.

use super::canary::canary_check;
use super::churn::churn_check;
use super::during::stayed;
use super::finding::Judge;
use super::harness::harness_check;
use super::leaked::leaked_check;
use super::log::new_signatures;
use super::routes::core_routes;
use crate::check::{Check, Subjects, checks_of};
use crate::config::{Config, OverlayConfig};
use crate::facts::M2Facts;
use crate::gate::Gate;
use crate::gate_report::{CheckReport, GateReport};
use crate::reason::Reason;

/// Judges the facts: core routes, what is leaked already, canary, churn, the log, and what is left.
pub fn judge_m2(config: &Config, facts: &M2Facts) -> GateReport {
    let judge = Judge { config, facts };
    let checks = checks_of(Gate::M2.checks(), Subjects::of(config));
    let checks = checks.into_iter().map(|check| deployment_check(&judge, check));
    GateReport::new(Gate::M2, config, checks.collect())
}

/// The report of one check over these facts; unknown if it is about something else.
pub(super) fn deployment_check(judge: &Judge<'_, M2Facts>, check: Check<'_>) -> CheckReport {
    let facts = judge.facts;
    match check {
        Check::RoutesBefore => judge.check(check, &facts.routes, |routes| core_routes(&routes)),
        Check::OverlayLeaked(overlay) => leaked_before(judge, overlay),
        Check::RoutesDuring => judge.check(check, &facts.routes_during, |watch| stayed(&watch)),
        Check::CanaryDeploy | Check::CanaryRoute | Check::CanaryRemoval => {
            canary_check(judge, check, &facts.canary)
        }
        Check::ChurnCensus | Check::ChurnDuplicates | Check::ChurnLeaks | Check::ChurnRemoval => {
            churn_check(judge, check, &facts.churn)
        }
        Check::Harness(harness) => harness_check(judge, harness, &facts.harness),
        Check::RoutesAfter => judge.check(check, &facts.routes_after, |routes| core_routes(&routes)),
        Check::JournalNew => judge.check(check, &facts.journal, |scan| new_signatures(judge.config, &scan)),
        Check::Residue => judge.check(check, &facts.residue, |left| {
            left.faultless(left.clone(), Reason::Left, Reason::NothingLeft)
        }),
        _ => judge.unobserved(check),
    }
}

/// What an overlay had lost before: on the first the churn counted it, on the others a census of their own.
fn leaked_before(judge: &Judge<'_, M2Facts>, overlay: &OverlayConfig) -> CheckReport {
    let (facts, leaks) = (judge.facts, judge.facts.leaks(&overlay.name));
    if judge.config.overlay().is_some_and(|first| first.name == overlay.name) {
        leaked_check(judge, overlay, &facts.churn, &leaks)
    } else {
        leaked_check(judge, overlay, &facts.leaked, &leaks)
    }
}
