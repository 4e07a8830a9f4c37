//! A renewal, one that is finished by another process, and one that is undone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use pvcheck_ipam::Subnet;
use pvcheck_sim::{Fault, Model, RequestRecord, ServiceDraft, Sim};
use pvcheck_swarm::{
    Direction, Engine, Operation, Phase, Renewal, RenewalError, RenewalOptions, RenewalPoint,
    RenewalStrategy, RunId, leftover_runs, plan_renewal, renew, resume_renewal, roll_back_renewal, silent,
    sweep_run, unfinished_renewal,
};
use serde_json::Value;

use crate::harness::{ENDS, Faulted, WAIT, every_case, healthy, hit};
use crate::renewals::{facts, killed_at, options, request, settings, specs, subnet};
use crate::support::{PATIENCE, connect, fresh, leak, list, network, objects, permit, service, start};

const NARROW: &str = "10.10.0.0/27";
const WIDE: &str = "10.10.0.0/16";
/// Short, so that a case can wait for a lock that was left to expire.
const LOCK: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Apply,
    Resume,
    Rollback,
}

struct Renewing {
    how: How,
    strategy: RenewalStrategy,
    /// What each case begins with.
    model: Model,
    /// What was there before any renewal.
    before: Really,
    /// What is there before this one.
    begun: Really,
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {}", self.how, self.strategy.as_str())
    }
}

/// What it came to.
#[derive(Debug)]
enum Told {
    Done(Box<Renewal>),
    /// Not begun, with the reasons.
    Refused(Vec<String>),
    /// Put back; what is not as it was.
    RolledBack {
        why: String,
        changed: Vec<String>,
    },
    Failed(String),
}

/// What is really there.
#[derive(Clone, Debug, PartialEq)]
struct Really {
    specs: BTreeMap<String, Value>,
    settings: Value,
    /// Services and how many tasks of theirs run on the networks of their specs.
    running: BTreeMap<String, usize>,
    ours: BTreeSet<String>,
    others: BTreeSet<String>,
    /// Lost addresses of the networks that stay.
    leaked: usize,
}

impl Really {
    fn is(sim: &Sim) -> Self {
        let (ours, mut others) = objects(sim);
        // It is created again.
        others.retain(|object| !object.starts_with("networks proxy "));
        let (running, leaked) = sim.with_model(running_and_leaked);
        Self { specs: specs(sim), settings: settings(sim), running, ours, others, leaked }
    }

    /// All but the lock, and but for tasks, which a restart of the engine replaces.
    fn standing(&self) -> Self {
        let mut really = Self { running: BTreeMap::new(), ..self.clone() };
        really.ours.retain(|object| !object.starts_with("configs pvcheck-lock "));
        really
    }

    fn subnet(&self) -> &str {
        self.settings["IPAM"]["Config"][0]["Subnet"].as_str().unwrap_or("none")
    }

    /// What differs from `before` but for the network's subnet, which has to be this one; and tasks, where `tasks`.
    fn differs(&self, before: &Self, wanted: &str, tasks: bool) -> Option<String> {
        let mut settings = before.settings.clone();
        settings["IPAM"]["Config"][0]["Subnet"] = wanted.into();
        if self.settings != settings {
            return Some(format!("proxy is {:#}, and should be {settings:#}", self.settings));
        }
        if self.specs != before.specs {
            return Some(format!("services are {:?}, and were {:?}", self.specs, before.specs));
        }
        if self.others != before.others {
            return Some(format!("of others there is {:?}, and was {:?}", self.others, before.others));
        }
        if tasks && self.running != before.running {
            return Some(format!("tasks are {:?}, and were {:?}", self.running, before.running));
        }
        (before.leaked < self.leaked).then(|| format!("{} addresses were lost", self.leaked))
    }
}

