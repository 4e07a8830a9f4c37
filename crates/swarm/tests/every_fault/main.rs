//! Every operation that changes something, with every kind of fault at every one of its calls.
//!
//! A faultless run of each shows its calls. Then it runs again for each call and each fault, in a world of its own. Short
//! rounds take the kinds in rotation, so that every call has some of them and every kind is at some calls of each
//! operation; `PVCHECK_LONG=1` takes them all.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_sim::{Fault, Model, NetworkDraft, RequestRecord, ServiceDraft, Sim};
use pvcheck_swarm::{
    Census, CensusMethod, CensusOptions, ChurnPlan, ChurnShape, Engine, Left, Operation, Order,
    RemovalOptions, RunId, STACK_LABEL, StackRemoval, census, churn, find_stacks, leftover_runs,
    remove_stacks, silent, sweep_run,
};

mod harness;
mod renewal;
#[path = "../engine/renewals.rs"]
mod renewals;
#[path = "../engine/support.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod support;

use harness::{ENDS, Faulted, WAIT, every_case, healthy, hit};
use support::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    StackRm,
    DockerStackRm,
    Churn,
    CensusByCursor,
    CensusInBulk,
    Sweep,
}

/// What an operation told.
#[derive(Debug, Default)]
struct Told {
    /// True iff the command would end with 0.
    done: bool,
    census: Option<Census>,
    error: Option<String>,
    left: Vec<String>,
}

impl Told {
    fn failed(error: &dyn std::error::Error) -> Self {
        Self { error: Some(error.to_string()), ..Self::default() }
    }

    fn removed(removed: &[StackRemoval]) -> Self {
        let left: Vec<String> = removed.iter().flat_map(|r| &r.left).map(Left::to_string).collect();
        Self { done: left.is_empty(), left, ..Self::default() }
    }

    /// What the command does after an error: it sweeps, and names what is left.
    async fn swept(mut self, op: Operation<'_>) -> Self {
        if self.error.is_some()
            && let Ok(swept) = sweep_run(op, WAIT).await
        {
            self.left = swept.left.iter().map(Left::to_string).collect();
        }
        self
    }
}

impl Work {
    fn world(self) -> Model {
        let mut model = with_shared("10.90.0.0/28");
        service(&mut model, ServiceDraft::new("resident").on("shared"));
        leak(&mut model, "shared", 2);
        match self {
            Self::StackRm | Self::DockerStackRm => {
                let own = NetworkDraft::overlay("app_net").label(STACK_LABEL, "app").json();
                model.create_network(&own).expect("a fresh name");
                service(&mut model, ServiceDraft::new("app_web").on("app_net").on("shared").stack("app"));
                service(&mut model, ServiceDraft::new("app_db").on("app_net").stack("app"));
                store(&mut model, "configs", "app_conf", STACK_LABEL, "app");
                store(&mut model, "secrets", "app_key", STACK_LABEL, "app");
            }
            Self::Sweep => {
                for run in ["aaaaaaaaaaaa", "bbbbbbbbbbbb"] {
                    let name = format!("pvcheck-left-{run}");
                    let own = NetworkDraft::overlay(&name).label(pvcheck_swarm::RUN_LABEL, run).json();
                    model.create_network(&own).expect("a fresh name");
                    let draft = ServiceDraft::new(&name).on(&name).on("shared");
                    service(&mut model, draft.label(pvcheck_swarm::RUN_LABEL, run));
                    store(&mut model, "configs", &name, pvcheck_swarm::RUN_LABEL, run);
                }
            }
            Self::Churn | Self::CensusByCursor | Self::CensusInBulk => {}
        }
        model
    }

    async fn run(self, engine: &Engine) -> Told {
        let run = RunId::unique();
        let op = Operation::new(engine, permit(), &run, &silent);
        match self {
            Self::StackRm => remove(op).await,
            Self::DockerStackRm => match find_stacks(engine, &["app".to_owned()]).await {
                Ok(found) if found.present.is_empty() => Told { done: true, ..Told::default() },
                Ok(_) => remove(op).await,
                Err(error) => Told::failed(&error),
            },
            Self::Churn => match churn(op, &churn_plan()).await {
                Ok(done) => {
                    let left: Vec<String> =
                        done.errors.iter().chain(&done.residue).map(Left::to_string).collect();
                    Told { done: done.leaked == Some(0) && left.is_empty(), left, ..Told::default() }
                }
                Err(error) => Told::failed(&error).swept(op).await,
            },
            Self::CensusByCursor => count(op, CensusMethod::Cursor).await,
            Self::CensusInBulk => count(op, CensusMethod::Bulk).await,
            Self::Sweep => sweep(engine, WAIT).await.unwrap_or_else(|error| Told::failed(&error)),
        }
    }
}

