//! `GET /networks` and `GET /networks/{id}`.

use std::net::Ipv4Addr;

use pvcheck_ipam::Subnet;
use serde_json::{Map, Value, json};

use super::Call;
use super::filters::Filters;
use crate::id::{NetworkId, NodeId};
use crate::model::Model;
use crate::network_calls::{ipam_config, network_options};
use crate::object::{LocalNetwork, Network};
use crate::refusal::Refusal;
use crate::state::{Membership, TaskState};

/// First API with `Status.IPAM`: 1.52 (moby PR 50946).
const STATUS_API_MINOR: u32 = 52;
/// Characters of a swarm network's id.
const FULL_ID: usize = 25;

impl Model {
    pub(super) fn networks_json(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let known = ["dangling", "driver", "id", "label", "name", "scope", "type"];
        let filters = Filters::of(call, &known)?;
        let mut all = Vec::new();
        if self.cluster.membership == Membership::Manager {
            all.extend(
                self.networks.values().map(|network| (self.network_json(network), &network.request.labels)),
            );
        }
        for network in &self.local_networks {
            all.push((self.local_network_json(network), &network.labels));
        }
        // A removed network that this node still has shows in the list next to the Swarm's networks.
        for network in self.stale_networks.values() {
            let mut value = self.network_json(network);
            value["Containers"] = json!({});
            all.push((value, &network.request.labels));
        }
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        all.retain(|(value, labels)| {
            let kind = if is_builtin(&text(value, "Name")) { "builtin" } else { "custom" };
            // Before 29.0 (moby commit f8bd170b2a) an engine compares names of the Swarm's networks whole, and those of its
            // own by any part.
            let whole = self.settings.engine.major() < 29 && value["Scope"] == "swarm";
            let named = |name: &str| {
                let own = text(value, "Name");
                if whole { own == name } else { own.contains(name) }
            };
            filters.passes("name", named)
                && filters.passes("id", |id| text(value, "Id").starts_with(id))
                && filters.passes("driver", |driver| text(value, "Driver") == driver)
                && filters.passes("scope", |scope| text(value, "Scope") == scope)
                && filters.passes("type", |wanted| wanted == kind)
                // A list has no containers, so all but the engine's own count as unused.
                && filters.passes("dangling", |wanted| {
                    matches!(wanted, "1" | "true") == (kind == "custom")
                })
                && filters.passes_labels(labels)
        });
        Ok(Value::Array(all.into_iter().map(|(value, _)| value).collect()))
    }

    pub(super) fn network_inspect(&self, call: &Call<'_>, term: &str) -> Result<Value, Refusal> {
        let swarm_only = call.query.get("scope") == Some("swarm");
        let local = self.local_networks.iter().find(|network| {
            network.id == term || network.name == term || (12 <= term.len() && network.id.starts_with(term))
        });
        if let Some(network) = local
            && !swarm_only
        {
            return Ok(self.local_network_json(network));
        }
        let of_swarm = |network: &&LocalNetwork| {
            network.swarm_id.as_ref().is_some_and(|id| id == term || network.name == term)
        };
        if let Some(network) = self.local_networks.iter().find(of_swarm) {
            return Ok(self.predefined_json(network));
        }
        if let Some(stale) =
            self.stale_networks.values().find(|stale| stale.id.as_str() == term || stale.request.name == term)
            // A new network of the same name is found first.
            && !self.networks.values().any(|network| network.request.name == term)
        {
            let mut value = self.network_json(stale);
            value["Containers"] = self.containers_json(stale);
            return Ok(value);
        }
        if self.cluster.membership != Membership::Manager {
            return Err(Refusal::not_found("network", term));
        }
        let id = self.network_id(term)?;
        let Some(network) = self.networks.get(&id) else { return Err(Refusal::not_found("network", term)) };
        let statuses = STATUS_API_MINOR <= call.api_minor;
        let by_name = network.request.name == term && id.as_str() != term;
        // Looking by name lists all networks, and the hook that adds Status errs for an unallocated one
        // (moby PR 53325, in no release up to 29.7.2).
        if statuses
            && by_name
            && self.settings.ipam_traps
            && self.networks.values().any(|n| n.state.is_none())
        {
            return Err(Refusal::not_found("network", term));
        }
        let mut value = self.network_json(network);
        if self.has_local_copy(&id) {
            value["Containers"] = self.containers_json(network);
            value["Peers"] = self.peers_json(&id);
        }
        // A full id finds this node's copy first and gets its numbers (moby `network_routes.go`, `getNetwork`).
        let local_numbers = self.settings.ipam_traps && term.len() == FULL_ID && self.has_local_copy(&id);
        if statuses && let Some(status) = self.status_json(&id, local_numbers) {
            value["Status"] = status;
        }
        Ok(value)
    }

