//! A new leader's allocator: built from what the store knows, so whatever leaked is free again
//! (swarmkit `manager/allocator/network.go`, `doNetworkInit`).

use std::collections::BTreeSet;

use pvcheck_ipam::Ring;

use crate::allocator::{Allocator, Pool};
use crate::id::{NetworkId, NodeId, ServiceId, TaskId};
use crate::model::{Event, Model};
use crate::object::{Reaper, Task};
use crate::state::TaskState;

impl Model {
    /// Builds the allocator anew, as a change of leader does: every leak is reclaimed, and nothing restarts. A
    /// restart of the leader's engine does this as well.
    pub fn rebuild_allocator(&mut self) {
        self.cluster.term += 1;
        self.log_leadership();
        // The allocator lives in the leader's memory only. What it leaked is known nowhere else, so it is free
        // from here on.
        self.allocator = Allocator::default();
        self.reaper = Reaper::default();
        // The order of `doNetworkInit`: networks, nodes, services, tasks. If two owners claim an
        // address, the first in this order keeps it.
        self.restore_networks();
        self.restore_balancers();
        self.restore_services();
        self.restore_tasks();
        self.sync_all_nodes();
        // The second pass of `doNetworkInit` (`existingAddressesOnly` false).
        self.allocate_the_rest();
        self.forget_orphans();
        self.start_prepared();
        // A new leader's orchestrators reconcile every service once (swarmkit `manager/orchestrator/jobs/orchestrator.go`,
        // `init`; `replicated/replicated.go`, `Run`).
        for (id, is_job) in self.services_by_age() {
            self.reconcile(&id);
            if !is_job {
                self.resume_update(&id);
            }
        }
        self.renew_endpoints();
        self.run();
    }

    /// A new leader starts each task that waited for another one to end: nobody remembers for which (swarmkit
    /// `manager/orchestrator/taskinit/init.go`, `CheckTasks`, which takes up to the restart delay for it).
    fn start_prepared(&mut self) {
        let waits = |task: &&Task| task.desired == TaskState::Ready && task.state.is_live();
        let ids: Vec<TaskId> = self.tasks.values().filter(waits).map(|task| task.id.clone()).collect();
        for id in ids {
            self.desire(&id, TaskState::Running);
        }
    }

    /// A new leader deletes the tasks of services that are gone, whatever they do (swarmkit
    /// `manager/orchestrator/taskinit/init.go`, `CheckTasks`). Its allocator has restored them by then.
    fn forget_orphans(&mut self) {
        let orphaned = |task: &&Task| task.service().is_some_and(|id| !self.services.contains_key(id));
        let ids: Vec<TaskId> = self.tasks.values().filter(orphaned).map(|task| task.id.clone()).collect();
        for id in ids {
            self.forget_task(&id);
        }
    }

    /// Every task that is restored takes its service's endpoint over (`network.go`, `allocateTask`). The orchestrators have
    /// looked by then which tasks are outdated.
    fn renew_endpoints(&mut self) {
        for id in &self.allocator.tasks {
            let Some(task) = self.tasks.get_mut(id) else { continue };
            let endpoint = task.service().and_then(|service| self.services.get(service)?.endpoint.clone());
            if let Some(endpoint) = endpoint {
                task.endpoint_spec = endpoint;
            }
        }
    }

    /// Restarts this node's engine: the allocator is built anew if the node leads, and every container of the
    /// node fails and is replaced.
    pub fn restart_engine(&mut self) {
        if self.cluster.leader == self.cluster.local {
            self.rebuild_allocator();
        }
        let local = &self.cluster.local;
        let running = |id: &&TaskId| {
            let Some(task) = self.tasks.get(*id) else { return false };
            task.node.as_ref() == Some(local) && task.state == TaskState::Running && task.service().is_some()
        };
        let ids: Vec<TaskId> = self.tasks.keys().filter(running).cloned().collect();
        for id in ids {
            self.end_task(&id, TaskState::Failed, "engine restarted");
        }
        self.run();
    }

    fn restore_networks(&mut self) {
        for (id, network) in &self.networks {
            let Some(state) = &network.state else {
                self.allocator.waiting_networks.insert(network.meta.seq, id.clone());
                continue;
            };
            // The gateway is restored by name and leaves the cursor at the start, as all restored addresses do, so
            // the lowest gaps are handed out next.
            let ring = Ring::with_gateway(state.subnet, network.request.range, state.gateway);
            let ring = ring.unwrap_or_else(|_| Ring::new(state.subnet));
            self.allocator.pools.insert(id.clone(), Pool { ring, held: BTreeSet::new() });
        }
    }

