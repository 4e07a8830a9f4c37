//! Nodes: joining, draining, failing, promoting, leaving.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::id::{NodeId, TaskId};
use crate::json;
use crate::model::{Event, Model};
use crate::object::Node;
use crate::refusal::Refusal;
use crate::spec;
use crate::state::{Availability, Membership, TaskState};

impl Model {
    /// A node joins, as manager or worker; it is ready and takes tasks. Returns its id.
    pub fn add_node(&mut self, manager: bool) -> NodeId {
        let id = NodeId::new(self.ids.object());
        self.add_node_as(&id, manager);
        self.on_nodes_changed();
        id
    }

    /// Lets another node's engine answer from now on.
    ///
    /// # Errors
    /// If the term names no node.
    pub fn ask_node(&mut self, term: &str) -> Result<(), Refusal> {
        self.cluster.local = self.node_id(term)?;
        Ok(())
    }

    pub(crate) fn add_node_as(&mut self, id: &NodeId, manager: bool) {
        let meta = self.new_meta();
        let number = self.nodes.len() + 1;
        // TEST-NET-1 (RFC 5737), so no client reaches a real host by mistake.
        let addr = Ipv4Addr::new(192, 0, 2, u8::try_from(number).unwrap_or(u8::MAX));
        let node = Node {
            id: id.clone(),
            meta,
            hostname: format!("node{number}"),
            addr,
            labels: BTreeMap::new(),
            manager,
            availability: Availability::Active,
            down_since: None,
            load: 0,
            balancers: BTreeMap::new(),
        };
        self.nodes.insert(id.clone(), node);
        self.sync_node(id);
    }

