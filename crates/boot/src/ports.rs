//! Several units that serve one host on several ports, declared without the ports.
//!
//! Each of the places that are waited for belongs to one of the units, and nothing says to which. What holds however
//! the ports are shared out is certain all the same.

use std::collections::BTreeSet;

use crate::place::Place;
use crate::wait::{Serves, Wait};

/// The most ways to share ports out that are tried.
const WAYS_LIMIT: usize = 64;

/// A host whose ports are not declared.
struct Group {
    /// The declarations without a port, by index.
    serves: Vec<usize>,
    /// The ports that are waited for, in the order of the waits.
    ports: Vec<u16>,
}

/// The ports of a host that are waited for are shared out among the units that are declared for it.
pub(crate) struct Shared {
    /// The declarations once for each way, those of the declared order first. Empty if there are too many ways.
    pub(crate) ways: Vec<Vec<Serves>>,
    /// The waits that it is about, by index.
    pub(crate) waits: BTreeSet<usize>,
}

/// `None` where every port that is waited for is declared, or has a single unit that can serve it.
pub(crate) fn share(waits: &[Wait], serves: &[Serves]) -> Option<Shared> {
    let mut shared = Shared { ways: vec![serves.to_vec()], waits: BTreeSet::new() };
    for group in groups(waits, serves) {
        let first = &serves[group.serves[0]];
        let about = waits.iter().enumerate().filter(|(_, wait)| host_of(first, &wait.url));
        shared.waits.extend(about.map(|(index, _)| index));
        let choices = choices(group.serves.len(), group.ports.len());
        if shared.ways.is_empty() || choices.is_empty() || WAYS_LIMIT < shared.ways.len() * choices.len() {
            shared.ways.clear();
            continue;
        }
        let tried =
            shared.ways.iter().flat_map(|way| choices.iter().map(|choice| apply(way, &group, choice)));
        shared.ways = tried.collect();
    }
    (!shared.waits.is_empty()).then_some(shared)
}

fn groups(waits: &[Wait], serves: &[Serves]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, declared) in serves.iter().enumerate() {
        let Some((_, None)) = declared.host_and_port() else { continue };
        // With a prefix it is told apart by its path, whatever the port.
        if declared.path_prefix.as_deref().is_some_and(|prefix| prefix != "/") {
            continue;
        }
        let known = groups.iter_mut().find(|group| same_host(&serves[group.serves[0]], declared));
        match known {
            Some(group) => group.serves.push(index),
            None => groups.push(Group { serves: vec![index], ports: ports(waits, serves, declared) }),
        }
    }
    groups.retain(|group| 1 < group.serves.len() && 1 < group.ports.len());
    groups
}

fn same_host(one: &Serves, other: &Serves) -> bool {
    let host = |serves: &Serves| serves.host_and_port().map(|(host, _)| host.to_ascii_lowercase());
    host(one) == host(other)
}

fn host_of(serves: &Serves, place: &Place) -> bool {
    let host = serves.host_and_port().map(|(host, _)| host);
    place.host_and_port().is_some_and(|(asked, _)| host.is_some_and(|host| host.eq_ignore_ascii_case(asked)))
}

/// The ports of the host that are waited for and that no declaration names.
fn ports(waits: &[Wait], serves: &[Serves], declared: &Serves) -> Vec<u16> {
    let mut ports = Vec::new();
    for wait in waits.iter().filter(|wait| host_of(declared, &wait.url)) {
        let named = serves.iter().any(|serves| serves.fit(&wait.url).is_some_and(|fit| fit.port));
        if let Some((_, port)) = wait.url.host_and_port()
            && !named
        {
            // A router serves both of the web's ports.
            let port = if port == 443 { 80 } else { port };
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    ports
}

/// For each port the unit that serves it: every port by another unit, or every unit by some port where there are more
/// ports. The first way goes by the order of both lists. Empty if there are too many.
fn choices(units: usize, ports: usize) -> Vec<Vec<usize>> {
    let Some(all) = u32::try_from(ports).ok().and_then(|ports| units.checked_pow(ports)) else {
        return Vec::new();
    };
    // Far above the limit of what is kept, because most of these are no sharing out at all.
    if 4096 < all {
        return Vec::new();
    }
    let mut choices: Vec<Vec<usize>> = Vec::new();
    for number in 0..all {
        let mut rest = number;
        let choice: Vec<usize> = (0..ports)
            .map(|_| {
                let unit = rest % units;
                rest /= units;
                unit
            })
            .collect();
        let distinct = choice.iter().collect::<BTreeSet<_>>().len();
        if distinct == units.min(ports) {
            choices.push(choice);
        }
    }
    let in_order: Vec<usize> = (0..ports).map(|port| port.min(units - 1)).collect();
    choices.sort_by_key(|choice| *choice != in_order);
    choices
}

fn apply(way: &[Serves], group: &Group, choice: &[usize]) -> Vec<Serves> {
    let mut serves = way.to_vec();
    for (port, unit) in group.ports.iter().zip(choice) {
        let declared = &way[group.serves[*unit]];
        serves.push(Serves { port: Some(*port), ..declared.clone() });
        if *port == 80 {
            serves.push(Serves { port: Some(443), ..declared.clone() });
        }
    }
    serves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_unit_and_every_unit_a_port() {
        assert_eq!(choices(2, 2), [[0, 1], [1, 0]]);
        assert_eq!(choices(3, 2).len(), 6);
        let more_ports = choices(2, 3);
        assert_eq!((more_ports.len(), more_ports[0].as_slice()), (6, &[0, 1, 1][..]));
        assert_eq!(choices(20, 20), Vec::<Vec<usize>>::new());
    }
}
