//! Tasks on their way: scheduler and agents.

use std::time::Duration;

use crate::id::{NodeId, TaskId};
use crate::model::{Event, Model};
use crate::object::{Node, Task};
use crate::spec::Constraint;
use crate::state::TaskState;

/// States from a node's acceptance to the running container, with the agent's message at each.
const PATH: [(TaskState, &str); 6] = [
    (TaskState::Assigned, "scheduler assigned task to node"),
    (TaskState::Accepted, "accepted"),
    (TaskState::Preparing, "preparing"),
    (TaskState::Ready, "prepared"),
    (TaskState::Starting, "starting"),
    (TaskState::Running, "started"),
];

/// How often an agent checks that its node has a load balancer's address (moby
/// `daemon/cluster/executor/container`, `waitNodeAttachments`).
const ATTACHMENT_POLL: Duration = Duration::from_millis(100);

impl Model {
    /// Lets a running task's container exit with an error; the service replaces the task. `false` if there is no
    /// such running task.
    pub fn fail_task(&mut self, id: &TaskId, error: &str) -> bool {
        let running = self.tasks.get(id).is_some_and(|task| task.state == TaskState::Running);
        if running {
            self.end_task(id, TaskState::Failed, error);
            self.run();
        }
        running
    }

    /// Lets a running task's container end without an error. The task is then `complete` and holds no address;
    /// the service replaces it unless it is a job. `false` if there is no such running task.
    pub fn finish_task(&mut self, id: &TaskId) -> bool {
        let running = self.tasks.get(id).is_some_and(|task| task.state == TaskState::Running);
        if running {
            self.end_task(id, TaskState::Complete, "");
            self.run();
        }
        running
    }

