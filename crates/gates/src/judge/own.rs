//! A gate of a configuration's own: each of its checks, judged as in the gate that it is from.

use super::control_plane::control_check;
use super::deployment::deployment_check;
use super::finding::Judge;
use super::fix_plan::plan_check;
use super::fixed::renewed_check;
use crate::catalogue::Stage;
use crate::gate_report::{CheckReport, GateReport};
use crate::own_facts::OwnFacts;
use crate::own_gate::{OwnCheck, OwnGate};

/// Judges the facts by the checks of the gate, in its order.
pub fn judge_own(gate: &OwnGate<'_>, facts: &OwnFacts) -> GateReport {
    let config = gate.config;
    let (plan, renewed) = (facts.as_plan(), facts.as_renewed());
    let control = Judge { config, facts: &facts.control };
    let judged = |own: &OwnCheck<'_>| {
        let check = own.check;
        let report = match (check.info().stage, &facts.deployment) {
            (Stage::Plan, _) => plan_check(&Judge { config, facts: &plan }, check),
            (Stage::Renewed, _) => renewed_check(&Judge { config, facts: &renewed }, check),
            (Stage::Deployment, Some(facts)) => deployment_check(&Judge { config, facts }, check),
            (Stage::Deployment, None) | (Stage::Before, _) => control.unobserved(check),
            (Stage::Control, _) => control_check(&control, check),
        };
        CheckReport { required: own.required, ..report }
    };
    GateReport::named(gate.name(), config, gate.checks.iter().map(judged).collect())
}
