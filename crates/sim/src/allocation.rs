//! When the allocator acts: on events, at commits, at retries (swarmkit `manager/allocator/network.go`).

use std::sync::Arc;

use pvcheck_ipam::{Overlap, Ring, Subnet};
use serde_json::Value;

use crate::allocator::{AllocError, Demand, NotHeld, Pool};
use crate::id::{NetworkId, ServiceId, TaskId};
use crate::model::{Event, Model};
use crate::object::{Attachment, NetworkState, Vip};
use crate::state::TaskState;

/// When a service is allocated; decides on the words in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    Creation,
    Init,
    Retry,
    Update,
}

impl Model {
    pub(crate) fn on_network_created(&mut self, id: &NetworkId) {
        let Some(network) = self.networks.get(id) else { return };
        let seq = network.meta.seq;
        if let Err(error) = self.allocate_network(id) {
            // Upstream keeps it in `unallocatedNetworks` and tries again at the next retry, without another
            // line in the log (`network.go`, `procUnallocatedNetworks`).
            self.log_error(&format!("Failed allocation for network {id}"), Some(&error));
            self.allocator.waiting_networks.insert(seq, id.clone());
        } else if self.networks.get(id).is_some_and(|network| network.request.ingress) {
            // Every node has a place on the ingress network, whether or not it runs a task there (`network.go`,
            // `getNodeNetworks`).
            self.sync_all_nodes();
        }
    }

    /// Gives a network its subnet and gateway. It stays unallocated where that overlaps another swarm network
    /// or the pools are used up; the client got its 201 long before.
    fn allocate_network(&mut self, id: &NetworkId) -> Result<(), String> {
        let Some(network) = self.networks.get(id) else { return Ok(()) };
        let request = network.request.clone();
        let failed = |text: &str| format!("failed allocating pools and gateway IP for network {id}: {text}");
        let subnet = match request.subnet {
            Some(subnet) if self.overlaps_allocated(subnet) => return Err(failed(self.overlap_text())),
            Some(subnet) => subnet,
            None => self.subnet_from_pools().ok_or_else(|| failed(self.pools_used_up_text()))?,
        };
        // A gateway that is given is reserved by name and leaves the cursor at the start; one that is not given
        // is the first address that the cursor reaches (moby `cnmallocator/networkallocator.go`,
        // `allocatePools`).
        let ring = match (request.gateway, request.range) {
            (Some(gateway), range) => Ring::with_gateway(subnet, range, gateway),
            (None, Some(range)) => Ring::with_range(subnet, range),
            (None, None) => Ok(Ring::new(subnet)),
        };
        let ring = ring.map_err(|error| failed(&error.to_string()))?;
        let state = NetworkState { subnet, gateway: ring.gateway(), vxlan_id: self.next_vxlan };
        self.next_vxlan += 1;
        self.allocator.pools.insert(id.clone(), Pool { ring, held: std::collections::BTreeSet::new() });
        self.commit_network(id, state);
        Ok(())
    }

    fn commit_network(&mut self, id: &NetworkId, state: NetworkState) {
        let Some(meta) = self.networks.get(id).map(|network| network.meta) else { return };
        let meta = self.touched(meta);
        let Some(network) = self.networks.get_mut(id) else { return };
        network.meta = meta;
        network.state = Some(state);
        let copy = Arc::new(self.network_copy(id));
        if let Some(network) = self.networks.get_mut(id) {
            network.copy = copy;
        }
    }

    fn overlaps_allocated(&self, subnet: Subnet) -> bool {
        let clash = |pool: &Pool| -> Option<Overlap> { subnet.overlap(&pool.ring.subnet()) };
        self.allocator.pools.values().any(|pool| clash(pool).is_some())
    }

