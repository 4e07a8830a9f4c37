//! Containers that were started by hand, and their places on attachable networks.
//!
//! Each place is a task without a service. The model has such containers only as far as their networks go: it starts none.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::id::{NetworkId, NodeId, TaskId};
use crate::json;
use crate::lookup::find;
use crate::model::Model;
use crate::object::{Container, Task, Work, attachment_template};
use crate::refusal::Refusal;
use crate::state::TaskState;

impl Model {
    /// Attaches a container of a node to an attachable network by hand (`docker run --network`): a task
    /// without a service, which waits for an address if there is none.
    ///
    /// # Errors
    /// If the network was not created as attachable ([`Refusal::NotAttachable`]), or a name is unknown.
    pub fn attach_container(&mut self, name: &str, network: &str, node: &str) -> Result<TaskId, Refusal> {
        let network = self.network_id(network)?;
        let node = self.node_id(node)?;
        self.require_attachable(&network)?;
        let id = self.ids.hex();
        let container = Container {
            id: id.clone(),
            name: name.to_owned(),
            node,
            running: true,
            settings: BTreeMap::from([(network.clone(), Value::Null)]),
        };
        self.containers.insert(id.clone(), container);
        let task = self.insert_attachment(&id, &network, None);
        self.run();
        Ok(task)
    }

    /// Connects a container of this node to an attachable network, from the body of `POST /networks/{id}/connect`. The
    /// engine answers once the container is on it; where the address that is asked for is in use it gives up after 20 s, and
    /// the model at once.
    ///
    /// # Errors
    /// In the engine's words, if the container or the network does not exist, is not attachable, has the container already,
    /// or cannot give it the address.
    pub(crate) fn connect(&mut self, network: &str, body: &Value) -> Result<(), Refusal> {
        let network = self.network_id(network)?;
        let id = self.container_id(json::text(&body["Container"]))?;
        let settings = &body["EndpointConfig"];
        let name = || self.networks.get(&network).map(|n| n.request.name.clone()).unwrap_or_default();
        let Some(container) = self.containers.get(&id) else { return Ok(()) };
        if container.settings.contains_key(&network) {
            let text = format!("{} is already attached to network {}", container.name, name());
            return Err(Refusal::AlreadyAttached(text));
        }
        self.require_attachable(&network)?;
        let asked = self.asked(&network, json::text(&settings["IPAMConfig"]["IPv4Address"]))?;
        let running = container.running;
        if running {
            let task = self.insert_attachment(&id, &network, asked);
            self.run();
            if self.tasks.get(&task).is_none_or(|task| task.attachments.is_empty()) {
                self.forget_task(&task);
                self.run();
                return Err(Refusal::Internal(
                    "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded"
                        .to_owned(),
                ));
            }
            self.set_task_state(&task, TaskState::Running, "started", "");
        }
        if let Some(container) = self.containers.get_mut(&id) {
            container.settings.insert(network, settings.clone());
        }
        self.run();
        Ok(())
    }

    /// Takes a container of this node off a network, from the body of `POST /networks/{id}/disconnect`.
    ///
    /// # Errors
    /// In the engine's words, if the container or the network does not exist, or it is not on it.
    pub(crate) fn disconnect(&mut self, network: &str, body: &Value) -> Result<(), Refusal> {
        let network = self.network_id(network)?;
        let id = self.container_id(json::text(&body["Container"]))?;
        let left = self.containers.get_mut(&id).and_then(|container| container.settings.remove(&network));
        if left.is_none() {
            let name = self.networks.get(&network).map_or("", |n| n.request.name.as_str());
            return Err(Refusal::Internal(format!("container {id} is not connected to network {name}")));
        }
        if let Some(task) = self.attachment_of(&id, &network) {
            self.forget_task(&task);
        }
        self.run();
        Ok(())
    }

    /// Ends a container; it stays on the engine, with its networks, as after `docker stop`. `false` if none has this name.
    pub fn stop_container(&mut self, name: &str) -> bool {
        let Ok(id) = self.container_id(name) else { return false };
        let Some(container) = self.containers.get_mut(&id) else { return false };
        container.running = false;
        let networks: Vec<NetworkId> = container.settings.keys().cloned().collect();
        for network in networks {
            if let Some(task) = self.attachment_of(&id, &network) {
                self.forget_task(&task);
            }
        }
        self.run();
        true
    }

    /// Ends an attached container and removes it; its task is deleted at once. `false` if the id is not that of one.
    pub fn detach_container(&mut self, id: &TaskId) -> bool {
        let Some(task) = self.tasks.get(id).filter(|task| task.service().is_none()) else { return false };
        if let Some(container) = &task.container_id {
            self.containers.remove(container);
        }
        self.forget_task(id);
        self.run();
        true
    }

