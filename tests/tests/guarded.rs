//! `pvcheck guard` on real engines: a network that leaks have filled is cured by the rung that the configuration names, once; a
//! leak that has filled nothing restarts nothing. One manager borrows another, and three hand the leadership over.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_swarm::Engine;
use pvcheck_tests::stacks::{STOPS_AT_ONCE, STOPS_IN_2_S, Shape, deploy, leak, stack_rm, until_gone};
use pvcheck_tests::{Outcome, docker, host, lab_of, pvcheck};
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
    let guard = |words: &[&str]| printed(lab.command(&program), &config, folder.path(), words);

    // 13 addresses: three are held by a service that runs (virtual address, task, load balancer), eight are lost by as many
    // removals, and nothing waits for one.
    deploy(&lab, &["resident".into()], Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })?;
    leak(&lab, &engine, NETWORK, &[3, 3, 2]).await?;
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
    lab.down()?;
    Ok(())
}

/// The spare engines become managers, and the leader's guard hands over with their help and takes the leadership back.
async fn three_hand_over(test: &str, lab: &Lab, engine: &Engine) -> Outcome {
    join_the_spares(lab)?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("pvcheck.toml");
    // What takes neither root nor tokens may be done without being named.
    let text = format!(
        "[overlay]\nname = \"{NETWORK}\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nfile = {:?}\n[guard]\n",
        lab.info().log[0]
    );
    std::fs::write(&config, text)?;
    let program = pvcheck()?;
    let helpers: Vec<&str> =
        lab.info().spares.iter().flat_map(|spare| ["--helper", spare.host.as_str()]).collect();
    let guard = |words: &[&str]| {
        printed(lab.command(&program), &config, folder.path(), &[&helpers[..], words].concat())
    };
    // Six of 13 addresses are held; six are lost, and of two further tasks one fits.
    let names = ["gone".to_owned()];
    deploy(lab, &names, Shape { shared: NETWORK, replicas: 6, script: STOPS_IN_2_S })?;
    stack_rm(lab, &names)?;
    until_gone(engine, &names).await?;
    docker(lab, &["service", "update", "--detach", "--quiet", "--replicas=4", "late"])?;
    let told = until_full(|| guard(&[]))?;
    assert_eq!((&told["answer"], &told["row"]), (&"hand-over".into(), &"full-hand-over".into()), "{told:#}");
    let before = containers(lab)?;

    let since = Instant::now();
    let (code, cured) = guard(&["--apply"])?;
    let done = &cured["done"][0];
    assert_eq!(
        (code, &done["rung"], &done["end"]["outcome"]),
        (0, &"hand-over".into(), &"helped".into()),
        "{cured:#}"
    );
    assert_eq!(
        (&done["leaked"][0]["after"], &cured["after"]["sign"]),
        (&0.into(), &"not-full".into()),
        "{cured:#}"
    );
    let took = since.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{test}: {} leaked, cured by hand-over in {took:.1} s",
        done["leaked"][0]["before"]
    )?;
    let after = containers(lab)?;
    assert!(before.iter().all(|id| after.contains(id)), "a container was replaced: {before:?}, {after:?}");
    let (_, again) = guard(&["--apply"])?;
    assert_eq!(
        (&again["done"], &again["signs"]["now"], &again["signs"]["brake"]),
        (&serde_json::json!([]), &"not-full".into(), &"cooling".into()),
        "{again:#}"
    );
    Ok(())
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

/// `pvcheck guard` with these words: its exit code and its document.
fn printed(
    mut command: Command,
    config: &Path,
    folder: &Path,
    words: &[&str],
) -> Result<(i32, Value), Box<dyn std::error::Error>> {
    command
        .args(["guard", "-o", "json", "--config"])
        .arg(config)
        .arg("--state")
        .arg(folder.join("guard.json"));
    let output = command.args(words).output()?;
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