fn running_and_leaked(model: &mut Model) -> (BTreeMap<String, usize>, usize) {
    let (services, tasks) = (list(model, "services"), list(model, "tasks"));
    let runs = |service: &Value| {
        let name = service["Spec"]["Name"].as_str().unwrap_or_default().to_owned();
        let on = |list: &Value, id: fn(&Value) -> &Value| -> BTreeSet<String> {
            let entries = list.as_array().into_iter().flatten();
            entries.filter_map(|entry| id(entry).as_str().map(str::to_owned)).collect()
        };
        let wanted = on(&service["Spec"]["TaskTemplate"]["Networks"], |entry| &entry["Target"]);
        let settled = |task: &&Value| {
            task["ServiceID"] == service["ID"]
                && task["Status"]["State"] == "running"
                && task["DesiredState"] == "running"
                && on(&task["NetworksAttachments"], |entry| &entry["Network"]["ID"]).is_superset(&wanted)
        };
        (name, tasks.iter().filter(settled).count())
    };
    let running = services.iter().map(runs).collect();
    let truth = model.truth();
    let stays = truth.networks.iter().filter(|n| n.name != "proxy" && !n.name.starts_with("pvcheck-"));
    (running, stays.map(|n| n.leaked.len()).sum())
}

/// Every task with its state, as a failure shows them.
fn shown_tasks(sim: &Sim) -> String {
    let tasks = sim.with_model(|model| list(model, "tasks"));
    let shown = |task: &Value| {
        let service = task["ServiceID"].as_str().unwrap_or("none");
        let (wanted, status) = (&task["DesiredState"], &task["Status"]);
        format!("of {service} {wanted}, is {} ({})", status["State"], status["Message"])
    };
    tasks.iter().map(shown).collect::<Vec<_>>().join("; ")
}

/// By recreation on an engine that does not say how many addresses are leaked, so that a census counts the room first.
fn world(strategy: RenewalStrategy) -> Model {
    let mut model = fresh();
    model.settings_mut().engine = match strategy {
        RenewalStrategy::Bridge => pvcheck_sim::Engine::V29_7,
        RenewalStrategy::Recreate => pvcheck_sim::Engine::V20_10,
    };
    network(&mut model, "proxy", NARROW);
    network(&mut model, "private", "10.20.0.0/28");
    service(&mut model, ServiceDraft::new("router").on("proxy").publish(80, 80, "host"));
    service(&mut model, ServiceDraft::new("app").on("private").on("proxy"));
    service(&mut model, ServiceDraft::new("resident").on("private"));
    leak(&mut model, "proxy", 2);
    model
}

/// Interrupts a renewal where there is a way on, or a long way back.
async fn interrupt(sim: &Sim, how: How, strategy: RenewalStrategy) {
    let (at, step, phase) = match (how, strategy) {
        (How::Apply, _) => return,
        // The old network is gone, and the new one is not there.
        (How::Resume, RenewalStrategy::Bridge) => (6, "remove", Phase::Acted),
        (How::Resume, RenewalStrategy::Recreate) => (3, "remove", Phase::Acted),
        // One of two is on the new network alone.
        (How::Rollback, RenewalStrategy::Bridge) => (10, "leave-holding", Phase::Acted),
        (How::Rollback, RenewalStrategy::Recreate) => (5, "leave-holding", Phase::Acted),
    };
    let point = RenewalPoint { direction: Direction::Forward, at, step: step.into(), phase };
    killed_at(sim, strategy, &point).await;
}

impl Renewing {
    async fn new(how: How, strategy: RenewalStrategy) -> Self {
        let sim = start(world(strategy));
        let before = Really::is(&sim);
        interrupt(&sim, how, strategy).await;
        Self { how, strategy, model: sim.with_model(|model| model.clone()), before, begun: Really::is(&sim) }
    }