async fn remove(op: Operation<'_>) -> Told {
    let options = RemovalOptions { patience: WAIT, ..RemovalOptions::default() };
    match remove_stacks(op, &["app".to_owned()], &options).await {
        Ok(removed) => Told::removed(&removed),
        Err(error) => Told::failed(&error),
    }
}

async fn count(op: Operation<'_>, method: CensusMethod) -> Told {
    let options = CensusOptions { method: Some(method), deadline: WAIT * 2, ..CensusOptions::default() };
    match census(op, "shared", &options).await {
        Ok(found) => Told { done: found.complete, census: Some(found), ..Told::default() },
        Err(error) => Told::failed(&error).swept(op).await,
    }
}

/// As `pvcheck sweep --apply`.
async fn sweep(engine: &Engine, patience: Duration) -> Result<Told, pvcheck_swarm::CallError> {
    let mut all = Vec::new();
    for (run, _) in leftover_runs(engine).await? {
        all.push(sweep_run(Operation::new(engine, permit(), &run, &silent), patience).await?);
    }
    Ok(Told::removed(&all))
}

fn churn_plan() -> ChurnPlan {
    ChurnPlan {
        lock: Some(pvcheck_swarm::LockAs { holder: "a test".into(), break_held: None }),
        network: "shared".into(),
        stacks: 1,
        replicas: 1,
        rounds: 1,
        order: Order::Drained,
        shape: ChurnShape::default(),
        image: "sim/busybox:1".into(),
        command: Vec::new(),
        reserve: 1,
        patience: WAIT,
        census: CensusOptions { deadline: WAIT * 2, ..CensusOptions::default() },
    }
}

