//! `cargo xtask bench scale`: sizes that no test machine has, on the embedded engine.
//!
//! The engine is a process of its own, so that the memory that is measured is pvcheck's alone.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use self::report::{CensusOf16, Size, report};
use super::build::release_build;
use super::compare::median;
use super::peak::{Measured, measure};
use crate::lab;

mod report;

/// Services of the worlds, and their nodes; each service has [`REPLICAS`] tasks.
const WORLDS: [(u64, u64); 4] = [(20, 1), (2_000, 20), (6_000, 60), (20_000, 200)];
const REPLICAS: u64 = 5;
/// Share of the /16 that is used when its census begins, in percent.
const USED: u64 = 95;

/// Arguments of `bench scale`.
#[derive(Args, Debug)]
pub(crate) struct Scale {
    /// Rounds of each measure
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

/// Measures all worlds and the census, prints the tables, and fails where a demand is not met.
pub(crate) fn run(args: &Scale) -> anyhow::Result<ExitCode> {
    let engine = release_build(&["--package", "pvcheck-sim", "--example", "bench_scale"])?
        .join("examples/bench_scale");
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let mut sizes = Vec::new();
    for (services, nodes) in WORLDS {
        lab::say(&format!("{services} services on {nodes} nodes"));
        sizes.push(size(&engine, &pvcheck, services, nodes, args.rounds)?);
    }
    lab::say(&format!("years of deployments, then a census at {USED} %"));
    let (text, met) = report(&sizes, &census(&engine, &pvcheck)?);
    write!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One world: its audit over the socket, and audit and why of its saved snapshot.
fn size(engine: &Path, pvcheck: &Path, services: u64, nodes: u64, rounds: u32) -> anyhow::Result<Size> {
    let folder = tempfile::tempdir().context("cannot make a folder for the snapshot")?;
    let file = folder.path().join("snapshot.json");
    let numbers = [services, REPLICAS, nodes].map(|number| number.to_string());
    let world = World::start(Command::new(engine).arg("world").args(numbers))?;
    let middle = format!("svc-{}", services / 2);
    let ask = |words: &[&str]| {
        let mut most: Option<Measured> = None;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let one = measure(Command::new(pvcheck).args(words).args(["-o", "json", "--quiet"]), &[0])?;
            times.push(one.took);
            most = most.filter(|most| one.mib <= most.mib).or(Some(one));
        }
        median(&times).zip(most).context("no round was run").map(|(took, most)| Measured { took, ..most })
    };
    let host = world.host.as_str();
    let audit = ask(&["audit", "--host", host])?;
    expect_owners(&audit.printed, services)?;
    let why = ask(&["why", &middle, "--host", host])?;
    measure(Command::new(pvcheck).args(["audit", "--quiet", "--host", host, "--save"]).arg(&file), &[0])?;
    let path = file.to_str().context("the path of the snapshot is not UTF-8")?;
    let saved_audit = ask(&["audit", "--snapshot", path])?;
    expect_owners(&saved_audit.printed, services)?;
    let saved_why = ask(&["why", &middle, "--snapshot", path])?;
    let build = world.built;
    world.end()?;
    Ok(Size { services, tasks: services * REPLICAS, nodes, build, audit, why, saved_audit, saved_why })
}

/// A fast wrong answer measures nothing: every service has a VIP and its tasks.
fn expect_owners(printed: &str, services: u64) -> anyhow::Result<()> {
    let audit: Value = serde_json::from_str(printed).context("the audit printed no JSON")?;
    let networks = audit["networks"].as_array().context("the audit has no networks")?;
    let sum = |kind: &str| networks.iter().filter_map(|network| network["owned"][kind].as_u64()).sum::<u64>();
    let (vips, tasks) = (sum("vips"), sum("tasks"));
    if (vips, tasks) != (services, services * REPLICAS) {
        bail!("the audit has {vips} VIPs and {tasks} tasks of {services} services");
    }
    Ok(())
}

/// Years of deployments on a /16, and its census.
fn census(engine: &Path, pvcheck: &Path) -> anyhow::Result<CensusOf16> {
    let world = World::start(Command::new(engine).args(["years", &USED.to_string()]))?;
    let words = ["census", "proxy", "--deadline", "10m", "-o", "json", "--quiet", "--host", &world.host];
    // What is leaked is a finding.
    let measured = measure(Command::new(pvcheck).args(words), &[1])?;
    let printed: Value = serde_json::from_str(&measured.printed).context("the census printed no JSON")?;
    let number = |field: &str| printed[field].as_u64().with_context(|| format!("the census has no {field}"));
    let (leaked, handed_out) = (number("leaked")?, number("handed_out")?);
    let (days, built) = (world.days, world.built);
    let (free, held) = (world.free.context("no free addresses were counted")?, world.end()?);
    if handed_out != free {
        bail!("the census was given {handed_out} addresses and {free} were free");
    }
    let days = days.context("no days were counted")?;
    let held = held.context("nobody watched the census")?;
    Ok(CensusOf16 { days, built, free, leaked, held, took: measured.took, mib: measured.mib })
}

/// The embedded engine in a process of its own; it ends with its stdin, so at the latest with this process.
struct World {
    child: Child,
    stdout: BufReader<ChildStdout>,
    host: String,
    built: Duration,
    days: Option<u64>,
    free: Option<u64>,
}

impl World {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run the engine")?;
        let mut stdout = BufReader::new(child.stdout.take().context("the engine has no stdout")?);
        let facts = line(&mut stdout)?;
        let host = facts["host"].as_str().context("the engine has no host")?.to_owned();
        let built = Duration::from_millis(facts["build_ms"].as_u64().context("the engine has no build_ms")?);
        Ok(Self { child, stdout, host, built, days: facts["days"].as_u64(), free: facts["free"].as_u64() })
    }

    /// Ends the engine; the most addresses that were taken at once, if it has counted that.
    fn end(mut self) -> anyhow::Result<Option<u64>> {
        drop(self.child.stdin.take());
        let last = line(&mut self.stdout)?;
        let ended = self.child.wait().context("cannot wait for the engine")?;
        if !ended.success() {
            bail!("the engine ended with {ended}");
        }
        Ok(last["held"].as_u64())
    }
}

fn line(stdout: &mut impl BufRead) -> anyhow::Result<Value> {
    let mut text = String::new();
    stdout.read_line(&mut text).context("cannot read what the engine says")?;
    serde_json::from_str(&text).with_context(|| format!("the engine says {text:?}"))
}
