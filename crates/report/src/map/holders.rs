//! Who holds which address, as a table: for readers without a script, and what the script reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use pvcheck_audit::{Cell, Occupancy, Owner, OwnerKind};

use super::words;
use crate::html::Html;

/// How much of a task's id is shown, as `docker service ps` does.
const ID_CHARS: usize = 12;

/// What is held by one holder, or is of one kind without a holder. In the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// Nothing holds it.
    None(Cell),
    Service(String),
    Container(String),
    LoadBalancer(String),
    /// Load balancers whose addresses are known together alone.
    LoadBalancers(String),
    Reserved,
}

/// The table of everything but what is free or unknown, which is all that is left.
pub(crate) fn table(out: &mut Html, number: &str, network: &str, all: &Occupancy) {
    out.raw("<details class=holders id=holders-")
        .show(number)
        .raw("><summary>Holders as a table</summary>\n");
    out.scroll(format_args!("Holders on {network}"));
    out.raw("<table>\n<caption>Who holds which address of ").show(network).raw("</caption>\n");
    out.raw("<thead><tr><th scope=col>holder<th scope=col>addresses</thead>\n<tbody>\n");
    // A column of nothing but headers heads its rows without `scope=row`, which would be 300 KiB of a full /16.
    for (holder, addresses) in entries(all) {
        out.raw("<tr><th>").show(name(&holder)).raw("<td>").show(addresses).raw("\n");
    }
    let left = [Cell::Free, Cell::Unknown].map(|kind| (kind, all.count(kind)));
    for (kind, count) in left.into_iter().filter(|(_, count)| 0 < *count) {
        out.raw("<tr><th>")
            .show(words::what(kind, all.unsettled))
            .raw("<td>the other ")
            .number(count)
            .raw("\n");
    }
    out.raw("</tbody></table></div>\n</details>\n");
}

/// The names of the nodes whose load balancers have no known address of their own.
pub(crate) fn hosts(all: &Occupancy) -> String {
    let nodes = all.owners.load_balancers.iter();
    let names: Vec<&str> =
        nodes.map(|node| all.hosts.get(node).map_or(node.as_str(), String::as_str)).collect();
    names.join(", ")
}

fn name(holder: &Holder) -> String {
    match holder {
        Holder::None(Cell::Suspect) => "leaked, or a load balancer of another node".to_owned(),
        Holder::None(_) => "no holder: leaked".to_owned(),
        Holder::Service(name) => name.clone(),
        Holder::Container(task) => format!("standalone container of task {task}"),
        Holder::LoadBalancer(host) => format!("load balancer of {host}"),
        Holder::LoadBalancers(hosts) => format!("load balancers of {hosts}"),
        Holder::Reserved => "reserved".to_owned(),
    }
}

/// The addresses of each holder, in words.
fn entries(all: &Occupancy) -> BTreeMap<Holder, String> {
    let mut entries: BTreeMap<Holder, String> = BTreeMap::new();
    let several_hosts = 1 < all.hosts.len();
    for owner in &all.owners.named {
        let text = entries.entry(holder(all, owner)).or_default();
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{} {}", words::word(owner.kind.into()), owner.address);
        if owner.kind == OwnerKind::Task {
            let id: String = owner.task.iter().flat_map(|id| id.as_str().chars()).take(ID_CHARS).collect();
            let host = owner.node.as_ref().filter(|_| several_hosts).and_then(|node| all.hosts.get(node));
            let _ = match host {
                Some(host) => write!(text, " ({id} on {host})"),
                None => write!(text, " ({id})"),
            };
        }
    }
    let named = all.owners.addresses();
    for kind in [Cell::Leaked, Cell::Suspect, Cell::LoadBalancer, Cell::Reserved] {
        let nameless = all.cells().filter(|(address, cell)| *cell == kind && !named.contains(address));
        let text = ranges(kind, nameless.map(|(address, _)| address));
        let holder = match kind {
            Cell::Reserved => Holder::Reserved,
            Cell::LoadBalancer => Holder::LoadBalancers(hosts(all)),
            kind => Holder::None(kind),
        };
        if !text.is_empty() {
            entries.insert(holder, text);
        }
    }
    entries
}

fn holder(all: &Occupancy, owner: &Owner) -> Holder {
    let task = || owner.task.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let host =
        || owner.node.as_ref().map_or("?", |node| all.hosts.get(node).map_or(node.as_str(), String::as_str));
    match owner.kind {
        OwnerKind::Attachment => Holder::Container(task()),
        OwnerKind::LoadBalancer => Holder::LoadBalancer(host().to_owned()),
        OwnerKind::Task | OwnerKind::Vip => {
            Holder::Service(owner.service.clone().unwrap_or_else(|| "a service without a name".to_owned()))
        }
    }
}

/// Addresses that follow one another, as ranges, with the word of their kind in front of the first.
fn ranges(kind: Cell, addresses: impl Iterator<Item = Ipv4Addr>) -> String {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for address in addresses.map(u32::from) {
        match found.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(address) => *last = address,
            _ => found.push((address, address)),
        }
    }
    let said = found.into_iter().map(|(first, last)| match (Ipv4Addr::from(first), Ipv4Addr::from(last)) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}–{last}"),
    });
    let all = said.collect::<Vec<_>>().join(", ");
    if all.is_empty() { all } else { format!("{} {all}", words::word(kind)) }
}
