//! Containers that were attached to a network by hand.

use std::net::Ipv4Addr;

use pvcheck_audit::{ContainerId, NetworkId, Node, NodeId, Snapshot, Task, TaskState};
use pvcheck_ipam::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::attachments::pruned;
use crate::read::ContainerFacts;

/// Characters of a container's id that engines up to API 1.44 show among its aliases, and add again by themselves.
const SHORT_ID: usize = 12;

/// A container that was attached by hand, as the Swarm shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attached {
    /// The node that it is on, if the Swarm says so.
    pub node: Option<NodeId>,
    /// That node's host name, or its id.
    pub host: String,
    /// Its address on the network.
    pub address: Option<Ipv4Addr>,
}

/// A container that a renewal takes along, with all that is needed to connect it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The node that it is on: only that node's engine can connect it.
    pub node: NodeId,
    /// That node's host name.
    pub host: String,
    /// Its address on the network. Whether it was asked for the engine does not say: of a running container it shows every
    /// address as if it had been (20.10.24, 28.5.2).
    pub address: Ipv4Addr,
    /// Its aliases, links and driver options: the body of its connection, without the address.
    pub endpoint: Value,
}

/// Why a container cannot have its address on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AddressClash {
    /// It is not in the subnet.
    Outside,
    /// The network itself has it: gateway, first and last address.
    Reserved,
}

impl AttachedContainer {
    /// A running container of the asked engine, if it has an address on the network.
    pub(super) fn of(facts: &ContainerFacts, network: &NetworkId, node: &NodeId, host: &str) -> Option<Self> {
        let place = facts.places.get(network).filter(|_| facts.is_running())?;
        let address = address(place)?;
        Some(Self {
            id: facts.id.clone(),
            name: facts.name.clone(),
            node: node.clone(),
            host: host.to_owned(),
            address,
            endpoint: endpoint(&facts.id, place),
        })
    }

    /// Why it cannot have its address on a network with this pool; `None` if it can.
    pub fn clash(&self, pool: &Pool) -> Option<AddressClash> {
        let subnet = pool.subnet;
        if !subnet.contains(self.address) {
            return Some(AddressClash::Outside);
        }
        let gateway = pool.ring().ok().map(|ring| ring.gateway());
        let own = [Some(subnet.first()), Some(subnet.last()), gateway];
        own.contains(&Some(self.address)).then_some(AddressClash::Reserved)
    }

    /// The settings of its connection, with its address or with any that is free.
    pub(super) fn settings(&self, with_address: bool) -> Value {
        let mut settings = self.endpoint.clone();
        if with_address {
            settings["IPAMConfig"]["IPv4Address"] = json!(self.address);
        }
        settings
    }

    /// True iff a place on a network has the same aliases, links and driver options, and the same address if it is to.
    pub(super) fn is_as_before(&self, place: &Value, with_address: bool) -> bool {
        endpoint(&self.id, place) == self.endpoint && (!with_address || address(place) == Some(self.address))
    }
}

fn address(place: &Value) -> Option<Ipv4Addr> {
    place["IPAddress"].as_str()?.parse().ok()
}

/// What a connection has to repeat of a place that is shown.
fn endpoint(id: &ContainerId, place: &Value) -> Value {
    let own = id.as_str().get(..SHORT_ID).unwrap_or_default();
    let mut kept = Map::new();
    for key in ["Links", "DriverOpts", "GwPriority"] {
        kept.insert(key.to_owned(), place[key].clone());
    }
    let aliases = place["Aliases"].as_array().into_iter().flatten().filter(|alias| **alias != own);
    kept.insert("Aliases".to_owned(), Value::Array(aliases.cloned().collect()));
    // An overlay makes it of the address (moby `libnetwork/drivers/overlay/ov_endpoint.go`); another was asked for.
    let mac = place["MacAddress"].as_str().filter(|mac| address(place).is_none_or(|a| usual_mac(a) != **mac));
    kept.insert("MacAddress".to_owned(), json!(mac.filter(|mac| !mac.is_empty())));
    kept.retain(|key, value| !(key == "GwPriority" && *value == 0));
    pruned(&Value::Object(kept))
}