    /// The subnet that it is to have afterwards.
    fn wanted(&self) -> &'static str {
        if self.how == How::Rollback { NARROW } else { WIDE }
    }

    async fn run(&self, engine: &Engine) -> Told {
        let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
        let op = Operation::new(engine, permit(), &run, &silent);
        let options = RenewalOptions {
            patience: WAIT,
            lock_lasts: LOCK,
            break_lock: (self.how != How::Apply).then(|| "it was killed".to_owned()),
            ..options(state.path(), &|_| ())
        };
        let outcome = match self.how {
            How::Apply => match facts(engine).await {
                Ok(facts) => {
                    let plan = plan_renewal(&facts, &request(self.strategy), &[]);
                    renew(op, &plan, &options).await
                }
                Err(error) => return Told::Failed(error.to_string()),
            },
            How::Resume => resume_renewal(op, &options).await,
            How::Rollback => roll_back_renewal(op, &options).await,
        };
        match outcome {
            Ok(done) => Told::Done(Box::new(done)),
            Err(RenewalError::Refused { plan }) => Told::Refused(plan.reasons()),
            Err(RenewalError::RolledBack { why, changed }) => {
                Told::RolledBack { why: why.to_string(), changed }
            }
            Err(error) => Told::Failed(error.to_string()),
        }
    }

    /// Done, put back, not begun, or to be gone on with: and each of these is said, and is so.
    fn judge(&self, told: &Told, after: &Really, open: bool) -> Result<(), String> {
        let as_it_should = |wanted: &str, tasks: bool| {
            if open {
                return Err(format!("{told:?}, and it is not finished"));
            }
            if !after.ours.is_empty() {
                return Err(format!("{told:?}, and there is {:?}", after.ours));
            }
            after
                .differs(&self.before, wanted, tasks)
                .map_or(Ok(()), |what| Err(format!("{told:?}, and {what}")))
        };
        match told {
            Told::Done(done) => {
                let pools: Vec<Subnet> = done.pools.iter().map(|pool| pool.subnet).collect();
                if !done.changed.is_empty() || pools != [subnet(self.wanted())] {
                    return Err(format!("{told:?}"));
                }
                as_it_should(self.wanted(), true)
            }
            Told::RolledBack { why, changed }
                if self.how == How::Apply && changed.is_empty() && !why.is_empty() =>
            {
                as_it_should(NARROW, true)
            }
            Told::Refused(reasons) if self.how == How::Apply && !reasons.is_empty() => {
                as_it_should(NARROW, false)
            }
            Told::RolledBack { .. } | Told::Refused(_) => Err(format!("{told:?}")),
            Told::Failed(line) => {
                if line.is_empty() || line.contains('\n') {
                    return Err(format!("not one line: {line:?}"));
                }
                if open {
                    // A resumed one that has failed before it took it over leaves what there was, but for the lock.
                    let untouched = self.how != How::Apply && after.standing() == self.begun.standing();
                    let said = line.contains("`pvcheck resize");
                    return if said || untouched {
                        Ok(())
                    } else {
                        Err(format!("it is to be gone on with, and that is not said: {line}"))
                    };
                }
                if self.how != How::Apply {
                    return Err(format!("it has ended, and is said to have failed: {line}"));
                }
                // `services NAME ID`.
                let is_named = |object: &String| {
                    object.split(' ').nth(1).is_some_and(|name| line.contains(name))
                        && line.contains("`pvcheck sweep --apply`")
                };
                if !after.ours.is_empty() && after.ours.iter().all(is_named) {
                    let subnet = after.subnet();
                    return if subnet == NARROW { Ok(()) } else { Err(format!("it has {subnet}: {line}")) };
                }
                as_it_should(NARROW, false)
            }
        }
    }

    /// On a healthy engine it can be finished and undone, and nothing of it is left.
    async fn ends(&self, sim: &Sim, back: bool) -> Result<(), String> {
        let engine = healthy(sim).await?;
        let open = unfinished_renewal(&engine).await.map_err(|e| e.to_string())?.is_some();
        let wanted = if open {
            let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
            let op = Operation::new(&engine, permit(), &run, &silent);
            let options =
                RenewalOptions { break_lock: Some("it has failed".into()), ..options(state.path(), &|_| ()) };
            let done =
                if back { roll_back_renewal(op, &options).await } else { resume_renewal(op, &options).await };
            let done = done.map_err(|error| {
                format!("not to be gone on with, back {back}: {error}; tasks: {}", shown_tasks(sim))
            })?;
            if !done.changed.is_empty() {
                return Err(format!("gone on with, back {back}: {:?}", done.changed));
            }
            if done.direction == Direction::Forward { WIDE } else { NARROW }
        } else {
            let now = Really::is(sim);
            if now.subnet() == WIDE { WIDE } else { NARROW }
        };
        if open && back && wanted != NARROW {
            return Err("it was to be undone".into());
        }
        for (run, _) in leftover_runs(&engine).await.map_err(|e| e.to_string())? {
            let op = Operation::new(&engine, permit(), &run, &silent);
            sweep_run(op, PATIENCE).await.map_err(|error| format!("no sweep: {error}"))?;
        }
        // Tasks come back after a restart of the engine.
        let since = std::time::Instant::now();
        loop {
            let now = Really::is(sim);
            let left = (!now.ours.is_empty()).then(|| format!("it leaves {:?}", now.ours));
            let Some(wrong) = left.or_else(|| now.differs(&self.before, wanted, true)) else { return Ok(()) };
            if PATIENCE < since.elapsed() {
                return Err(format!("gone on with (open {open}, back {back}): {wrong}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What an operation that does not end is doing: its last calls, without those that keep its lock.
fn endless(sim: &Sim) -> String {
    let requests = sim.requests();
    let keeps_lock =
        |call: &&RequestRecord| call.target.contains("/configs/") || call.target.ends_with("/info");
    let own: Vec<_> = requests.iter().filter(|call| !keeps_lock(call)).collect();
    let last = own.iter().rev().take(8).rev().map(|call| format!("{} {}", call.method, call.target));
    format!("it does not end; {} calls, the last: {}", own.len(), last.collect::<Vec<_>>().join("; "))
}

impl Faulted for Renewing {
    fn rotation(&self) -> usize {
        // Each case is a whole renewal.
        120
    }

    async fn calls(&self) -> Vec<RequestRecord> {
        let sim = start(self.model.clone());
        let engine = connect(&sim).await;
        let told = self.run(&engine).await;
        assert!(matches!(told, Told::Done(_)), "{self:?} without a fault: {told:?}");
        let requests = sim.requests();
        assert_eq!(self.judge(&told, &Really::is(&sim), false), Ok(()));
        requests
    }

    async fn check(&self, call: u64, fault: Fault) -> Result<(), String> {
        let sim = start(self.model.clone());
        let attempt = async {
            match hit(&sim, call, fault).await {
                Ok(engine) => self.run(&engine).await,
                Err(error) => Told::Failed(error.to_string()),
            }
        };
        let told = tokio::time::timeout(ENDS, attempt).await.map_err(|_| endless(&sim))?;
        sim.clear_faults();
        let after = Really::is(&sim);
        let open = after.ours.iter().any(|object| object.starts_with("configs pvcheck-renewal "));
        self.judge(&told, &after, open)?;
        // Either way at each call, with one kind of fault or the next.
        let kind = Fault::EACH.iter().position(|each| *each == fault).unwrap_or_default() as u64;
        self.ends(&sim, (call + kind).is_multiple_of(2)).await
    }
}

#[tokio::test]
async fn a_renewal_by_bridge_survives_every_fault_at_every_call() {
    every_case(&Renewing::new(How::Apply, RenewalStrategy::Bridge).await).await;
}

#[tokio::test]
async fn a_renewal_by_recreation_survives_every_fault_at_every_call() {
    every_case(&Renewing::new(How::Apply, RenewalStrategy::Recreate).await).await;
}

#[tokio::test]
async fn one_that_is_finished_by_another_process_survives_every_fault_at_every_call() {
    for strategy in RenewalStrategy::ALL {
        every_case(&Renewing::new(How::Resume, strategy).await).await;
    }
}

#[tokio::test]
async fn one_that_is_undone_survives_every_fault_at_every_call() {
    for strategy in RenewalStrategy::ALL {
        every_case(&Renewing::new(How::Rollback, strategy).await).await;
    }
}
