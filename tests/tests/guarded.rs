//! `pvcheck guard` on real engines: a network that leaks have filled is cured by the rung that the configuration names, once; a
//! leak that has filled nothing restarts nothing. One manager borrows another, and three hand the leadership over.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_swarm::Engine;
use pvcheck_tests::stacks::{STOPS_AT_ONCE, Shape, deploy, leak};
use pvcheck_tests::{Outcome, docker, host, lab_of, long, pvcheck};
use serde_json::Value;

const NETWORK: &str = "shared";

#[tokio::test]
async fn a_full_network_is_cured_once_and_a_leak_restarts_nothing() -> Outcome {
    let test = "guard::a_full_network_is_cured_once_and_a_leak_restarts_nothing";
    // With spare engines the manager has an address that a borrowed one reaches; later they join.
    let spec = LabSpec { spares: 2, suite: Some(Suite::Bookworm), ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    docker(&lab, &["network", "create", "-d", "overlay", "--subnet", "10.92.0.0/28", NETWORK])?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("pvcheck.toml");
    let log = &lab.info().log[0];
    std::fs::write(
        &config,
        format!(
            "[overlay]\nname = \"{NETWORK}\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nfile = {log:?}\n\
             [guard]\nmay = [\"borrow\", \"restart\"]\nrestart_command = \"exit 9\"\n"
        ),
    )?;
    let program = pvcheck()?;
    let guard = |words: &[&str]| {
        let mut command = guard(lab.command(&program), &config);
        command.args(words);
        printed(command)
    };

    // 13 addresses: three are held by a service that runs (virtual address, task, load balancer), eight are lost by as many
    // tasks of a stack that goes, and nothing waits for one.
    deploy(&lab, &["resident".into()], Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })?;
    leak(&lab, &engine, NETWORK, 8).await?;
    let (code, leak) = guard(&["--probe", "--apply"])?;
    assert_eq!(leak["outlooks"][0]["leaked"], 8, "{leak:#}");
    assert_eq!(
        (code, &leak["answer"], &leak["done"]),
        (3, &"undecided".into(), &serde_json::json!([])),
        "{leak:#}"
    );

    // A virtual address and one task fit into what is left; a second task does not.
    let words = ["service", "create", "-q", "-d", "--no-resolve-image", "--name", "late", "--replicas", "2"];
    let rest = ["--network", NETWORK, "pvcheck-lab/busybox:1", "sh", "-c", STOPS_AT_ONCE];
    docker(&lab, &[&words[..], &rest[..]].concat())?;
    let told = until_full(|| guard(&[]))?;
    assert_eq!((&told["answer"], &told["row"]), (&"borrow".into(), &"full-borrow".into()), "{told:#}");
    assert_eq!(told["signs"]["logged"], "ran-out", "{told:#}");
    let before = containers(&lab)?;

    let since = Instant::now();
    let (code, cured) = guard(&["--apply"])?;
    assert_eq!((code, &cured["done"][0]["end"]["outcome"]), (0, &"helped".into()), "{cured:#}");
    assert_eq!(cured["done"][0]["leaked"][0]["after"], 0, "{cured:#}");
    assert_eq!(cured["after"]["sign"], "not-full", "{cured:#}");
    let took = since.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{test}: {} leaked, cured by borrow in {took:.1} s",
        cured["done"][0]["leaked"][0]["before"]
    )?;
    let after = containers(&lab)?;
    assert!(before.iter().all(|id| after.contains(id)), "a container was replaced: {before:?}, {after:?}");

    let (code, again) = guard(&["--probe", "--apply"])?;
    assert_eq!(
        (&again["done"], &again["signs"]["brake"]),
        (&serde_json::json!([]), &"cooling".into()),
        "{again:#}"
    );
    assert_eq!(
        (&again["signs"]["now"], &again["signs"]["logged"]),
        (&"not-full".into(), &"clean".into()),
        "{again:#}"
    );
    assert_eq!(
        (code, &again["outlooks"][0]["leaked"]),
        (3, &0.into()),
        "too few counts for a forecast: {again:#}"
    );
    three_hand_over(test, &lab, &engine).await?;
    if long() {
        killed_while_the_leader_is_demoted(test, &lab, &engine).await?;
    }
    lab.down()?;
    Ok(())
}

