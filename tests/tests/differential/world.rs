//! The model as the reference: proptest makes sequences of steps by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use pvcheck_sim::{Engine, Model, Settings};
use serde_json::Value;

use crate::log;
use crate::operation::{Draft, Mode, NETWORKS, Operation, some_operation};
use crate::run::SETTINGS;
use crate::seen::Seen;
use crate::side::{Answer, Book, Result, Side};

/// Model time within which all that is due happens: an update is watched for 5 s, a job's task is tried again after 5 s.
const SETTLED: Duration = Duration::from_mins(1);

/// The model, and what it showed after the last step.
#[derive(Clone)]
pub(crate) struct World {
    model: Model,
    pub(crate) book: Book,
    /// Whether the services of this sequence run containers.
    pub(crate) runs: bool,
    pub(crate) answers: Vec<Answer>,
    pub(crate) seen: Seen,
    pub(crate) signatures: BTreeSet<String>,
    pub(crate) tasks_left: usize,
    /// Whether the last step made something wait for addresses that others gave up one by one: how often it was tried
    /// again depends on how many of them did so in one transaction.
    pub(crate) retries: bool,
    /// Whether the last step was a restart of the engine.
    restarted: bool,
    /// Networks whose addresses are only counted from here on, because Swarm chose at random.
    pub(crate) counted: BTreeSet<u8>,
    /// The networks that a service has been on.
    wants: BTreeMap<u8, BTreeSet<u8>>,
    /// Services that replace all tasks at once.
    at_once: BTreeSet<u8>,
    /// Services that have begun to replace several tasks one by one, and have tasks of both kinds from then on.
    halfway: BTreeSet<u8>,
    read: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.runs { "with containers" } else { "without containers" })
    }
}

impl World {
    pub(crate) fn new(engine: Engine, runs: bool) -> Self {
        let mut settings = Settings { engine, ..Settings::default() };
        // Model time runs ahead by a minute per step; on the real engine no sequence takes as long as this retry.
        settings.timings.retry = Duration::from_hours(1_000);
        let mut model = Model::with_settings(settings);
        model.advance(SETTLED);
        let (_, read) = model.log_since(0);
        Self {
            model,
            book: Book::default(),
            runs,
            answers: Vec::new(),
            seen: Seen::default(),
            signatures: BTreeSet::new(),
            tasks_left: 0,
            retries: false,
            restarted: false,
            counted: BTreeSet::new(),
            wants: BTreeMap::new(),
            at_once: BTreeSet::new(),
            halfway: BTreeSet::new(),
            read,
        }
    }

    pub(crate) fn perform(mut self, operation: &Operation) -> Self {
        let before = self.seen.clone();
        let mut book = std::mem::take(&mut self.book);
        let answers = operation.perform(&mut self, &mut book);
        self.model.advance(SETTLED);
        self.answers = answers.unwrap_or_default();
        self.seen = Seen::of(&mut self, &book).unwrap_or_default();
        self.book = book;
        let (lines, end) = self.model.log_since(self.read);
        let lines: Vec<String> = lines.collect();
        self.signatures = log::signatures(lines.iter().map(String::as_str));
        self.read = end;
        self.note(operation, &before);
        self
    }

    /// Learns what the model does not show: the choices that Swarm makes at random.
    fn note(&mut self, operation: &Operation, before: &Seen) {
        // What waits is tried again whenever something is freed, and how often that is depends on how many of the tasks that
        // end do so in one transaction.
        let waited = before.waiting();
        let short = self.signatures.iter().any(|id| id.contains("exhausted"));
        self.restarted = *operation == Operation::Restart;
        self.retries = short && (operation.is_change() || !waited.is_empty());
        for service in waited {
            self.count_only(service);
        }
        if self.answers.last().is_some_and(|answer| 300 <= answer.status) {
            return;
        }
        match operation {
            Operation::SetNetworks(service, networks) => {
                self.wants.entry(*service).or_default().extend(networks);
            }
            Operation::Create(draft) => {
                self.wants.insert(draft.service, draft.networks.iter().copied().collect());
                keep(&mut self.at_once, draft.service, draft.at_once);
                self.halfway.remove(&draft.service);
            }
            _ => {}
        }
        if let Some(service) = operation.changed()
            && !self.at_once.contains(&service)
            && 1 < live(before, service)
        {
            self.halfway.insert(service);
        }
        match operation {
            // Swarm takes the slots of a service in the order of a Go map, and the sort that follows leaves equal ones as
            // they are (swarmkit `manager/orchestrator/replicated/services.go`, `reconcile`).
            Operation::Scale(service, replicas)
                if 0 < *replicas && *replicas < live(before, *service) as u64 =>
            {
                self.count_only(*service);
            }
            // So does an update, which has to stop at its first task where no node can run the new one. Where addresses run
            // short, it depends on when the scheduler ends the old tasks, and in which order, which of their addresses the
            // new ones get.
            Operation::SetNetworks(service, _)
            | Operation::SetResolution(service, _)
            | Operation::Force(service)
                if 1 < live(before, *service) && (short || !self.at_once.contains(service)) =>
            {
                self.count_only(*service);
            }
            _ => {}
        }
    }