    /// The scheduler: a node for a task that has its addresses, the one with the fewest tasks.
    pub(crate) fn place_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.state != TaskState::Pending {
            return;
        }
        if !task.is_wanted() {
            // The scheduler forgets the tasks of services that are gone.
            if task.service().is_some_and(|service| self.services.contains_key(service)) {
                self.end_task(id, TaskState::Shutdown, "");
            }
            return;
        }
        if let Some(node) = &task.node {
            // A node chosen beforehand that takes no tasks now (swarmkit `manager/scheduler/scheduler.go`,
            // `taskFitNode`): the task waits for it.
            if !self.nodes.get(node).is_some_and(Node::takes_tasks) {
                let error = "no suitable node (1 node not available for new tasks)";
                self.set_task_state(id, TaskState::Pending, "pending task scheduling", error);
                return;
            }
        } else {
            let Some(node) = self.best_node(task) else {
                let count = self.nodes.len();
                let nodes = if count == 1 { "node" } else { "nodes" };
                let error =
                    format!("no suitable node (scheduling constraints not satisfied on {count} {nodes})");
                self.set_task_state(id, TaskState::Pending, "pending task scheduling", &error);
                return;
            };
            if let Some(task) = self.tasks.get_mut(id) {
                task.node = Some(node);
            }
        }
        self.set_task_state(id, TaskState::Assigned, PATH[0].1, "");
        self.count_task(id);
        self.schedule(self.step_time(), Event::Step(id.clone()));
    }

    /// Schedules all tasks that have no node.
    pub(crate) fn place_all(&mut self) {
        let pending = self.tasks.values().filter(|task| task.state == TaskState::Pending && task.is_wanted());
        let ids: Vec<TaskId> = pending.map(|task| task.id.clone()).collect();
        for id in ids {
            self.schedule(self.settings.timings.schedule, Event::Schedule(id));
        }
    }

    fn best_node(&self, task: &Task) -> Option<NodeId> {
        let constraints = task.service().and_then(|id| self.services.get(id)).map(|s| &s.spec.constraints);
        let meets = |node: &&Node| {
            node.takes_tasks()
                && constraints.is_none_or(|list| list.iter().all(|c| node_meets(node, c.as_ref())))
        };
        let fitting = self.nodes.values().filter(meets);
        // By the number of tasks alone: enough to spread them, and the same in every run.
        fitting.min_by_key(|node| (node.load, node.meta.seq)).map(|node| node.id.clone())
    }

    /// The agent: advances a task by one state, unless the node is down or the task has to wait.
    pub(crate) fn step_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(at) = PATH.iter().position(|(state, _)| *state == task.state) else { return };
        let down = task
            .node
            .as_ref()
            .and_then(|node| self.nodes.get(node))
            .is_none_or(|node| node.down_since.is_some());
        if down || task.stopping || !task.is_wanted() {
            return;
        }
        // The agent waits for its node's attachments before it creates the container (moby
        // `daemon/cluster/executor/container/controller.go`, `Prepare`).
        if task.state == TaskState::Preparing && !self.has_balancers(id) {
            self.wait_for_balancer(id);
            return;
        }
        if task.state == TaskState::Ready && task.desired == TaskState::Ready {
            return;
        }
        let Some((state, message)) = PATH.get(at + 1) else { return };
        if *state == TaskState::Running && self.cannot_run(id) {
            self.end_task(id, TaskState::Failed, "task: non-zero exit (1)");
            return;
        }
        self.set_task_state(id, *state, message, "");
        if *state == TaskState::Running {
            self.on_running(id);
        } else {
            self.schedule(self.step_time(), Event::Step(id.clone()));
            self.on_progress(id);
        }
    }

    /// True iff its container exits as it starts, for it lacks an address that it needs.
    fn cannot_run(&self, id: &TaskId) -> bool {
        let Some(task) = self.tasks.get(id) else { return false };
        let service = task.service().and_then(|id| self.services.get(id));
        let needs = service.and_then(|service| service.spec.needs);
        needs.is_some_and(|subnet| !task.attachments.iter().any(|place| subnet.contains(place.addr)))
    }

    fn wait_for_balancer(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.since + self.settings.timings.attachment_wait <= self.now {
            let error = "node is missing network attachments, ip addresses may be exhausted";
            self.end_task(id, TaskState::Rejected, error);
        } else {
            self.schedule(ATTACHMENT_POLL, Event::Step(id.clone()));
        }
    }

    fn on_running(&mut self, id: &TaskId) {
        let container = self.ids.hex();
        if let Some(task) = self.tasks.get_mut(id) {
            task.container_id.get_or_insert(container);
        }
        self.finish_later(id);
        self.on_progress(id);
    }

    /// Schedules the end of a container that runs for a limited time: what is left of that time.
    pub(crate) fn finish_later(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id).filter(|task| task.state == TaskState::Running) else { return };
        if let Some(finish) = task.finish {
            let left = (task.since + finish).saturating_sub(self.now);
            self.schedule(left, Event::Finished(id.clone()));
        }
    }

    pub(crate) fn on_finished(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let due = task.finish.is_some_and(|finish| task.since + finish <= self.now);
        let node = task.node.as_ref().and_then(|node| self.nodes.get(node));
        let heard = node.is_some_and(|node| node.down_since.is_none());
        // On a down node the end is reported when the node is back; a task that stops ends as stopped.
        if task.state == TaskState::Running && due && heard && !task.stopping {
            self.end_task(id, TaskState::Complete, "");
        }
    }

    fn step_time(&self) -> Duration {
        self.settings.timings.start / 5
    }

    /// Raises the desired state of a task, and starts what follows from that.
    pub(crate) fn desire(&mut self, id: &TaskId, desired: TaskState) {
        let Some(task) = self.tasks.get(id) else { return };
        // The desired state never goes back (swarmkit `manager/dispatcher`).
        if desired <= task.desired {
            return;
        }
        let meta = self.touched(task.meta);
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.meta = meta;
        task.desired = desired;
        let state = task.state;
        if state == TaskState::New {
            self.try_again(id);
        }
        if desired <= TaskState::Complete {
            if state == TaskState::Ready {
                self.schedule(self.step_time(), Event::Step(id.clone()));
            }
        } else if !state.is_live() {
            // Ended already: only the record is left, for the reaper.
            self.log_missing_node(id);
            self.reap_later(id);
        } else if TaskState::Assigned <= state {
            // A node has it, so only its agent can end it.
            self.stop_task(id);
        } else {
            self.desire_end_unassigned(id, state);
        }
    }

    /// No node has it, so no agent can end it: the scheduler does, where the service is still there and has changed
    /// since (swarmkit `manager/scheduler/scheduler.go`, `noSuitableNode`), or the reaper where the task is to be
    /// removed. It holds its addresses until then.
    fn desire_end_unassigned(&mut self, id: &TaskId, state: TaskState) {
        if self.tasks.get(id).is_some_and(|task| task.desired == TaskState::Remove) {
            self.schedule(self.settings.timings.reap, Event::Reap(id.clone()));
        }
        if state == TaskState::Pending {
            self.schedule(self.settings.timings.schedule, Event::Schedule(id.clone()));
        }
    }

    /// The allocator sees a new task change and tries it once more, whatever is desired of it (swarmkit
    /// `manager/allocator/network.go`, `doTaskAlloc`). The scheduler does not look at it before it has its addresses.
    fn try_again(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let seq = task.meta.seq;
        match task.service().filter(|service| !self.services.contains_key(*service)) {
            None => {
                self.allocator.waiting_tasks.remove(&seq);
                self.allocator.new_tasks.insert(seq, id.clone());
            }
            Some(gone) => {
                let msg = format!(
                    "Event api.EventUpdateTask: Failed to get service {gone} for task {id} state NEW: could not find service {gone}"
                );
                self.log_error(&msg, None);
            }
        }
    }

    /// Asks the agent to stop a task. On a down node it does not arrive; the agent stops the task when it is back.
    pub(crate) fn stop_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let down = task
            .node
            .as_ref()
            .and_then(|node| self.nodes.get(node))
            .is_some_and(|node| node.down_since.is_some());
        if down || task.stopping {
            return;
        }
        let delay = task.stop;
        if let Some(task) = self.tasks.get_mut(id) {
            task.stopping = true;
        }
        self.schedule(delay, Event::Stopped(id.clone()));
    }

    pub(crate) fn on_stopped(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let node = task.node.as_ref().and_then(|node| self.nodes.get(node));
        if node.is_some_and(|node| node.down_since.is_some()) {
            task.stopping = false;
        } else if task.state.is_live() {
            self.end_task(id, TaskState::Shutdown, "");
        }
    }

    /// Brings a task into a final state: its addresses are released and its service is reconciled.
    pub(crate) fn end_task(&mut self, id: &TaskId, state: TaskState, error: &str) {
        let message = match state {
            TaskState::Shutdown => "shutdown",
            TaskState::Rejected => "preparing",
            TaskState::Orphaned => "orphaned",
            TaskState::Complete => "finished",
            _ => "started",
        };
        let had_container = self.tasks.get(id).is_some_and(|task| {
            task.state == TaskState::Running && task.node.as_ref() == Some(&self.cluster.leader)
        });
        if had_container {
            self.log_container_end(id);
        }
        self.set_task_state(id, state, message, error);
        // Addresses go with the observed state, not with the desired one: a stopping task holds them until its
        // container has ended (`network.go`, `doTaskAlloc`).
        self.release_task(id);
        self.reap_later(id);
        let Some(task) = self.tasks.get(id) else { return };
        let Some(service) = task.service().cloned() else { return };
        // The jobs orchestrator ignores the end of a task that was asked to stop (swarmkit
        // `manager/orchestrator/jobs/orchestrator.go`, `handleEvent`).
        if task.iteration.is_none() || task.is_wanted() {
            self.orchestrate(&service);
        }
        self.on_progress(id);
    }

    pub(crate) fn set_task_state(
        &mut self,
        id: &TaskId,
        state: TaskState,
        message: &'static str,
        error: &str,
    ) {
        let Some(meta) = self.tasks.get(id).map(|task| task.meta) else { return };
        let meta = self.touched(meta);
        if let Some(task) = self.tasks.get_mut(id) {
            task.meta = meta;
            task.state = state;
            task.since = self.now;
            task.message = message;
            error.clone_into(&mut task.error);
        }
    }
}

/// True iff a node meets a placement constraint; no node meets one that cannot be parsed (`None`).
pub(crate) fn node_meets(node: &Node, constraint: Option<&Constraint>) -> bool {
    let Some(Constraint { key, equal, value }) = constraint else { return false };
    let label =
        key.strip_prefix("node.labels.").map(|label| node.labels.get(label).map_or("", String::as_str));
    let actual = match key.as_str() {
        "node.id" => Some(node.id.as_str()),
        "node.hostname" => Some(node.hostname.as_str()),
        "node.role" => Some(if node.manager { "manager" } else { "worker" }),
        _ => label,
    };
    actual.is_some_and(|actual| (actual == value) == *equal)
}
