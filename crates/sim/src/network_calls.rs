//! Creating and removing networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use pvcheck_ipam::Subnet;
use serde_json::{Value, json};

use crate::id::{IdGen, NetworkId};
use crate::json;
use crate::model::{Event, Model};
use crate::object::{LocalNetwork, Network, NetworkRequest, NetworkState, Task};
use crate::refusal::Refusal;
use crate::spec;
use crate::state::TaskState;
use crate::validate;

/// Widest subnet that the model takes: a bound of its own, since a pool's bitmap lives in memory.
const SHORTEST_PREFIX: u8 = 8;

impl Model {
    /// Creates a network from the body of `POST /networks/create` and returns its id. An overlapping subnet is
    /// accepted and the network stays unallocated, as on a real Swarm.
    ///
    /// # Errors
    /// If the engine refuses it: among others, the name is taken ([`Refusal::NetworkNameTaken`]).
    pub fn create_network(&mut self, body: &Value) -> Result<String, Refusal> {
        let name = json::text(&body["Name"]);
        if name.is_empty() || name.trim() != name {
            return Err(Refusal::Internal(format!("invalid name: {name}")));
        }
        let taken = self.networks.values().any(|network| network.request.name == name)
            || self.local_networks.iter().any(|network| network.name == name);
        if taken {
            return Err(Refusal::NetworkNameTaken(name.to_owned()));
        }
        // The name was compared with both scopes: a local network and one of the Swarm cannot share it.
        let driver = json::text(&body["Driver"]);
        if driver != "overlay" {
            return self.create_local_network(name, driver, body);
        }
        if json::text(&body["Scope"]) == "local" {
            return Err(Refusal::ScopeDowngrade);
        }
        self.require_manager()?;
        validate::name(name)?;
        let request = read_request(body)?;
        if let Some(present) = self.ingress().filter(|_| request.ingress) {
            return Err(Refusal::IngressPresent(present.to_string()));
        }
        Ok(self.insert_network(request).to_string())
    }

    fn insert_network(&mut self, request: NetworkRequest) -> NetworkId {
        let id = NetworkId::new(self.ids.object());
        let meta = self.new_meta();
        let network = Network { id: id.clone(), meta, request, state: None, copy: Arc::new(Value::Null) };
        let name = network.request.name.clone();
        self.networks.insert(id.clone(), network);
        self.tell("network", "create", id.as_str(), &name);
        self.schedule(self.settings.timings.allocation, Event::NetworkCreated(id.clone()));
        self.run();
        id
    }

    fn create_local_network(&mut self, name: &str, driver: &str, body: &Value) -> Result<String, Refusal> {
        let driver = if driver.is_empty() { "bridge" } else { driver };
        if driver != "bridge" {
            return Err(Refusal::NotFound { kind: "plugin", term: format!("\"{driver}\"") });
        }
        let subnet = match subnet_field(body, "Subnet")? {
            Some(subnet) => Some(subnet),
            None => self.free_local_subnet(),
        };
        let labels = spec::labels(&body["Labels"]);
        Ok(self.insert_local_network(name, driver, subnet, labels, false))
    }

    /// The next free one of the engine's local pools, 172.17.0.0/16 to 172.31.0.0/16.
    fn free_local_subnet(&self) -> Option<Subnet> {
        let mut pools = (17..=31).filter_map(|second| Subnet::around(Ipv4Addr::new(172, second, 0, 0), 16));
        let taken = |pool: &Subnet| {
            self.local_networks
                .iter()
                .filter_map(|network| network.subnet)
                .any(|used| used.overlap(pool).is_some())
        };
        pools.find(|pool| !taken(pool))
    }

    fn insert_local_network(
        &mut self,
        name: &str,
        driver: &str,
        subnet: Option<Subnet>,
        labels: BTreeMap<String, String>,
        predefined: bool,
    ) -> String {
        let id = self.ids.hex();
        self.local_networks.push(LocalNetwork {
            id: id.clone(),
            name: name.to_owned(),
            driver: driver.to_owned(),
            subnet,
            labels,
            created: self.now,
            predefined,
            swarm_id: None,
        });
        id
    }

    /// The networks that every engine has, and the gateway bridge that Swarm adds.
    pub(crate) fn add_local_networks(&mut self) {
        for (name, driver) in
            [("none", "null"), ("host", "host"), ("bridge", "bridge"), ("docker_gwbridge", "bridge")]
        {
            let subnet = if driver == "bridge" { self.free_local_subnet() } else { None };
            self.insert_local_network(name, driver, subnet, BTreeMap::new(), name != "docker_gwbridge");
        }
        // Every Swarm has these two for its services as well (swarmkit `PredefinedNetworks`). Their ids come from a
        // generator of their own.
        let mut ids = IdGen::seeded(!self.settings.seed);
        for network in self.local_networks.iter_mut().filter(|n| matches!(n.name.as_str(), "bridge" | "host"))
        {
            network.swarm_id = Some(ids.object());
        }
    }

