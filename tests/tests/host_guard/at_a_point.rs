//! A guard that is killed between two of its actions.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pvcheck_gates::Config;
use pvcheck_guard::{GuardOptions, GuardPoint, Look, act};
use pvcheck_swarm::{Engine, Host, Operation, Permit, RunId, silent};
use pvcheck_tests::Outcome;
use rustix::process::{Signal, getpid, kill_process};

use crate::rig::{CONFIG, FOLDER, Fallible, Rig, STATE};

/// The number of the point at which [`ends_at_a_point`] kills itself.
const POINT: &str = "POINT";
/// Begins the line that names a point which was come to.
const AT: &str = "point ";

/// The points of a cure that nothing disturbs, in their order.
pub(crate) fn points(rig: &Rig) -> Fallible<Vec<String>> {
    let done = run(rig, usize::MAX)?;
    if !done.status.success() {
        return Err(format!("it ended by itself: {}", told(&done)).into());
    }
    let printed = String::from_utf8_lossy(&done.stdout);
    Ok(printed.lines().filter_map(|line| line.strip_prefix(AT)).map(str::to_owned).collect())
}

/// The guard, killed at this point.
pub(crate) fn killed_at(rig: &Rig, point: usize) -> Outcome {
    let done = run(rig, point)?;
    if done.status.signal() == Some(Signal::KILL.as_raw()) {
        return Ok(());
    }
    Err(format!("it was not killed at point {point}: {}", told(&done)).into())
}

fn told(done: &Output) -> String {
    let Output { status, stdout, stderr } = done;
    format!("{status}: {}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

/// Runs [`ends_at_a_point`] on the host, which has this program in the folder that it shares.
fn run(rig: &Rig, point: usize) -> Fallible<Output> {
    let program = rig.shared()?.join("a-guard");
    if !program.exists() {
        std::fs::copy(std::env::current_exe()?, &program)?;
    }
    let mut command = rig.lab.command(&program);
    command.args(["--exact", "at_a_point::ends_at_a_point", "--nocapture"]);
    Ok(command.env(POINT, point.to_string()).output()?)
}

/// Not a test by itself: [`run`] has it run on the host, in a process of its own.
#[tokio::test]
async fn ends_at_a_point() -> Outcome {
    let Ok(last) = std::env::var(POINT) else { return Ok(()) };
    let (last, seen) = (last.parse::<usize>()?, AtomicUsize::new(0));
    let hook = |point: GuardPoint| {
        // The one who reads it sees that it is missing.
        let _ = writeln!(std::io::stdout(), "{AT}{}", name(&point));
        if seen.fetch_add(1, Ordering::SeqCst) == last {
            let _ = kill_process(getpid(), Signal::KILL);
            std::thread::park();
        }
    };
    let config = Config::of_file(Path::new(CONFIG), &std::fs::read_to_string(CONFIG)?)?;
    let engine = Engine::connect(&Host::default_socket()).await?;
    let (run, state) = (RunId::unique(), PathBuf::from(STATE));
    let look = Look {
        op: Operation::new(&engine, Permit::granted_by_operator(), &run, &silent),
        others: &[],
        unanswered: &[],
        config: Some(&config),
        probe: true,
        patience: Duration::from_secs(3),
        reclaim_state: Path::new(FOLDER),
    };
    let own = config.guard.as_ref().ok_or("it has no guard")?;
    act(look, GuardOptions { config: own, state: &state, holder: "a test", hook: &hook }).await?;
    Ok(())
}

fn name(point: &GuardPoint) -> String {
    match point {
        GuardPoint::Begun(rung) => format!("{} is begun", rung.as_str()),
        GuardPoint::Acted(rung) => format!("{} is done", rung.as_str()),
        GuardPoint::Ended(rung) => format!("{} is written down", rung.as_str()),
        GuardPoint::Reclaim(at) => format!("{} {:?}", at.step.as_str(), at.moment).to_lowercase(),
    }
}