    /// Sets whether a node takes tasks, only keeps those it has, or gives all of them up.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn set_availability(&mut self, term: &str, availability: Availability) -> Result<(), Refusal> {
        let id = self.node_id(term)?;
        self.touch_node(&id, |node| node.availability = availability);
        self.on_nodes_changed();
        Ok(())
    }

    /// Sets a label of a node.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn set_node_label(&mut self, term: &str, key: &str, value: &str) -> Result<(), Refusal> {
        let id = self.node_id(term)?;
        self.touch_node(&id, |node| drop(node.labels.insert(key.to_owned(), value.to_owned())));
        self.on_nodes_changed();
        Ok(())
    }

    /// A node stops answering, or answers again. Its tasks keep their last state, and with it their addresses,
    /// for [`crate::Timings::node_down`]; services replace them on other nodes at once.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn set_node_down(&mut self, term: &str, down: bool) -> Result<(), Refusal> {
        let id = self.node_id(term)?;
        let since = down.then_some(self.now);
        self.touch_node(&id, |node| node.down_since = since);
        self.succeed_leader();
        if let Some(since) = since {
            self.schedule(self.settings.timings.node_down, Event::NodeLost { node: id, since });
        } else {
            self.resume_node(&id);
        }
        self.on_nodes_changed();
        Ok(())
    }

    /// Makes another manager that is up the leader if the leader is down.
    fn succeed_leader(&mut self) {
        let up =
            |id: &NodeId| self.nodes.get(id).is_some_and(|node| node.manager && node.down_since.is_none());
        let heir = self.nodes.keys().find(|id| up(id)).cloned();
        if let Some(heir) = heir
            && !up(&self.cluster.leader)
        {
            self.lead(&heir);
        }
    }

    /// The node's agent is back: it stops what it was to stop meanwhile, and continues with the other tasks.
    fn resume_node(&mut self, id: &NodeId) {
        let on_it = self.tasks.values().filter(|task| task.node.as_ref() == Some(id) && task.state.is_live());
        let ids: Vec<(TaskId, bool)> = on_it.map(|task| (task.id.clone(), task.is_wanted())).collect();
        for (task, wanted) in ids {
            if wanted {
                self.schedule(self.settings.timings.start / 5, Event::Step(task.clone()));
                self.finish_later(&task);
            } else {
                self.stop_task(&task);
            }
        }
    }

    /// Removes a node: its tasks are orphaned, its load balancers' addresses released.
    ///
    /// # Errors
    /// If the node is a manager, or is up and `force` is not set ([`Refusal::FailedPrecondition`]).
    pub fn remove_node(&mut self, term: &str, force: bool) -> Result<(), Refusal> {
        self.require_manager()?;
        let id = self.node_id(term)?;
        let Some(node) = self.nodes.get(&id) else { return Ok(()) };
        if node.manager {
            let text = format!(
                "node {id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
            );
            return Err(Refusal::FailedPrecondition(text));
        }
        if node.down_since.is_none() && !force {
            return Err(Refusal::FailedPrecondition(format!("node {id} is not down and can't be removed")));
        }
        self.orphan_tasks(&id);
        if let Some(node) = self.nodes.remove(&id) {
            for (network, addr) in node.balancers {
                if let Some(addr) = addr {
                    self.allocator.release_address(&network, addr);
                }
            }
        }
        self.on_nodes_changed();
        Ok(())
    }

    /// Promotes or demotes a node. If the leader is demoted another manager leads, with an allocator built anew.
    ///
    /// # Errors
    /// If it is the last manager that is up ([`Refusal::FailedPrecondition`]).
    pub fn set_manager(&mut self, term: &str, manager: bool) -> Result<(), Refusal> {
        let id = self.node_id(term)?;
        let others = |node: &&Node| node.manager && node.id != id && node.down_since.is_none();
        let heir =
            self.nodes.values().filter(others).min_by_key(|node| node.meta.seq).map(|node| node.id.clone());
        if !manager && heir.is_none() {
            let text = "attempting to demote the last manager of the swarm".to_owned();
            return Err(Refusal::FailedPrecondition(text));
        }
        self.touch_node(&id, |node| node.manager = manager);
        if id == self.cluster.local && self.cluster.membership != Membership::Inactive {
            self.cluster.membership = if manager { Membership::Manager } else { Membership::Worker };
        }
        if let Some(heir) = heir
            && !manager
            && self.cluster.leader == id
        {
            self.lead(&heir);
        }
        self.run();
        Ok(())
    }

    /// `POST /nodes/{id}/update`: role, availability and labels.
    pub(crate) fn update_node(&mut self, term: &str, version: u64, body: &Value) -> Result<(), Refusal> {
        self.require_manager()?;
        let id = self.node_id(term)?;
        let Some(node) = self.nodes.get(&id) else { return Ok(()) };
        if node.meta.index != version {
            return Err(Refusal::OutOfSequence);
        }
        let availability = match json::text(&body["Availability"]).to_ascii_lowercase().as_str() {
            "active" => Availability::Active,
            "pause" => Availability::Pause,
            "drain" => Availability::Drain,
            other => return Err(Refusal::Malformed(format!("invalid Availability: \"{other}\""))),
        };
        let manager = match json::text(&body["Role"]).to_ascii_lowercase().as_str() {
            "manager" => true,
            "worker" => false,
            other => return Err(Refusal::Malformed(format!("invalid Role: \"{other}\""))),
        };
        if node.manager != manager {
            self.set_manager(id.as_str(), manager)?;
        }
        let labels = spec::labels(&body["Labels"]);
        self.touch_node(&id, |node| {
            node.availability = availability;
            node.labels = labels;
        });
        self.on_nodes_changed();
        Ok(())
    }

    fn touch_node(&mut self, id: &NodeId, change: impl FnOnce(&mut Node)) {
        let Some(meta) = self.nodes.get(id).map(|node| node.meta) else { return };
        let meta = self.touched(meta);
        if let Some(node) = self.nodes.get_mut(id) {
            node.meta = meta;
            change(node);
        }
        self.tell("node", "update", id.as_str(), "");
    }

    /// Reconciles services with the nodes as they are now, and schedules tasks that wait for a node.
    fn on_nodes_changed(&mut self) {
        for (id, is_job) in self.services_by_age() {
            // The jobs orchestrator hears of services and tasks, not of nodes (swarmkit
            // `manager/orchestrator/jobs/orchestrator.go`, `handleEvent`): a node that joins gets no task of a
            // global job, and a drained one keeps what it has, until the job is looked at for another reason.
            if !is_job {
                self.orchestrate(&id);
            }
        }
        self.end_unassigned();
        self.place_all();
        self.run();
    }

    /// Ends attached containers on drained nodes; tasks of services are their orchestrators' affair.
    fn end_unassigned(&mut self) {
        let drained = |id: &NodeId| {
            self.nodes
                .get(id)
                .is_some_and(|node| node.availability == Availability::Drain && node.down_since.is_none())
        };
        let attached = self.tasks.values().filter(|task| {
            task.service().is_none()
                && task.state.is_live()
                && task.is_wanted()
                && task.node.as_ref().is_some_and(drained)
        });
        let ids: Vec<TaskId> = attached.map(|task| task.id.clone()).collect();
        for id in ids {
            self.desire(&id, TaskState::Shutdown);
        }
    }
}