    pub(crate) fn add_ingress(&mut self) {
        self.insert_network(NetworkRequest {
            name: "ingress".to_owned(),
            labels: BTreeMap::new(),
            subnet: None,
            subnet_text: None,
            range: None,
            gateway: None,
            options: BTreeMap::new(),
            internal: false,
            attachable: false,
            ingress: true,
        });
    }

    /// Removes a network. Refused while a service uses it, or a task that has neither ended nor been asked to
    /// stop. A stopping task does not count, and leaks its addresses on all its other networks (L1).
    ///
    /// # Errors
    /// If it is in use ([`Refusal::NetworkInUse`]; swarmkit `manager/controlapi/network.go`, `removeNetwork`),
    /// is one of the engine's own ([`Refusal::Predefined`]), or does not exist.
    pub fn remove_network(&mut self, term: &str) -> Result<(), Refusal> {
        if let Some(at) =
            self.local_networks.iter().position(|network| network.name == term || network.id == term)
        {
            return self.remove_local_network(at);
        }
        self.require_manager()?;
        let id = self.network_id(term)?;
        self.check_unused(&id)?;
        let Some(network) = self.networks.remove(&id) else { return Ok(()) };
        self.tell("network", "remove", id.as_str(), &network.request.name);
        // The order of `doNetworkAlloc` for a deleted network: balancers, then the pool. A task that still
        // stops on it is not considered, which is the root of L1.
        let nodes = self.drop_balancers(&id);
        if self.allocator.pools.remove(&id).is_some() {
            self.allocator.freed = true;
        } else {
            let error = format!("could not get networker state for network {id}");
            self.log_error(&format!("Failed during network free for network {id}"), Some(&error));
        }
        self.allocator.waiting_networks.remove(&network.meta.seq);
        // This node keeps its own copy of the network, and lists it, until its last container there has ended.
        if self.node_uses.contains_key(&(self.cluster.local.clone(), id.clone())) {
            self.stale_networks.insert(id, network);
        }
        // The nodes' attachments were written, so the allocator processes these nodes again; that fails, and is
        // logged, on each node where a task of the removed network still stops.
        for node in nodes {
            self.sync_node(&node);
        }
        self.run();
        Ok(())
    }

    fn remove_local_network(&mut self, at: usize) -> Result<(), Refusal> {
        // docker_gwbridge is not among them: the engine makes it again when it needs it.
        if self.local_networks[at].predefined {
            return Err(Refusal::Predefined(self.local_networks[at].name.clone()));
        }
        self.local_networks.remove(at);
        Ok(())
    }

