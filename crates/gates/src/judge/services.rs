//! The services that must run, and those of them that must be on the overlay.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::{EndpointMode, Service, Snapshot, Task};

use super::finding::{Finding, Judge, Sight};
use super::run::Run;
use crate::check::Check;
use crate::config::{Config, ServiceConfig, Which};
use crate::coverage::Coverage;
use crate::fault::{ServiceFault, asked_for};
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;
use crate::service_reason::{OneAtFault, OneRuns, ServicesReason};

/// The check of one entry, over every service that it is about; its evidence lists them.
///
/// One check for each entry and not for each service, so that the ids of a gate are known from the configuration alone: a
/// service that is gone does not take its check with it.
pub(super) fn service_check(
    judge: &Judge<'_, impl Coverage>,
    expected: &ServiceConfig,
    snapshot: &Observed<Snapshot>,
) -> CheckReport {
    judge.check(Check::Service(expected), snapshot, |snapshot| {
        let found = found(expected, snapshot.get());
        let seen = found.into_iter().map(|service| Seen::of(judge.config, expected, &snapshot, service));
        finding(&snapshot, &expected.which, &seen.collect::<Vec<_>>())
    })
}

/// The services that an entry is about, by their names.
fn found<'a>(expected: &ServiceConfig, snapshot: &'a Snapshot) -> Vec<&'a Service> {
    let mut found: Vec<_> = snapshot.services.iter().filter(|s| expected.which.contains(s)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// One service beside what is expected of it.
struct Seen {
    service: String,
    tally: String,
    faults: Vec<ServiceFault>,
    is_under_way: bool,
    /// How it is where it has no fault.
    healthy: Reason,
    evidence: Vec<String>,
}

impl Seen {
    fn of(config: &Config, expected: &ServiceConfig, snapshot: &Snapshot, service: &Service) -> Self {
        let runs = Run::of(snapshot, service);
        let mut faults = runs.faults(expected.tasks);
        let mut evidence = vec![format!("{} {}, {}", service.name, runs.tally(), asked_for(service.mode))];
        if let Some(overlay) = config.overlay_of(expected) {
            let tasks: Vec<&Task> = snapshot.running_tasks(&service.id).collect();
            let (lacking, addresses) = membership(overlay, snapshot, service, &tasks);
            faults.extend(lacking);
            evidence.extend(addresses);
        }
        Self {
            service: service.name.clone(),
            tally: runs.tally(),
            faults,
            is_under_way: runs.is_under_way(expected.tasks),
            healthy: runs.healthy(expected.tasks),
            evidence,
        }
    }

    fn runs(&self) -> OneRuns {
        OneRuns { service: self.service.clone(), tally: self.tally.clone() }
    }
}

/// A fault of one of them is enough for a FAIL. A job that has not ended is neither good nor bad, so that it is UNKNOWN.
fn finding(snapshot: &Sight<'_, Snapshot>, which: &Which, seen: &[Seen]) -> Finding {
    let at_fault = seen.iter().filter(|one| !one.faults.is_empty());
    let at_fault: Vec<OneAtFault> =
        at_fault.map(|one| OneAtFault { service: one.service.clone(), faults: one.faults.clone() }).collect();
    let under_way: Vec<OneRuns> = seen.iter().filter(|one| one.is_under_way).map(Seen::runs).collect();
    let finding = match (which, seen) {
        (Which::Named(service), []) => Finding::fail(Reason::NoService { service: service.clone() }),
        (which, []) => Finding::fail(Reason::Services(ServicesReason::NoneFound { which: which.phrase() })),
        (Which::Named(_), [one]) if !one.faults.is_empty() => {
            Finding::fail(Reason::ServiceAtFault(one.faults.clone()))
        }
        _ if !at_fault.is_empty() => Finding::fail(Reason::Services(ServicesReason::AtFault(at_fault))),
        _ if !under_way.is_empty() => Finding::unknown(Reason::Services(ServicesReason::UnderWay(under_way))),
        (Which::Named(_), [one]) => snapshot.pass(one.healthy.clone()),
        _ => snapshot.pass(Reason::Services(ServicesReason::AllRun(seen.iter().map(Seen::runs).collect()))),
    };
    finding.evidences(seen.iter().flat_map(|one| one.evidence.iter().cloned()))
}

/// What a service lacks on the overlay, and the addresses it has there.
fn membership(
    overlay: &str,
    snapshot: &Snapshot,
    service: &Service,
    running: &[&Task],
) -> (Vec<ServiceFault>, Vec<String>) {
    let Some(network) = snapshot.overlay(overlay) else {
        return (vec![ServiceFault::NoOverlay { overlay: overlay.to_owned() }], Vec::new());
    };
    let subnets = network.subnets();
    let inside = |a: &Ipv4Addr| subnets.iter().any(|s| s.contains(*a));
    let (mut lacking, mut addresses) = (Vec::new(), Vec::new());
    // dnsrr has no virtual address at all.
    if service.endpoint == EndpointMode::Vip {
        let vip = service.vips.iter().find(|v| v.network == network.id).and_then(|v| v.address);
        match vip.filter(inside) {
            Some(vip) => addresses.push(format!("{} VIP {vip}", service.name)),
            None => lacking.push(ServiceFault::NoVip { overlay: network.name.clone() }),
        }
    }
    for task in running {
        let here: BTreeSet<_> = task.addresses_on(&network.id).collect();
        match here.iter().find(|a| inside(a)) {
            Some(address) => addresses.push(format!("{} task {} {address}", service.name, task.id)),
            None => lacking.push(ServiceFault::TaskWithoutAddress {
                task: task.id.clone(),
                overlay: network.name.clone(),
            }),
        }
    }
    (lacking, addresses)
}
