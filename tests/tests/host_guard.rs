//! The guard as systemd runs it: the service of `dist/systemd`, behind its walls, on a booted host whose network leaks have
//! filled. It restarts the engine once and proves that this helped; killed half way, and after a boot, it does not do it again.
//!
//! On a host that advertises an address, it borrows a manager instead, and no container is replaced. The other rungs are not
//! shown here: `hand-over` takes three managers, and a drain waits until what a run left is an hour old.

use std::error::Error;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pvcheck_lab::{HostSpec, Lab, SystemState};
use pvcheck_swarm::Engine;
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, Shape, deploy, leak, until_gone};
use pvcheck_tests::{Outcome, booted, docker, host, pvcheck, text};
use serde_json::Value;

const NETWORK: &str = "shared";
const UNIT: &str = "pvcheck-guard.service";
const CONFIG: &str = "/etc/pvcheck/pvcheck.toml";
const STATE: &str = "/var/lib/pvcheck/guard.json";
/// A line for each time that the guard was about to restart the engine.
const RESTARTS: &str = "/var/lib/pvcheck/restarts";
/// Two interfaces that are linked, and a Swarm that advertises the address of one of them.
const ADVERTISED: &str = "ip link add outer type veth peer name inner && ip address add 10.93.0.1/24 dev outer && \
    ip link set outer up && ip link set inner up && \
    docker swarm leave --force >/dev/null && docker swarm init --advertise-addr 10.93.0.1 >/dev/null";
/// Time for a boot.
const BOOT: Duration = Duration::from_mins(2);
/// Time until what waits for an address is seen to wait.
const SEEN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_service_cures_once_and_neither_a_kill_nor_a_boot_makes_it_cure_again() -> Outcome {
    let test = "host_guard::the_service_cures_once_and_neither_a_kill_nor_a_boot_makes_it_cure_again";
    let spec = HostSpec { gate: None, pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(mut lab) = booted(test, spec) else { return Ok(()) };
    install(&lab)?;

    configure(&lab, "restart", "systemctl restart docker.service")?;
    let told = exhaust(&lab, "restart").await?;
    assert_eq!(told["row"], "full-restart", "{told:#}");
    assert!(closed(&told, "hand-over").contains("it takes three"), "{told:#}");
    let since = Instant::now();
    assert_eq!(start(&lab)?, "success", "{}", said(&lab)?);
    writeln!(std::io::stdout(), "{test}: cured in {:.1} s", since.elapsed().as_secs_f64())?;
    let cured = acts(&lab)?;
    assert_eq!(cured.len(), 1, "{cured:?}");
    assert_eq!(
        (&cured[0]["rung"], &cured[0]["end"]["outcome"]),
        (&"restart".into(), &"helped".into()),
        "{cured:?}"
    );
    assert_eq!((leaked(&lab)?, restarts(&lab)?), (Some(0), 1));
    start(&lab)?;
    assert_eq!((acts(&lab)?, restarts(&lab)?), (cured, 1), "{}", said(&lab)?);

    // Another exhaustion, of which the guard remembers nothing, and one that is killed where the engine was to be restarted.
    text(lab.command("rm").args([STATE, RESTARTS]))?;
    docker(&lab, &["service", "rm", "late"])?;
    until_gone(&Engine::connect(&host(&lab)).await?, &[]).await?;
    let killed = format!("systemctl kill --kill-whom=main --signal=KILL {UNIT}; sleep 60");
    configure(&lab, "restart", &killed)?;
    exhaust(&lab, "restart").await?;
    assert_eq!(start(&lab)?, "signal", "{}", said(&lab)?);
    let begun = acts(&lab)?;
    assert_eq!((begun.len(), &begun[0]["end"], restarts(&lab)?), (1, &Value::Null, 1), "{begun:?}");

    let since = Instant::now();
    lab.reboot()?;
    // The guard is started by its timer alone, which is not installed: no unit has failed since.
    assert_eq!(lab.booted(BOOT)?, SystemState::Running);
    writeln!(std::io::stdout(), "{test}: booted again in {:.1} s", since.elapsed().as_secs_f64())?;
    for run in ["first", "second"] {
        start(&lab)?;
        let after = acts(&lab)?;
        assert_eq!((after.len(), &after[0]["begun"]), (1, &begun[0]["begun"]), "{run}: {after:?}");
        assert_ne!(after[0]["end"], Value::Null, "{run}: {}", said(&lab)?);
        assert_eq!((leaked(&lab)?, restarts(&lab)?), (Some(0), 1), "{run}: {}", said(&lab)?);
    }
    lab.down()?;
    Ok(())
}

#[tokio::test]
async fn the_service_borrows_a_manager_where_an_address_is_advertised() -> Outcome {
    let test = "host_guard::the_service_borrows_a_manager_where_an_address_is_advertised";
    let spec = HostSpec { gate: None, pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(lab) = booted(test, spec) else { return Ok(()) };
    text(lab.command("sh").args(["-c", ADVERTISED]))?;
    let drop_in = format!("/etc/systemd/system/{UNIT}.d/borrow.conf");
    put(&lab, &drop_in, File::open(shipped("pvcheck-guard-borrow.conf"))?)?;
    install(&lab)?;
    configure(&lab, "borrow", "exit 9")?;
    let told = exhaust(&lab, "borrow").await?;
    assert_eq!(told["row"], "full-borrow", "{told:#}");
    let before = containers(&lab)?;
    let since = Instant::now();
    assert_eq!(start(&lab)?, "success", "{}", said(&lab)?);
    writeln!(std::io::stdout(), "{test}: cured in {:.1} s", since.elapsed().as_secs_f64())?;
    let cured = acts(&lab)?;
    assert_eq!(cured.len(), 1, "{cured:?}");
    assert_eq!(
        (&cured[0]["rung"], &cured[0]["end"]["outcome"]),
        (&"borrow".into(), &"helped".into()),
        "{cured:?}"
    );
    assert_eq!(leaked(&lab)?, Some(0));
    let after = containers(&lab)?;
    assert!(before.iter().all(|id| after.contains(id)), "a container was replaced: {before:?}, {after:?}");
    start(&lab)?;
    assert_eq!(acts(&lab)?, cured, "{}", said(&lab)?);
    lab.down()?;
    Ok(())
}

/// A file that is shipped for systemd.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/systemd").join(name)
}

/// Installs the service, and makes a network of which a service holds three addresses.
fn install(lab: &Lab) -> Outcome {
    put(lab, &format!("/etc/systemd/system/{UNIT}"), File::open(shipped(UNIT))?)?;
    // Where a package has it.
    text(lab.command("ln").args(["-s", "/usr/local/bin/pvcheck", "/usr/bin/pvcheck"]))?;
    docker(lab, &["network", "create", "-d", "overlay", "--subnet", "10.92.0.0/28", NETWORK])?;
    deploy(lab, &["resident".into()], Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })
}