    /// The next free subnet of the pools: from the start (27 and later) or behind the last one.
    fn subnet_from_pools(&mut self) -> Option<Subnet> {
        let size = self.settings.subnet_size;
        let per_pool = |pool: &Subnet| 1_u64 << u32::from(size.saturating_sub(pool.prefix())).min(32);
        let total: u64 = self.settings.default_addr_pool.iter().map(per_pool).sum();
        // Up to 26 a freed subnet is not reused before the pool has come round once (moby PR 47768), so
        // consecutive runs of a test see different subnets there.
        let start = if self.settings.engine.reuses_subnets() { 0 } else { self.next_subnet };
        for step in 0..total {
            let at = (start + step) % total;
            let subnet = self.pool_subnet(at)?;
            if !self.overlaps_allocated(subnet) {
                self.next_subnet = at + 1;
                return Some(subnet);
            }
        }
        None
    }

    fn pool_subnet(&self, mut at: u64) -> Option<Subnet> {
        let size = self.settings.subnet_size;
        for pool in &self.settings.default_addr_pool {
            let count = 1_u64 << u32::from(size.checked_sub(pool.prefix())?).min(32);
            if at < count {
                let first = u64::from(u32::from(pool.first())) + (at << (32 - u32::from(size.min(32))));
                return Subnet::around(u32::try_from(first).ok()?.into(), size);
            }
            at -= count;
        }
        None
    }