/// The spare engines become managers, and the leader's guard hands over with their help and takes the leadership back.
async fn three_hand_over(test: &str, lab: &Lab, engine: &Engine) -> Outcome {
    let begun = Instant::now();
    join_the_spares(lab)?;
    let trio = Trio::new(lab)?;
    // Six of 13 addresses are held; six are lost, and of two further tasks one fits.
    trio.lose_and_wait(engine, 6, "--replicas=4").await?;
    let told = until_full(|| trio.guard(&[]))?;
    assert_eq!((&told["answer"], &told["row"]), (&"hand-over".into(), &"full-hand-over".into()), "{told:#}");
    let before = containers(lab)?;

    let since = Instant::now();
    let (code, cured) = trio.guard(&["--apply"])?;
    let done = &cured["done"][0];
    assert_eq!((code, &done["rung"]), (0, &"hand-over".into()), "{cured:#}");
    helped(done, &cured);
    let (leaked, took) = (&done["leaked"][0]["before"], since.elapsed().as_secs_f64());
    writeln!(std::io::stdout(), "{test}: {leaked} leaked, cured by hand-over in {took:.1} s")?;
    let after = containers(lab)?;
    assert!(before.iter().all(|id| after.contains(id)), "a container was replaced: {before:?}, {after:?}");
    trio.rests()?;
    writeln!(std::io::stdout(), "{test}: all of three managers in {:.1} s", begun.elapsed().as_secs_f64())?;
    Ok(())
}

