//! Gate `pvcheck.m1`: the control plane and its routes, without touching anything.

use pvcheck_journal::Role;

use super::finding::check;
use super::log::exhaustion;
use super::overlay::overlay_checks;
use super::routes::route_check;
use super::services::service_check;
use crate::check::Check;
use crate::config::Config;
use crate::facts::M1Facts;
use crate::gate::Gate;
use crate::gate_report::GateReport;
use crate::role::engine_role;

/// Judges the facts: the overlay's subnet, owners and free addresses, waiting services, every service, every route, the log.
pub fn judge_m1(config: &Config, facts: &M1Facts) -> GateReport {
    let mut checks = overlay_checks(config, &facts.snapshot);
    checks.extend(config.services.iter().map(|s| service_check(config, s, &facts.snapshot)));
    checks.extend(config.routes.iter().map(|r| route_check(config, r, &facts.routes)));
    let role = facts.snapshot.known().map_or(Role::Unknown, engine_role);
    checks.push(check(config, Check::JournalExhaustion, &facts.journal, |scan| exhaustion(scan, role)));
    GateReport::new(Gate::M1, config, checks)
}
