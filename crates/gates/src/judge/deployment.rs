//! Gate `pvcheck.m2`: a real deploy through the router, and a churn that must lose nothing.

use super::canary::canary_checks;
use super::churn::churn_checks;
use super::during::stayed;
use super::finding::Judge;
use super::leaked::leaked_check;
use super::log::new_signatures;
use super::routes::core_routes;
use crate::check::Check;
use crate::config::{Config, OverlayConfig};
use crate::facts::M2Facts;
use crate::gate::Gate;
use crate::gate_report::{CheckReport, GateReport};
use crate::reason::Reason;

/// Judges the facts: core routes, what is leaked already, canary, churn, the log, and what is left.
pub fn judge_m2(config: &Config, facts: &M2Facts) -> GateReport {
    let judge = Judge { config, facts };
    let mut checks = vec![judge.check(Check::RoutesBefore, &facts.routes, |r| core_routes(&r))];
    checks.extend(leaked_before(&judge));
    checks.push(judge.check(Check::RoutesDuring, &facts.routes_during, |watch| stayed(&watch)));
    checks.extend(canary_checks(&judge, &facts.canary));
    checks.extend(churn_checks(&judge, &facts.churn));
    checks.push(judge.check(Check::RoutesAfter, &facts.routes_after, |r| core_routes(&r)));
    checks.push(judge.check(Check::JournalNew, &facts.journal, |scan| new_signatures(&scan)));
    checks.push(judge.check(Check::Residue, &facts.residue, |left| {
        left.faultless(left.clone(), Reason::Left, Reason::NothingLeft)
    }));
    GateReport::new(Gate::M2, config, checks)
}

/// What each overlay had lost before: on the first the churn counted it, on the others a census of their own.
fn leaked_before(judge: &Judge<'_, M2Facts>) -> Vec<CheckReport> {
    let facts = judge.facts;
    let of = |(nth, overlay): (usize, &OverlayConfig)| match nth {
        0 => leaked_check(judge, overlay, &facts.churn, &facts.leaks(&overlay.name)),
        _ => leaked_check(judge, overlay, &facts.leaked, &facts.leaks(&overlay.name)),
    };
    judge.config.overlays.iter().enumerate().map(of).collect()
}
