//! Which records of tasks go, and when (swarmkit `manager/orchestrator/taskreaper/task_reaper.go`).

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ServiceId, TaskId};
use crate::model::{Event, Model};
use crate::object::{Slot, Task, Work};
use crate::spec::Mode;
use crate::state::TaskState;

impl Model {
    /// A slot got a new task, so its history is to be looked at. A job keeps all its tasks.
    pub(crate) fn soil(&mut self, service: &ServiceId, slot: &Slot) {
        self.reaper.dirty.entry(service.clone()).or_default().insert(slot.clone());
        self.plan_look();
    }

    fn plan_look(&mut self) {
        if !self.reaper.due {
            self.reaper.due = true;
            self.schedule(self.settings.timings.reap, Event::TrimHistory);
        }
    }

    /// A task has ended: its record goes if it is to be removed, and else it may have been what the look at its slot
    /// waits for.
    pub(crate) fn reap_later(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.desired == TaskState::Remove {
            self.schedule(self.settings.timings.reap, Event::Reap(id.clone()));
        } else if let Work::Service { service, .. } = &task.work
            && self.reaper.dirty.contains_key(service)
        {
            self.plan_look();
        }
    }

    /// Deletes the oldest ended tasks of each slot that got a new one, until no more are left than are kept.
    pub(crate) fn trim_history(&mut self) {
        self.reaper.due = false;
        for (service, slots) in std::mem::take(&mut self.reaper.dirty) {
            if self.services.contains_key(&service) {
                self.trim_slots(&service, &slots);
            }
        }
    }

    fn trim_slots(&mut self, service: &ServiceId, slots: &BTreeSet<Slot>) {
        let mut history: BTreeMap<&Slot, Vec<&Task>> = BTreeMap::new();
        for task in self.tasks_of(service) {
            if let Some(slot) = task.slot().filter(|slot| slots.contains(slot)) {
                history.entry(slot).or_default().push(task);
            }
        }
        let (mut gone, mut still) = (Vec::new(), BTreeSet::new());
        for (slot, mut tasks) in history {
            let excess = tasks.len().saturating_sub(self.settings.task_history);
            if excess == 0 {
                continue;
            }
            tasks.sort_by_key(|task| (task.since, task.meta.seq));
            gone.extend(
                tasks.iter().filter(|task| is_history(task)).take(excess).map(|task| task.id.clone()),
            );
            // With a second task that has not ended, the slot stays on the list.
            if 1 < tasks.iter().filter(|task| !is_history(task)).count() {
                still.insert(slot.clone());
            }
        }
        if !still.is_empty() {
            self.reaper.dirty.insert(service.clone(), still);
        }
        for id in gone {
            self.forget_task(&id);
        }
    }

    /// The slots in which no task is wanted: the next look at the whole service deletes their tasks (swarmkit
    /// `manager/orchestrator/replicated/services.go`, `reconcile`).
    pub(crate) fn dead_slots(&self, service: &ServiceId) -> BTreeSet<Slot> {
        let replicated = |service: &crate::object::Service| matches!(service.spec.mode, Mode::Replicated(_));
        if !self.services.get(service).is_some_and(replicated) {
            return BTreeSet::new();
        }
        let of = |wanted: bool| {
            let tasks = self.tasks_of(service).filter(move |task| !wanted || task.is_wanted());
            tasks.filter_map(|task| task.slot()).collect::<BTreeSet<&Slot>>()
        };
        of(false).difference(&of(true)).map(|slot| (*slot).clone()).collect()
    }

    /// Deletes the tasks of slots that are still dead, also those that have not ended: the allocator takes their addresses
    /// back before their containers are gone.
    pub(crate) fn forget_slots(&mut self, service: &ServiceId, slots: &BTreeSet<Slot>) {
        let dead = self.dead_slots(service);
        let of_dead =
            |task: &&Task| task.slot().is_some_and(|slot| slots.contains(slot) && dead.contains(slot));
        let ids: Vec<TaskId> = self.tasks_of(service).filter(of_dead).map(|task| task.id.clone()).collect();
        for id in ids {
            self.forget_task(&id);
        }
    }

    /// Deletes a task from the store; if it was still live its addresses are released now.
    pub(crate) fn forget_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.state.is_live() {
            self.release_task(id);
        } else {
            self.log_missing_node(id);
        }
        let Some(task) = self.tasks.remove(id) else { return };
        if let Some(service) = task.service()
            && let Some(ids) = self.service_tasks.get_mut(service)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.service_tasks.remove(service);
            }
        }
    }
}

/// What may be deleted: ended, or never to begin.
fn is_history(task: &Task) -> bool {
    !task.state.is_live() || (task.state < TaskState::Assigned && TaskState::Running < task.desired)
}
