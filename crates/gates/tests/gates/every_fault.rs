//! The gates with every kind of fault at every one of their calls to the engine, in a healthy Swarm and in one that has
//! leaked addresses.
//!
//! A faultless run shows the calls. Then the gate runs again for each call and each fault, in a world of its own. Short
//! rounds take the kinds in rotation; `PVCHECK_LONG=1` takes them all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use pvcheck_gates::{
    Counting, GateReport, PreflightError, Renewed, Verdict, collect_fixed, collect_m1, collect_m2,
    judge_fixed, judge_m1, judge_m2, preflight,
};
use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Settings, Sim};
use pvcheck_swarm::{
    Engine, Host, Operation, Order, Permit, RUN_LABEL, RunId, STACK_LABEL, SavedRenewal, leftover_runs,
    silent, sweep_run,
};
use serde_json::Value;

use crate::collect::World;
use crate::fixed::renewed;
use crate::support::*;

/// Of each call: short, because a call that stalls uses it up; long, because the machine may be busy.
const CALL: Duration = Duration::from_millis(500);
/// Of sweeps, and until an engine that restarts is back.
const WAIT: Duration = Duration::from_secs(2);
/// Of a whole gate. Whatever is broken, it has ended before.
const ENDS: Duration = Duration::from_mins(3);
/// Worlds at a time: each is asleep most of the time. Long rounds are for optimised builds.
const AT_ONCE: usize = 12;
const AT_ONCE_IN_LONG: usize = 24;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Fixed,
    M1,
    M2(Order),
}

