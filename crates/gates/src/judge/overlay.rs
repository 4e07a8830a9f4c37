//! The overlay under test: its subnet, its owners, its free addresses; and what waits for an address anywhere.

use std::net::Ipv4Addr;

use pvcheck_audit::{Network, OwnerKind, Snapshot, audit, owners, waiting_services};

use super::finding::{Finding, check};
use crate::check::Check;
use crate::config::Config;
use crate::fault::{OwnerFault, VipLack, Waiting, list};
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

pub(super) fn overlay_checks(config: &Config, snapshot: &Observed<Snapshot>) -> Vec<CheckReport> {
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
        check(config, Check::SwarmWaiting, snapshot, none_waits),
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

fn none_waits(snapshot: &Snapshot) -> Finding {
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
    let tasks = stuck.map(|s| Waiting::Task { because: s.to_string(), task: s.task, service: s.service });
    Finding::of(services.chain(tasks).collect(), Reason::Waiting, Reason::NoneWaits)
}