    /// The common part, as in a list.
    fn network_json(&self, network: &Network) -> Value {
        let request = &network.request;
        let mut value = json!({
            "Name": request.name,
            "Id": network.id,
            "Created": self.at(network.meta.created).to_string(),
            "Scope": "swarm",
            "Driver": "overlay",
            "EnableIPv4": true,
            "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": null},
            "Internal": request.internal,
            "Attachable": request.attachable,
            "Ingress": request.ingress,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": null,
            "Options": network_options(network),
            "Labels": if request.labels.is_empty() && !request.ingress { Value::Null } else { json!(request.labels) },
        });
        // Added in 28.0.
        if self.settings.engine.major() < 28
            && let Some(fields) = value.as_object_mut()
        {
            fields.shift_remove("EnableIPv4");
        }
        if let Some(state) = &network.state {
            value["IPAM"]["Config"] = json!([ipam_config(request, state)]);
        } else {
            // An unallocated network shows nothing of what was asked for, as read off engine 20.10.24.
            value["Driver"] = json!("");
            value["IPAM"]["Driver"] = json!("");
            value["Options"] = Value::Null;
        }
        value
    }

    fn local_network_json(&self, network: &LocalNetwork) -> Value {
        let config = |subnet: &Subnet| {
            let mut config = json!({"Subnet": subnet.to_string()});
            // Docker's own bridge has its gateway on the interface only.
            if network.name != "bridge" {
                config["Gateway"] = json!(Ipv4Addr::from(u32::from(subnet.first()) + 1).to_string());
            }
            config
        };
        let configs: Vec<Value> = network.subnet.iter().map(config).collect();
        // Those of the engine's own have no options for their addresses, and others have an empty set.
        let asked = !network.predefined && network.name != "docker_gwbridge";
        json!({
            "Name": network.name,
            "Id": network.id,
            "Created": self.at(network.created).to_string(),
            "Scope": "local",
            "Driver": network.driver,
            "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": if asked { json!({}) } else { Value::Null }, "Config": configs},
            "Internal": false,
            "Attachable": false,
            "Ingress": false,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": {},
            "Options": bridge_options(&network.name),
            "Labels": network.labels,
        })
    }

    /// A network of every node, as services see it.
    fn predefined_json(&self, network: &LocalNetwork) -> Value {
        json!({
            "Name": network.name,
            "Id": network.swarm_id,
            "Created": self.at(network.created).to_string(),
            "Scope": "swarm",
            "Driver": network.driver,
            "EnableIPv6": false,
            "IPAM": {"Driver": "", "Options": null, "Config": []},
            "Internal": false,
            "Attachable": false,
            "Ingress": false,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": null,
            "Options": null,
            "Labels": {"com.docker.swarm.predefined": "true"},
        })
    }

    /// True iff this node has the network: a task of it uses it, or it is the ingress network.
    fn has_local_copy(&self, id: &NetworkId) -> bool {
        let ingress = self.networks.get(id).is_some_and(|n| n.request.ingress && n.state.is_some());
        ingress || self.node_uses.contains_key(&(self.cluster.local.clone(), id.clone()))
    }

    /// Containers of this node on the network, and its load balancer.
    fn containers_json(&self, network: &Network) -> Value {
        let mut containers = Map::new();
        for (key, name, addr, prefix) in self.local_endpoints(network) {
            let [a, b, c, d] = addr.octets();
            let endpoint = json!({
                "Name": name,
                // Upstream's is random; ours only has to be stable and unlike others.
                "EndpointID": format!("{:0>32x}{:0>32x}", u32::from(addr), network.meta.seq),
                "MacAddress": format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
                "IPv4Address": format!("{addr}/{prefix}"),
                "IPv6Address": "",
            });
            containers.insert(key, endpoint);
        }
        Value::Object(containers)
    }

    fn local_endpoints(&self, network: &Network) -> Vec<(String, String, Ipv4Addr, u8)> {
        let mut endpoints = Vec::new();
        let local = Some(&self.cluster.local);
        let here = self
            .tasks
            .values()
            .filter(|task| task.node.as_ref() == local && task.state == TaskState::Running);
        for task in here {
            let Some(container) = &task.container_id else { continue };
            for attachment in task.attachments.iter().filter(|attachment| attachment.network == network.id) {
                endpoints.push((container.clone(), task.name(), attachment.addr, attachment.prefix));
            }
        }
        let balancer =
            self.nodes.get(&self.cluster.local).and_then(|node| node.balancers.get(&network.id).copied());
        if let (Some(Some(addr)), Some(state)) = (balancer, &network.state) {
            // The names that the engine gives to its sandboxes: `ingress-sbox`, and `lb-` with the network's
            // name.
            let name = &network.request.name;
            let key = if network.request.ingress { "ingress-sbox".to_owned() } else { format!("lb-{name}") };
            endpoints.push((key, format!("{name}-endpoint"), addr, state.subnet.prefix()));
        }
        endpoints
    }

    fn peers_json(&self, id: &NetworkId) -> Value {
        let ingress = self.networks.get(id).is_some_and(|network| network.request.ingress);
        let uses = |node: &&crate::object::Node| {
            node.down_since.is_none()
                && (ingress || self.node_uses.contains_key(&(node.id.clone(), id.clone())))
        };
        let peer =
            |node: &crate::object::Node| json!({"Name": peer_name(&node.id), "IP": node.addr.to_string()});
        Value::Array(self.nodes.values().filter(uses).map(peer).collect())
    }

    /// `Status.IPAM`: the leader's numbers, or this node's.
    fn status_json(&self, id: &NetworkId, local_numbers: bool) -> Option<Value> {
        let network = self.networks.get(id)?;
        let pool = self.allocator.pools.get(id)?;
        let subnet = pool.ring.subnet();
        let (used, free) = if local_numbers {
            let used = subnet.reserved_addrs() + self.local_endpoints(network).len() as u64;
            (used, subnet.size_addrs().saturating_sub(used))
        } else {
            (pool.ring.in_use(), pool.ring.free())
        };
        let numbers = json!({"IPsInUse": used, "DynamicIPsAvailable": free});
        Some(json!({"IPAM": {"Subnets": {subnet.to_string(): numbers}}}))
    }
}

/// A node's name among those that share a network: 12 hexadecimal digits. The engine's are random; these follow from
/// the node's id.
fn peer_name(id: &NodeId) -> String {
    id.as_str().bytes().take(12).filter_map(|byte| char::from_digit(u32::from(byte) % 16, 16)).collect()
}

/// What the driver was told about the engine's own bridges.
fn bridge_options(name: &str) -> Value {
    let option = |key: &str| format!("com.docker.network.bridge.{key}");
    match name {
        "bridge" => json!({
            option("default_bridge"): "true",
            option("enable_icc"): "true",
            option("enable_ip_masquerade"): "true",
            option("host_binding_ipv4"): "0.0.0.0",
            option("name"): "docker0",
            "com.docker.network.driver.mtu": "1500",
        }),
        "docker_gwbridge" => json!({
            option("enable_icc"): "false",
            option("enable_ip_masquerade"): "true",
            option("name"): "docker_gwbridge",
        }),
        _ => json!({}),
    }
}

fn is_builtin(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none")
}
