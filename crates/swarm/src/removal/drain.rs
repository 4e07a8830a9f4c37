//! What has to end before a stack's networks can be removed without a loss.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use pvcheck_audit::{NetworkId, Service, ServiceId, Task, TaskState};
use tokio::sync::Mutex;

use crate::engine::{CallError, Engine};
use crate::read::{read_services, read_tasks};

/// What keeps networks from being removed without a loss of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Tasks that would lose addresses if the networks were removed now, by observed state. They are stopping.
    pub(crate) stopping: BTreeMap<TaskState, u64>,
    /// Networks that a service outside of the removal uses, with that service's name. They are not removed.
    pub(crate) used: BTreeMap<NetworkId, String>,
}

impl Holding {
    pub(crate) fn tasks(&self) -> u64 {
        self.stopping.values().sum()
    }

    /// With what other services used at an earlier look, which stays too.
    pub(crate) fn and_used(mut self, used: BTreeMap<NetworkId, String>) -> Self {
        self.used.extend(used);
        self
    }
}

/// A stack, or a run, that is being removed.
pub(crate) struct Leaving<'a> {
    /// Its services that have been removed.
    pub(crate) ours: &'a BTreeSet<ServiceId>,
    /// `ours`, and the services of stacks that are removed at the same time.
    pub(crate) removed: &'a BTreeSet<ServiceId>,
    /// Its networks.
    pub(crate) networks: &'a BTreeSet<NetworkId>,
}

/// What keeps the networks of `leaving` from being removed.
///
/// Tasks of other services count too. A `service update --network-rm`, or an interrupted removal, may have left tasks that
/// are still stopping on the network; removing it under any of them loses that task's addresses on its other networks.
///
/// `services` must have been read after `tasks`: otherwise a service that is created in between would be taken for one that
/// is gone.
pub(crate) fn holding(tasks: &[Task], services: &[Service], leaving: &Leaving<'_>) -> Holding {
    let stays = |s: &&Service| !leaving.removed.contains(&s.id);
    let alive: BTreeMap<&ServiceId, &Service> =
        services.iter().filter(stays).map(|service| (&service.id, service)).collect();
    let mut found = Holding::default();
    for service in alive.values() {
        for network in service.networks.iter().filter(|n| leaving.networks.contains(*n)) {
            found.used.entry(network.clone()).or_insert_with(|| service.name.clone());
        }
    }
    for task in tasks.iter().filter(|task| holds_up(task, &alive, leaving)) {
        *found.stopping.entry(task.state).or_default() += 1;
    }
    found
}

/// True iff the task would lose addresses if the networks were removed now.
///
/// A task whose observed state is past running holds none: the allocator receives task states and network removals in the
/// order in which they are stored (swarmkit `manager/state/store/memory.go`, `update`), so it has freed the addresses
/// before it sees a removal that follows that state. The task itself stays in the store for another quarter of a second,
/// until the reaper's next batch (`manager/orchestrator/taskreaper`).
fn holds_up(task: &Task, alive: &BTreeMap<&ServiceId, &Service>, leaving: &Leaving<'_>) -> bool {
    if !task.state.holds_addresses() {
        return false;
    }
    let mut on =
        task.attachments.iter().map(|(id, _)| id).filter(|id| leaving.networks.contains(*id)).peekable();
    let attached = on.peek().is_some();
    match task.service.as_ref() {
        // Not yet attached counts as well: an unallocated task may still get its addresses before it stops.
        Some(id) if leaving.ours.contains(id) => true,
        // A task that its service keeps on the network does not stop. The network is then in `used` and stays, so there is
        // nothing to wait for; waiting would only use up the patience.
        Some(id) if task.is_wanted() => {
            let keeps = |service: &&Service| on.all(|network| service.networks.contains(network));
            attached && !alive.get(id).is_some_and(keeps)
        }
        _ => attached,
    }
}

/// Tasks and services, read at about the same time.
#[derive(Debug)]
pub(crate) struct Lists {
    began: Instant,
    pub(crate) tasks: Vec<Task>,
    pub(crate) services: Vec<Service>,
}

/// The lists that all stacks of one removal share, so that removing many stacks at once costs the engine no more calls than
/// removing one.
pub(crate) struct SharedLists<'a> {
    engine: &'a Engine,
    last: Mutex<Option<Arc<Lists>>>,
}

impl<'a> SharedLists<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine, last: Mutex::new(None) }
    }

    /// Lists whose reading began after `moment`: the last ones if they are new enough, else new ones. The
    /// mutex is held while they are read, so that stacks that wait at the same time share one reading.
    pub(crate) async fn after(&self, moment: Instant) -> Result<Arc<Lists>, CallError> {
        let mut last = self.last.lock().await;
        if let Some(lists) = last.as_ref().filter(|lists| moment < lists.began) {
            return Ok(Arc::clone(lists));
        }
        let began = Instant::now();
        let tasks = read_tasks(self.engine).await?;
        let lists = Arc::new(Lists { began, tasks, services: read_services(self.engine).await? });
        *last = Some(Arc::clone(&lists));
        Ok(lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{service, task};

    /// Service, networks, observed state, desired state, and whether the removal has to wait for the task.
    type Row<'a> = (Option<&'a str>, &'a [&'a str], TaskState, TaskState, bool);

    /// Stack `ours` with the networks `private` and `lent` is removed, `other` at the same time; `guest` stays.
    #[test]
    fn which_tasks_a_removal_waits_for() {
        use TaskState::{New, Remove, Running, Shutdown};
        let services = [service("guest", &["lent"]), service("ours", &["private"])];
        let set = |ids: &[&str]| ids.iter().map(|id| ServiceId::new(*id)).collect::<BTreeSet<_>>();
        let (ours, removed) = (set(&["ours"]), set(&["ours", "other"]));
        let networks = ["private", "lent"].map(NetworkId::new).into();
        let leaving = Leaving { ours: &ours, removed: &removed, networks: &networks };
        let table: [Row<'_>; 14] = [
            // Its own, on any network, until they have stopped.
            (Some("ours"), &["private", "shared"], Running, Remove, true),
            (Some("ours"), &[], New, Remove, true),
            (Some("ours"), &["private"], Shutdown, Remove, false),
            // Those of another stack that is removed as well.
            (Some("other"), &["lent"], Running, Remove, true),
            (Some("other"), &["shared"], Running, Remove, false),
            // Those of a service that stays: on a network of its spec, and on one that an update took away; running and replaced.
            (Some("guest"), &["lent"], Running, Running, false),
            (Some("guest"), &["private"], Running, Shutdown, true),
            (Some("guest"), &["private"], Running, Running, true),
            (Some("guest"), &["lent"], Running, Shutdown, true),
            (Some("guest"), &["private"], Shutdown, Shutdown, false),
            // Those of a service that was removed before.
            (Some("gone"), &["private"], Running, Remove, true),
            (Some("gone"), &["shared"], Running, Remove, false),
            // Containers that were attached by hand.
            (None, &["lent"], Running, Running, true),
            (None, &["shared"], Running, Running, false),
        ];
        for (of, on, state, desired, holds) in table {
            let found = holding(&[task(of, on, state, desired)], &services, &leaving);
            assert_eq!(found.tasks(), u64::from(holds), "{of:?} on {on:?}, {state:?}, desired {desired:?}");
            let used = [(NetworkId::new("lent"), "guest_app".to_owned())];
            assert_eq!(found.used, BTreeMap::from(used), "a service that is removed uses nothing");
        }
    }
}
