//! Gate `pvcheck.m1`: the control plane and its routes, without touching anything.

use std::collections::BTreeSet;

use pvcheck_audit::{
    EndpointMode, Network, OwnerKind, Service, ServiceMode, Snapshot, Task, audit, owners, waiting_services,
};
use pvcheck_journal::Scan;
use pvcheck_routes::{RouteFact, Verdict, judge};
use serde::{Deserialize, Serialize};

use crate::config::{Config, RouteConfig, ServiceConfig};
use crate::observed::{Finding, Observed};
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
    checks.extend(route_checks(&config.routes, &facts.routes));
    checks.push(exhaustion_check(
        "journal.exhaustion",
        "No exhaustion in the engine's log since the engine started",
        &facts.journal,
    ));
    GateReport::new("pvcheck.m1", config, checks)
}

fn overlay_checks(config: &Config, snapshot: &Observed<Snapshot>) -> Vec<CheckReport> {
    let name = &config.overlay.name;
    let on_overlay = |id: &str, title: &str, judge: &dyn Fn(&Snapshot, &Network) -> Finding| {
        snapshot.check(id, title, |snapshot| match snapshot.overlay(name) {
            Some(network) => judge(snapshot, network),
            None => Finding::fail(format!(
                "there is no overlay network `{name}`; create it, or mend [overlay] name"
            )),
        })
    };
    vec![
        on_overlay("overlay.subnet", "The overlay has the subnet declared", &|_, n| subnet(config, n)),
        on_overlay(
            "overlay.owners",
            "Every owned address is the overlay's and has one owner",
            &one_owner_each,
        ),
        on_overlay("overlay.headroom", "The owners leave room", &|s, n| headroom(config, s, n)),
        snapshot.check("swarm.waiting", "Nobody waits for an address", nobody_waits),
    ]
}

fn subnet(config: &Config, network: &Network) -> Finding {
    let declared = config.overlay.subnet;
    let live = network.subnets();
    let named = live.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let evidence = format!("{} {} subnets [{named}] usable {}", network.name, network.id, network.usable());
    let finding = match live.as_slice() {
        [] => Finding::fail(format!(
            "{} has no subnet: Swarm has not allocated it; look for an overlap in the manager's log",
            network.name
        )),
        [only] if *only == declared => {
            Finding::pass(format!("{} has {declared}, {} usable addresses", network.name, network.usable()))
        }
        _ => Finding::fail(format!(
            "{} has {named}, but {declared} is declared; a network keeps the subnet it was created with, so renew it",
            network.name
        )),
    };
    finding.evidence(evidence)
}

fn one_owner_each(snapshot: &Snapshot, network: &Network) -> Finding {
    let owners = owners(snapshot, network);
    let inside = |a: std::net::Ipv4Addr| network.subnets().iter().any(|s| s.contains(a));
    let mut complaints = Vec::new();
    for address in owners.duplicates() {
        complaints.push(format!("{address} has more than one owner; update one of them by force"));
    }
    for owner in owners.named.iter().filter(|o| !inside(o.address)) {
        let who = owner.service.clone().unwrap_or_else(|| "a container".into());
        complaints.push(format!("{who} has {}, which is outside of {}", owner.address, network.name));
    }
    let counts = format!(
        "{} owned: VIPs {}, tasks {}, load balancers {}, attachments {}",
        owners.total(),
        owners.count(OwnerKind::Vip),
        owners.count(OwnerKind::Task),
        owners.count(OwnerKind::LoadBalancer),
        owners.count(OwnerKind::Attachment),
    );
    let lines = owners.named.iter().map(|o| {
        let service = o.service.as_deref().unwrap_or("-");
        format!("{} {} {service}", o.address, o.kind.word())
    });
    Finding::of(&complaints, counts).evidences(lines)
}

fn headroom(config: &Config, snapshot: &Snapshot, network: &Network) -> Finding {
    let (usable, owned) = (network.usable(), owners(snapshot, network).total());
    let free = usable.saturating_sub(owned);
    let wanted = config.overlay.min_free;
    let words = format!("{free} of {usable} addresses have no owner, {wanted} wanted");
    let finding = if wanted <= free { Finding::pass(words) } else { Finding::fail(words) };
    finding.evidence(format!(
        "usable {usable}, owned {owned}; leaked addresses do not show in this, a census counts them"
    ))
}

fn nobody_waits(snapshot: &Snapshot) -> Finding {
    let waits = waiting_services(snapshot).into_iter().map(|w| {
        let network = w.network_name.unwrap_or_else(|| w.network.to_string());
        let why = match (w.network_allocated, w.only_here) {
            (false, _) => "which has no subnet",
            (true, true) => "which is full",
            (true, false) => "nor on another one",
        };
        format!("{} has no virtual address on {network}, {why}", w.service)
    });
    let stuck = audit(snapshot).networks.into_iter().flat_map(|n| n.stuck);
    let stuck = stuck.map(|s| format!("task {} of {} waits: {s}", s.task, s.service));
    let complaints: Vec<_> = waits.chain(stuck).collect();
    Finding::of(&complaints, "every service has its addresses, no task waits for one")
}

