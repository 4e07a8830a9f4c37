//! What kinds of addresses are called, in legends, tables and signs.

use pvcheck_audit::{Cell, Unsettled};

/// What a legend says of a kind.
pub(crate) fn what(kind: Cell, unsettled: Option<Unsettled>) -> String {
    match (kind, unsettled) {
        (Cell::Unknown, Some(why)) => unknown(why),
        (Cell::Vip, _) => "VIP of a service".to_owned(),
        (Cell::Task, _) => "task".to_owned(),
        (Cell::LoadBalancer, _) => "load balancer of a node".to_owned(),
        (Cell::Attachment, _) => "standalone container".to_owned(),
        (Cell::Leaked, _) => "leaked: given out, no holder".to_owned(),
        (Cell::Suspect, _) => "leaked, or a load balancer of another node".to_owned(),
        (Cell::Free, _) => "free".to_owned(),
        (Cell::Unknown, None) => "unknown".to_owned(),
        (Cell::Reserved, _) => "reserved: network, gateway, broadcast, or outside of --ip-range".to_owned(),
    }
}

fn unknown(why: Unsettled) -> String {
    let balancers =
        |n: u64| if n == 1 { "1 load balancer".to_owned() } else { format!("{n} load balancers") };
    match why {
        Unsettled::NotCounted => "free or leaked: not counted".to_owned(),
        Unsettled::NumberOnly { leaked, load_balancers: 0 } => {
            format!("free or leaked: {leaked} are leaked, and the count names none")
        }
        Unsettled::NumberOnly { leaked, load_balancers } => format!(
            "free, leaked or a load balancer: {leaked} leaked and {} among them, and the count names none",
            balancers(load_balancers)
        ),
        Unsettled::LoadBalancers { load_balancers } => {
            format!("free, but for {} that nothing names", balancers(load_balancers))
        }
        Unsettled::NoHolders => "held, free or the gateway: there is no list of holders".to_owned(),
    }
}

/// The word of a kind in front of an address in the table of holders, by which the page's script finds the address again.
pub(crate) fn word(kind: Cell) -> &'static str {
    match kind {
        Cell::Vip => "VIP",
        Cell::Task => "task",
        Cell::LoadBalancer => "load balancer",
        Cell::Attachment => "container",
        Cell::Leaked => "leaked",
        Cell::Suspect => "suspect",
        Cell::Free => "free",
        Cell::Unknown => "unknown",
        Cell::Reserved => "reserved",
    }
}

/// The sign of a kind in a cell that is large enough for one.
pub(crate) fn sign(kind: Cell) -> &'static str {
    match kind {
        Cell::Vip => "V",
        Cell::Task => "T",
        Cell::LoadBalancer => "B",
        Cell::Attachment => "C",
        Cell::Leaked => "L",
        Cell::Suspect => "S",
        Cell::Free => "",
        Cell::Unknown => "?",
        Cell::Reserved => "×",
    }
}

/// The class of a kind, which has its colour and pattern.
pub(crate) fn class(kind: Cell) -> &'static str {
    match kind {
        Cell::Vip => "k-vip",
        Cell::Task => "k-task",
        Cell::LoadBalancer => "k-balancer",
        Cell::Attachment => "k-container",
        Cell::Leaked => "k-leaked",
        Cell::Suspect => "k-suspect",
        Cell::Free => "k-free",
        Cell::Unknown => "k-unknown",
        Cell::Reserved => "k-reserved",
    }
}
