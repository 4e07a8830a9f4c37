//! Truth trials: censuses of real networks while other clients are at work, next to a count that does not use pvcheck.
//!
//! A census may be refused or not complete; a complete one has to be right. The short round is one engine and a few trials,
//! the long one three engines, and three managers too.

#[path = "truth/actor.rs"]
mod actor;
#[path = "truth/count.rs"]
mod count;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pvcheck_lab::{Lab, LabSpec, Suite, World};
use pvcheck_swarm::{
    Census, CensusError, CensusMethod, CensusOptions, Engine, Host, Operation, Permit, RemovalOptions, RunId,
    census, silent, sweep_run,
};
use pvcheck_tests::stacks::{STOPS_IN_2_S, Shape, deploy, stack_rm};
use pvcheck_tests::{Outcome, docker, lab_of, long};

use actor::{Actor, ON_ONE_MANAGER, ON_THREE_MANAGERS, Stage};
use count::Result;

/// A network of this prefix, with so many addresses leaked by hand, and how long a census of it may take.
#[derive(Clone, Copy)]
struct Plan {
    prefix: u32,
    leaks: usize,
    deadline: Duration,
}

const PLANS: [Plan; 3] = [
    Plan { prefix: 28, leaks: 2, deadline: Duration::from_secs(5) },
    Plan { prefix: 26, leaks: 0, deadline: Duration::from_secs(6) },
    Plan { prefix: 24, leaks: 3, deadline: Duration::from_secs(10) },
];

/// Censuses per actor and network: by cursor, by bulk, and once more.
const CENSUSES: [CensusMethod; 4] =
    [CensusMethod::Cursor, CensusMethod::Bulk, CensusMethod::Cursor, CensusMethod::Bulk];

#[test]
fn on_bookworm() -> Outcome {
    if long() {
        return trials("truth::on_bookworm", Suite::Bookworm, 1, &PLANS, &ON_ONE_MANAGER);
    }
    let few = [Actor::Nobody, Actor::WaitingTasks, Actor::CrashLoop];
    trials("truth::on_bookworm", Suite::Bookworm, 1, &PLANS[..1], &few)
}

#[test]
fn on_trixie() -> Outcome {
    if !long() {
        return Ok(());
    }
    trials("truth::on_trixie", Suite::Trixie, 1, &PLANS, &ON_ONE_MANAGER)
}

#[test]
fn on_sid() -> Outcome {
    if !long() {
        return Ok(());
    }
    trials("truth::on_sid", Suite::Sid, 1, &PLANS, &ON_ONE_MANAGER)
}

#[test]
fn with_three_managers() -> Outcome {
    if !long() {
        return Ok(());
    }
    trials("truth::with_three_managers", Suite::Bookworm, 3, &PLANS, &ON_THREE_MANAGERS)
}