fn service_check(config: &Config, expected: &ServiceConfig, snapshot: &Observed<Snapshot>) -> CheckReport {
    let title = if expected.overlay {
        format!("{} runs, on {}", expected.name, config.overlay.name)
    } else {
        format!("{} runs", expected.name)
    };
    snapshot.check(&format!("service.{}", expected.name), &title, |snapshot| {
        let Some(service) = snapshot.service_named(&expected.name) else {
            return Finding::fail(format!("there is no service `{}`; deploy it", expected.name));
        };
        service_finding(config, expected, snapshot, service)
    })
}

fn service_finding(
    config: &Config,
    expected: &ServiceConfig,
    snapshot: &Snapshot,
    service: &Service,
) -> Finding {
    let running: Vec<&Task> = snapshot.running_tasks(&service.id).collect();
    let mut complaints = Vec::new();
    let asked = match service.mode {
        ServiceMode::Replicated(n) => format!("{n} asked for"),
        ServiceMode::Global => "one per node asked for".into(),
        ServiceMode::Job(_) => "a job".into(),
    };
    if running.len() as u64 != expected.replicas {
        complaints.push(format!("{} of {} tasks run ({asked})", running.len(), expected.replicas));
    }
    let mut evidence =
        vec![format!("{} {}/{} running, {asked}", service.name, running.len(), expected.replicas)];
    if expected.overlay {
        let (lacking, addresses) = membership(config, snapshot, service, &running);
        complaints.extend(lacking);
        evidence.extend(addresses);
    }
    Finding::of(&complaints, format!("{} of {} tasks run", running.len(), expected.replicas))
        .evidences(evidence)
}

/// What is missing of a service's place on the overlay, and the addresses it has there.
fn membership(
    config: &Config,
    snapshot: &Snapshot,
    service: &Service,
    running: &[&Task],
) -> (Vec<String>, Vec<String>) {
    let Some(network) = snapshot.overlay(&config.overlay.name) else {
        return (vec![format!("there is no overlay `{}`", config.overlay.name)], Vec::new());
    };
    let subnets = network.subnets();
    let inside = |a: &std::net::Ipv4Addr| subnets.iter().any(|s| s.contains(*a));
    let (mut lacking, mut addresses) = (Vec::new(), Vec::new());
    if service.endpoint == EndpointMode::Vip {
        let vip = service.vips.iter().find(|v| v.network == network.id).and_then(|v| v.address);
        match vip.filter(inside) {
            Some(vip) => addresses.push(format!("{} VIP {vip}", service.name)),
            None => lacking.push(format!("it has no virtual address on {}", network.name)),
        }
    }
    for task in running {
        let here: BTreeSet<_> = task.addresses_on(&network.id).collect();
        match here.iter().find(|a| inside(a)) {
            Some(address) => addresses.push(format!("{} task {} {address}", service.name, task.id)),
            None => lacking.push(format!("task {} has no address on {}", task.id, network.name)),
        }
    }
    (lacking, addresses)
}

/// One check per declared route, over the facts of the same name.
pub(crate) fn route_checks(routes: &[RouteConfig], facts: &Observed<Vec<RouteFact>>) -> Vec<CheckReport> {
    let check = |route: &RouteConfig| {
        let title = format!("{} answers {}", route.url, statuses(&route.expect));
        facts.check(&format!("route.{}", route.name), &title, |facts| {
            match facts.iter().find(|f| f.name == route.name) {
                Some(fact) => route_finding(route, fact),
                None => Finding::unknown("the route was not asked"),
            }
        })
    };
    routes.iter().map(check).collect()
}

fn route_finding(route: &RouteConfig, fact: &RouteFact) -> Finding {
    let judged = judge(fact);
    let behind = route.service.as_ref().map(|s| format!(" (behind it: {s})")).unwrap_or_default();
    let reason = match judged.verdict {
        Verdict::Pass => judged.reason.to_string(),
        _ => format!("{}{behind}", judged.reason),
    };
    Finding::new(judged.verdict, reason).evidence(route_evidence(fact))
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

fn statuses(expected: &[u16]) -> String {
    expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// Passes iff a complete scan has no record that a network of the Swarm ran out of addresses.
pub(crate) fn exhaustion_check(id: &str, title: &str, journal: &Observed<Scan>) -> CheckReport {
    journal.check(id, title, |scan| {
        let found = scan.exhaustion_count();
        let window = format!("{}: {} records in the window, {} read", scan.source, scan.records, scan.read);
        let finding = match scan.doubt() {
            _ if 0 < found => {
                Finding::fail(format!("{found} records say that a network has no address left"))
            }
            Some(doubt) => Finding::unknown(doubt.to_string()),
            None => Finding::pass(format!("no such record among {}", scan.records)),
        };
        finding.evidence(window).evidences(samples(scan))
    })
}

/// A few of the lines that are findings.
pub(crate) fn samples(scan: &Scan) -> Vec<String> {
    let findings: BTreeSet<&str> = scan.findings().map(|m| m.signature.as_str()).collect();
    let of_findings =
        |s: &&pvcheck_journal::Sample| s.signature.as_deref().is_some_and(|id| findings.contains(id));
    scan.samples.iter().filter(of_findings).map(|s| s.text.clone()).collect()
}