    fn check_unused(&self, id: &NetworkId) -> Result<(), Refusal> {
        let ingress = self.networks.get(id).is_some_and(|network| network.request.ingress);
        let uses = |service: &&crate::object::Service| {
            if ingress { service.spec.needs_ingress() } else { service.networks.contains(id) }
        };
        if let Some(service) = self.services.values().find(uses) {
            return Err(if ingress {
                Refusal::IngressInUse(service.id.to_string())
            } else {
                Refusal::NetworkInUse {
                    network: id.to_string(),
                    kind: "service",
                    user: service.id.to_string(),
                }
            });
        }
        // Up to `running`, not up to `complete`: a job's task does not keep a network in use, only its service
        // does (swarmkit `manager/controlapi/network.go`, `removeNetwork`).
        let blocks = |task: &&Task| {
            task.desired <= TaskState::Running && task.state.is_live() && task.wants.contains(id)
        };
        match self.tasks.values().find(blocks) {
            Some(task) => Err(Refusal::NetworkInUse {
                network: id.to_string(),
                kind: "task",
                user: task.id.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// Renews the copies of networks that tasks carry, after the clock was set.
    pub(crate) fn refresh_network_copies(&mut self) {
        let copies = self.networks.keys().map(|id| (id.clone(), Arc::new(self.network_copy(id))));
        let copies: BTreeMap<NetworkId, Arc<Value>> = copies.collect();
        for attachment in self.tasks.values_mut().flat_map(|task| &mut task.attachments) {
            if let Some(copy) = copies.get(&attachment.network) {
                attachment.copy = Arc::clone(copy);
            }
        }
        for (id, copy) in copies {
            if let Some(network) = self.networks.get_mut(&id) {
                network.copy = copy;
            }
        }
    }

    /// The network as tasks carry it (moby `api/types/swarm.Network`).
    pub(crate) fn network_copy(&self, id: &NetworkId) -> Value {
        let Some(network) = self.networks.get(id) else { return Value::Null };
        let request = &network.request;
        let mut spec = json!({"Name": request.name, "Labels": request.labels,
            "DriverConfiguration": if request.ingress { json!({}) } else { json!({"Name": "overlay"}) }});
        for (key, on) in
            [("Internal", request.internal), ("Attachable", request.attachable), ("Ingress", request.ingress)]
        {
            if on {
                spec[key] = json!(true);
            }
        }
        let configs = network.state.as_ref().map(|state| json!([ipam_config(request, state)]));
        let driver = if request.ingress { json!({}) } else { json!({"Name": "default"}) };
        spec["IPAMOptions"] = json!({"Driver": driver});
        if request.subnet.is_some()
            && let Some(configs) = &configs
        {
            spec["IPAMOptions"]["Configs"] = configs.clone();
        }
        spec["Scope"] = json!("swarm");
        json!({
            "ID": id.as_str(),
            "Version": {"Index": network.meta.index},
            "CreatedAt": self.at(network.meta.created).to_string(),
            "UpdatedAt": self.at(network.meta.updated).to_string(),
            "Spec": spec,
            "DriverState": {"Name": "overlay", "Options": network_options(network)},
            "IPAMOptions": {"Driver": {"Name": "default"}, "Configs": configs},
        })
    }
}

/// What an allocated network has and what of it was asked for.
pub(crate) fn ipam_config(request: &NetworkRequest, state: &NetworkState) -> Value {
    let subnet = request.subnet_text.clone().filter(|text| !text.is_empty());
    let mut config = json!({"Subnet": subnet.unwrap_or_else(|| state.subnet.to_string())});
    if let Some(range) = request.range {
        config["IPRange"] = json!(range.to_string());
    }
    config["Gateway"] = json!(state.gateway.to_string());
    config
}

/// The driver's options once it is allocated: those that were given and the VXLAN id.
pub(crate) fn network_options(network: &Network) -> Value {
    let mut options = network.request.options.clone();
    if let Some(state) = &network.state {
        let key = "com.docker.network.driver.overlay.vxlanid_list";
        options.insert(key.to_owned(), state.vxlan_id.to_string());
    }
    json!(options)
}

fn read_request(body: &Value) -> Result<NetworkRequest, Refusal> {
    let configs = body["IPAM"]["Config"].as_array().map_or(0, Vec::len);
    // Upstream tries several subnets in Go's random map order, which a model with repeatable results cannot
    // follow.
    if 1 < configs {
        return Err(Refusal::InvalidArgument("the embedded engine models one subnet per network".to_owned()));
    }
    let gateway = json::text(&body["IPAM"]["Config"][0]["Gateway"]);
    let gateway = match gateway {
        "" => None,
        text => Some(text.parse().map_err(|_| Refusal::Internal(format!("invalid gateway address {text}")))?),
    };
    Ok(NetworkRequest {
        name: json::text(&body["Name"]).to_owned(),
        labels: spec::labels(&body["Labels"]),
        subnet: subnet_field(body, "Subnet")?,
        subnet_text: body["IPAM"]["Config"][0]["Subnet"].as_str().map(str::to_owned),
        range: subnet_field(body, "IPRange")?,
        gateway,
        options: spec::labels(&body["Options"]),
        internal: body["Internal"].as_bool().unwrap_or(false),
        attachable: body["Attachable"].as_bool().unwrap_or(false),
        ingress: body["Ingress"].as_bool().unwrap_or(false),
    })
}

/// A subnet of the body; host bits are cut off, as the engine does.
fn subnet_field(body: &Value, field: &str) -> Result<Option<Subnet>, Refusal> {
    let text = json::text(&body["IPAM"]["Config"][0][field]);
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || Refusal::Internal(format!("Invalid subnet {text} : invalid CIDR address: {text}"));
    let (addr, prefix) = text.split_once('/').ok_or_else(bad)?;
    let addr: Ipv4Addr = addr.parse().map_err(|_| bad())?;
    let subnet = Subnet::around(addr, prefix.parse().map_err(|_| bad())?).ok_or_else(bad)?;
    if subnet.prefix() < SHORTEST_PREFIX {
        let text = format!("the embedded engine models subnets from /{SHORTEST_PREFIX} on");
        return Err(Refusal::InvalidArgument(text));
    }
    Ok(Some(subnet))
}
