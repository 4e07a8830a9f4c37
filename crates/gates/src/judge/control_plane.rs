//! Gate `pvcheck.m1`: the control plane and its routes, without touching anything.

use pvcheck_journal::Role;

use super::finding::Judge;
use super::log::exhaustion;
use super::overlay::overlay_checks;
use super::routes::route_check;
use super::services::service_check;
use super::unlisted::{unlisted_check, unlisted_routes_check};
use crate::check::Check;
use crate::config::Config;
use crate::facts::M1Facts;
use crate::gate::Gate;
use crate::gate_report::GateReport;
use crate::role::engine_role;

/// Judges the facts: subnet, owners, leaked and free addresses of every overlay, what waits, every service, every route, the
/// log.
pub fn judge_m1(config: &Config, facts: &M1Facts) -> GateReport {
    let role = facts.snapshot.known().map_or(Role::Unknown, engine_role);
    let judge = Judge { config, facts };
    let mut checks = overlay_checks(&judge);
    checks.extend(config.services.iter().map(|s| service_check(&judge, s, &facts.snapshot)));
    checks.push(unlisted_check(&judge));
    checks.push(unlisted_routes_check(&judge));
    checks.extend(config.routes.iter().map(|r| route_check(&judge, r, &facts.routes)));
    checks.push(judge.check(Check::JournalExhaustion, &facts.journal, |scan| exhaustion(&scan, role)));
    GateReport::new(Gate::M1, config, checks)
}