    fn restore_balancers(&mut self) {
        for node in self.nodes.values_mut() {
            for (network, addr) in &mut node.balancers {
                *addr = addr.filter(|addr| self.allocator.restore_address(network, *addr));
            }
        }
    }

    /// Services that had VIPs get them back; one of which a network is full loses them again (L3).
    fn restore_services(&mut self) {
        for (id, _) in self.services_by_age() {
            let Some(service) = self.services.get(&id) else { continue };
            let seq = service.meta.seq;
            // Services without VIPs wait for the second pass, so that they cannot take an address which the
            // store gives to another service.
            if service.vips.is_empty() || service.spec.dnsrr {
                self.allocator.waiting_services.insert(seq, id);
            } else {
                self.restore_service(&id);
            }
        }
    }

    /// Tasks that live get their addresses back, except those of which a network is gone: their other
    /// addresses can be handed out again while they still use them.
    fn restore_tasks(&mut self) {
        let mut ids: Vec<(u64, TaskId)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.state.is_live())
            .map(|(id, task)| (task.meta.seq, id.clone()))
            .collect();
        ids.sort();
        for (seq, id) in ids {
            let Some(task) = self.tasks.get(&id) else { continue };
            // Nothing to restore: it waits for its first addresses, or is on no network.
            if task.attachments.is_empty() {
                if task.state == TaskState::New {
                    self.allocator.new_tasks.insert(seq, id);
                } else {
                    self.allocator.tasks.insert(id);
                }
                continue;
            }
            let attachments = task.attachments.clone();
            let gone = attachments.iter().find(|attachment| !self.networks.contains_key(&attachment.network));
            let result = match gone {
                Some(gone) => {
                    Err(format!("failed to retrieve network {} while allocating task {id}", gone.network))
                }
                None => self.allocator.restore_task(&attachments).map_err(|error| error.to_string()),
            };
            match result {
                Ok(()) => drop(self.allocator.tasks.insert(id)),
                Err(error) => {
                    self.unrestored_tasks += 1;
                    self.log_error(&format!("failed allocating task {id} during init"), Some(&error));
                }
            }
        }
    }

    /// The second pass: what had nothing yet.
    fn allocate_the_rest(&mut self) {
        for id in std::mem::take(&mut self.allocator.waiting_networks).into_values() {
            self.on_network_created(&id);
        }
        for id in std::mem::take(&mut self.allocator.waiting_services).into_values() {
            self.allocate_at_init(&id);
        }
    }

    /// Every service, the oldest first, and whether it is a job.
    pub(crate) fn services_by_age(&self) -> Vec<(ServiceId, bool)> {
        let mut services: Vec<_> = self.services.values().collect();
        services.sort_by_key(|service| service.meta.seq);
        services.into_iter().map(|service| (service.id.clone(), service.job.is_some())).collect()
    }

    /// Makes another node the leader, which builds its allocator anew.
    pub(crate) fn lead(&mut self, node: &NodeId) {
        self.cluster.leader = node.clone();
        self.rebuild_allocator();
    }

    /// The ingress network, if there is one.
    pub(crate) fn ingress(&self) -> Option<NetworkId> {
        self.networks.values().find(|network| network.request.ingress).map(|network| network.id.clone())
    }

    /// A node that stays down for too long: its tasks give their addresses up.
    pub(crate) fn on_node_lost(&mut self, id: &NodeId, since: std::time::Duration) {
        let lost = self.nodes.get(id).is_some_and(|node| node.down_since == Some(since));
        if lost {
            self.orphan_tasks(id);
        }
    }

    pub(crate) fn orphan_tasks(&mut self, id: &NodeId) {
        let on_it = self.tasks.values().filter(|task| task.node.as_ref() == Some(id) && task.state.is_live());
        let ids: Vec<TaskId> = on_it.map(|task| task.id.clone()).collect();
        for task in ids {
            self.end_task(&task, TaskState::Orphaned, "");
            if self.tasks.get(&task).is_some_and(|task| task.service().is_none()) {
                self.schedule(self.settings.timings.reap, Event::Reap(task));
            }
        }
    }
}
