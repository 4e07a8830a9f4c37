//! The services that must run, and those of them that must be on the overlay.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::{EndpointMode, Service, Snapshot, Task};

use super::finding::{Finding, check};
use crate::check::Check;
use crate::config::{Config, ServiceConfig};
use crate::fault::{ServiceFault, asked_for};
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

pub(super) fn service_check(
    config: &Config,
    expected: &ServiceConfig,
    snapshot: &Observed<Snapshot>,
) -> CheckReport {
    check(config, Check::Service(expected), snapshot, |snapshot| {
        match snapshot.service_named(&expected.name) {
            Some(service) => service_finding(config, expected, snapshot, service),
            None => Finding::fail(Reason::NoService { service: expected.name.clone() }),
        }
    })
}

fn service_finding(
    config: &Config,
    expected: &ServiceConfig,
    snapshot: &Snapshot,
    service: &Service,
) -> Finding {
    let tasks: Vec<&Task> = snapshot.running_tasks(&service.id).collect();
    let (running, wanted) = (tasks.len() as u64, expected.replicas);
    let mut faults = Vec::new();
    if running != wanted {
        faults.push(ServiceFault::Tasks { running, expected: wanted, mode: service.mode });
    }
    let mut evidence =
        vec![format!("{} {running}/{wanted} running, {}", service.name, asked_for(service.mode))];
    if expected.overlay {
        let (lacking, addresses) = membership(config, snapshot, service, &tasks);
        faults.extend(lacking);
        evidence.extend(addresses);
    }
    let runs = Reason::ServiceRuns { running, expected: wanted };
    Finding::of(faults, Reason::ServiceAtFault, runs).evidences(evidence)
}

/// What a service lacks on the overlay, and the addresses it has there.
fn membership(
    config: &Config,
    snapshot: &Snapshot,
    service: &Service,
    running: &[&Task],
) -> (Vec<ServiceFault>, Vec<String>) {
    let overlay = config.overlay.name.clone();
    let Some(network) = snapshot.overlay(&overlay) else {
        return (vec![ServiceFault::NoOverlay { overlay }], Vec::new());
    };
    let subnets = network.subnets();
    let inside = |a: &Ipv4Addr| subnets.iter().any(|s| s.contains(*a));
    let (mut lacking, mut addresses) = (Vec::new(), Vec::new());
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