impl Work {
    /// Short rounds have every so-manieth of the 20 kinds at each call, or one kind at every so-manieth call.
    fn rotation(self) -> usize {
        match self {
            Self::M1 => 20,
            Self::Fixed | Self::M2(_) => 80,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    work: Work,
    /// Whether the overlay has leaked addresses before the gate begins.
    leaky: bool,
}

/// What a gate told.
#[derive(Debug)]
struct Told {
    report: Result<GateReport, PreflightError>,
    /// All that it recorded, as text.
    recorded: String,
}

impl Case {
    /// Smaller than a CI host: a census takes a call for each free address or more, and these are alike.
    async fn world(self) -> World {
        let mut model = Model::with_settings(Settings { timings: quick(), ..Settings::default() });
        let draft = NetworkDraft::overlay("proxy").subnet("10.10.0.0/28").attachable();
        model.create_network(&draft.json()).expect("a fresh name");
        model.create_service(ServiceDraft::new("resident").on("proxy").json()).expect("a fresh name");
        model.advance(SETTLE);
        if self.leaky {
            leak(&mut model);
        }
        let changed = |text: String| {
            let (_, rest) = text.split_once("[tls]").expect("a table");
            let (tls, rest) = rest.split_once("[[service]]").expect("services");
            let (_, rest) = rest.split_once("[[route]]").expect("routes");
            let rest = rest.replace("stacks = 2", "stacks = 1\nreplicas = 1\nrounds = 1");
            format!(
                "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/28\"\nmin_free = 1\n[tls]{tls}\
                 [[service]]\nname = \"resident\"\noverlay = true\n[[route]]{rest}"
            )
        };
        if self.work == Work::Fixed {
            let world = World::with(model, |text| {
                let creation =
                    "subnet = \"10.10.0.0/27\"\ncreation = { declared = \"a.sh\", deployed = \"a.sh\" }";
                changed(text).replace("subnet = \"10.10.0.0/28\"", creation)
            })
            .await;
            let creates = "docker network create -d overlay --subnet 10.10.0.0/27 proxy\n";
            std::fs::write(world.path("a.sh"), creates).expect("a folder of the test");
            renewed(&world).await;
            world.sim.clear_requests();
            return world;
        }
        World::with(model, changed).await
    }

    async fn run(self, world: &World, engine: &Engine) -> Result<Told, PreflightError> {
        let ready = preflight(engine, &world.config).await?;
        let run = RunId::unique();
        let op = Operation::new(engine, Permit::granted_by_operator(), &run, &silent);
        let (report, recorded) = match self.work {
            Work::M1 => {
                let facts = collect_m1(engine, &world.config, &ready, Counting::Probing(op), &silent).await;
                (judge_m1(&world.config, &facts), format!("{facts:?}"))
            }
            Work::Fixed => {
                let record = SavedRenewal::file(&world.path("state"), "proxy");
                let of = Renewed { overlay: world.config.overlay().expect("one"), record: &record };
                let counting = Counting::Probing(op);
                let facts = collect_fixed(engine, &world.config, &ready, of, counting, &silent).await;
                (judge_fixed(&world.config, &facts), format!("{facts:?}"))
            }
            Work::M2(order) => {
                let facts = collect_m2(op, &world.config, &ready, order).await?;
                (judge_m2(&world.config, &facts), format!("{facts:?}"))
            }
        };
        Ok(Told { report: Ok(report), recorded })
    }

    async fn check(self, call: usize, fault: Fault) -> Result<(), String> {
        let world = self.world().await;
        let before = Really::is(&world.sim);
        let nth = u64::try_from(call).unwrap_or(u64::MAX);
        world.sim.inject(FaultRule::new(fault).nth(nth));
        let host = world.sim.host().parse::<Host>().expect("an absolute path");
        let attempt = async {
            match Engine::connect_within(&host, CALL).await {
                Ok(engine) => {
                    let refused = |error| Told { report: Err(error), recorded: String::new() };
                    Some(self.run(&world, &engine).await.unwrap_or_else(refused))
                }
                // There is no engine for the gate, which says so before it begins.
                Err(_) => None,
            }
        };
        let told = tokio::time::timeout(ENDS, attempt).await.map_err(|_| "it does not end".to_owned())?;
        world.sim.clear_faults();
        let after = Really::is(&world.sim);
        if let Some(told) = &told {
            self.judge(told, &before, &after, fault)?;
        }
        recovers(&world.sim).await?;
        let healthy = Really::is(&world.sim);
        if healthy.others != before.others {
            return Err(format!("something of others changed: {before:?}, then {healthy:?}"));
        }
        let wasteful = self.work == Work::M2(Order::StackRm);
        if !wasteful && !healthy.leaked.is_subset(&before.leaked) {
            return Err(format!("addresses were lost: {:?}, before {:?}", healthy.leaked, before.leaked));
        }
        Ok(())
    }

    /// No PASS of what is not so, no leak that is none, and everything that is left is named.
    fn judge(self, told: &Told, before: &Really, after: &Really, fault: Fault) -> Result<(), String> {
        let named = match &told.report {
            Ok(report) => {
                self.judge_report(report, before, after, fault)?;
                told.recorded.clone()
            }
            Err(error) if error.to_string().contains('\n') => {
                return Err(format!("not one line: {error}"));
            }
            Err(error) => error.to_string(),
        };
        let is_named = |object: &&String| object.split(' ').nth(1).is_some_and(|name| named.contains(name));
        let unsaid: Vec<_> = after.ours.iter().filter(|object| !is_named(object)).collect();
        if unsaid.is_empty() { Ok(()) } else { Err(format!("left and not named: {unsaid:?}; {told:?}")) }
    }

    fn judge_report(
        self,
        report: &GateReport,
        before: &Really,
        after: &Really,
        fault: Fault,
    ) -> Result<(), String> {
        let open: Vec<String> = report.open().map(|check| format!("{} {}", check.id, check.reason)).collect();
        let passed = |id: &str| report.checks.iter().any(|c| c.id == id && c.verdict == Verdict::Pass);
        // A churn that breaks off is a FAIL that says so, and claims no leak.
        let counted = |reason: String| !reason.starts_with("broke off: ");
        let failed = |id: &str| {
            let mut checks = report.checks.iter();
            checks.any(|c| c.id == id && c.verdict == Verdict::Fail && counted(c.reason.to_string()))
        };
        // Losing the engine's memory is what takes leaks back.
        let lost = matches!(fault, Fault::Restart { .. });
        let leaks = if matches!(self.work, Work::M2(_)) { "churn.leaks" } else { "overlay.leaked" };
        let really = !after.leaked.is_subset(&before.leaked) || (self.work == Work::M1 && self.leaky);
        if passed(leaks) && really && !lost {
            return Err(format!(
                "{leaks} passes, and {:?} are leaked, before {:?}",
                after.leaked, before.leaked
            ));
        }
        if failed(leaks) && !really && !lost {
            return Err(format!("{leaks} fails, and nothing is leaked: {open:?}"));
        }
        if report.verdict == Verdict::Pass && !after.ours.is_empty() {
            return Err(format!("PASS, and this is left: {:?}", after.ours));
        }
        if let Some(long) = report.checks.iter().find(|check| check.reason.to_string().contains('\n')) {
            return Err(format!("not one line: {}", long.reason));
        }
        Ok(())
    }
}

/// What is really there: what carries a run's label, what is of others, and what is lost.
#[derive(Debug)]
struct Really {
    ours: BTreeSet<String>,
    others: BTreeSet<String>,
    leaked: BTreeSet<Ipv4Addr>,
}

impl Really {
    fn is(sim: &Sim) -> Self {
        sim.with_model(|model| {
            let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
            for kind in ["networks", "services", "secrets", "configs"] {
                let all = model.respond("GET", &format!("/{kind}"), b"").value();
                for object in all.as_array().expect("a list") {
                    let is_ours = is_of_a_run(object);
                    if is_ours { &mut ours } else { &mut others }.insert(format!("{kind} {}", name(object)));
                }
            }
            let truth = model.truth();
            let leaked = truth.network("proxy").expect("it stays").leaked.iter().copied().collect();
            Self { ours, others, leaked }
        })
    }
}

fn name(object: &Value) -> &str {
    object["Name"].as_str().or(object["Spec"]["Name"].as_str()).unwrap_or_default()
}

fn is_of_a_run(object: &Value) -> bool {
    object["Labels"][RUN_LABEL].is_string() || object["Spec"]["Labels"][RUN_LABEL].is_string()
}

/// Removes a stack on the overlay as `docker stack rm` does.
fn leak(model: &mut Model) {
    let own = NetworkDraft::overlay("app_net").label(STACK_LABEL, "app").json();
    model.create_network(&own).expect("a fresh name");
    let draft = ServiceDraft::new("app_web").on("app_net").on("proxy").replicas(2);
    model.create_service(draft.json()).expect("a fresh name");
    model.advance(SETTLE);
    model.remove_service("app_web").expect("there");
    model.remove_network("app_net").expect("there");
    model.advance(SETTLE);
    let truth = model.truth();
    assert_eq!(truth.network("proxy").expect("there").leaked.len(), 2);
}

/// On a healthy engine, a sweep leaves nothing.
async fn recovers(sim: &Sim) -> Result<(), String> {
    let host = sim.host().parse::<Host>().expect("an absolute path");
    let since = Instant::now();
    let engine = loop {
        match Engine::connect_within(&host, ENDS).await {
            Ok(engine) => break engine,
            // It restarts.
            Err(_) if since.elapsed() < WAIT => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => return Err(format!("it does not recover: {error}")),
        }
    };
    for (run, _) in leftover_runs(&engine).await.map_err(|error| format!("no sweep: {error}"))? {
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        sweep_run(op, ENDS).await.map_err(|error| format!("no sweep: {error}"))?;
    }
    let ours = Really::is(sim).ours;
    if ours.is_empty() { Ok(()) } else { Err(format!("a sweep leaves {ours:?}")) }
}

async fn every_case(case: Case) {
    let since = Instant::now();
    let world = case.world().await;
    let engine = Engine::connect_within(&world.sim.host().parse().expect("a path"), ENDS).await;
    let engine = engine.expect("healthy");
    let report = case.run(&world, &engine).await.expect("ready").report.expect("ready");
    let fine = report.verdict == Verdict::Pass;
    assert_eq!(fine, !case.leaky && case.work != Work::M2(Order::StackRm), "{case:?}: {report:#?}");
    let calls = world.sim.requests();
    let long = std::env::var_os("PVCHECK_LONG").is_some();
    let cases = calls.iter().enumerate().flat_map(|(at, call)| {
        let kinds = Fault::EACH.iter().enumerate().filter(move |(kind, fault)| {
            (long || (at + kind) % case.work.rotation() == 0) && fault.matters_at(&call.method, &call.target)
        });
        kinds.map(move |(_, fault)| (at + 1, *fault))
    });
    let cases: Vec<(usize, Fault)> = cases.collect();
    let ran = stream::iter(cases.iter().map(|(call, fault)| async move {
        let since = Instant::now();
        (*call, *fault, case.check(*call, *fault).await, since.elapsed())
    }));
    let ran: Vec<_> = ran.buffer_unordered(if long { AT_ONCE_IN_LONG } else { AT_ONCE }).collect().await;
    let longest = ran.iter().max_by_key(|(.., took)| *took);
    let mut said = format!(
        "{case:?}: {} calls, {} cases in {:.1} s; the longest {longest:?}\n",
        calls.len(),
        cases.len(),
        since.elapsed().as_secs_f64()
    );
    let mut wrong = 0;
    for (call, fault, outcome, _) in &ran {
        if let Err(why) = outcome {
            wrong += 1;
            let at = &calls[call - 1];
            let _ = writeln!(said, "call {call} ({} {}), {fault}: {why}", at.method, at.target);
        }
    }
    // Past the capture of the test's own output, as the number of cases is a result.
    let _ = write!(std::io::stdout(), "{said}");
    assert_eq!(wrong, 0, "of {} cases:\n{said}", cases.len());
}

#[tokio::test]
async fn m1_survives_every_fault_at_every_call() {
    every_case(Case { work: Work::M1, leaky: false }).await;
}

#[tokio::test]
async fn m1_never_passes_leaked_addresses_whatever_fails() {
    every_case(Case { work: Work::M1, leaky: true }).await;
}

#[tokio::test]
async fn a_renewals_proof_survives_every_fault_at_every_call() {
    every_case(Case { work: Work::Fixed, leaky: false }).await;
}

#[tokio::test]
async fn m2_survives_every_fault_at_every_call() {
    every_case(Case { work: Work::M2(Order::Drained), leaky: false }).await;
}

#[tokio::test]
async fn m2_never_passes_a_removal_that_leaks_whatever_fails() {
    every_case(Case { work: Work::M2(Order::StackRm), leaky: false }).await;
}
