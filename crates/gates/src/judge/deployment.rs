//! Gate `pvcheck.m2`: a real deploy through the router, and a churn that must lose nothing.

use super::canary::canary_checks;
use super::churn::churn_checks;
use super::finding::{Finding, check};
use super::log::new_signatures;
use super::routes::core_routes;
use crate::check::Check;
use crate::config::Config;
use crate::facts::M2Facts;
use crate::gate::Gate;
use crate::gate_report::GateReport;
use crate::reason::Reason;

/// Judges the facts: core routes, canary, churn, the log, and what is left.
pub fn judge_m2(config: &Config, facts: &M2Facts) -> GateReport {
    let mut checks = vec![check(config, Check::RoutesBefore, &facts.routes, |r| core_routes(r))];
    checks.extend(canary_checks(config, &facts.canary));
    checks.extend(churn_checks(config, &facts.churn));
    checks.push(check(config, Check::JournalNew, &facts.journal, new_signatures));
    checks.push(check(config, Check::Residue, &facts.residue, |left| {
        Finding::of(left.clone(), Reason::Left, Reason::NothingLeft)
    }));
    GateReport::new(Gate::M2, config, checks)
}
