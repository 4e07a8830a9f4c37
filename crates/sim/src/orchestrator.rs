//! Services to tasks: replicas, restarts and rolling updates (swarmkit `manager/orchestrator`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::agent::node_meets;
use crate::id::{NodeId, ServiceId, TaskId};
use crate::model::{Event, Model};
use crate::object::{Node, Slot, SlotUpdate, Task, Update, Work};
use crate::spec::{FailureAction, Mode, Order};
use crate::state::TaskState;

impl Model {
    /// A look at the whole service, as after its change: slots that were dead before it are deleted.
    pub(crate) fn reconcile(&mut self, id: &ServiceId) {
        let dead = self.dead_slots(id);
        self.orchestrate(id);
        if !dead.is_empty() {
            self.forget_slots(id, &dead);
        }
    }

    /// Reconciles a service's tasks with its specification: replaces those that ended, removes those that are too
    /// many, creates those that are missing.
    pub(crate) fn orchestrate(&mut self, id: &ServiceId) {
        let Some(service) = self.services.get(id) else { return };
        let mut slots = self.live_slots(id);
        let wanted: BTreeSet<Slot> = match service.spec.mode {
            Mode::Global => self.eligible_nodes(id).into_iter().map(Slot::Node).collect(),
            Mode::Replicated(replicas) => wanted_numbers(&slots, replicas),
            Mode::GlobalJob => return self.reconcile_global_job(id),
            Mode::ReplicatedJob(job) => return self.reconcile_replicated_job(id, job),
        };
        for (slot, tasks) in slots.iter().filter(|(slot, _)| !wanted.contains(slot)) {
            // A slot that is scaled away is deleted with its history; a node of a global service may come back,
            // so its task becomes history (`replicated/services.go`, `global/global.go`).
            let end = if matches!(slot, Slot::Node(_)) { TaskState::Shutdown } else { TaskState::Remove };
            for task in tasks {
                self.desire(task, end);
            }
        }
        for slot in wanted {
            let tasks = slots.remove(&slot).unwrap_or_default();
            self.keep_slot(id, slot, &tasks);
        }
    }

    /// Reconciles one slot: its ended tasks become history, and if none is live a new one is created.
    fn keep_slot(&mut self, id: &ServiceId, slot: Slot, tasks: &[TaskId]) {
        let gone = |id: &&TaskId| {
            self.tasks.get(*id).is_none_or(|task| !task.state.is_live() || self.is_displaced(task))
        };
        let ended: Vec<TaskId> = tasks.iter().filter(gone).cloned().collect();
        for task in &ended {
            self.desire(task, TaskState::Shutdown);
        }
        if ended.len() == tasks.len() {
            self.create_task(id, slot, TaskState::Running);
        }
    }

    /// True iff the task has a node that is down, drained or gone.
    fn is_displaced(&self, task: &Task) -> bool {
        let node = task.node.as_ref().and_then(|node| self.nodes.get(node));
        task.node.is_some() && node.is_none_or(Node::is_invalid)
    }

    /// The slots that have tasks not asked to stop, with these tasks.
    fn live_slots(&self, id: &ServiceId) -> BTreeMap<Slot, Vec<TaskId>> {
        let mut slots: BTreeMap<Slot, Vec<TaskId>> = BTreeMap::new();
        for task in self.tasks_of(id).filter(|task| task.is_wanted()) {
            if let Some(slot) = task.slot() {
                slots.entry(slot.clone()).or_default().push(task.id.clone());
            }
        }
        slots
    }

    pub(crate) fn tasks_of(&self, id: &ServiceId) -> impl Iterator<Item = &Task> {
        self.service_tasks.get(id).into_iter().flatten().filter_map(|task| self.tasks.get(task))
    }

    fn slot_tasks(&self, id: &ServiceId, slot: &Slot) -> Vec<&Task> {
        self.tasks_of(id).filter(|task| task.slot() == Some(slot)).collect()
    }

    /// Nodes that meet the service's constraints and take tasks.
    pub(crate) fn eligible_nodes(&self, id: &ServiceId) -> Vec<NodeId> {
        let Some(service) = self.services.get(id) else { return Vec::new() };
        let meets = |node: &&Node| {
            node.takes_tasks() && service.spec.constraints.iter().all(|c| node_meets(node, c.as_ref()))
        };
        self.nodes.values().filter(meets).map(|node| node.id.clone()).collect()
    }

