//! Days of deployments in virtual time: a CI host deploys recipes as throwaway stacks on the shared network `proxy` and
//! removes them in the docker client's order, so that each of their tasks there leaks an address.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pvcheck_ipam::{Observation, Subnet};
use serde::Serialize;

use crate::draft::{NetworkDraft, ServiceDraft};
use crate::id::ServiceId;
use crate::model::Model;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::state::TaskState;
use crate::world;

/// The shared network.
const PROXY: &str = "proxy";
/// When the engine of the host was started: 11 days before its restart at 02:50 on 2026-06-12.
const START: Timestamp = Timestamp::constant(1_780_282_200, 0);
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
/// Recipes deployed a day, on average. With the tasks of [`tasks`], 1.4 each, that is the host's 23 leaked addresses a day
/// (253 in 11 days).
const RUNS_A_DAY: f64 = 23.0 / 1.4;
/// How long a recipe is tested: its stack stays for a time between these, in seconds.
const TEST_SECS: std::ops::Range<u64> = 45..300;
/// How long a recipe's tasks may wait for an address before the run is given up.
const PATIENCE: Duration = Duration::from_mins(10);
/// Beginnings of stack names: the first four letters of a recipe.
const RECIPES: [&str; 8] = ["cust", "disc", "ghos", "hedg", "immi", "lasu", "matt", "n8n"];
const DOMAIN: &str = "ci_commoninternet_net";

/// What was counted at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Day {
    /// 1 for the first day.
    pub number: u32,
    /// Stacks that were deployed on that day.
    pub deployed: u64,
    /// Addresses of `proxy` that were leaked on that day.
    pub newly_leaked: u64,
    /// Addresses of `proxy` that are leaked.
    pub leaked: u64,
    /// Addresses of `proxy` that have an owner.
    pub owned: u64,
    /// Addresses of `proxy` that are free.
    pub free: u64,
}

/// How the days ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The service whose tasks stay in `New`.
    pub service: String,
    /// When it was deployed: the moment at which the network was found full.
    pub at: Duration,
}

/// The host, day by day. The same seed gives the same days, names, addresses and ids.
///
/// ```
/// use pvcheck_ipam::Subnet;
/// use pvcheck_sim::Replay;
///
/// let mut replay = Replay::new(Subnet::parse("10.10.0.0/24")?, 1)?;
/// let days = std::iter::from_fn(|| replay.next_day()).count();
/// assert!(0 < days && replay.ended().is_some_and(|end| end.service.ends_with("_app")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replay {
    model: Model,
    rng: fastrand::Rng,
    /// Model time at which the first day begins.
    start: Duration,
    days: u32,
    deployed: u64,
    leaked: u64,
    next_deploy: Duration,
    /// The stacks that are deployed, by the time at which they are looked at next.
    running: BTreeMap<(Duration, u64), Run>,
    /// Sequence of stacks and looks at them.
    count: u64,
    observations: Vec<Observation>,
    ended: Option<Ended>,
}

/// A deployed recipe.
#[derive(Clone, Debug)]
struct Run {
    stack: String,
    services: [ServiceId; 2],
    deployed: Duration,
}

impl Replay {
    /// The host of [`world::cc_ci`] on its first day, with this subnet for `proxy`.
    ///
    /// # Errors
    /// If the model refuses the subnet, or it cannot hold the host's own services.
    pub fn new(proxy: Subnet, seed: u64) -> Result<Self, Refusal> {
        let mut model = world::cc_ci_on(&proxy.to_string(), Settings::default())?;
        Self::set_clock(&mut model);
        let start = model.now();
        let mut replay = Self {
            model,
            rng: fastrand::Rng::with_seed(seed),
            start,
            days: 0,
            deployed: 0,
            leaked: 0,
            next_deploy: start,
            running: BTreeMap::new(),
            count: 0,
            observations: Vec::new(),
            ended: None,
        };
        replay.next_deploy = start + replay.pause();
        replay.observe();
        Ok(replay)
    }

    /// Lets a day pass; `None` once a deployment has found no address. The day on which that happens ends with it.
    pub fn next_day(&mut self) -> Option<Day> {
        if self.ended.is_some() {
            return None;
        }
        let (leaked, deployed) = (self.leaked, self.deployed);
        let begin = self.start + DAY * self.days;
        self.days += 1;
        for hour in 1..=24 {
            self.pass_until(begin + HOUR * hour);
            if self.ended.is_some() {
                break;
            }
            self.observe();
        }
        let tally = self.model.tally(PROXY)?;
        self.leaked = tally.leaked;
        Some(Day {
            number: self.days,
            deployed: self.deployed - deployed,
            newly_leaked: tally.leaked.saturating_sub(leaked),
            leaked: tally.leaked,
            owned: tally.owned,
            free: tally.free,
        })
    }

