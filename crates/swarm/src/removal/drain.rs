//! What a stack's networks wait for before they may go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use pvcheck_audit::{NetworkId, Service, ServiceId, Task, TaskState};
use tokio::sync::Mutex;

use crate::engine::{CallError, Engine};
use crate::read::{read_services, read_tasks};

/// What keeps networks from being removed without a loss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Tasks that would lose addresses if the networks were removed now, by state. They come to an end.
    pub(crate) stopping: BTreeMap<TaskState, u64>,
    /// Networks that a service uses which is not being removed, with its name. They stay.
    pub(crate) used: BTreeMap<NetworkId, String>,
}

impl Holding {
    pub(crate) fn tasks(&self) -> u64 {
        self.stopping.values().sum()
    }
}

/// A stack, or a run, on its way out.
pub(crate) struct Leaving<'a> {
    /// Its services that have been removed.
    pub(crate) ours: &'a BTreeSet<ServiceId>,
    /// These, and those of stacks that are removed at the same time.
    pub(crate) removed: &'a BTreeSet<ServiceId>,
    /// Its networks.
    pub(crate) networks: &'a BTreeSet<NetworkId>,
}

/// What keeps the networks from being removed.
///
/// Not only tasks of the stack's services count. An earlier `service update --network-rm` leaves tasks that still stop on
/// the network, and so does whoever removed services of it a moment ago, an interrupted run perhaps: removing the network
/// under any of them loses its addresses elsewhere.
///
/// `services` must have been read after `tasks`: a service that is made in between is then not taken for one that is gone.
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

/// A task whose observed state is past running holds nothing any more: the allocator hears of the states of tasks and of
/// the removal of networks in the order in which they are stored (swarmkit `manager/state/store/memory.go`, `update`),
/// so whoever removes a network after having seen that state comes second. The task itself stays in the store for another
/// quarter of a second, until the reaper's next batch (`manager/orchestrator/taskreaper`).
fn holds_up(task: &Task, alive: &BTreeMap<&ServiceId, &Service>, leaving: &Leaving<'_>) -> bool {
    if !task.state.holds_addresses() {
        return false;
    }
    let mut on =
        task.attachments.iter().map(|(id, _)| id).filter(|id| leaving.networks.contains(*id)).peekable();
    let attached = on.peek().is_some();
    match task.service.as_ref() {
        Some(id) if leaving.ours.contains(id) => true,
        // What its service wants on a network stays there, and so does the network.
        Some(id) if task.is_wanted() => {
            let keeps = |service: &&Service| on.all(|network| service.networks.contains(network));
            attached && !alive.get(id).is_some_and(keeps)
        }
        _ => attached,
    }
}

/// Tasks and services as one look saw them.
#[derive(Debug)]
pub(crate) struct Look {
    began: Instant,
    pub(crate) tasks: Vec<Task>,
    pub(crate) services: Vec<Service>,
}

/// Looks that all stacks share which are removed side by side: many stacks must not ask the engine more often than one.
pub(crate) struct Looks<'a> {
    engine: &'a Engine,
    last: Mutex<Option<Arc<Look>>>,
}

impl<'a> Looks<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine, last: Mutex::new(None) }
    }

    /// A look that began after `moment`.
    pub(crate) async fn after(&self, moment: Instant) -> Result<Arc<Look>, CallError> {
        let mut last = self.last.lock().await;
        if let Some(look) = last.as_ref().filter(|look| moment < look.began) {
            return Ok(Arc::clone(look));
        }
        let began = Instant::now();
        let tasks = read_tasks(self.engine).await?;
        let look = Arc::new(Look { began, tasks, services: read_services(self.engine).await? });
        *last = Some(Arc::clone(&look));
        Ok(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvcheck_audit::TaskId;
    use pvcheck_audit::{EndpointMode, Runtime, ServiceMode};

    fn service(id: &str, networks: &[&str]) -> Service {
        Service {
            id: ServiceId::new(id),
            name: format!("{id}_app"),
            mode: ServiceMode::Replicated(1),
            endpoint: EndpointMode::Vip,
            networks: networks.iter().map(|n| NetworkId::new(*n)).collect(),
            publishes_ingress: false,
            vips: Vec::new(),
            stack: None,
            run: None,
            created: None,
            updated: None,
            update_order: pvcheck_audit::UpdateOrder::StopFirst,
            update: None,
        }
    }

    fn task(of: Option<&str>, networks: &[&str], state: TaskState, desired: TaskState) -> Task {
        Task {
            id: TaskId::new("t"),
            service: of.map(ServiceId::new),
            slot: None,
            node: None,
            runtime: if of.is_some() { Runtime::Container } else { Runtime::Attachment },
            state,
            desired,
            since: None,
            error: String::new(),
            container: None,
            attachments: networks.iter().map(|n| (NetworkId::new(*n), Vec::new())).collect(),
        }
    }

    /// Service, networks, state, wanted state, and whether it holds them up.
    type Row<'a> = (Option<&'a str>, &'a [&'a str], TaskState, TaskState, bool);

    /// Stack `ours` with network `private` goes; `other` goes at the same time; `guest` stays.
    #[test]
    fn who_holds_up_the_removal_of_a_network() {
        use TaskState::{New, Remove, Running, Shutdown};
        let services = [service("guest", &["lent"]), service("ours", &["private"])];
        let set = |ids: &[&str]| ids.iter().map(|id| ServiceId::new(*id)).collect::<BTreeSet<_>>();
        let (ours, removed) = (set(&["ours"]), set(&["ours", "other"]));
        let networks = ["private", "lent"].map(NetworkId::new).into();
        let leaving = Leaving { ours: &ours, removed: &removed, networks: &networks };
        let table: [Row<'_>; 14] = [
            // Its own, wherever they are, until they have stopped.
            (Some("ours"), &["private", "shared"], Running, Remove, true),
            (Some("ours"), &[], New, Remove, true),
            (Some("ours"), &["private"], Shutdown, Remove, false),
            // Another stack's that goes as well.
            (Some("other"), &["lent"], Running, Remove, true),
            (Some("other"), &["shared"], Running, Remove, false),
            // One that stays, and its task with it; and the tasks that an update took off, or that it replaced.
            (Some("guest"), &["lent"], Running, Running, false),
            (Some("guest"), &["private"], Running, Shutdown, true),
            (Some("guest"), &["private"], Running, Running, true),
            (Some("guest"), &["lent"], Running, Shutdown, true),
            (Some("guest"), &["private"], Shutdown, Shutdown, false),
            // Of services that somebody removed before.
            (Some("gone"), &["private"], Running, Remove, true),
            (Some("gone"), &["shared"], Running, Remove, false),
            // Containers that were attached by hand.
            (None, &["lent"], Running, Running, true),
            (None, &["shared"], Running, Running, false),
        ];
        for (of, on, state, desired, holds) in table {
            let found = holding(&[task(of, on, state, desired)], &services, &leaving);
            assert_eq!(found.tasks(), u64::from(holds), "{of:?} on {on:?}, {state:?}, wanted {desired:?}");
            let used = [(NetworkId::new("lent"), "guest_app".to_owned())];
            assert_eq!(found.used, BTreeMap::from(used), "what goes uses nothing");
        }
    }
}
