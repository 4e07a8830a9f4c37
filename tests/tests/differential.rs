//! The embedded engine next to real ones: the same random steps on both, and after each step all that the API shows, the
//! refusals and the signatures in the log have to be the same.
//!
//! Most sequences make services that no node can run: their tasks get addresses and stay `pending`, so a step costs some
//! ms. The short round is one engine and some sequences. `PVCHECK_SEQUENCES` sets their number, `PVCHECK_STEPS` how long
//! they are, `PVCHECK_SEED` where they begin: a difference names its seed. It is the time of day in long rounds.
//! docs/embedded.md has what differs on purpose.

#[path = "differential/log.rs"]
mod log;
#[path = "differential/operation.rs"]
mod operation;
#[path = "differential/real.rs"]
mod real;
#[path = "differential/run.rs"]
mod run;
#[path = "differential/seen.rs"]
mod seen;
#[path = "differential/side.rs"]
mod side;
#[path = "differential/world.rs"]
mod world;

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use pvcheck_lab::{LabSpec, Suite};
use pvcheck_sim::Engine;
use pvcheck_tests::{Outcome, lab_of, long};

use real::Real;
use run::{Plan, Tally};

/// Sequences of the short round, and where they begin.
const SHORT: usize = 5;
const SHORT_SEED: u64 = 1;

#[test]
fn on_bookworm() -> Outcome {
    agree("differential::on_bookworm", Suite::Bookworm, Engine::V20_10, if long() { 2_000 } else { SHORT })
}

#[test]
fn on_trixie() -> Outcome {
    agree("differential::on_trixie", Suite::Trixie, Engine::V26_1, if long() { 500 } else { 0 })
}

#[test]
fn on_sid() -> Outcome {
    agree("differential::on_sid", Suite::Sid, Engine::V28_5, if long() { 200 } else { 0 })
}

/// Where the single engine is restarted, the leader of three managers is stopped, another leads, and it comes back.
#[test]
fn on_three_managers() -> Outcome {
    let sequences = if long() { 60 } else { 0 };
    agree_with("differential::on_three_managers", Suite::Bookworm, Engine::V20_10, sequences, 3)
}

fn agree(test: &str, suite: Suite, engine: Engine, sequences: usize) -> Outcome {
    agree_with(test, suite, engine, sequences, 1)
}

fn agree_with(test: &str, suite: Suite, engine: Engine, sequences: usize, managers: usize) -> Outcome {
    let number = |name: &str, default: usize| -> Result<usize, String> {
        std::env::var(name)
            .map_or(Ok(default), |text| text.parse().map_err(|_| format!("{name}={text} is no number")))
    };
    if sequences == 0 {
        return Ok(());
    }
    // A short round is the same each time; a long one looks for what no round has met.
    let fresh = if long() { SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() } else { SHORT_SEED };
    let seed = number("PVCHECK_SEED", usize::try_from(fresh)?)? as u64;
    // The model of these tests has one node.
    let running = if managers == 1 { number("PVCHECK_RUNNING", 2)? as f64 / 100.0 } else { 0.0 };
    let plan = Plan {
        engine,
        sequences: number("PVCHECK_SEQUENCES", sequences)?,
        steps: number("PVCHECK_STEPS", 30)?,
        seed,
        running,
        managers,
    };
    let lanes = number("PVCHECK_LANES", if long() { 4 } else { 1 })?.max(1);
    writeln!(std::io::stdout(), "{test}: PVCHECK_SEED={seed}, {lanes} engines")?;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let lane = |n: usize| {
            let sequences = plan.sequences / lanes + usize::from(n < plan.sequences % lanes);
            let plan = Plan { sequences, seed: seed.wrapping_add(1_000_000 * n as u64), ..plan };
            scope.spawn(move || lane_of(&format!("{test}/{n}"), suite, plan))
        };
        let started: Vec<_> = (0..lanes).map(lane).collect();
        started.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut tally = Tally::default();
    for outcome in outcomes {
        tally.add(outcome.map_err(|_| "a lane panicked")??);
    }
    writeln!(std::io::stdout(), "{test}: {tally}")?;
    if tally.differences.is_empty() { Ok(()) } else { Err(tally.differences.join("\n").into()) }
}

/// A share of the sequences, on an engine of its own.
fn lane_of(name: &str, suite: Suite, plan: Plan) -> side::Result<Tally> {
    let test = name.split('/').next().unwrap_or(name);
    let spec = LabSpec { suite: Some(suite), managers: plan.managers, ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(Tally::default()) };
    let mut real = Real::new(lab)?;
    let tally = run::run(name, &mut real, plan)?;
    real.down()?;
    Ok(tally)
}
