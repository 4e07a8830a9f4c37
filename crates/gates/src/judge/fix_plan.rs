//! Gate `pvfix.m1`: what must be so before an overlay is renewed, without touching anything.

use std::collections::BTreeSet;

use pvcheck_audit::Snapshot;
use pvcheck_swarm::{Pin, RenewalPlan};

use super::columns::declared;
use super::finding::{Finding, Judge, Sight};
use crate::check::{Check, Subjects, checks_of};
use crate::config::{Config, OverlayConfig, Which};
use crate::fix_facts::FixPlanFacts;
use crate::gate::Gate;
use crate::gate_report::{CheckReport, GateReport};
use crate::reason::Reason;
use crate::renewal_reason::RenewalReason;
use crate::window::{Signal, Window};

/// Judges the facts: the plan, the services in it, the window, the declared file. A report without a check, which is
/// UNKNOWN, where the configuration has not the overlay that the facts are of.
pub fn judge_fix_plan(config: &Config, facts: &FixPlanFacts) -> GateReport {
    let judge = Judge { config, facts };
    let Some(overlay) = config.overlays.iter().find(|o| o.name == facts.overlay) else {
        return GateReport::new(Gate::FixPlan, config, Vec::new());
    };
    let of = Subjects { overlays: std::slice::from_ref(overlay), ..Subjects::of(config) };
    let checks = checks_of(Gate::FixPlan.checks(), of);
    let checks = checks.into_iter().map(|check| plan_check(&judge, check));
    GateReport::new(Gate::FixPlan, config, checks.collect())
}

/// The report of one check over these facts; unknown if it is about something else.
pub(super) fn plan_check(judge: &Judge<'_, FixPlanFacts>, check: Check<'_>) -> CheckReport {
    let facts = judge.facts;
    match check {
        Check::RenewalPlan(_) => judge.check(check, &facts.plan, |plan| planned(&plan)),
        Check::RenewalMembers(overlay) => {
            judge.check(check, &facts.plan, |plan| match facts.snapshot.sight() {
                Ok(snapshot) => members(judge.config, overlay, &plan, snapshot),
                Err(why) => Finding::unknown(Reason::NotSeen(why.clone())),
            })
        }
        Check::WindowClear => judge.check(check, &facts.window, |window| clear(&window)),
        Check::CreationDeclared(overlay) => {
            judge.check(check, &facts.creation, |creation| declared(&creation, overlay))
        }
        _ => judge.unobserved(check),
    }
}

fn planned(plan: &Sight<'_, RenewalPlan>) -> Finding {
    let finding = match (plan.strategy, plan.to) {
        (Some(strategy), Some(to)) if plan.can_be_done() => {
            plan.pass(Reason::Renewal(RenewalReason::Planned {
                from: plan.from.iter().map(|pool| pool.subnet).collect(),
                to: to.subnet,
                strategy,
                services: plan.members.len() as u64,
                steps: plan.steps.len() as u64,
            }))
        }
        _ => Finding::fail(Reason::Renewal(RenewalReason::Blocked(plan.reasons()))),
    };
    let steps = plan.steps.iter().enumerate().map(|(n, step)| format!("step {}: {step}", n + 1));
    let rooms = plan
        .rooms
        .iter()
        .filter(|room| !room.counted)
        .map(|room| format!("room on {} is counted by a census before the first step", room.network));
    let unread = plan.not_seen.iter().map(|host| format!("addresses and routes were not read of {host}"));
    finding
        .evidence(format!("before: {}", plan.inspected))
        .evidences(steps)
        .evidences(rooms)
        .evidences(unread)
}

/// Passes iff plan and Swarm name the same services, and those that the configuration has on the overlay are among them.
fn members(
    config: &Config,
    overlay: &OverlayConfig,
    plan: &Sight<'_, RenewalPlan>,
    snapshot: &Snapshot,
) -> Finding {
    let named: BTreeSet<&str> = plan.members.iter().map(|member| member.name.as_str()).collect();
    let id = &plan.network_id;
    // By its tasks too: one of them may be on a network that the service has just left.
    let tasks = snapshot.tasks.iter().filter(|task| task.is_attached_to(id) && task.state.holds_addresses());
    let by_task: BTreeSet<_> = tasks.filter_map(|task| task.service.as_ref()).collect();
    let here = snapshot.services.iter().filter(|s| s.networks.contains(id) || by_task.contains(&s.id));
    let here: BTreeSet<&str> = here.map(|service| service.name.as_str()).collect();
    let expected = config.services.iter().filter(|s| config.overlay_of(s) == Some(overlay.name.as_str()));
    let expected: Vec<String> = expected.flat_map(|entry| names_of(&entry.which, snapshot)).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let lacking = |found: &BTreeSet<&str>, what: &str| {
        let lacking: Vec<&str> = found.difference(&named).copied().collect();
        (!lacking.is_empty()).then(|| format!("{what} and not in the plan: {}", lacking.join(", ")))
    };
    let faults: Vec<String> =
        [lacking(&here, "on the overlay"), lacking(&expected, "to be on the overlay by the configuration")]
            .into_iter()
            .flatten()
            .collect();
    let all =
        RenewalReason::MembersNamed { network: overlay.name.clone(), services: plan.members.len() as u64 };
    let fault = |faults| Reason::Renewal(RenewalReason::MembersDiffer(faults));
    let lines = plan.members.iter().map(|member| {
        let pins: Vec<&str> = member.pins.iter().map(Pin::place).collect();
        format!("{}: running {}, routers find it by [{}]", member.name, member.running, pins.join(", "))
    });
    plan.faultless(faults, fault, Reason::Renewal(all)).evidences(lines)
}

/// The services of the Swarm that an entry is about; where there is none the entry itself, which no plan names.
fn names_of(which: &Which, snapshot: &Snapshot) -> Vec<String> {
    let here = snapshot.services.iter().filter(|service| which.contains(service));
    let names: Vec<String> = here.map(|service| service.name.clone()).collect();
    if names.is_empty() { vec![which.to_string()] } else { names }
}

fn clear(window: &Sight<'_, Window>) -> Finding {
    let said: Vec<String> = window.signals.iter().map(ToString::to_string).collect();
    let only_unseen = window.signals.iter().all(|signal| matches!(signal, Signal::NotSeen { .. }));
    let finding = if said.is_empty() {
        window.pass(Reason::Renewal(RenewalReason::Clear(window.looked_at.clone())))
    } else if only_unseen {
        Finding::unknown(Reason::Renewal(RenewalReason::Busy(said)))
    } else {
        Finding::fail(Reason::Renewal(RenewalReason::Busy(said)))
    };
    let stacks = |on: &str, stacks: &[String]| format!("stacks {on}: {}", stacks.join(", "));
    finding
        .evidence(format!("looked at: {}", window.looked_at.join("; ")))
        .evidence(stacks("that lose routing meanwhile", &window.on_network))
        .evidence(stacks("that are not on the overlay", &window.not_on_network))
}