/// The containers that run.
fn containers(lab: &Lab) -> Result<Vec<String>, Box<dyn Error>> {
    Ok(docker(lab, &["ps", "-q", "--no-trunc"])?.lines().map(str::to_owned).collect())
}

/// Writes what a file has to a path inside of the host.
fn put(lab: &Lab, path: &str, from: File) -> Outcome {
    let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
    text(lab.command("sh").args(["-c", script, "sh", path]).stdin(from)).map(drop)
}

/// The guard's configuration: it may take this rung besides the gentle ones, and this restarts the engine.
fn configure(lab: &Lab, rung: &str, restart: &str) -> Outcome {
    let mut file = tempfile::tempfile()?;
    write!(
        file,
        "[overlay]\nname = \"{NETWORK}\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nunit = \"docker.service\"\n\
         [guard]\nmay = [\"drain\", \"hand-over\", \"{rung}\"]\n\
         restart_command = \"echo restart >>{RESTARTS}; {restart}\"\n"
    )?;
    file.rewind()?;
    put(lab, CONFIG, file)
}

/// Of 13 addresses three are held by a service that runs and eight are lost; of another service's two tasks only one fits.
/// Gives what the guard says once it has seen that, and would take this rung: while a task starts, the window is busy.
async fn exhaust(lab: &Lab, rung: &str) -> Result<Value, Box<dyn Error>> {
    leak(lab, &Engine::connect(&host(lab)).await?, NETWORK, &[3, 3, 2]).await?;
    let words = ["service", "create", "-q", "-d", "--no-resolve-image", "--name", "late", "--replicas", "2"];
    docker(lab, &[&words[..], &["--network", NETWORK, IMAGE, "sh", "-c", STOPS_AT_ONCE]].concat())?;
    let since = Instant::now();
    loop {
        let words = ["guard", "-o", "json", "--config", CONFIG, "--state", STATE];
        let output = lab.command("pvcheck").args(words).output()?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
        if told["signs"]["now"] == "full-of-leaks" && told["answer"] == rung {
            return Ok(told);
        }
        if SEEN < since.elapsed() {
            return Err(format!("it is never full, or not to be cured by {rung}: {told:#}").into());
        }
    }
}

/// Why a rung is not open; empty if it is.
fn closed(told: &Value, rung: &str) -> String {
    let ways = told["ways"].as_array().into_iter().flatten();
    let reason = ways.filter(|way| way["rung"] == rung).find_map(|way| way["reason"].as_str());
    reason.unwrap_or_default().to_owned()
}

/// Has systemd run the service once, and gives the result that systemd notes.
fn start(lab: &Lab) -> Result<String, Box<dyn Error>> {
    // Its code is that of the job; how the service ended is noted.
    lab.command("timeout").args(["300", "systemctl", "start", UNIT]).output()?;
    text(lab.command("systemctl").args(["show", "--value", "--property=Result", UNIT]))
}

/// What the service has said.
fn said(lab: &Lab) -> Result<String, Box<dyn Error>> {
    text(lab.command("journalctl").args(["--unit", UNIT, "--output=cat", "--no-pager"]))
}

/// What the guard remembers to have done.
fn acts(lab: &Lab) -> Result<Vec<Value>, Box<dyn Error>> {
    let state: Value = serde_json::from_str(&text(lab.command("cat").arg(STATE))?)?;
    Ok(state["acts"].as_array().cloned().ok_or("the guard remembers nothing")?)
}

fn restarts(lab: &Lab) -> Result<usize, Box<dyn Error>> {
    Ok(text(lab.command("cat").arg(RESTARTS))?.lines().count())
}

/// Leaked addresses by a census of its own; `None` if that was not complete.
fn leaked(lab: &Lab) -> Result<Option<u64>, Box<dyn Error>> {
    let output = lab.command("pvcheck").args(["census", NETWORK, "-o", "json"]).output()?;
    let census: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(census["leaked"].as_u64())
}
