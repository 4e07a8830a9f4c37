//! kill -9 at any moment: a sweep takes away what is ours and nothing of others, and a half removed stack goes when the
//! removal is run again.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_swarm::{CensusOptions, Engine, Operation, Permit, RunId, census, silent};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, Shape, deploy};
use pvcheck_tests::{Outcome, docker, host, lab, long, pvcheck, text};

const NETWORK: &str = "proxy";

/// Everything in the Swarm as `kind id`: ours (labelled), and that of others.
fn objects(lab: &Lab) -> Result<(BTreeSet<String>, BTreeSet<String>), Box<dyn std::error::Error>> {
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    for kind in ["service", "network", "secret", "config"] {
        // A node's bridges are none of the Swarm's; its copies of overlays come and go.
        let filter: &[&str] = if kind == "network" { &["--filter", "scope=swarm"] } else { &[] };
        let mine = docker(lab, &[&[kind, "ls", "-q", "--filter", "label=org.pvcheck.run"], filter].concat())?;
        let all = docker(lab, &[&[kind, "ls", "-q"], filter].concat())?;
        let mine: BTreeSet<&str> = mine.lines().collect();
        for id in all.lines() {
            let side = if mine.contains(id) { &mut ours } else { &mut others };
            side.insert(format!("{kind} {id}"));
        }
    }
    Ok((ours, others))
}

/// Ids of the running tasks of a service that is not pvcheck's.
fn tasks(lab: &Lab) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    let listed = docker(
        lab,
        &["service", "ps", "-q", "--no-trunc", "--filter", "desired-state=running", "resident_app"],
    )?;
    Ok(listed.lines().map(str::to_owned).collect())
}

struct Rig {
    lab: Lab,
    engine: Engine,
    program: PathBuf,
    seed: u64,
}

