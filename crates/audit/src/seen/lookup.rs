//! A snapshot's parts by id, by name and by network, found without a search.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::ids::{NetworkId, NodeId, ServiceId, TaskId};
use super::network::Network;
use super::node::Node;
use super::service::Service;
use super::snapshot::Snapshot;
use super::task::Task;

/// A snapshot's parts, found without a search: what looks at each of 100,000 tasks cannot go through 20,000 services for
/// every one of them.
///
/// Of several parts with the same id or name it finds the first one listed.
pub struct Lookup<'a> {
    nodes: HashMap<&'a NodeId, &'a Node>,
    networks: HashMap<&'a NetworkId, &'a Network>,
    ingress: Option<&'a Network>,
    services: HashMap<&'a ServiceId, &'a Service>,
    named: HashMap<&'a str, &'a Service>,
    vips: HashMap<&'a NetworkId, Vec<(&'a Service, Ipv4Addr)>>,
    tasks: HashMap<&'a TaskId, &'a Task>,
    by_service: HashMap<&'a ServiceId, Vec<&'a Task>>,
    attached: HashMap<&'a NetworkId, Vec<&'a Task>>,
}

impl Snapshot {
    /// Its parts by id, by name and by network, for what looks up many of them.
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup::of(self)
    }
}

impl<'a> Lookup<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut all = Self {
            nodes: first_of(snapshot.nodes.iter().map(|n| (&n.id, n))),
            networks: first_of(snapshot.networks.iter().map(|n| (&n.id, n))),
            ingress: snapshot.networks.iter().find(|n| n.ingress),
            services: first_of(snapshot.services.iter().map(|s| (&s.id, s))),
            named: first_of(snapshot.services.iter().map(|s| (s.name.as_str(), s))),
            vips: HashMap::new(),
            tasks: first_of(snapshot.tasks.iter().map(|t| (&t.id, t))),
            by_service: HashMap::new(),
            attached: HashMap::new(),
        };
        for service in &snapshot.services {
            for vip in &service.vips {
                all.vips
                    .entry(&vip.network)
                    .or_default()
                    .extend(vip.address.map(|address| (service, address)));
            }
        }
        for task in &snapshot.tasks {
            if let Some(service) = &task.service {
                all.by_service.entry(service).or_default().push(task);
            }
            for (network, _) in &task.attachments {
                let attached = all.attached.entry(network).or_default();
                // A task that lists a network twice is still one task.
                if attached.last().is_none_or(|last| last.id != task.id) {
                    attached.push(task);
                }
            }
        }
        all
    }

    /// The node with this id.
    pub fn node(&self, id: &NodeId) -> Option<&'a Node> {
        self.nodes.get(id).copied()
    }

    /// The network with this id, whatever its driver.
    pub fn network(&self, id: &NetworkId) -> Option<&'a Network> {
        self.networks.get(id).copied()
    }

    /// The network of the routing mesh.
    pub fn ingress(&self) -> Option<&'a Network> {
        self.ingress
    }

    /// The service with this id.
    pub fn service(&self, id: &ServiceId) -> Option<&'a Service> {
        self.services.get(id).copied()
    }

    /// The service of this name.
    pub fn service_named(&self, name: &str) -> Option<&'a Service> {
        self.named.get(name).copied()
    }

    /// The name of the service with this id; the id itself if it is gone, since its tasks outlive it.
    pub fn service_name(&self, id: &ServiceId) -> String {
        self.service(id).map_or_else(|| id.to_string(), |s| s.name.clone())
    }

    /// The virtual addresses on this network, with their services, as they are listed.
    pub fn vips_on(&self, network: &NetworkId) -> &[(&'a Service, Ipv4Addr)] {
        self.vips.get(network).map_or(&[], Vec::as_slice)
    }

    /// The task with this id.
    pub fn task(&self, id: &TaskId) -> Option<&'a Task> {
        self.tasks.get(id).copied()
    }

    /// All tasks of this service, as they are listed, those that have ended too.
    pub fn tasks_of(&self, service: &ServiceId) -> &[&'a Task] {
        self.by_service.get(service).map_or(&[], Vec::as_slice)
    }

    /// All tasks that list this network, with an address there or without.
    pub fn tasks_on(&self, network: &NetworkId) -> &[&'a Task] {
        self.attached.get(network).map_or(&[], Vec::as_slice)
    }
}

fn first_of<K: std::hash::Hash + Eq, V>(all: impl Iterator<Item = (K, V)>) -> HashMap<K, V> {
    let mut found = HashMap::with_capacity(all.size_hint().0);
    for (key, value) in all {
        found.entry(key).or_insert(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::TaskState;
    use crate::testing::{network, service, task, world};

    #[test]
    fn it_finds_what_a_search_of_the_lists_finds() {
        let mut snapshot = world();
        snapshot.networks = vec![network("ingress", "10.0.0.0/24"), network("a", "10.2.0.0/28")];
        snapshot.services = vec![service("app", &[("a", "10.2.0.2")]), service("idle", &[("a", "")])];
        let mut twice = task("1", "app", TaskState::Running, &[("a", "10.2.0.3"), ("a", "10.2.0.4")]);
        twice.slot = Some(1);
        snapshot.tasks = vec![
            twice,
            task("2", "gone", TaskState::Shutdown, &[("a", "10.2.0.5"), ("ingress", "10.0.0.7")]),
        ];
        let lookup = snapshot.lookup();
        let ids = |tasks: &[&Task]| tasks.iter().map(|t| t.id.to_string()).collect::<Vec<_>>();
        for service in &snapshot.services {
            assert_eq!(lookup.service(&service.id), snapshot.service(&service.id));
            assert_eq!(lookup.service_named(&service.name), snapshot.service_named(&service.name));
        }
        let a = &snapshot.networks[1].id;
        assert_eq!(ids(lookup.tasks_on(a)), ["1", "2"], "each once");
        assert_eq!(ids(lookup.tasks_on(&snapshot.networks[0].id)), ["2"]);
        assert_eq!(lookup.vips_on(a), [(&snapshot.services[0], Ipv4Addr::new(10, 2, 0, 2))]);
        assert_eq!(lookup.ingress().map(|n| n.name.as_str()), Some("ingress"));
        assert_eq!(
            (lookup.network(a), lookup.task(&snapshot.tasks[1].id)),
            (Some(&snapshot.networks[1]), Some(&snapshot.tasks[1]))
        );
        let gone = snapshot.tasks[1].service.as_ref().expect("a service");
        assert_eq!(ids(lookup.tasks_of(gone)), ["2"]);
        assert_eq!((lookup.service(gone), lookup.service_name(gone)), (None, gone.to_string()));
        assert_eq!(lookup.node(&snapshot.engine.node), snapshot.nodes.first());
        assert_eq!(
            (lookup.tasks_of(&ServiceId::new("none")).len(), lookup.tasks_on(&NetworkId::new("none")).len()),
            (0, 0)
        );
    }

    #[test]
    fn of_two_with_one_name_it_finds_the_first() {
        let mut snapshot = world();
        let mut other = service("app", &[]);
        other.id = ServiceId::new("other");
        snapshot.services = vec![service("app", &[]), other];
        let found = snapshot.lookup().service_named("app").map(|s| s.id.clone());
        assert_eq!(found.as_ref(), Some(&snapshot.services[0].id));
    }
}