    pub(crate) fn create_task(
        &mut self,
        service_id: &ServiceId,
        slot: Slot,
        desired: TaskState,
    ) -> Option<TaskId> {
        let id = TaskId::new(self.ids.object());
        let meta = self.new_meta();
        let service = self.services.get(service_id)?;
        let stop = service.spec.stop.unwrap_or(self.settings.timings.stop);
        // The ingress network comes first in a task (`network.go`, `taskCreateNetworkAttachments`).
        let ingress = service.spec.needs_ingress().then(|| self.ingress()).flatten();
        let node = if let Slot::Node(node) = &slot { Some(node.clone()) } else { None };
        let (job, soiled) = (service.job.map(|job| job.iteration), slot.clone());
        let task = Task {
            id: id.clone(),
            meta,
            work: Work::Service { service: service_id.clone(), name: service.spec.name.clone(), slot },
            labels: service.spec.labels.clone(),
            template: Arc::clone(&service.template),
            endpoint_spec: Arc::new(service.endpoint_spec().clone()),
            spec_version: service.spec_version,
            wants: ingress.into_iter().chain(service.networks.iter().cloned()).collect(),
            asked: None,
            attachments: Vec::new(),
            node,
            state: TaskState::New,
            since: self.now,
            message: "created",
            error: String::new(),
            desired,
            container_id: None,
            iteration: job,
            stop,
            finish: service.spec.finish,
            counted: false,
            stopping: false,
        };
        self.tasks.insert(id.clone(), task);
        self.service_tasks.entry(service_id.clone()).or_default().insert(id.clone());
        self.allocator.new_tasks.insert(meta.seq, id.clone());
        if job.is_none() {
            self.soil(service_id, &soiled);
        }
        Some(id)
    }

    /// Begins a rolling update of the slots whose tasks are not made from the present specification.
    pub(crate) fn start_update(&mut self, id: &ServiceId) {
        let outdated = self.tasks_of(id).filter(|task| task.is_wanted() && self.is_outdated(id, task));
        let dirty: BTreeSet<Slot> = outdated.filter_map(|task| task.slot().cloned()).collect();
        let Some(service) = self.services.get_mut(id) else { return };
        // A job has no rolling update: its new execution has replaced the tasks of the last one already.
        // A rollback that replaces nothing is done at once, and says so; another update does not.
        let nothing = dirty.is_empty() && !service.rolled_back;
        if nothing || service.job.is_some() || service.update.is_some() {
            return;
        }
        service.update = Some(Update {
            started: self.now,
            completed: None,
            paused_by: None,
            is_rollback: service.rolled_back,
            hidden: false,
            waiting: dirty,
            active: Vec::new(),
        });
        self.step_update(id);
    }

    /// A new leader begins every rollout anew that was not paused: with the slots that are still outdated, so it does not
    /// wait for a task that the old leader made (swarmkit `manager/orchestrator/update/updater.go`, `Run`).
    pub(crate) fn resume_update(&mut self, id: &ServiceId) {
        let Some(service) = self.services.get_mut(id) else { return };
        let old = service.update.take();
        if old.as_ref().is_some_and(|update| !update.is_going()) {
            service.update = old;
            return;
        }
        self.start_update(id);
        let now = self.now;
        let Some(service) = self.services.get_mut(id) else { return };
        if service.update.is_none() {
            // All slots are up to date, and so the rollout is over, even if no new task ever ran.
            let over = old.filter(|update| !update.hidden);
            service.update = over.map(|update| Update { completed: Some(now), ..update });
        }
    }

    fn is_outdated(&self, id: &ServiceId, task: &Task) -> bool {
        let Some(service) = self.services.get(id) else { return false };
        // `IsTaskDirty` compares task template and endpoint only: scaling and labels of the service replace
        // nothing.
        task.spec_version != service.spec_version
            && (task.template != service.template || *task.endpoint_spec != *service.endpoint_spec())
    }

    /// Continues the rolling update of a task's service after the task changed its state.
    pub(crate) fn on_progress(&mut self, id: &TaskId) {
        if let Some(service) = self.tasks.get(id).and_then(|task| task.service().cloned()) {
            self.step_update(&service);
        }
    }

