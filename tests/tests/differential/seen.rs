//! What is compared: all that the API shows of a sequence's networks, services and tasks, without ids and times.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::side::{Book, Result, Side};

/// A service, or what is left of its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceSeen {
    pub(crate) exists: bool,
    /// The networks that its specification names.
    wants: BTreeSet<u8>,
    dnsrr: bool,
    /// Addresses by network, counted from the start of the subnet; 0 where there is none yet.
    pub(crate) vips: BTreeMap<u8, u32>,
    /// Number of tasks by observed and desired state and error.
    pub(crate) tasks: BTreeMap<(String, String, String), usize>,
    /// Addresses of the tasks that hold one, by network. All tasks of a service are equal, so it does not matter which
    /// has which.
    pub(crate) addresses: BTreeMap<u8, Vec<u32>>,
    pub(crate) update: String,
}

/// All that is seen of a sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) networks: BTreeSet<u8>,
    pub(crate) services: BTreeMap<u8, ServiceSeen>,
}

impl Seen {
    pub(crate) fn of(side: &mut impl Side, book: &Book) -> Result<Self> {
        let networks = side.call("GET", "/networks?filters=%7B%22scope%22:%5B%22swarm%22%5D%7D", None)?.value;
        let services = side.call("GET", "/services", None)?.value;
        let tasks = side.call("GET", "/tasks", None)?.value;
        Ok(Self::read(&networks, &services, &tasks, book))
    }

    fn read(networks: &Value, services: &Value, tasks: &Value, book: &Book) -> Self {
        let mut seen = Self::default();
        for network in list(networks) {
            seen.networks.extend(book.network_ids.get(text(&network["Id"])));
        }
        for service in list(services) {
            let Some(number) = book.service_ids.get(text(&service["ID"])) else { continue };
            let entry = seen.services.entry(*number).or_default();
            entry.exists = true;
            text(&service["UpdateStatus"]["State"]).clone_into(&mut entry.update);
            let spec = &service["Spec"];
            entry.dnsrr = text(&spec["EndpointSpec"]["Mode"]) == "dnsrr";
            for target in list(&spec["TaskTemplate"]["Networks"]) {
                entry.wants.extend(book.network_ids.get(text(&target["Target"])));
            }
            for vip in list(&service["Endpoint"]["VirtualIPs"]) {
                if let Some(network) = book.network_ids.get(text(&vip["NetworkID"])) {
                    entry.vips.insert(*network, offset(&vip["Addr"]));
                }
            }
        }
        for task in list(tasks) {
            let Some(number) = book.service_ids.get(text(&task["ServiceID"])) else { continue };
            seen.services.entry(*number).or_default().add_task(task, book);
        }
        for addresses in seen.services.values_mut().flat_map(|service| service.addresses.values_mut()) {
            addresses.sort_unstable();
        }
        seen
    }

    /// The services that wait for an address.
    pub(crate) fn waiting(&self) -> BTreeSet<u8> {
        let waits = |(_, service): &(&u8, &ServiceSeen)| {
            let new = service.tasks.keys().any(|(state, ..)| state == "new");
            new || (!service.dnsrr && !service.wants.iter().all(|network| service.has_vip(*network)))
        };
        self.services.iter().filter(waits).map(|(number, _)| *number).collect()
    }

    /// Whether another service waits for a VIP, on networks of which it may take one and then fail at the next.
    pub(crate) fn others_leak(&self, service: u8) -> bool {
        self.services.iter().any(|(number, seen)| {
            let waits = !seen.dnsrr && !seen.wants.iter().all(|network| seen.has_vip(*network));
            *number != service && waits && 1 < seen.wants.len()
        })
    }

    /// With the addresses on some networks only counted.
    pub(crate) fn counted(&self, networks: &BTreeSet<u8>) -> Self {
        let mut counted = self.clone();
        for service in counted.services.values_mut() {
            for network in networks {
                if let Some(vip) = service.vips.get_mut(network) {
                    *vip = u32::from(*vip != 0);
                }
                if let Some(addresses) = service.addresses.get_mut(network) {
                    addresses.fill(0);
                }
            }
        }
        counted
    }
}

impl ServiceSeen {
    fn has_vip(&self, network: u8) -> bool {
        self.vips.get(&network).is_some_and(|offset| *offset != 0)
    }

    fn add_task(&mut self, task: &Value, book: &Book) {
        let (state, desired) = (text(&task["Status"]["State"]), text(&task["DesiredState"]));
        // The scheduler says so some 50 ms later, which would be the greater part of a step.
        let error = book.plain(text(&task["Status"]["Err"]));
        let error = if error.starts_with("no suitable node") { String::new() } else { error };
        // A node that takes down a network with its last two tasks at once loses a race of its own.
        let (state, error) = if error.starts_with("error while removing network") {
            ("shutdown", String::new())
        } else {
            (state, error)
        };
        *self.tasks.entry((state.to_owned(), desired.to_owned(), error)).or_default() += 1;
        let ended = ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"].contains(&state);
        for attachment in list(&task["NetworksAttachments"]).iter().filter(|_| !ended) {
            if let Some(network) = book.network_ids.get(text(&attachment["Network"]["ID"])) {
                let addresses = list(&attachment["Addresses"]).iter().map(offset);
                self.addresses.entry(*network).or_default().extend(addresses);
            }
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The last byte of an address: subnets begin with 0.
fn offset(value: &Value) -> u32 {
    let address = text(value).split('/').next().and_then(|text| text.parse::<Ipv4Addr>().ok());
    address.map_or(0, |address| u32::from(address.octets()[3]))
}