fn trials(test: &str, suite: Suite, managers: usize, plans: &[Plan], actors: &[Actor]) -> Outcome {
    let spec = LabSpec { managers, suite: Some(suite), world: World::Empty, ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    let hosts =
        lab.info().hosts.iter().map(|host| host.parse()).collect::<std::result::Result<Vec<_>, _>>()?;
    let mut trials = Trials { test, lab: &lab, hosts: &hosts, tally: BTreeMap::new(), wrong: Vec::new() };
    for (n, plan) in plans.iter().enumerate() {
        let network = trials.prepare(n, *plan)?;
        for actor in actors {
            trials.beside(*actor, &network, *plan)?;
        }
    }
    let wrong = std::mem::take(&mut trials.wrong);
    trials.report()?;
    lab.down()?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

struct Trials<'a> {
    test: &'a str,
    lab: &'a Lab,
    hosts: &'a [Host],
    /// How many censuses ended how, by actor.
    tally: BTreeMap<(Actor, String), u32>,
    wrong: Vec<String>,
}

impl Trials<'_> {
    /// A network with a service on it, and addresses leaked as `docker stack rm` leaks them.
    fn prepare(&self, n: usize, plan: Plan) -> Result<String> {
        let (name, subnet) = (format!("net-{n}"), format!("10.20{n}.0.0/{}", plan.prefix));
        docker(self.lab, &["network", "create", "-d", "overlay", "--subnet", &subnet, &name])?;
        let resident = format!("resident-{n}");
        let shape = Shape { shared: &name, replicas: self.hosts.len(), script: STOPS_IN_2_S };
        deploy(self.lab, &[resident], shape)?;
        if 0 < plan.leaks {
            let gone = format!("gone-{n}");
            deploy(self.lab, std::slice::from_ref(&gone), Shape { replicas: plan.leaks, ..shape })?;
            stack_rm(self.lab, &[gone])?;
        }
        Ok(name)
    }

    /// Censuses while an actor is at work; the truth is counted before it begins, and when all is at rest again.
    fn beside(&mut self, actor: Actor, network: &str, plan: Plan) -> Result<()> {
        let usable = (1 << (32 - plan.prefix)) - 3;
        let before = count::leaked(self.lab, network, usable)?;
        let stage = Stage { lab: self.lab, hosts: self.hosts, network };
        let (ready, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let (taken, acted) = std::thread::scope(|scope| {
            let acting = scope.spawn(|| actor.act(&stage, &ready, &over).map_err(|error| error.to_string()));
            while !ready.load(Ordering::Acquire) && !acting.is_finished() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let taken: Vec<_> =
                CENSUSES.iter().map(|method| taken(&self.hosts[0], network, *method, plan)).collect();
            over.store(true, Ordering::Release);
            (taken, acting.join())
        });
        acted.map_err(|_| "an actor panicked")??;
        let after = count::leaked(self.lab, network, usable)?;
        for (found, method) in taken.into_iter().zip(CENSUSES) {
            self.judge(actor, network, method, (before, after), &found);
        }
        Ok(())
    }

    fn judge(
        &mut self,
        actor: Actor,
        network: &str,
        method: CensusMethod,
        (before, after): (i64, i64),
        found: &std::result::Result<Census, String>,
    ) {
        let how = match found {
            Err(refused) => refused.clone(),
            Ok(census) if census.complete => {
                fault(census, before, after).unwrap_or_else(|| "right".to_owned())
            }
            Ok(census) => format!("not complete: {}", doubt(census)),
        };
        let elapsed =
            found.as_ref().map_or_else(|_| String::new(), |census| format!(" ({} ms)", census.elapsed_ms));
        let line =
            format!("{} {network} {actor:?} {method:?}: truth {before}..{after}: {how}{elapsed}", self.test);
        // Who reads no output misses nothing but this line.
        let _ = writeln!(std::io::stdout(), "{line}");
        if how.starts_with("wrong") {
            self.wrong.push(format!("{line}: {found:?}"));
        }
        *self.tally.entry((actor, how)).or_default() += 1;
    }

    fn report(&self) -> Result<()> {
        let version = self.lab.info().engine.version.as_deref().unwrap_or("unknown").to_owned();
        for ((actor, how), times) in &self.tally {
            writeln!(std::io::stdout(), "{} {version} TALLY {actor:?}: {times} × {how}", self.test)?;
        }
        Ok(())
    }
}

/// What is wrong with a complete census; `None` if nothing is.
fn fault(census: &Census, before: i64, after: i64) -> Option<String> {
    let leaked = census.leaked?;
    let sum = census.handed_out + census.owned + census.load_balancers + leaked;
    let named = census.leaked_addresses.len() as u64;
    let both = census.leaked_or_load_balancers.len() as u64;
    let named_right = if census.load_balancers == 0 {
        (named, both) == (leaked, 0)
    } else {
        (named, both) == (0, leaked + census.load_balancers)
    };
    let truth = before.min(after)..=before.max(after);
    if !i64::try_from(leaked).is_ok_and(|leaked| truth.contains(&leaked)) {
        Some(format!("wrong: {leaked} leaked"))
    } else if sum != census.usable {
        Some(format!("wrong: parts sum up to {sum} of {}", census.usable))
    } else if !named_right || !census.free_and_owned.is_empty() {
        Some("wrong: addresses".to_owned())
    } else {
        None
    }
}

/// The kind of a doubt, without its data.
fn doubt(census: &Census) -> String {
    let json = serde_json::to_value(census).unwrap_or_default();
    json["doubt"]["kind"].as_str().unwrap_or("without a reason").to_owned()
}

/// One census, swept afterwards as the command does.
fn taken(
    host: &Host,
    network: &str,
    method: CensusMethod,
    plan: Plan,
) -> std::result::Result<Census, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let engine = Engine::connect(host).await.map_err(|_| "no engine".to_owned())?;
        let options =
            CensusOptions { deadline: plan.deadline, method: Some(method), ..CensusOptions::default() };
        let run = RunId::unique();
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        let found = census(op, network, &options).await;
        drop(sweep_run(op, RemovalOptions::default().patience).await);
        found.map_err(|error| refusal(&error).to_owned())
    })
}

fn refusal(error: &CensusError) -> &'static str {
    match error {
        CensusError::AnotherCensus { .. } => "refused: another census",
        CensusError::ServiceWaits { .. } => "refused: a service waits",
        CensusError::TasksWait { .. } => "refused: tasks wait",
        CensusError::Call(_) => "error: a call failed",
        CensusError::NoSuchNetwork(_)
        | CensusError::NotAllocated(_)
        | CensusError::Ipv6(_)
        | CensusError::NoStatus(_)
        | CensusError::IngressInBulk(_) => "error: not possible",
    }
}
