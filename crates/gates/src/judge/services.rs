//! The services that must run, and those of them that must be on the overlay.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::{EndpointMode, Service, Snapshot, Task};

use super::finding::{Finding, Judge, Sight};
use super::run::Run;
use crate::check::Check;
use crate::config::{Config, ServiceConfig};
use crate::coverage::Coverage;
use crate::fault::{ServiceFault, asked_for};
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

pub(super) fn service_check(
    judge: &Judge<'_, impl Coverage>,
    expected: &ServiceConfig,
    snapshot: &Observed<Snapshot>,
) -> CheckReport {
    judge.check(Check::Service(expected), snapshot, |snapshot| match snapshot.service_named(&expected.name) {
        Some(service) => service_finding(judge.config, expected, &snapshot, service),
        None => Finding::fail(Reason::NoService { service: expected.name.clone() }),
    })
}

fn service_finding(
    config: &Config,
    expected: &ServiceConfig,
    snapshot: &Sight<'_, Snapshot>,
    service: &Service,
) -> Finding {
    let runs = Run::of(snapshot, service);
    let mut faults: Vec<ServiceFault> = runs.fault(expected.replicas).into_iter().collect();
    faults.extend(expected.replicas.and_then(|replicas| runs.contradicts(replicas)));
    let mut evidence = vec![format!("{} {}, {}", service.name, runs.tally(), asked_for(service.mode))];
    if let Some(overlay) = config.overlay_of(expected) {
        let tasks: Vec<&Task> = snapshot.running_tasks(&service.id).collect();
        let (lacking, addresses) = membership(overlay, snapshot, service, &tasks);
        faults.extend(lacking);
        evidence.extend(addresses);
    }
    snapshot.faultless(faults, Reason::ServiceAtFault, runs.healthy(expected.replicas)).evidences(evidence)
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