    /// The task that is a container's place on a network.
    pub(crate) fn attachment_of(&self, container: &str, network: &NetworkId) -> Option<TaskId> {
        let is_it = |task: &&Task| {
            task.service().is_none()
                && task.container_id.as_deref() == Some(container)
                && task.wants.contains(network)
        };
        self.tasks.values().find(is_it).map(|task| task.id.clone())
    }

    pub(crate) fn container_id(&self, term: &str) -> Result<String, Refusal> {
        let here = |container: &&Container| container.node == self.cluster.local;
        let entries =
            self.containers.values().filter(here).map(|c| (c.id.clone(), c.id.as_str(), c.name.as_str()));
        find("container", term, entries).map_err(|_| Refusal::NoContainer(term.to_owned()))
    }

    fn require_attachable(&self, network: &NetworkId) -> Result<(), Refusal> {
        if self.networks.get(network).is_some_and(|network| network.request.attachable) {
            Ok(())
        } else {
            Err(Refusal::NotAttachable(network.to_string()))
        }
    }

    /// The address that is asked for, if one is.
    fn asked(&self, network: &NetworkId, text: &str) -> Result<Option<Ipv4Addr>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        let address: Ipv4Addr =
            text.parse().map_err(|_| Refusal::Malformed(format!("invalid IPv4 address: {text}")))?;
        let state = self.networks.get(network).and_then(|network| network.state.as_ref());
        if !state.is_some_and(|state| state.subnet.contains(address)) {
            return Err(Refusal::Internal(format!(
                "Invalid address {address}: It does not belong to any of this network's subnets"
            )));
        }
        if state.is_some_and(|state| state.gateway == address) {
            return Err(Refusal::AddressInUse);
        }
        Ok(Some(address))
    }

    fn insert_attachment(&mut self, container: &str, network: &NetworkId, asked: Option<Ipv4Addr>) -> TaskId {
        let id = TaskId::new(self.ids.object());
        let meta = self.new_meta();
        let of = self.containers.get(container);
        let name = of.map(|container| container.name.clone()).unwrap_or_default();
        let node: Option<NodeId> = of.map(|container| container.node.clone());
        let task = Task {
            id: id.clone(),
            meta,
            work: Work::Attached { container: name },
            labels: BTreeMap::new(),
            template: Arc::new(attachment_template(container, network)),
            endpoint_spec: Arc::new(Value::Null),
            spec_version: 0,
            wants: vec![network.clone()],
            asked,
            attachments: Vec::new(),
            node,
            state: TaskState::New,
            since: self.now,
            message: "created",
            error: String::new(),
            desired: TaskState::Running,
            container_id: Some(container.to_owned()),
            iteration: None,
            stop: self.settings.timings.stop,
            finish: None,
            counted: false,
            stopping: false,
        };
        self.tasks.insert(id.clone(), task);
        self.allocator.new_tasks.insert(meta.seq, id.clone());
        id
    }

    /// A container's place on a network as `GET /containers/{id}/json` shows it.
    pub(crate) fn endpoint_json(&self, container: &Container, network: &NetworkId, asked: &Value) -> Value {
        let task = self.attachment_of(&container.id, network).and_then(|id| self.tasks.get(&id));
        let place = task.and_then(|task| task.attachments.first());
        let mut aliases: Vec<&str> = json::items(&asked["Aliases"]).map(json::text).collect();
        let own = container.id.get(..12).unwrap_or_default();
        if self.settings.engine.lists_own_id_among_aliases() {
            aliases.push(own);
        }
        // Of a running container the engine shows the address that Swarm gave as if it had been asked for (20.10.24, 28.5.2).
        let ipam = match place {
            Some(place) => json!({"IPv4Address": place.addr.to_string()}),
            None => asked["IPAMConfig"].clone(),
        };
        let mac = place.map(|place| {
            let [a, b, c, d] = place.addr.octets();
            format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
        });
        json!({
            "IPAMConfig": ipam,
            "Links": asked["Links"],
            "Aliases": if aliases.is_empty() { Value::Null } else { json!(aliases) },
            "NetworkID": network,
            "EndpointID": place.map_or("", |_| own),
            "IPAddress": place.map(|place| place.addr.to_string()).unwrap_or_default(),
            "IPPrefixLen": place.map_or(0, |place| place.prefix),
            "MacAddress": mac.unwrap_or_default(),
            "DriverOpts": asked["DriverOpts"],
        })
    }
}
