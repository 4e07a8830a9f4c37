//! Gate `pvfix.m2`: what must be so after an overlay was renewed.

use pvcheck_audit::{Network, Snapshot};
use pvcheck_swarm::{Direction, Ended, Member, RENEWAL_PURPOSE, RenewalProof, SavedRenewal};

use super::activation::activation;
use super::columns::columns;
use super::control_plane::control_check;
use super::finding::{Finding, Judge, Sight};
use super::log::new_signatures;
use super::record::{end_not_recorded, step};
use crate::check::{Check, Subjects, checks_of};
use crate::config::{Config, OverlayConfig, Placement, ServiceConfig, TasksWanted, Which};
use crate::fix_facts::FixedFacts;
use crate::gate::Gate;
use crate::gate_report::{CheckReport, GateReport};
use crate::reason::Reason;
use crate::renewal_reason::RenewalReason;
use crate::repeat;

/// Judges the facts: the overlay, what the renewal left, every service, every route, the log, and the three columns. A report
/// without a check, which is UNKNOWN, where the configuration has not the overlay that the facts are of.
pub fn judge_fixed(config: &Config, facts: &FixedFacts) -> GateReport {
    let Some(overlay) = config.overlays.iter().find(|o| o.name == facts.overlay) else {
        return GateReport::new(Gate::Fixed, config, Vec::new());
    };
    let services = services(config, overlay, facts);
    let overlays = std::slice::from_ref(overlay);
    let of = Subjects { overlays, services: &services, ..Subjects::of(config) };
    let judge = Judge { config, facts };
    let checks = checks_of(Gate::Fixed.checks(), of);
    let checks = checks.into_iter().map(|check| renewed_check(&judge, check));
    GateReport::new(Gate::Fixed, config, checks.collect())
}

/// The services of the configuration, and those that the renewal moved: these must be on the overlay, whatever the
/// configuration says or does not say of them.
fn services(config: &Config, overlay: &OverlayConfig, facts: &FixedFacts) -> Vec<ServiceConfig> {
    let mut all = config.services.clone();
    let on_it = || Placement::Named(overlay.name.clone());
    for member in facts.record_of(overlay).iter().flat_map(|saved| &saved.record.members) {
        let which = Which::Named(member.name.clone());
        match all.iter_mut().find(|service| service.which == which) {
            Some(service) => service.overlay = on_it(),
            None => all.push(ServiceConfig {
                which,
                // One that was at 0 replicas is well with none; of any other its own number counts.
                tasks: if member.running == 0 && !member.job {
                    TasksWanted::Exactly(0)
                } else {
                    TasksWanted::AsAsked
                },
                overlay: on_it(),
            }),
        }
    }
    all
}

/// The report of one check over these facts. What is not about the renewal is judged as without one.
pub(super) fn renewed_check(judge: &Judge<'_, FixedFacts>, check: Check<'_>) -> CheckReport {
    let FixedFacts { control, proof, creation, .. } = judge.facts;
    let snapshot = &control.snapshot;
    // Of another renewal's record even a fault would mean nothing.
    let by_record = |overlay: &OverlayConfig, of: &dyn Fn(&SavedRenewal) -> Finding| {
        judge.facts.record_of(overlay).map_or_else(Finding::unknown, of)
    };
    match check {
        Check::RenewalEnded(overlay) => {
            judge.check(check, proof, |proof| ended(&proof, judge.facts.record_of(overlay)))
        }
        Check::RenewalNetwork(overlay) => judge.check(check, proof, |proof| {
            let network = snapshot.known().and_then(|s| s.overlay(&overlay.name));
            by_record(overlay, &|saved| created(&proof, saved, network))
        }),
        Check::RenewalRemoved(overlay) => {
            judge.check(check, snapshot, |snapshot| by_record(overlay, &|saved| removed(&snapshot, saved)))
        }
        Check::RenewalSpecs(overlay) => {
            judge.check(check, proof, |proof| by_record(overlay, &|saved| specs(&proof, saved)))
        }
        Check::CreationColumns(overlay) => {
            judge.check(check, creation, |creation| columns(&creation, overlay, snapshot))
        }
        Check::CreationUnit(overlay) => judge.check(check, creation, |creation| {
            activation(&creation, overlay, snapshot, judge.facts.record_of(overlay))
        }),
        Check::JournalRenewal => {
            judge.check(check, &control.journal, |scan| new_signatures(judge.config, &scan))
        }
        other => control_check(&Judge { config: judge.config, facts: control }, other),
    }
}