    fn count_only(&mut self, service: u8) {
        self.counted.extend(self.wants.get(&service).into_iter().flatten());
    }

    pub(crate) fn waiting(&self) -> BTreeSet<u8> {
        self.seen.waiting()
    }

    fn services(&self) -> Vec<u8> {
        self.seen.services.iter().filter(|(_, service)| service.exists).map(|(number, _)| *number).collect()
    }

    /// Whether these are the signatures that the last step should have left.
    pub(crate) fn has_logged(&self, signatures: &BTreeSet<String>) -> bool {
        let open: &[&str] = match (self.retries, self.restarted) {
            (true, _) => &log::RETRIED,
            (false, true) => &log::OF_ORPHANS,
            (false, false) => &[],
        };
        let decided = |all: &BTreeSet<String>| -> BTreeSet<String> {
            all.iter().filter(|id| !open.contains(&id.as_str())).cloned().collect()
        };
        let short = signatures.iter().any(|id| id.contains("exhausted"));
        (short || !self.retries) && decided(signatures) == decided(&self.signatures)
    }

    pub(crate) fn is_replicated(&mut self, service: u8) -> bool {
        let path = format!("/services/{}", self.book.service(service));
        self.call("GET", &path, None)
            .is_ok_and(|answer| answer.value["Spec"]["Mode"].get("Replicated").is_some())
    }
}

fn keep(set: &mut BTreeSet<u8>, service: u8, is_in: bool) {
    set.remove(&service);
    set.extend(is_in.then_some(service));
}

/// Tasks that have not ended.
fn live(seen: &Seen, service: u8) -> usize {
    let tasks = seen.services.get(&service).into_iter().flat_map(|service| &service.tasks);
    tasks.filter(|((state, ..), _)| state != "shutdown").map(|(_, count)| count).sum()
}

impl Side for World {
    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let path = format!("/v1.{}{path}", self.model.settings().engine.api_minor);
        let response = self.model.respond(method, &path, &body);
        Ok(Answer { status: response.status, value: response.value() })
    }

    fn restart(&mut self) -> Result<()> {
        self.model.restart_engine();
        Ok(())
    }

    fn lags(&self) -> bool {
        false
    }

    fn until_scheduled(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn until_allocated(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn note_tasks_left(&mut self, count: usize) {
        self.tasks_left = count;
    }
}

/// Sequences for an engine's version.
pub(crate) struct Machine;

impl ReferenceStateMachine for Machine {
    type State = World;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<World> {
        let (engine, running, _) = SETTINGS.get();
        prop::bool::weighted(running).prop_map(move |runs| World::new(engine, runs)).boxed()
    }

    fn transitions(world: &World) -> BoxedStrategy<Operation> {
        let networks: Vec<u8> = world.seen.networks.iter().copied().collect();
        some_operation(&networks, &world.services(), world.runs, SETTINGS.get().2)
    }

    fn apply(world: World, operation: &Operation) -> World {
        world.perform(operation)
    }

    /// Where several services wait, Swarm serves them in the order of a Go map: at most one may.
    fn preconditions(world: &World, operation: &Operation) -> bool {
        if let Operation::Scale(service, replicas) = operation
            && let Some(seen) = world.seen.services.get(service)
        {
            // With an update under way it matters which slots go.
            let fewer = 0 < *replicas && *replicas < live(&world.seen, *service) as u64;
            if (fewer && 1 < seen.tasks.len()) || (seen.exists && !world.clone().is_replicated(*service)) {
                return false;
            }
        }
        if let Operation::Create(Draft {
            mode: Mode::ReplicatedJob(_) | Mode::GlobalJob, runs: true, ..
        }) = operation
        {
            return false;
        }
        // A change of a service frees addresses, for which its old and new tasks and all others that wait compete.
        let rival = operation.is_change() && !world.waiting().is_empty();
        // Which slot an update takes first is open, and so it is whether one takes those that the one before has done.
        let halfway = |service: u8| world.halfway.contains(&service);
        // A new leader's orchestrator goes on with a rollout while its scheduler lists what is to be scheduled; a task that it
        // ends before that is forgotten.
        let halfway = match operation {
            Operation::Restart => world.services().into_iter().any(halfway),
            _ => operation.changed().is_some_and(halfway),
        };
        if rival || halfway {
            return false;
        }
        let after = world.clone().perform(operation);
        let has = |part: &str| after.signatures.iter().any(|id| id.contains(part));
        // Each attempt at a VIP that comes too early leaks what it took (L2), and how many there are depends on how many old
        // tasks end in one transaction.
        let attempts = (has("vip-exhausted")
            && operation.changed().is_some_and(|service| 0 < live(&world.seen, service)))
            || (operation.frees().is_some_and(|service| world.seen.others_leak(service)));
        // A task that waits for its node's own address fails by a time limit of the node.
        let node_waits = world.runs && has("lb-exhausted");
        !attempts && !node_waits && after.waiting().len() < 2
    }
}

/// The networks that are there, for a last look at what each has free.
pub(crate) fn last_look(world: &World) -> Vec<Operation> {
    if world.waiting().is_empty() {
        let numbers = 0..NETWORKS;
        numbers.filter(|network| world.seen.networks.contains(network)).map(Operation::Exhaust).collect()
    } else {
        Vec::new()
    }
}
