//! Gate `pvcheck.m1`: the control plane and its routes, without touching anything.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_audit::{
    EndpointMode, Network, OwnerKind, Service, Snapshot, Task, audit, owners, waiting_services,
};
use pvcheck_journal::Scan;
use pvcheck_routes::{RouteFact, Verdict, judge};
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::config::{Config, RouteConfig, ServiceConfig};
use crate::fault::{OwnerFault, ServiceFault, VipLack, Waiting, asked_for, list};
use crate::finding::{Finding, check};
use crate::gate::Gate;
use crate::observed::Observed;
use crate::reason::Reason;
use crate::verdict::{CheckReport, GateReport};

/// What the gate rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M1Facts {
    /// The Swarm.
    pub snapshot: Observed<Snapshot>,
    /// The routes, in the configuration's order.
    pub routes: Observed<Vec<RouteFact>>,
    /// The engine's log since the engine started.
    pub journal: Observed<Scan>,
}

/// Judges the facts: the subnet, who holds what, room, waiting services, every service, every route, the log.
pub fn judge_m1(config: &Config, facts: &M1Facts) -> GateReport {
    let mut checks = overlay_checks(config, &facts.snapshot);
    checks.extend(config.services.iter().map(|s| service_check(config, s, &facts.snapshot)));
    checks.extend(config.routes.iter().map(|r| route_check(config, r, &facts.routes)));
    checks.push(check(config, Check::JournalExhaustion, &facts.journal, exhaustion));
    GateReport::new(Gate::M1, config, checks)
}

fn overlay_checks(config: &Config, snapshot: &Observed<Snapshot>) -> Vec<CheckReport> {
    let overlay = &config.overlay.name;
    let on_overlay = |about: Check<'_>, judge: &dyn Fn(&Snapshot, &Network) -> Finding| {
        check(config, about, snapshot, |snapshot| match snapshot.overlay(overlay) {
            Some(network) => judge(snapshot, network),
            None => Finding::fail(Reason::NoOverlay { overlay: overlay.clone() }),
        })
    };
    vec![
        on_overlay(Check::OverlaySubnet, &|_, n| subnet(config, n)),
        on_overlay(Check::OverlayOwners, &one_owner_each),
        on_overlay(Check::OverlayHeadroom, &|s, n| headroom(config, s, n)),
        check(config, Check::SwarmWaiting, snapshot, nobody_waits),
    ]
}

fn subnet(config: &Config, network: &Network) -> Finding {
    let declared = config.overlay.subnet;
    let (overlay, subnets, usable) = (network.name.clone(), network.subnets(), network.usable());
    let evidence = format!("{overlay} {} subnets [{}] usable {usable}", network.id, list(&subnets, ", "));
    let finding = match subnets.as_slice() {
        [] => Finding::fail(Reason::NotAllocated { overlay }),
        [only] if *only == declared => {
            Finding::pass(Reason::SubnetAsDeclared { overlay, subnet: declared, usable })
        }
        _ => Finding::fail(Reason::SubnetDiffers { overlay, subnets, declared }),
    };
    finding.evidence(evidence)
}

fn one_owner_each(snapshot: &Snapshot, network: &Network) -> Finding {
    let owners = owners(snapshot, network);
    let inside = |a: Ipv4Addr| network.subnets().iter().any(|s| s.contains(a));
    let shared = owners.duplicates().into_iter().map(|address| OwnerFault::Shared { address });
    let outside = owners.named.iter().filter(|o| !inside(o.address)).map(|owner| OwnerFault::Outside {
        service: owner.service.clone(),
        address: owner.address,
        overlay: network.name.clone(),
    });
    let counted = Reason::OwnedOnce {
        total: owners.total(),
        vips: owners.count(OwnerKind::Vip),
        tasks: owners.count(OwnerKind::Task),
        load_balancers: owners.count(OwnerKind::LoadBalancer),
        attachments: owners.count(OwnerKind::Attachment),
    };
    let lines = owners.named.iter().map(|o| {
        let service = o.service.as_deref().unwrap_or("-");
        format!("{} {} {service}", o.address, kind_of(o.kind))
    });
    Finding::of(shared.chain(outside).collect(), Reason::OwnersAtFault, counted).evidences(lines)
}

