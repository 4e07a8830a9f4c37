//! The overlays under test: subnet, owners, leaked and free addresses; and what waits for an address anywhere.

use std::net::Ipv4Addr;

use pvcheck_audit::{Network, OwnerKind, Snapshot, owners};

use super::finding::{Finding, Judge, Sight};
use crate::check::Check;
use crate::config::OverlayConfig;
use crate::facts::M1Facts;
use crate::fault::{OwnerFault, list};
use crate::gate_report::CheckReport;
use crate::leaks::Leaks;
use crate::reason::Reason;
use crate::repeat;
use crate::waiting::waiting;

/// The check of an overlay's subnet.
pub(super) fn subnet_check(judge: &Judge<'_, M1Facts>, declared: &OverlayConfig) -> CheckReport {
    on_overlay(judge, Check::OverlaySubnet(declared), declared, |s, n| subnet(declared, s, n))
}

/// The check of who owns its addresses.
pub(super) fn owners_check(judge: &Judge<'_, M1Facts>, declared: &OverlayConfig) -> CheckReport {
    on_overlay(judge, Check::OverlayOwners(declared), declared, one_owner_each)
}

/// The check of its free addresses.
pub(super) fn headroom_check(judge: &Judge<'_, M1Facts>, declared: &OverlayConfig) -> CheckReport {
    let leaks = judge.facts.leaks(&declared.name);
    on_overlay(judge, Check::OverlayHeadroom(declared), declared, |s, n| headroom(declared, &leaks, s, n))
}

/// The check of what waits on any network.
pub(super) fn waiting_check(judge: &Judge<'_, M1Facts>) -> CheckReport {
    judge.check(Check::SwarmWaiting, &judge.facts.snapshot, |s| none_waits(&s))
}

fn on_overlay(
    judge: &Judge<'_, M1Facts>,
    about: Check<'_>,
    declared: &OverlayConfig,
    of: impl FnOnce(&Sight<'_, Snapshot>, &Network) -> Finding,
) -> CheckReport {
    judge.check(about, &judge.facts.snapshot, |snapshot| match snapshot.get().overlay(&declared.name) {
        Some(network) => of(&snapshot, network),
        None => Finding::fail(Reason::NoOverlay { overlay: declared.name.clone() }),
    })
}

fn subnet(overlay: &OverlayConfig, snapshot: &Sight<'_, Snapshot>, network: &Network) -> Finding {
    let declared = overlay.subnet;
    let (overlay, subnets, usable) = (network.name.clone(), network.subnets(), network.usable());
    let evidence = format!("{overlay} {} subnets [{}] usable {usable}", network.id, list(&subnets, ", "));
    let finding = match subnets.as_slice() {
        [] => Finding::fail(Reason::NotAllocated { overlay }),
        [only] if *only == declared => {
            snapshot.pass(Reason::SubnetAsDeclared { overlay, subnet: declared, usable })
        }
        _ => Finding::fail(Reason::SubnetDiffers { overlay, subnets, declared }),
    };
    finding.evidence(evidence)
}

fn one_owner_each(snapshot: &Sight<'_, Snapshot>, network: &Network) -> Finding {
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
    let finding = snapshot.faultless(shared.chain(outside).collect(), Reason::OwnersAtFault, counted);
    owners.named.iter().fold(finding, |finding, o| {
        let service = o.service.as_deref().unwrap_or("-");
        let command = match o.kind {
            OwnerKind::Vip => Some(repeat::vips()),
            OwnerKind::LoadBalancer => Some(repeat::network(&network.name, "{{json .Containers}}")),
            OwnerKind::Attachment | OwnerKind::Task => None,
        };
        finding.shown_by(format!("{} {} {service}", o.address, kind_of(o.kind)), command)
    })
}

/// The kind as JSON has it.
pub(super) fn kind_of(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Attachment => "attachment",
        OwnerKind::LoadBalancer => "load_balancer",
        OwnerKind::Task => "task",
        OwnerKind::Vip => "vip",
    }
}

/// Free is what is neither owned nor leaked. Before the leaked ones are counted, only an upper bound is known:
/// it can show that there are too few, never that there are enough.
fn headroom(
    declared: &OverlayConfig,
    leaks: &Result<Leaks, Reason>,
    snapshot: &Sight<'_, Snapshot>,
    network: &Network,
) -> Finding {
    let (usable, owned) = (network.usable(), owners(snapshot, network).total());
    let (unowned, wanted) = (usable.saturating_sub(owned), declared.min_free);
    let counted = leaks.as_ref().map(|leaks| leaks.leaked);
    let free = unowned.saturating_sub(counted.unwrap_or(0));
    let finding = match counted {
        _ if free < wanted => {
            Finding::fail(Reason::TooFewFree { free, usable, owned, leaked: counted.ok(), wanted })
        }
        Ok(leaked) => snapshot.pass(Reason::EnoughFree { free, usable, owned, leaked, wanted }),
        Err(why) => Finding::unknown(why.clone()),
    };
    let leaked = counted.map_or_else(|_| "not counted".to_owned(), |leaked| leaked.to_string());
    finding.evidence(format!("usable {usable}, owned {owned}, leaked {leaked}"))
}

fn none_waits(snapshot: &Sight<'_, Snapshot>) -> Finding {
    let waiting = waiting(snapshot);
    let looked_at = format!(
        "{} services and {} tasks, {} wait",
        snapshot.services.len(),
        snapshot.tasks.len(),
        waiting.len()
    );
    let named: Vec<String> = waiting.iter().map(ToString::to_string).collect();
    snapshot.faultless(waiting, Reason::Waiting, Reason::NoneWaits).evidence(looked_at).evidences(named)
}
