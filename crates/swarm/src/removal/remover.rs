//! Removing the parts of stacks, in the order of the options.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pvcheck_audit::{NetworkId, ServiceId, Task, TaskState};

use super::drain::{Holding, Leaving, SharedLists, holding};
use super::left::{Left, LeftReason, PartKind};
use super::order::Order;
use super::parts::Parts;
use super::report::{RemovalOptions, StackRemoval};
use crate::engine::{CallError, retry_while, wait_until};
use crate::operation::Operation;
use crate::progress::{Progress, Watcher};
use crate::write::Writer;

/// How long the allocator is given to serve tasks that were just created: thousands take it a second or two.
const SERVED: Duration = Duration::from_secs(3);

pub(super) struct Remover<'a> {
    lists: SharedLists<'a>,
    writer: Writer<'a>,
    options: &'a RemovalOptions,
    watch: Watcher<'a>,
}

impl<'a> Remover<'a> {
    pub(super) fn new(op: Operation<'a>, options: &'a RemovalOptions) -> Self {
        Self { lists: SharedLists::new(op.engine), writer: op.writer(), options, watch: op.watch }
    }

    pub(super) async fn remove(&self, parts: &Parts) -> StackRemoval {
        let mut done = self.remove_all(std::slice::from_ref(parts)).await;
        done.pop().unwrap_or_else(|| parts.begun())
    }

    /// Removes stacks concurrently. All services are removed before any wait begins, because a task of one stack may be
    /// stopping on a network of another.
    pub(super) async fn remove_all(&self, stacks: &[Parts]) -> Vec<StackRemoval> {
        if self.options.order == Order::Drained {
            self.wait_served(stacks).await;
        }
        let services = join_all(stacks.iter().map(|parts| self.remove_services(parts))).await;
        let removed: BTreeSet<ServiceId> = services.iter().flat_map(|(_, ids)| ids.iter().cloned()).collect();
        let rest = stacks.iter().zip(services);
        join_all(rest.map(|(parts, (done, _))| self.remove_rest(parts, &removed, done))).await
    }

    /// Waits until the allocator is not about to give addresses to tasks of these stacks: a task that is removed between
    /// its allocation and the commit of it loses them (`allocation commit failure`, swarmkit
    /// `manager/allocator/network.go`, `procTasksNetwork`). One that waits for longer is given none at the moment.
    async fn wait_served(&self, stacks: &[Parts]) {
        let ours: BTreeSet<&ServiceId> =
            stacks.iter().flat_map(|parts| &parts.services).map(|(id, _)| id).collect();
        if ours.is_empty() {
            return;
        }
        let mut asked = Instant::now();
        wait_until!(SERVED.min(self.options.patience), async {
            let seen = self.lists.after(asked).await;
            asked = Instant::now();
            // Without an answer the removal itself says what is wrong.
            let lists = seen.ok()?;
            let is_new = |task: &Task| {
                task.state == TaskState::New && task.service.as_ref().is_some_and(|id| ours.contains(id))
            };
            (!lists.tasks.iter().any(is_new)).then_some(())
        });
    }

    /// Removes the services; returns the report so far, and the services that are gone.
    async fn remove_services(&self, parts: &Parts) -> (StackRemoval, BTreeSet<ServiceId>) {
        let (mut done, mut gone) = (parts.begun(), BTreeSet::new());
        for (id, name) in &parts.services {
            self.say(PartKind::Service, name);
            let outcome = self.writer.remove_service(id).await;
            // The tasks of a service that could not be removed do not stop; waiting for them would be in vain.
            if outcome.is_ok() {
                gone.insert(id.clone());
            }
            count(&mut done.services, &mut done.left, PartKind::Service, name, refused(outcome));
        }
        (done, gone)
    }

    async fn remove_rest(
        &self,
        parts: &Parts,
        removed: &BTreeSet<ServiceId>,
        mut done: StackRemoval,
    ) -> StackRemoval {
        // The Docker CLI removes secrets and configs before networks (docker/cli, `RunRemove` of `docker stack rm`).
        if self.options.order == Order::StackRm {
            self.remove_stored(parts, &mut done).await;
        }
        let drained = match self.options.order {
            Order::Drained => self.drain(parts, removed).await,
            Order::StackRm => Ok(Holding::default()),
        };
        for (id, name) in &parts.networks {
            let outcome = match &drained {
                Ok(holding) => match holding.used.get(id) {
                    Some(service) => Err(LeftReason::UsedBy { service: service.clone() }),
                    None => refused(self.remove_network(id, name).await),
                },
                // Tasks still stop, or are unknown: a network that stays can be removed later, a lost address cannot.
                Err(why) => Err(why.clone()),
            };
            count(&mut done.networks, &mut done.left, PartKind::Network, name, outcome);
        }
        // Without a network there is no part that the reason could be attached to.
        if let (Err(why), []) = (drained, parts.networks.as_slice()) {
            done.left.push(Left { kind: PartKind::Tasks, name: parts.name.clone(), why });
        }
        if self.options.order == Order::Drained {
            self.remove_stored(parts, &mut done).await;
        }
        done
    }