/// Killed while the manager that it asks is demoted, the guard finishes the same cure through it, and begins no other.
async fn killed_while_the_leader_is_demoted(test: &str, lab: &Lab, engine: &Engine) -> Outcome {
    let trio = Trio::new(lab)?;
    trio.lose_and_wait(engine, 4, "--replicas=6").await?;
    until_full(|| trio.guard(&[]))?;
    let mut child = trio.command(&["--apply"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let since = Instant::now();
    while !trio.has_handed_over() {
        assert!(since.elapsed() < Duration::from_mins(1), "it never hands over");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    let since = Instant::now();
    while docker(lab, &["info", "--format", "{{.Swarm.ControlAvailable}}"])? != "false" {
        assert!(since.elapsed() < Duration::from_mins(1), "it never is a worker");
        std::thread::sleep(Duration::from_millis(100));
    }
    let since = Instant::now();
    let (_, finished) = trio.guard(&["--apply"])?;
    let done = &finished["done"][0];
    assert_eq!((&finished["done"][1], &done["rung"]), (&Value::Null, &Value::Null), "{finished:#}");
    helped(done, &finished);
    writeln!(std::io::stdout(), "{test}: finished in {:.1} s", since.elapsed().as_secs_f64())?;
    trio.rests()
}

fn helped(done: &Value, guard: &Value) {
    assert_eq!(done["end"]["outcome"], "helped", "{guard:#}");
    assert_eq!(
        (&done["leaked"][0]["after"], &guard["after"]["sign"]),
        (&0.into(), &"not-full".into()),
        "{guard:#}"
    );
}

/// The guard on the first of three managers, with nothing to remember.
struct Trio<'a> {
    lab: &'a Lab,
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl<'a> Trio<'a> {
    fn new(lab: &'a Lab) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        // What takes neither root nor tokens may be done without being named.
        let text = format!(
            "[overlay]\nname = \"{NETWORK}\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nfile = \"{}\"\n[guard]\n",
            lab.info().log[0].display()
        );
        std::fs::write(folder.path().join("pvcheck.toml"), text)?;
        Ok(Self { lab, folder, program: pvcheck()? })
    }

    /// So many addresses are lost, and a service becomes one that waits.
    async fn lose_and_wait(&self, engine: &Engine, lost: usize, replicas: &str) -> Outcome {
        leak(self.lab, engine, NETWORK, lost).await?;
        docker(self.lab, &["service", "update", "--detach", "--quiet", replicas, "late"]).map(drop)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = guard(self.lab.command(&self.program), &self.folder.path().join("pvcheck.toml"));
        for spare in &self.lab.info().spares {
            command.args(["--helper", &spare.host]);
        }
        command.args(words);
        command
    }

    fn guard(&self, words: &[&str]) -> Result<(i32, Value), Box<dyn std::error::Error>> {
        printed(self.command(words))
    }

    /// True iff the step log has it that the leader was demoted.
    fn has_handed_over(&self) -> bool {
        let log = std::fs::read(self.folder.path().join("reclaim.json")).unwrap_or_default();
        let log: Value = serde_json::from_slice(&log).unwrap_or_default();
        let mut marks = log["marks"].as_array().into_iter().flatten();
        marks.any(|mark| mark["step"] == "hand-over" && mark["moment"] == "done")
    }

    /// Another run does nothing.
    fn rests(&self) -> Outcome {
        let (_, again) = self.guard(&["--apply"])?;
        assert_eq!(
            (&again["done"], &again["signs"]["now"], &again["signs"]["brake"]),
            (&serde_json::json!([]), &"not-full".into(), &"cooling".into()),
            "{again:#}"
        );
        Ok(())
    }
}

/// They get no task, so that no address of the network goes to their load balancers.
fn join_the_spares(lab: &Lab) -> Outcome {
    let token = docker(lab, &["swarm", "join-token", "--quiet", "manager"])?;
    let first = format!("{}:2377", lab.info().addresses[0]);
    for spare in &lab.info().spares {
        let join = ["swarm", "join", "--availability", "drain", "--token", &token];
        docker(
            lab,
            &[&["--host", &spare.host], &join[..], &["--advertise-addr", &spare.address, &first]].concat(),
        )?;
    }
    let since = Instant::now();
    loop {
        let listed = docker(lab, &["node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}"])?;
        let good = |line: &&str| ["Ready Leader", "Ready Reachable"].contains(line);
        if listed.lines().filter(good).count() == 3 {
            return Ok(());
        }
        if Duration::from_mins(1) < since.elapsed() {
            return Err(format!("they are no managers: {listed}").into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// `pvcheck guard` with this configuration, and a state beside it.
fn guard(mut program: Command, config: &Path) -> Command {
    let state = config.with_file_name("guard.json");
    program.args(["guard", "-o", "json", "--config"]).arg(config).arg("--state").arg(state);
    program
}

/// The exit code of a guard, and its document.
fn printed(mut guard: Command) -> Result<(i32, Value), Box<dyn std::error::Error>> {
    let output = guard.output()?;
    let document = serde_json::from_slice(&output.stdout);
    let document = document.map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.code().unwrap_or(-1), document))
}

/// The first document in which a network is full of leaks.
fn until_full(
    look: impl Fn() -> Result<(i32, Value), Box<dyn std::error::Error>>,
) -> Result<Value, Box<dyn std::error::Error>> {
    let since = Instant::now();
    loop {
        let (code, told) = look()?;
        if told["signs"]["now"] == "full-of-leaks" {
            assert_eq!(code, 1, "{told:#}");
            return Ok(told);
        }
        if Duration::from_mins(1) < since.elapsed() {
            return Err(format!("it never is full: {told:#}").into());
        }
    }
}

/// The containers that run.
fn containers(lab: &Lab) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(docker(lab, &["ps", "-q", "--no-trunc"])?.lines().map(str::to_owned).collect())
}