    /// What an hourly look at `proxy` has seen so far; time 0 is the start of the first day.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// How the days ended; `None` while they go on. The time is that of [`Replay::observations`].
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, for what comes after the days.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Sets the wall clock of a replay's model to what it was on the host. [`crate::Sim::start`] has set it to now, by which the
    /// days would be other ones in each run.
    pub fn set_clock(model: &mut Model) {
        model.set_clock(clock(model.now()));
    }

    fn observe(&mut self) {
        if let Some(tally) = self.model.tally(PROXY) {
            let at = self.model.now().saturating_sub(self.start);
            self.observations.push(Observation { at, leaked: tally.leaked, owned: tally.owned });
        }
    }

    /// Deploys and removes what is due until then, or until a run is given up.
    fn pass_until(&mut self, then: Duration) {
        while self.ended.is_none() {
            let look = self.running.first_key_value().map(|(&(at, _), _)| at);
            let next = look.map_or(self.next_deploy, |at| at.min(self.next_deploy));
            if then < next {
                break;
            }
            self.model.advance_to(next);
            if look == Some(next) {
                if let Some((_, run)) = self.running.pop_first() {
                    self.finish(run);
                }
            } else {
                self.deploy();
                self.next_deploy = next + self.pause();
            }
        }
        if self.ended.is_none() {
            self.model.advance_to(then);
        }
    }

    /// The time to the next deployment: exponential, so that deployments are independent of each other.
    fn pause(&mut self) -> Duration {
        // f64() is below 1, so the logarithm is finite.
        let days = -(1.0 - self.rng.f64()).ln() / RUNS_A_DAY;
        DAY.mul_f64(days)
    }

    /// A recipe as the docker client deploys it: a private network, its app on both networks, its database on the
    /// private one. A refusal ends the run; the model refuses only what the network's pools no longer hold.
    fn deploy(&mut self) {
        self.deployed += 1;
        self.count += 1;
        let recipe = RECIPES[self.rng.usize(..RECIPES.len())];
        let stack = format!("{recipe}-{:06x}_{DOMAIN}", self.rng.u32(..1 << 24));
        let replicas = tasks(&mut self.rng);
        let stay = Duration::from_secs(self.rng.u64(TEST_SECS));
        if let Ok(services) = create(&mut self.model, &stack, replicas) {
            let deployed = self.model.now();
            self.running.insert((deployed + stay, self.count), Run { stack, services, deployed });
        }
    }

    /// The end of a recipe's test: its stack is removed as `docker stack rm` does, unless its tasks still wait.
    fn finish(&mut self, run: Run) {
        let now = self.model.now();
        let waits =
            run.services.iter().any(|id| self.model.tasks_of(id).any(|task| task.state == TaskState::New));
        if !waits {
            remove(&mut self.model, &run);
        } else if run.deployed + PATIENCE <= now {
            let service = format!("{}_app", run.stack);
            self.ended = Some(Ended { service, at: run.deployed.saturating_sub(self.start) });
        } else {
            self.count += 1;
            self.running.insert((run.deployed + PATIENCE, self.count), run);
        }
    }
}

/// The wall clock at a time of the model.
fn clock(now: Duration) -> Timestamp {
    SignedDuration::try_from(now).ok().and_then(|now| START.checked_add(now).ok()).unwrap_or(START)
}

/// Tasks of an app: one in most recipes, up to three; 1.4 on average.
fn tasks(rng: &mut fastrand::Rng) -> u64 {
    match rng.u8(..10) {
        ..7 => 1,
        7 | 8 => 2,
        _ => 3,
    }
}

fn create(model: &mut Model, stack: &str, replicas: u64) -> Result<[ServiceId; 2], Refusal> {
    let internal = format!("{stack}_internal");
    let network = NetworkDraft::overlay(&internal).label("com.docker.stack.namespace", stack);
    model.create_network(&network.json())?;
    // In the order of their names, as the client sends them (docker/cli `cli/compose/convert`).
    let mut networks = [internal.as_str(), PROXY];
    networks.sort_unstable();
    let service = |name: &str| ServiceDraft::new(&format!("{stack}_{name}")).stack(stack);
    let app = service("app").on(networks[0]).on(networks[1]).replicas(replicas);
    let app = model.create_service(app.json())?;
    let db = model.create_service(service("db").on(&internal).json())?;
    Ok([app, db])
}

/// `docker stack rm`: services, and at once the network. What is refused stays, as it does on a real host.
fn remove(model: &mut Model, run: &Run) {
    for service in &run.services {
        let _ = model.remove_service(service.as_str());
    }
    let _ = model.remove_network(&format!("{}_internal", run.stack));
}