fn usual_mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The places on the network that were taken by hand, as the Swarm shows them, on any node.
pub(super) fn attached(snapshot: &Snapshot, network: &NetworkId) -> Vec<Attached> {
    let by_hand = |task: &&Task| {
        task.service.is_none()
            && task.is_attached_to(network)
            && task.state <= TaskState::Running
            && task.is_wanted()
    };
    let place = |task: &Task| Attached {
        node: task.node.clone(),
        host: task.node.as_ref().map_or_else(|| "a node".to_owned(), |id| host(&snapshot.nodes, id)),
        address: task.addresses_on(network).next(),
    };
    snapshot.tasks.iter().filter(by_hand).map(place).collect()
}

/// A node's host name; its id where it has none.
pub(super) fn host(nodes: &[Node], id: &NodeId) -> String {
    let name = nodes.iter().find(|node| node.id == *id).map(|node| node.hostname.clone());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use pvcheck_ipam::Subnet;

    use super::*;

    const ID: &str = "c0caad67487728344249d50bdf521cbd2a6ff3eb812963e845338467def430ec";

    fn of(place: Value) -> AttachedContainer {
        let facts = ContainerFacts {
            id: ContainerId::new(ID),
            name: "c1".into(),
            status: "running".into(),
            places: [(NetworkId::new("n"), place)].into(),
        };
        AttachedContainer::of(&facts, &NetworkId::new("n"), &NodeId::new("m"), "host").expect("it runs")
    }

    /// As 20.10.24 shows one that was started with `--network-alias web --ip 10.50.0.77`.
    fn shown() -> Value {
        json!({
            "IPAMConfig": {"IPv4Address": "10.50.0.77"}, "Links": null, "Aliases": ["web", "c0caad674877"],
            "NetworkID": "n", "IPAddress": "10.50.0.77", "MacAddress": "02:42:0a:32:00:4d", "DriverOpts": null,
        })
    }

    #[test]
    fn what_the_engine_adds_by_itself_is_not_asked_for_again() {
        let container = of(shown());
        assert_eq!(container.settings(false), json!({"Aliases": ["web"]}));
        let expected = json!({"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.50.0.77"}});
        assert_eq!(container.settings(true), expected);
        // Engines of API 1.45 and later show the aliases that were asked for, and a priority.
        let mut newer = shown();
        newer["Aliases"] = json!(["web"]);
        newer["GwPriority"] = json!(0);
        assert!(container.is_as_before(&newer, true));
    }

    #[test]
    fn what_was_asked_for_is() {
        let mut place = shown();
        place["DriverOpts"] = json!({"foo": "bar"});
        place["MacAddress"] = json!("02:00:00:00:00:07");
        let container = of(place.clone());
        let expected =
            json!({"Aliases": ["web"], "DriverOpts": {"foo": "bar"}, "MacAddress": "02:00:00:00:00:07"});
        assert_eq!(container.settings(false), expected);
        assert!(container.is_as_before(&place, true));
        for (key, other) in
            [("DriverOpts", json!({})), ("Aliases", json!(["w"])), ("IPAddress", json!("10.50.0.78"))]
        {
            let mut changed = place.clone();
            changed[key] = other;
            assert!(!container.is_as_before(&changed, true), "{key}");
        }
        place["IPAddress"] = json!("10.50.0.78");
        assert!(container.is_as_before(&place, false), "another address, where any is allowed");
    }

    #[test]
    fn an_address_has_to_be_in_the_subnet_and_not_the_networks_own() {
        let container = of(shown());
        let pool = |text: &str| Pool::new(Subnet::parse(text).expect("a subnet"));
        let gateway = Pool { gateway: Some([10, 50, 0, 77].into()), ..pool("10.50.0.0/16") };
        for (pool, clash) in [
            (pool("10.50.0.0/16"), None),
            (pool("10.60.0.0/16"), Some(AddressClash::Outside)),
            (gateway, Some(AddressClash::Reserved)),
            (pool("10.50.0.64/28"), None),
        ] {
            assert_eq!(container.clash(&pool), clash, "{pool:?}");
        }
        let last = AttachedContainer { address: [10, 50, 255, 255].into(), ..container };
        assert_eq!(last.clash(&pool("10.50.0.0/16")), Some(AddressClash::Reserved));
    }
}