    async fn remove_stored(&self, parts: &Parts, done: &mut StackRemoval) {
        for (id, name) in &parts.secrets {
            self.say(PartKind::Secret, name);
            let outcome = refused(self.writer.remove_secret(id).await);
            count(&mut done.stored, &mut done.left, PartKind::Secret, name, outcome);
        }
        for (id, name) in &parts.configs {
            self.say(PartKind::Config, name);
            let outcome = refused(self.writer.remove_config(id).await);
            count(&mut done.stored, &mut done.left, PartKind::Config, name, outcome);
        }
    }

    /// Waits until no task would lose an address if the networks were removed; returns which of them other services use.
    ///
    /// Where there are networks, two readings have to say so: a list that lacks a task looks like one without it.
    async fn drain(&self, parts: &Parts, removed: &BTreeSet<ServiceId>) -> Result<Holding, LeftReason> {
        let networks: BTreeSet<NetworkId> = parts.networks.iter().map(|(id, _)| id.clone()).collect();
        let ids = parts.services.iter().map(|(id, _)| id);
        let ours = ids.filter(|id| removed.contains(id)).cloned().collect();
        let leaving = Leaving { ours: &ours, removed, networks: &networks };
        let (waited, kept) = (self.options.patience, !networks.is_empty());
        let (mut asked, mut said) = (Instant::now(), 0);
        let mut left = LeftReason::tasks_stop(BTreeMap::new(), waited, kept);
        let free = wait_until!(self.options.patience, async {
            let mut seen = self.look(&mut asked, &leaving).await;
            if let Ok(first) = &seen
                && first.tasks() == 0
                && kept
            {
                let used = first.used.clone();
                seen = self.look(&mut asked, &leaving).await.map(|again| again.and_used(used));
            }
            match seen {
                Ok(holding) if holding.tasks() == 0 => return Some(holding),
                Ok(holding) => {
                    self.say_waiting(parts, holding.tasks(), &mut said);
                    left = LeftReason::tasks_stop(holding.stopping, waited, kept);
                }
                // A change of leader makes calls fail for seconds, so an error does not end the wait; the patience does.
                Err(error) => {
                    left = LeftReason::TasksUnknown {
                        error: error.to_string(),
                        waited_secs: waited.as_secs(),
                        networks_kept: kept,
                    }
                }
            }
            None
        });
        free.ok_or(left)
    }

    /// What holds the networks by lists that are newer than `asked`, which is then when they were asked for.
    async fn look(&self, asked: &mut Instant, leaving: &Leaving<'_>) -> Result<Holding, CallError> {
        let lists = self.lists.after(*asked).await;
        // The next look needs lists that began later than these.
        *asked = Instant::now();
        lists.map(|lists| holding(&lists.tasks, &lists.services, leaving))
    }

    fn say_waiting(&self, parts: &Parts, tasks: u64, said: &mut u64) {
        if tasks != *said {
            *said = tasks;
            (self.watch)(Progress::Step(format!("{}: waiting for {tasks} task(s) to stop", parts.name)));
        }
    }

    fn say(&self, what: PartKind, name: &str) {
        (self.watch)(Progress::Removing { what: what.as_str(), name: name.to_owned() });
    }

    /// Removes a network, again while Swarm still counts a task on it. A task counts as long as its observed and its desired
    /// state are both up to running (swarmkit `manager/controlapi/network.go`, `removeNetwork`), and the orchestrator
    /// changes the desired state a moment after its service is gone.
    async fn remove_network(&self, id: &NetworkId, name: &str) -> Result<(), CallError> {
        self.say(PartKind::Network, name);
        let in_use = |error: &CallError| error.message().contains("in use by task");
        let patience = self.options.patience;
        retry_while!(patience, in_use, self.writer.remove_network(id, patience))
    }
}

fn refused(outcome: Result<(), CallError>) -> Result<(), LeftReason> {
    outcome.map_err(|error| LeftReason::Refused { error: error.to_string() })
}

fn count(done: &mut u64, left: &mut Vec<Left>, kind: PartKind, name: &str, outcome: Result<(), LeftReason>) {
    match outcome {
        Ok(()) => *done += 1,
        Err(why) => left.push(Left { kind, name: name.to_owned(), why }),
    }
}