    fn step_update(&mut self, id: &ServiceId) {
        while let Some(service) = self.services.get_mut(id) {
            let (parallelism, order) = (service.spec.parallelism, service.spec.order);
            let Some(update) = service.update.as_mut().filter(|update| update.is_going()) else { return };
            // Taken out while the slots are stepped: ending a task calls back into this function.
            let active = std::mem::take(&mut update.active);
            let going: Vec<SlotUpdate> = active.into_iter().filter(|one| self.step_slot(id, one)).collect();
            let Some(update) = self.services.get_mut(id).and_then(|service| service.update.as_mut()) else {
                return;
            };
            update.active = going;
            if update.active.is_empty() && update.waiting.is_empty() {
                update.completed = Some(self.now);
            }
            let may_begin = parallelism == 0 || (update.active.len() as u64) < parallelism;
            if !may_begin || !update.is_going() {
                return;
            }
            let Some(slot) = update.waiting.pop_first() else { return };
            self.begin_slot(id, slot, order);
        }
    }

    /// Creates the new task of a slot; with stop-first the old one is asked to stop at once.
    fn begin_slot(&mut self, id: &ServiceId, slot: Slot, order: Order) {
        let outdated =
            self.slot_tasks(id, &slot).into_iter().filter(|t| t.is_wanted() && self.is_outdated(id, t));
        let old: Vec<TaskId> = outdated.map(|task| task.id.clone()).collect();
        if old.is_empty() {
            return;
        }
        // With stop-first the new task is prepared but waits in `ready` until the old one has ended
        // (`update/updater.go`, `updateTask`). It holds its addresses from its creation, so an update needs one
        // free address per network either way.
        let desired = if order == Order::StartFirst { TaskState::Running } else { TaskState::Ready };
        let Some(new) = self.create_task(id, slot, desired) else { return };
        let one = SlotUpdate { new, old: old.clone(), order };
        if let Some(update) = self.services.get_mut(id).and_then(|service| service.update.as_mut()) {
            update.active.push(one);
        }
        if order == Order::StopFirst {
            for task in &old {
                self.desire(task, TaskState::Shutdown);
            }
        }
    }

    /// Advances the update of one slot; `false` once it is done, or abandoned because the new task failed.
    fn step_slot(&mut self, service: &ServiceId, one: &SlotUpdate) -> bool {
        let Some(new) = self.tasks.get(&one.new) else { return false };
        let runs = new.state == TaskState::Running;
        // An address that cannot be had is no failure: such a task stays in `new`, and the update hangs.
        if matches!(new.state, TaskState::Failed | TaskState::Rejected) {
            self.on_failed_update(service, &one.new);
        }
        if !new_is_wanted(self.tasks.get(&one.new)) {
            return false;
        }
        if one.order == Order::StopFirst && !runs {
            let ended = |id: &TaskId| self.tasks.get(id).is_none_or(|task| !task.state.is_live());
            if one.old.iter().all(ended) {
                self.desire(&one.new, TaskState::Running);
            }
        } else if runs {
            for task in &one.old {
                self.desire(task, TaskState::Shutdown);
            }
        }
        !runs
    }

    /// A new task has failed (`update/updater.go`): the update pauses unless the service says otherwise. A rollback that
    /// fails pauses in any case.
    fn on_failed_update(&mut self, id: &ServiceId, task: &TaskId) {
        let Some(service) = self.services.get(id) else { return };
        let is_rollback = service.update.as_ref().is_some_and(|update| update.is_rollback);
        match service.spec.failure_action {
            FailureAction::Continue if !is_rollback => {}
            FailureAction::Rollback if !is_rollback => {
                let event = Event::RollBack { service: id.clone(), failed: task.clone() };
                self.schedule(self.settings.timings.allocation, event);
            }
            FailureAction::Continue | FailureAction::Pause | FailureAction::Rollback => {
                self.pause_update(id, task);
            }
        }
    }

    fn pause_update(&mut self, service: &ServiceId, task: &TaskId) {
        if let Some(update) = self.services.get_mut(service).and_then(|service| service.update.as_mut()) {
            update.paused_by = Some(task.clone());
        }
    }
}

fn new_is_wanted(task: Option<&Task>) -> bool {
    task.is_some_and(|task| task.is_wanted() && task.state.is_live())
}

/// The slots that a replicated service keeps: the lowest in use, then the lowest free ones. Swarmkit keeps
/// running tasks and an even spread over nodes first, and is otherwise free to choose
/// (`manager/orchestrator/replicated/services.go`); the lowest numbers are this model's choice.
fn wanted_numbers(slots: &BTreeMap<Slot, Vec<TaskId>>, replicas: u64) -> BTreeSet<Slot> {
    let limit = usize::try_from(replicas).unwrap_or(usize::MAX);
    let mut wanted: BTreeSet<Slot> = slots.keys().take(limit).cloned().collect();
    let mut number = 1;
    while wanted.len() < limit {
        wanted.insert(Slot::Number(number));
        number += 1;
    }
    wanted
}