impl Rig {
    fn up(test: &str) -> Result<Option<(Self, tokio::runtime::Runtime)>, Box<dyn std::error::Error>> {
        let Some(lab) = lab(test, Some(Suite::Bookworm), World::Empty) else { return Ok(None) };
        let create =
            ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK];
        docker(&lab, &create)?;
        deploy(&lab, &["resident".into()], Shape { shared: NETWORK, replicas: 2, script: STOPS_AT_ONCE })?;
        text(lab.command("sh").args([
            "-c",
            "echo canary | docker secret create theirs -; echo x | docker config create theirs -",
        ]))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let engine = runtime.block_on(Engine::connect(&host(&lab)))?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let given = std::env::var("PVCHECK_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or(u64::try_from(now.as_millis())?);
        writeln!(std::io::stdout(), "{test}: PVCHECK_SEED={seed}")?;
        Ok(Some((Self { lab, engine, program: pvcheck()?, seed }, runtime)))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env("DOCKER_HOST", &self.lab.info().hosts[0]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs it to its end.
    fn run(&self, words: &[&str]) -> Result<Duration, Box<dyn std::error::Error>> {
        let since = Instant::now();
        let out = self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
        let errors = String::from_utf8_lossy(&out.stderr);
        if !out.status.success() {
            return Err(format!("{words:?}: {}: {errors}", out.status).into());
        }
        Ok(since.elapsed())
    }

    /// Runs it and kills it after a while, and says whether it was still running.
    fn kill_after(&self, words: &[&str], after: Duration) -> Result<bool, Box<dyn std::error::Error>> {
        let mut child = self.command(words).spawn()?;
        std::thread::sleep(after);
        let alive = child.try_wait()?.is_none();
        child.kill()?;
        child.wait()?;
        // What the engine was asked for at the last moment it still does, and nothing shows when it has.
        std::thread::sleep(Duration::from_millis(300));
        Ok(alive)
    }

    /// Moments spread over a duration, one in each of `n` equal parts of it; the part that is hit is random.
    fn moments(&self, n: u32, whole: Duration) -> Vec<Duration> {
        let mut state = self.seed | 1;
        let parts = (0..n).map(|part| {
            // xorshift64: it needs to be spread, not secret.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let fraction = f64::from(u32::try_from(state >> 32).unwrap_or(0)) / f64::from(u32::MAX);
            whole.mul_f64((f64::from(part) + fraction) / f64::from(n))
        });
        parts.collect()
    }

    fn leaked(&self, runtime: &tokio::runtime::Runtime) -> Result<Option<u64>, Box<dyn std::error::Error>> {
        let permit = Permit::granted_by_operator();
        let options = CensusOptions::default();
        let found = runtime.block_on(census(
            Operation::new(&self.engine, permit, &RunId::unique(), &silent),
            NETWORK,
            &options,
        ))?;
        Ok(found.leaked)
    }
}

#[test]
fn nothing_is_left_and_nothing_is_lost() -> Outcome {
    let test = "killed::nothing_is_left_and_nothing_is_lost";
    let Some((rig, runtime)) = Rig::up(test)? else { return Ok(()) };
    a_sweep_takes_ours_and_nothing_else(test, &rig)?;
    assert_eq!(rig.leaked(&runtime)?, Some(0), "sweeping loses nothing");
    a_half_removed_stack_goes_when_the_removal_is_run_again(test, &rig)?;
    assert_eq!(rig.leaked(&runtime)?, Some(0), "a removal in two halves loses nothing");
    rig.lab.down()?;
    Ok(())
}

fn a_sweep_takes_ours_and_nothing_else(test: &str, rig: &Rig) -> Outcome {
    let (ours, others) = objects(&rig.lab)?;
    let running = tasks(&rig.lab)?;
    assert!(ours.is_empty() && running.len() == 2, "{ours:?} {running:?}");
    let kills = if long() { 20 } else { 3 };
    let churn =
        ["churn", NETWORK, "--image", IMAGE, "--stacks", "1", "--apply", "--", "sh", "-c", STOPS_AT_ONCE];
    let mut hit = (0, 0);
    for words in [["census", NETWORK].as_slice(), &churn] {
        let whole = rig.run(words)?;
        let (mut alive, mut littered) = (0, 0);
        for moment in rig.moments(kills, whole) {
            alive += u32::from(rig.kill_after(words, moment)?);
            littered += u32::from(!objects(&rig.lab)?.0.is_empty());
            rig.run(&["sweep", "--apply"])?;
            assert_eq!(
                objects(&rig.lab)?,
                (BTreeSet::new(), others.clone()),
                "{} killed after {moment:?}",
                words[0]
            );
            assert_eq!(tasks(&rig.lab)?, running, "{} killed after {moment:?}", words[0]);
        }
        writeln!(
            std::io::stdout(),
            "{test}: {} of {whole:.2?}, killed {kills} times, {alive} while it ran, {littered} with something left",
            words[0]
        )?;
        hit = (hit.0 + alive, hit.1 + littered);
    }
    assert!(0 < hit.0 && 0 < hit.1, "no kill hit anything");
    Ok(())
}

/// What is left after a kill is the user's stack, half removed: no sweep touches it, and running the removal again
/// completes it without a loss.
fn a_half_removed_stack_goes_when_the_removal_is_run_again(test: &str, rig: &Rig) -> Outcome {
    let others = objects(&rig.lab)?.1;
    let running = tasks(&rig.lab)?;
    let names = ["victim".to_owned()];
    let shape = Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE };
    let removal = ["stack", "rm", "victim", "--apply"];
    deploy(&rig.lab, &names, shape)?;
    let whole = rig.run(&removal)?;
    let kills = if long() { 20 } else { 3 };
    let (mut alive, mut half) = (0, 0);
    for moment in rig.moments(kills, whole) {
        deploy(&rig.lab, &names, shape)?;
        let standing = objects(&rig.lab)?.1;
        alive += u32::from(rig.kill_after(&removal, moment)?);
        let left = objects(&rig.lab)?.1;
        half += u32::from(left != others && left != standing);
        rig.run(&["sweep", "--apply"])?;
        assert_eq!(objects(&rig.lab)?, (BTreeSet::new(), left), "a sweep has no business there ({moment:?})");
        // In the docker client's spelling, to which a stack that is gone already is no error.
        rig.run(&["docker", "stack", "rm", "victim"])?;
        assert_eq!(objects(&rig.lab)?, (BTreeSet::new(), others.clone()), "killed after {moment:?}");
        assert_eq!(tasks(&rig.lab)?, running, "killed after {moment:?}");
    }
    writeln!(
        std::io::stdout(),
        "{test}: stack rm of {whole:.2?}, killed {kills} times, {alive} while it ran, {half} with a half removed stack"
    )?;
    assert!(0 < alive && 0 < half, "no kill hit anything");
    Ok(())
}