/// The kind as JSON has it.
fn kind_of(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Attachment => "attachment",
        OwnerKind::LoadBalancer => "load_balancer",
        OwnerKind::Task => "task",
        OwnerKind::Vip => "vip",
    }
}

fn headroom(config: &Config, snapshot: &Snapshot, network: &Network) -> Finding {
    let (usable, owned) = (network.usable(), owners(snapshot, network).total());
    let (free, wanted) = (usable.saturating_sub(owned), config.overlay.min_free);
    let finding = if wanted <= free {
        Finding::pass(Reason::EnoughFree { free, usable, wanted })
    } else {
        Finding::fail(Reason::TooFewFree { free, usable, wanted })
    };
    finding.evidence(format!(
        "usable {usable}, owned {owned}; leaked addresses do not show in this, a census counts them"
    ))
}

fn nobody_waits(snapshot: &Snapshot) -> Finding {
    let services = waiting_services(snapshot).into_iter().map(|w| Waiting::Service {
        service: w.service,
        network: w.network_name.unwrap_or_else(|| w.network.to_string()),
        because: match (w.network_allocated, w.only_here) {
            (false, _) => VipLack::NotAllocated,
            (true, true) => VipLack::Full,
            (true, false) => VipLack::OnSeveral,
        },
    });
    let stuck = audit(snapshot).networks.into_iter().flat_map(|n| n.stuck);
    let tasks = stuck.map(|s| Waiting::Task { task: s.task, service: s.service, because: s.reason });
    Finding::of(services.chain(tasks).collect(), Reason::Waiting, Reason::NoneWaits)
}

fn service_check(config: &Config, expected: &ServiceConfig, snapshot: &Observed<Snapshot>) -> CheckReport {
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

/// What is missing of a service's place on the overlay, and the addresses it has there.
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

/// The check of one declared route, over the fact of the same name.
fn route_check(config: &Config, route: &RouteConfig, facts: &Observed<Vec<RouteFact>>) -> CheckReport {
    check(config, Check::Route(route), facts, |facts| match facts.iter().find(|f| f.name == route.name) {
        Some(fact) => route_finding(fact, route.service.as_deref()),
        None => Finding::unknown(Reason::RouteNotAsked),
    })
}

/// The verdict of the route itself; the service behind it is named where it did not pass.
pub(crate) fn route_finding(fact: &RouteFact, behind: Option<&str>) -> Finding {
    let judged = judge(fact);
    let behind = behind.filter(|_| judged.verdict != Verdict::Pass).map(str::to_owned);
    Finding::new(judged.verdict, Reason::Route { said: judged.reason, behind }).evidence(route_evidence(fact))
}

pub(crate) fn route_evidence(fact: &RouteFact) -> String {
    let address = fact.address.map_or_else(|| "no address".into(), |a| a.to_string());
    let status = fact.status.map_or_else(|| "no status".into(), |s| s.to_string());
    let http = fact.http.map(|h| format!(" over HTTP/{}", h.as_str())).unwrap_or_default();
    let tls = fact.tls.as_ref().map(|t| {
        let version = t.version.as_deref().unwrap_or("TLS");
        format!(", {version} {}", if t.verified { "verified" } else { "NOT verified" })
    });
    format!(
        "GET {} via {address}: {status}{http}{}, {} ms",
        fact.url,
        tls.unwrap_or_default(),
        fact.timing_ms.total
    )
}

/// Passes iff a complete scan has no record that a network of the Swarm ran out of addresses.
fn exhaustion(scan: &Scan) -> Finding {
    let found = scan.exhaustion_count();
    let window = format!("{}: {} records in the window, {} read", scan.source, scan.records, scan.read);
    let finding = match scan.doubt() {
        _ if 0 < found => Finding::fail(Reason::Exhaustion { records: found }),
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt }),
        None => Finding::pass(Reason::NoExhaustion { records: scan.records }),
    };
    finding.evidence(window).evidences(samples(scan))
}

/// A few of the lines that are findings.
pub(crate) fn samples(scan: &Scan) -> Vec<String> {
    let findings: BTreeSet<&str> = scan.findings().map(|m| m.signature.as_str()).collect();
    let of_findings =
        |s: &&pvcheck_journal::Sample| s.signature.as_deref().is_some_and(|id| findings.contains(id));
    scan.samples.iter().filter(of_findings).map(|s| s.text.clone()).collect()
}
