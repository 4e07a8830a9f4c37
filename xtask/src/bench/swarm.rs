//! `cargo xtask bench swarm`: the audit of a Swarm of many services, and censuses of idle networks, small and large.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{BUSYBOX_IMAGE, Lab, LabError, LabSpec, ReadOnlyProxy, Suite};
use serde_json::Value;

use super::audit::{PIPELINE, median, time};
use super::release_build;
use crate::lab;

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
    censuses(lab, pvcheck, args)?;
    lab::say(&format!("deploying {} services", args.services));
    populate(lab, args.services)?;
    let calls = calls_of_an_audit(lab, pvcheck)?;
    let (mut audits, mut pipelines) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        audits.push(time(lab.command(pvcheck).args(["audit", "-o", "json"]))?);
        pipelines.push(time(lab.command("sh").args(["-ec", PIPELINE]))?);
        lab::say(&format!("round {round} of {}", args.rounds));
    }
    let (ours, theirs) = (median(&mut audits), median(&mut pipelines));
    let memory = peak(lab.command(pvcheck).args(["audit", "-o", "json"]))?.1;
    lab::say(&format!(
        "audit of {} services and {} tasks, median of {}",
        args.services,
        2 * args.services,
        args.rounds
    ));
    lab::say(&format!("  pvcheck audit -o json         {:.1} ms, {calls} calls, {memory} MiB", millis(ours)));
    lab::say(&format!("  docker inspect … | jq         {:.1} ms", millis(theirs)));
    lab::say(&format!("  ratio                         {:.1}", theirs.as_secs_f64() / ours.as_secs_f64()));
    Ok(())
}

/// The census of idle networks: its own time, and the most memory that it took.
fn censuses(lab: &Lab, pvcheck: &Path, args: &Swarm) -> anyhow::Result<()> {
    let sizes: &[(&str, &str, u32)] =
        &[("small", "10.10.0.0/24", args.rounds), ("large", "10.20.0.0/16", u32::from(!args.no_large))];
    for (name, subnet, rounds) in sizes {
        let create = ["network", "create", "-d", "overlay", "--subnet", subnet, name];
        time(lab.command("docker").args(create))?;
        for method in ["cursor", "bulk"].iter().filter(|m| *name == "small" || **m == "bulk") {
            let mut times = Vec::new();
            let mut most = 0;
            for _ in 0..*rounds {
                let words =
                    ["census", name, "--method", method, "--deadline", "10m", "-o", "json", "--quiet"];
                let (printed, memory) = peak(lab.command(pvcheck).args(words))?;
                times.push(elapsed(&printed)?);
                most = most.max(memory);
            }
            if !times.is_empty() {
                lab::say(&format!(
                    "census of an idle {subnet} by {method}: {:.2} s, median of {rounds}, {most} MiB",
                    median(&mut times).as_secs_f64()
                ));
            }
        }
    }
    Ok(())
}

/// The time that a complete census says it took, with nothing leaked.
fn elapsed(printed: &str) -> anyhow::Result<Duration> {
    let census: Value = serde_json::from_str(printed).context("the census printed no JSON")?;
    if census["complete"] != true || census["leaked"] != 0 {
        bail!("the census of an idle network is not complete, or found a leak: {printed}");
    }
    Ok(Duration::from_millis(census["elapsed_ms"].as_u64().context("the census took no time")?))
}

/// How many calls one audit makes.
fn calls_of_an_audit(lab: &Lab, pvcheck: &Path) -> anyhow::Result<usize> {
    let folder = tempfile::tempdir().context("cannot make a folder for the proxy")?;
    let host = lab.info().hosts.first().context("the lab has no engine")?;
    let socket = Path::new(host.trim_start_matches("unix://"));
    let proxy = ReadOnlyProxy::start(&folder.path().join("counting.sock"), socket)?;
    time(lab.command(pvcheck).args(["audit", "-o", "json", "--host", &proxy.host()]))?;
    Ok(proxy.take_calls().len())
}

/// One stack of that many services on an overlay with room for them, and waits until every task has its address.
fn populate(lab: &Lab, services: u32) -> anyhow::Result<()> {
    let mut compose = String::from("version: '3.8'\nservices:\n");
    for n in 0..services {
        writeln!(
            compose,
            "  s{n}:\n    image: {BUSYBOX_IMAGE}\n    networks: [many]\n    deploy:\n      replicas: 2\n      placement: {{constraints: ['node.labels.nowhere==1']}}"
        )?;
    }
    compose
        .push_str("networks:\n  many:\n    driver_opts: {}\n    ipam: {config: [{subnet: 10.40.0.0/18}]}\n");
    let folder = tempfile::tempdir().context("cannot make a folder for the stack")?;
    let file = folder.path().join("many.yml");
    std::fs::write(&file, compose).context("cannot write the stack")?;
    time(
        lab.command("docker")
            .args(["stack", "deploy", "--resolve-image", "never", "-c"])
            .arg(&file)
            .arg("many"),
    )?;
    let since = Instant::now();
    let pending = r"docker service ps $(docker service ls -q) --format '{{.CurrentState}}' | grep -c Pending";
    loop {
        let printed = lab.command("sh").args(["-c", pending]).output().context("cannot count the tasks")?;
        let counted = String::from_utf8_lossy(&printed.stdout).trim().parse().unwrap_or(0u32);
        if counted == 2 * services {
            return Ok(());
        }
        if Duration::from_mins(5) < since.elapsed() {
            bail!("{counted} of {} tasks have their address after five minutes", 2 * services);
        }
    }
}

/// What a command printed, and the most memory that it had, in MiB.
fn peak(command: &mut Command) -> anyhow::Result<(String, u64)> {
    // A file takes as much as is printed without being read meanwhile, as a pipe does not.
    let printed = tempfile::NamedTempFile::new().context("cannot make a file for what is printed")?;
    let stdout = printed.reopen().context("cannot open the file for what is printed")?;
    let mut child = command.stdout(stdout).stderr(Stdio::inherit()).spawn().context("cannot run pvcheck")?;
    let status = format!("/proc/{}/status", child.id());
    let mut kib = 0;
    while child.try_wait().context("cannot wait for pvcheck")?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let high = high.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        kib = kib.max(high.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let ended = child.wait().context("cannot wait for pvcheck")?;
    if !ended.success() {
        bail!("pvcheck ended with {ended}");
    }
    let text = std::fs::read_to_string(printed.path()).context("cannot read what was printed")?;
    Ok((text, u64::div_ceil(kib, 1024)))
}

fn millis(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}