    fn overlap_text(&self) -> &'static str {
        if self.settings.engine.reuses_subnets() {
            "invalid pool request: Pool overlaps with other one on this address space"
        } else {
            "Pool overlaps with other one on this address space"
        }
    }

    fn pools_used_up_text(&self) -> &'static str {
        if self.settings.engine.reuses_subnets() {
            "all predefined address pools have been fully subnetted"
        } else {
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
        }
    }

    pub(crate) fn on_service_changed(&mut self, id: &ServiceId, created: bool) {
        if !self.services.contains_key(id) {
            return;
        }
        // Allocator and orchestrator both watch the store. The allocator comes first here: upstream the order
        // is open, but a task that is created before its service has its VIPs only waits for the next commit.
        if !self.is_service_allocated(id) {
            let occasion = if created { Occasion::Creation } else { Occasion::Update };
            self.allocate_service(id, occasion);
        } else if !created && self.has_new_ports(id) {
            let vips = self.services.get(id).map(|service| service.vips.clone());
            self.commit_service(id, vips.unwrap_or_default());
        }
        self.reconcile(id);
        if !created {
            self.start_update(id);
        }
    }

    /// `hostPublishPortsNeedUpdate`; ports of the ingress network are allocated with the service.
    fn has_new_ports(&self, id: &ServiceId) -> bool {
        self.services.get(id).is_some_and(|service| {
            let written = service.endpoint.as_deref().map_or(&Value::Null, |spec| &spec["Ports"]);
            let none = |ports: &Value| ports.as_array().is_none_or(Vec::is_empty);
            let wanted = &service.endpoint_spec()["Ports"];
            written != wanted && !(none(written) && none(wanted))
        })
    }

    fn demand(&self, id: &ServiceId) -> Option<Demand> {
        let service = self.services.get(id)?;
        // Host-mode ports need nothing of the ingress network (`network.go`, `IsIngressNetworkNeeded`).
        let ingress = service.spec.needs_ingress().then(|| self.ingress()).flatten();
        Some(Demand { dnsrr: service.spec.dnsrr, networks: service.networks.clone(), ingress })
    }

    /// `IsServiceAllocated`: whether the store's VIPs are those that the specification asks for, and the
    /// allocator knows of them.
    fn is_service_allocated(&self, id: &ServiceId) -> bool {
        let (Some(service), Some(demand)) = (self.services.get(id), self.demand(id)) else { return true };
        let known = self.allocator.services.contains(id);
        // A dnsrr service is allocated as soon as the allocator holds no VIP of it (moby
        // `cnmallocator/networkallocator.go`, `IsServiceAllocated`).
        if demand.dnsrr {
            return !known;
        }
        let has = |network: &NetworkId| service.vips.iter().any(|vip| vip.network == *network);
        let wanted = |vip: &Vip| {
            demand.networks.contains(&vip.network) || demand.ingress.as_ref() == Some(&vip.network)
        };
        let needs_any = !demand.networks.is_empty() || service.spec.needs_ingress();
        (known || !needs_any)
            && (demand.ingress.is_some() || !service.spec.needs_ingress())
            && demand.networks.iter().chain(&demand.ingress).all(has)
            && service.vips.iter().all(wanted)
    }

    fn allocate_service(&mut self, id: &ServiceId, occasion: Occasion) {
        let (Some(demand), Some(service)) = (self.demand(id), self.services.get(id)) else { return };
        let seq = service.meta.seq;
        // A retry works on the copy that the failed attempt left, which has lost its VIPs.
        let mut vips = if occasion == Occasion::Retry { Vec::new() } else { service.vips.clone() };
        // Only an attempt that had a live address can lose it (L3); one without only leaks what it took (L2).
        let had = vips.iter().any(|vip| vip.addr.is_some());
        let missing = service.spec.needs_ingress() && demand.ingress.is_none();
        let (result, unreleased) = if missing {
            (Err(AllocError::NoIngress), Vec::new())
        } else {
            self.allocator.allocate_service(id, &demand, &mut vips)
        };
        self.log_unreleased(&unreleased);
        if let Err(error) = result {
            self.allocator.waiting_services.insert(seq, id.clone());
            self.failed_updates += u64::from(had);
            let msg = match occasion {
                Occasion::Creation => format!("Failed allocation for service {id}"),
                Occasion::Init => format!("failed allocating service {id} during init"),
                Occasion::Update => format!("Failed allocation during update of service {id}"),
                // Retries fail in silence: `procUnallocatedServices` logs at debug level, so the log shows each
                // failure once.
                Occasion::Retry => return,
            };
            self.log_error(&msg, Some(&error.to_string()));
        } else {
            self.allocator.waiting_services.remove(&seq);
            self.commit_service(id, vips);
        }
    }

    /// A service that had VIPs before the leadership moved.
    pub(crate) fn restore_service(&mut self, id: &ServiceId) {
        self.allocate_service(id, Occasion::Init);
    }

    /// A service that had none.
    pub(crate) fn allocate_at_init(&mut self, id: &ServiceId) {
        if !self.is_service_allocated(id) {
            self.allocate_service(id, Occasion::Init);
        }
    }

    fn commit_service(&mut self, id: &ServiceId, vips: Vec<Vip>) {
        let Some(meta) = self.services.get(id).map(|service| service.meta) else { return };
        let meta = self.touched(meta);
        if let Some(service) = self.services.get_mut(id) {
            service.meta = meta;
            service.vips = vips;
            service.endpoint = Some(Arc::new(service.endpoint_spec().clone()));
            let name = service.spec.name.clone();
            self.tell("service", "update", id.as_str(), &name);
        }
    }

    pub(crate) fn log_unreleased(&mut self, errors: &[NotHeld]) {
        for NotHeld(addr) in errors {
            let msg = format!("IPAM failure while releasing VIP address {addr}");
            self.log_error(&msg, Some("invalid pool id: "));
        }
    }

    /// The end of a transaction: allocates new tasks, and retries what waits if anything was released since
    /// the last time, or if that was long ago. There is no timer: a quiet Swarm does not retry.
    /// `true` if something became due.
    pub(crate) fn commit(&mut self) -> bool {
        let new = std::mem::take(&mut self.allocator.new_tasks);
        let mut worked = !new.is_empty();
        for (seq, id) in new {
            if let Err(error) = self.allocate_task(&id) {
                // Only the first attempt of a task is logged as an error; `procTasksNetwork` is quiet on
                // retries.
                self.log_error("task allocation failure", Some(&error));
                self.allocator.waiting_tasks.insert(seq, id);
            }
        }
        // `retryInterval` is compared at commits only. Without a commit nothing happens, however long it takes.
        let overdue = worked && self.last_retry + self.settings.timings.retry < self.now;
        if std::mem::take(&mut self.allocator.freed) || overdue {
            self.last_retry = self.now;
            worked |= self.retry();
        }
        worked
    }

    fn retry(&mut self) -> bool {
        // Networks before services before tasks, as in `doNetworkAlloc`: each needs what the one before may
        // have got.
        for (seq, id) in std::mem::take(&mut self.allocator.waiting_networks) {
            if self.allocate_network(&id).is_err() {
                self.allocator.waiting_networks.insert(seq, id);
            }
        }
        for id in std::mem::take(&mut self.allocator.waiting_services).into_values() {
            self.allocate_service(&id, Occasion::Retry);
        }
        let mut worked = false;
        for (seq, id) in std::mem::take(&mut self.allocator.waiting_tasks) {
            if self.allocate_task(&id).is_err() {
                self.allocator.waiting_tasks.insert(seq, id);
            } else {
                worked = true;
            }
        }
        worked
    }

    /// `allocateTask`: addresses on all its networks, if its service has what it needs.
    fn allocate_task(&mut self, id: &TaskId) -> Result<(), String> {
        let Some(task) = self.tasks.get(id) else { return Ok(()) };
        if task.state != TaskState::New {
            return Ok(());
        }
        if let Some(service) = task.service() {
            if !self.services.contains_key(service) {
                return Err(format!("could not find service {service} for task {id}"));
            }
            // A task never gets ahead of its service, so a service without a VIP holds all its tasks in `new`.
            if !self.is_service_allocated(service) {
                return Err(format!("service {service} to which task {id} belongs has pending allocations"));
            }
        }
        let (wants, asked) = (task.wants.clone(), task.asked);
        for network in &wants {
            if !self.networks.contains_key(network) {
                return Err(format!("failed to retrieve network {network} while allocating task {id}"));
            }
            if !self.allocator.pools.contains_key(network) {
                return Err(format!("network {network} attached to task {id} not allocated yet"));
            }
        }
        let addrs = self.allocator.allocate_task(&wants, asked).map_err(|(network, error)| {
            format!("failed to allocate network IP for task {id} network {network}: {error}")
        })?;
        let attachments = wants.into_iter().zip(addrs).filter_map(|(network, addr)| {
            let stored = self.networks.get(&network)?;
            let prefix = stored.state.as_ref()?.subnet.prefix();
            Some(Attachment { copy: Arc::clone(&stored.copy), network, addr, prefix })
        });
        let attachments: Vec<Attachment> = attachments.collect();
        let endpoint = task.service().and_then(|id| self.services.get(id)?.endpoint.clone());
        if let (Some(endpoint), Some(task)) = (endpoint, self.tasks.get_mut(id)) {
            task.endpoint_spec = endpoint;
        }
        self.allocator.tasks.insert(id.clone());
        self.task_allocated(id, attachments);
        Ok(())
    }

    fn task_allocated(&mut self, id: &TaskId, attachments: Vec<Attachment>) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.attachments = attachments;
        }
        self.set_task_state(id, TaskState::Pending, "pending task scheduling", "");
        self.count_task(id);
        let delay = self.settings.timings.schedule;
        self.schedule(delay, Event::Schedule(id.clone()));
    }

    /// `doTaskAlloc` for a task that ended or is deleted.
    pub(crate) fn release_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let (seq, node) = (task.meta.seq, task.node.clone());
        let attachments = task.attachments.clone();
        if self.allocator.release_task(id, &attachments) {
            self.allocator.freed = true;
        }
        // A task that ends while it waits must not be allocated afterwards.
        self.allocator.new_tasks.remove(&seq);
        self.allocator.waiting_tasks.remove(&seq);
        self.uncount_task(id);
        match node {
            Some(node) => self.sync_node(&node),
            None => self.log_missing_node(id),
        }
    }

    /// For every change of an ended task, and for its deletion, the allocator looks the task's node up, and does so too
    /// where no node ever got it: each such task leaves this line in the log.
    pub(crate) fn log_missing_node(&mut self, id: &TaskId) {
        if self.tasks.get(id).is_some_and(|task| task.node.is_none()) {
            self.log_error("error reallocating node ", Some("node  cannot be found"));
        }
    }
}