fn store(model: &mut Model, kind: &str, name: &str, label: &str, value: &str) {
    let body = serde_json::json!({"Name": name, "Labels": {label: value}, "Data": ""});
    let answer = model.respond("POST", &format!("/{kind}/create"), body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{name}");
}

/// What is really there: what the operation is about, what is of others, and what is lost.
#[derive(Debug, PartialEq, Eq)]
struct Really {
    ours: BTreeSet<String>,
    others: BTreeSet<String>,
    /// Addresses of the resident service, and its tasks.
    residents: BTreeSet<String>,
    leaked: BTreeSet<Ipv4Addr>,
}

impl Really {
    fn is(sim: &Sim) -> Self {
        let (mut ours, others) = objects(sim);
        let (stack, others): (BTreeSet<_>, BTreeSet<_>) =
            others.into_iter().partition(|object| object.contains(" app_"));
        ours.extend(stack);
        sim.with_model(|model| {
            let services = list(model, "services");
            let resident = services.iter().find(|s| s["Spec"]["Name"] == "resident").expect("it stays");
            let resident = resident["ID"].clone();
            let tasks = list(model, "tasks");
            let tasks = tasks.iter().filter(|task| task["ServiceID"] == resident);
            let ids: BTreeSet<&str> = tasks.filter_map(|task| task["ID"].as_str()).collect();
            let truth = model.truth();
            let shared = truth.network("shared").expect("it stays");
            let residents =
                shared.owners.iter().filter(|o| resident == o.id.as_str() || ids.contains(o.id.as_str()));
            let residents = residents.map(|o| format!("{:?} {} {}", o.kind, o.addr, o.id)).collect();
            Self { ours, others, residents, leaked: shared.leaked.iter().copied().collect() }
        })
    }
}

impl Faulted for Work {
    /// A list of tasks that lacks some must not pass for the end of them; short rounds have this at each such call of removals.
    fn must_meet(&self, fault: Fault, call: &RequestRecord) -> bool {
        let removes = matches!(self, Self::StackRm | Self::DockerStackRm | Self::Sweep);
        removes && fault == Fault::Partial && call.target.contains("/tasks")
    }

    fn rotation(&self) -> usize {
        if *self == Self::Churn { 40 } else { 12 }
    }

    async fn calls(&self) -> Vec<RequestRecord> {
        let sim = start(self.world());
        let before = Really::is(&sim);
        let engine =
            Engine::connect_within(&sim.host().parse().expect("a path"), PATIENCE).await.expect("healthy");
        let told = self.run(&engine).await;
        assert!(told.done, "{self:?} without a fault: {told:?}");
        if let Some(found) = told.census {
            assert_eq!(found.leaked_addresses.iter().copied().collect::<BTreeSet<_>>(), before.leaked);
            assert_eq!(before.leaked.len(), 2);
        }
        sim.requests()
    }

    async fn check(&self, call: u64, fault: Fault) -> Result<(), String> {
        let sim = start(self.world());
        let before = Really::is(&sim);
        let attempt = async {
            match hit(&sim, call, fault).await {
                Ok(engine) => self.run(&engine).await,
                Err(error) => Told::failed(&error),
            }
        };
        let told = tokio::time::timeout(ENDS, attempt).await.map_err(|_| "it does not end".to_owned())?;
        sim.clear_faults();
        let after = Really::is(&sim);
        Self::judge(&told, &before, &after)?;
        self.recovers(&sim).await?;
        let healthy = Really::is(&sim);
        let restarted = matches!(fault, Fault::Restart { .. });
        if healthy.others != before.others || (!restarted && healthy.residents != before.residents) {
            return Err(format!("something of others changed: {before:?}, then {healthy:?}"));
        }
        if !healthy.leaked.is_subset(&before.leaked) {
            return Err(format!("addresses were lost: {:?}, before {:?}", healthy.leaked, before.leaked));
        }
        Ok(())
    }
}

impl Work {
    /// Done and right, or not done and everything that is left is named.
    fn judge(told: &Told, before: &Really, after: &Really) -> Result<(), String> {
        if let Some(line) = &told.error
            && (line.is_empty() || line.contains('\n'))
        {
            return Err(format!("not one line: {line:?}"));
        }
        if let Some(found) = told.census.as_ref().filter(|found| found.complete) {
            let counted: BTreeSet<Ipv4Addr> = found.leaked_addresses.iter().copied().collect();
            if counted != before.leaked && counted != after.leaked {
                return Err(format!("counted {counted:?}, and it is {:?}: {found:?}", before.leaked));
            }
        }
        if told.done && !after.ours.is_empty() {
            return Err(format!("it is said to be done, and this is there: {:?}", after.ours));
        }
        let said = told.left.join("\n");
        let is_named = |object: &&String| object.split(' ').nth(1).is_some_and(|name| said.contains(name));
        // A removal or a sweep that fails before it has begun leaves what there was.
        let unsaid: Vec<_> = after.ours.iter().filter(|object| !is_named(object)).collect();
        let untouched = told.error.is_some() && unsaid.iter().all(|object| before.ours.contains(*object));
        if unsaid.is_empty() || untouched {
            Ok(())
        } else {
            Err(format!("left and not named: {unsaid:?}; {told:?}"))
        }
    }

    /// On a healthy engine, running it again and a sweep leave nothing.
    async fn recovers(self, sim: &Sim) -> Result<(), String> {
        let engine = healthy(sim).await?;
        if matches!(self, Self::StackRm | Self::DockerStackRm) && !Really::is(sim).ours.is_empty() {
            let told = self.run(&engine).await;
            if !told.done {
                return Err(format!("not resumable: {told:?}"));
            }
        }
        let swept = sweep(&engine, PATIENCE).await.map_err(|error| format!("no sweep: {error}"))?;
        let really = Really::is(sim);
        if swept.done && really.ours.is_empty() {
            return Ok(());
        }
        Err(format!("a sweep leaves {:?}: {swept:?}", really.ours))
    }
}

#[tokio::test]
async fn a_stack_removal_survives_every_fault_at_every_call() {
    every_case(&Work::StackRm).await;
}

#[tokio::test]
async fn a_drop_in_removal_survives_every_fault_at_every_call() {
    every_case(&Work::DockerStackRm).await;
}

#[tokio::test]
async fn a_churn_survives_every_fault_at_every_call() {
    every_case(&Work::Churn).await;
}

#[tokio::test]
async fn a_census_by_cursor_survives_every_fault_at_every_call() {
    every_case(&Work::CensusByCursor).await;
}

#[tokio::test]
async fn a_census_in_bulk_survives_every_fault_at_every_call() {
    every_case(&Work::CensusInBulk).await;
}

#[tokio::test]
async fn a_sweep_survives_every_fault_at_every_call() {
    every_case(&Work::Sweep).await;
}
