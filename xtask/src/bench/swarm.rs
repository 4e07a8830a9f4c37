//! `cargo xtask bench swarm`: the audit of a Swarm of many services, and censuses of idle networks, small and large.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{BUSYBOX_IMAGE, Lab, LabError, LabSpec, ReadOnlyProxy, Suite};
use serde_json::Value;

use super::audit::side_by_side;
use super::build::release_build;
use super::compare::{Comparison, median, time};
use super::peak::measure;
use crate::lab;

#[cfg(test)]
mod tests;

/// Arguments of `bench swarm`.
#[derive(Args, Debug)]
pub(crate) struct Swarm {
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Services on the Swarm, with two tasks each that no node can run
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    services: u32,
    /// Rounds of the audit; each runs both sides once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..=100))]
    rounds: u32,
    /// Leave out the census of a /16
    #[arg(long)]
    no_large: bool,
}

/// Runs the bench in a lab of its own.
pub(crate) fn run(args: &Swarm) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let spec = LabSpec { suite: args.engine, ..LabSpec::default() };
    match lab::up_unless_interrupted(spec, false)? {
        Ok(lab) => {
            let outcome = bench(&lab, &pvcheck, args);
            lab.down()?;
            outcome.map(|()| ExitCode::SUCCESS)
        }
        Err(LabError::Cancelled) => Ok(ExitCode::from(lab::INTERRUPTED)),
        Err(error) => Err(error.into()),
    }
}

fn bench(lab: &Lab, pvcheck: &Path, args: &Swarm) -> anyhow::Result<()> {
    let engine = lab.info().engine.version.as_deref().unwrap_or("unknown");
    lab::say(&format!("engine {engine}"));
    for network in networks(args) {
        network_censuses(lab, pvcheck, &network)?;
    }
    lab::say(&format!("deploying {} services", args.services));
    populate(lab, args.services)?;
    let calls = calls_of_an_audit(lab, pvcheck)?;
    let (ours, theirs) = side_by_side(lab, pvcheck, args.rounds)?;
    let memory = measure(lab.command(pvcheck).args(["audit", "-o", "json"]), &[0])?.mib;
    let (services, tasks, rounds) = (args.services, tasks(args.services), args.rounds);
    let title = format!("audit of {services} services and {tasks} tasks, median of {rounds}");
    let remark = format!("{calls} calls, {memory} MiB");
    lab::say(&Comparison { title, ours, remark, theirs }.to_string());
    Ok(())
}

/// An idle network and the censuses of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Idle {
    name: &'static str,
    subnet: &'static str,
    methods: &'static [&'static str],
    rounds: u32,
}

/// The networks of the bench. The large one is counted once and in bulk only: an address at a time, its 65,533 take
/// longer than any deadline.
fn networks(args: &Swarm) -> Vec<Idle> {
    let small =
        Idle { name: "small", subnet: "10.10.0.0/24", methods: &["cursor", "bulk"], rounds: args.rounds };
    let large = Idle { name: "large", subnet: "10.20.0.0/16", methods: &["bulk"], rounds: 1 };
    std::iter::once(small).chain((!args.no_large).then_some(large)).collect()
}

/// Makes a network and counts it by each of its methods: the censuses' own time, and the most memory that one took.
fn network_censuses(lab: &Lab, pvcheck: &Path, idle: &Idle) -> anyhow::Result<()> {
    let create = ["network", "create", "-d", "overlay", "--subnet", idle.subnet, idle.name];
    time(lab.command("docker").args(create))?;
    for method in idle.methods {
        let mut times = Vec::new();
        let mut most = 0;
        for _ in 0..idle.rounds {
            let words =
                ["census", idle.name, "--method", method, "--deadline", "10m", "-o", "json", "--quiet"];
            let measured = measure(lab.command(pvcheck).args(words), &[0])?;
            times.push(elapsed(&measured.printed)?);
            most = most.max(measured.mib);
        }
        if let Some(took) = median(&times) {
            lab::say(&census_line(idle, method, took, most));
        }
    }
    Ok(())
}

fn census_line(idle: &Idle, method: &str, took: Duration, mib: u64) -> String {
    let Idle { subnet, rounds, .. } = idle;
    let seconds = took.as_secs_f64();
    format!("census of an idle {subnet} by {method}: {seconds:.2} s, median of {rounds}, {mib} MiB")
}

/// The time that a complete census says it took, with nothing leaked.
fn elapsed(printed: &str) -> anyhow::Result<Duration> {
    let census: Value = serde_json::from_str(printed).context("the census printed no JSON")?;
    if census["complete"] != true || census["leaked"] != 0 {
        bail!("the census of an idle network is not complete, or found a leak: {printed}");
    }
    Ok(Duration::from_millis(census["elapsed_ms"].as_u64().context("the census has no elapsed_ms")?))
}

/// How many calls one audit makes.
fn calls_of_an_audit(lab: &Lab, pvcheck: &Path) -> anyhow::Result<usize> {
    let folder = tempfile::tempdir().context("cannot make a folder for the proxy")?;
    let host = lab.info().hosts.first().context("the lab has no engine")?;
    let socket = Path::new(host.trim_start_matches("unix://"));
    // A proxy counts what really goes over the socket, whatever the code believes that it sends.
    let proxy = ReadOnlyProxy::start(&folder.path().join("counting.sock"), socket)?;
    time(lab.command(pvcheck).args(["audit", "-o", "json", "--host", &proxy.host()]))?;
    Ok(proxy.take_calls().len())
}

/// Deploys one stack of that many services, and waits until every task has its address.
fn populate(lab: &Lab, services: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for the stack")?;
    let file = folder.path().join("many.yml");
    std::fs::write(&file, compose(services)).context("cannot write the stack")?;
    // The lab has no registry to resolve an image with.
    let deploy = ["stack", "deploy", "--resolve-image", "never", "-c"];
    time(lab.command("docker").args(deploy).arg(&file).arg("many"))?;
    let since = Instant::now();
    // A task is pending once it has its addresses and no node can take it; before that it is new.
    let pending = r"docker service ps $(docker service ls -q) --format '{{.CurrentState}}' | grep -c Pending";
    loop {
        let printed = lab.command("sh").args(["-c", pending]).output().context("cannot count the tasks")?;
        let counted = String::from_utf8_lossy(&printed.stdout).trim().parse().unwrap_or(0u32);
        if counted == tasks(services) {
            return Ok(());
        }
        if Duration::from_mins(5) < since.elapsed() {
            bail!("{counted} of {} tasks have their address after five minutes", tasks(services));
        }
    }
}

/// Two tasks for each service.
fn tasks(services: u32) -> u32 {
    2 * services
}

/// The Compose file. No node has the label, so no container starts: what is measured is reading the Swarm's lists. The
/// /18 holds 16,381 addresses, three for each of at most 2,000 services.
fn compose(services: u32) -> String {
    let mut text = String::from("version: '3.8'\nservices:\n");
    for n in 0..services {
        text += &format!(
            "  s{n}:\n    image: {BUSYBOX_IMAGE}\n    networks: [many]\n    deploy:\n      replicas: 2\n      placement: {{constraints: ['node.labels.nowhere==1']}}\n"
        );
    }
    text + "networks:\n  many:\n    driver_opts: {}\n    ipam: {config: [{subnet: 10.40.0.0/18}]}\n"
}
