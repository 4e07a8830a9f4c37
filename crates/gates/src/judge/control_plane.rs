//! The checks of the control plane and its routes, which touch nothing; all of gate `pvcheck.m1`.

use super::finding::Judge;
use super::guard::guard_check;
use super::leaked::leaked_check;
use super::log::{LogRead, exhaustion};
use super::overlay::{headroom_check, owners_check, subnet_check, waiting_check};
use super::routes::route_check;
use super::services::service_check;
use super::unlisted::{unlisted_check, unlisted_routes_check};
use crate::check::{Check, Subjects, checks_of};
use crate::config::Config;
use crate::facts::M1Facts;
use crate::gate::Gate;
use crate::gate_report::{CheckReport, GateReport};

/// Judges the facts: subnet, owners, leaked and free addresses of every overlay, what waits, every service, every route, the
/// log, the guard.
pub fn judge_m1(config: &Config, facts: &M1Facts) -> GateReport {
    let judge = Judge { config, facts };
    let checks = checks_of(Gate::M1.checks(), Subjects::of(config));
    GateReport::new(Gate::M1, config, checks.into_iter().map(|check| control_check(&judge, check)).collect())
}

/// The report of one check over these facts; unknown if it is about something else.
pub(super) fn control_check(judge: &Judge<'_, M1Facts>, check: Check<'_>) -> CheckReport {
    let facts = judge.facts;
    match check {
        Check::OverlaySubnet(overlay) => subnet_check(judge, overlay),
        Check::OverlayOwners(overlay) => owners_check(judge, overlay),
        Check::OverlayLeaked(overlay) => {
            leaked_check(judge, overlay, &facts.leaked, &facts.leaks(&overlay.name))
        }
        Check::OverlayHeadroom(overlay) => headroom_check(judge, overlay),
        Check::SwarmWaiting => waiting_check(judge),
        Check::Service(service) => service_check(judge, service, &facts.snapshot),
        Check::ServicesUnlisted => unlisted_check(judge),
        Check::RoutesUnlisted => unlisted_routes_check(judge),
        Check::Route(route) => route_check(judge, route, &facts.routes),
        Check::JournalExhaustion => {
            let log = LogRead::of(facts);
            judge.check(check, &facts.journal, |scan| exhaustion(judge.config, &scan, log))
        }
        Check::Guard(guard) => guard_check(judge, guard),
        _ => judge.unobserved(check),
    }
}