/// Passes iff the record says that it ended forward, and neither a renewal nor a renewal's lock is in the Swarm.
fn ended(proof: &Sight<'_, RenewalProof>, record: Result<&SavedRenewal, Reason>) -> Finding {
    let mut faults = Vec::new();
    if let Some(renewal) = &proof.unfinished {
        let at = step(&renewal.stands.step);
        faults.push(format!(
            "the renewal of {} is not finished, it stands at {at}; see pvcheck resize status",
            renewal.network
        ));
    }
    if let Some(lock) = proof.lock.as_ref().filter(|lock| lock.purpose == RENEWAL_PURPOSE) {
        faults.push(format!("the lock of a renewal is left, held by {}", lock.holder));
    }
    if let Ok(SavedRenewal { ended: Some(Ended { at, direction: Direction::Back, .. }), .. }) = record {
        faults.push(format!("the renewal was undone at {at}"));
    }
    if !faults.is_empty() {
        return Finding::fail(Reason::Renewal(RenewalReason::NotEnded(faults)));
    }
    let saved = match record {
        Ok(saved) => saved,
        Err(why) => return Finding::unknown(why),
    };
    let finding = match &saved.ended {
        Some(ended) => proof.pass(Reason::Renewal(RenewalReason::Ended { at: ended.at })),
        None => Finding::unknown(end_not_recorded(saved)),
    };
    finding.evidence(format!("begun {} by run {}", saved.record.begun, saved.record.run))
}

/// Passes iff the network that has the name is the one that the renewal left.
fn created(proof: &Sight<'_, RenewalProof>, saved: &SavedRenewal, network: Option<&Network>) -> Finding {
    let (id, created) = (proof.network.clone(), network.and_then(|network| network.created));
    let finding = match &saved.ended {
        None => Finding::unknown(end_not_recorded(saved)),
        Some(ended) if ended.network != id => {
            let left = ended.network.clone();
            Finding::fail(Reason::Renewal(RenewalReason::CreatedByOther { network: id, left }))
        }
        Some(_) => proof.pass(Reason::Renewal(RenewalReason::Created { network: id, created })),
    };
    let driver = proof.ipam_driver.as_deref().unwrap_or("none");
    finding.evidence(format!("IPAM driver {driver}, gateway {}", proof.gateways.join(", ")))
}

/// Passes iff no network of the renewal but the new one is listed.
fn removed(snapshot: &Sight<'_, Snapshot>, saved: &SavedRenewal) -> Finding {
    let record = &saved.record;
    let is_holding = |network: &Network| {
        network.name == record.holding.0 || network.run.as_deref() == Some(record.run.as_str())
    };
    let left: Vec<String> = snapshot
        .networks
        .iter()
        .filter(|network| network.id == record.old || is_holding(network))
        .map(|network| format!("{} {}", network.name, network.id))
        .collect();
    let gone = Reason::Renewal(RenewalReason::Removed { old: record.old.clone() });
    snapshot.faultless(left, |left| Reason::Renewal(RenewalReason::NotRemoved(left)), gone)
}

/// Passes iff every service that was moved has the spec that it had.
fn specs(proof: &Sight<'_, RenewalProof>, saved: &SavedRenewal) -> Finding {
    let members = &saved.record.members;
    let now = |member: &Member| proof.fingerprints.get(&member.id).map(String::as_str);
    let changed: Vec<String> = members.iter().filter_map(|member| member.difference(now(member))).collect();
    let kept = Reason::Renewal(RenewalReason::SpecsKept { services: members.len() as u64 });
    let finding =
        proof.faultless(changed, |changed| Reason::Renewal(RenewalReason::SpecsChanged(changed)), kept);
    members.iter().fold(finding, |finding, member| {
        let now = short(now(member).unwrap_or("gone"));
        let line = format!("{}: {} before, {now} now", member.name, short(&member.fingerprint));
        finding.shown_by(line, repeat::spec(&member.name))
    })
}

/// As much of a digest as a reader compares.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
