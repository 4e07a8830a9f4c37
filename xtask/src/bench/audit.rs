//! `cargo xtask bench audit`: the audit beside the pipeline of inspect and jq that it replaces.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{Cancel, Lab, LabError, LabSpec, Suite, World};

use super::release_build;
use crate::lab;

/// What an operator without pvcheck would write: every service's endpoints and every overlay's tasks, summed up by jq.
pub(super) const PIPELINE: &str = r#"
docker service inspect $(docker service ls -q) |
  jq '[.[] | {name: .Spec.Name, vips: [.Endpoint.VirtualIPs[]?.Addr]}]' >/dev/null
for network in $(docker network ls --filter driver=overlay -q); do
  docker network inspect -v "$network"
done | jq '.[] | {name: .Name, services: [.Services[]? | {vip: .VIP, tasks: [.Tasks[]?.EndpointIP]}]}' >/dev/null
"#;

/// Arguments of `bench audit`.
#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Rounds; each runs both sides once
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=1000))]
    rounds: u32,
}

/// Times the audit and the pipeline on the cc-ci world, and prints the ratio.
pub(crate) fn run(args: &Audit) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let spec = LabSpec {
        managers: 1,
        spares: 0,
        suite: args.engine,
        name: None,
        world: World::CcCi,
        cancel: Cancel::default(),
    };
    match lab::up_unless_interrupted(spec, false)? {
        Ok(lab) => {
            let outcome = compare(&lab, &pvcheck, args.rounds);
            lab.down()?;
            outcome.map(|()| ExitCode::SUCCESS)
        }
        Err(LabError::Cancelled) => Ok(ExitCode::from(lab::INTERRUPTED)),
        Err(error) => Err(error.into()),
    }
}

fn compare(lab: &Lab, pvcheck: &Path, rounds: u32) -> anyhow::Result<()> {
    let mut audit = Vec::new();
    let mut pipeline = Vec::new();
    for round in 1..=rounds {
        // Side by side: whatever else the machine does meets both.
        audit.push(time(lab.command(pvcheck).args(["audit", "-o", "json"]))?);
        pipeline.push(time(lab.command("sh").args(["-ec", PIPELINE]))?);
        lab::say(&format!("round {round} of {rounds}"));
    }
    let (ours, theirs) = (median(&mut audit), median(&mut pipeline));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let engine = lab.info().engine.version.as_deref().unwrap_or("unknown");
    let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1000.0);
    lab::say(&format!("engine {engine}, world cc-ci, median of {rounds} rounds"));
    lab::say(&format!("  pvcheck audit -o json         {}", ms(ours)));
    lab::say(&format!("  docker inspect … | jq         {}", ms(theirs)));
    lab::say(&format!("  ratio                         {ratio:.1}"));
    Ok(())
}

pub(super) fn time(command: &mut Command) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot run a side of the bench")?;
    let took = since.elapsed();
    if !output.status.success() {
        bail!(
            "a side of the bench ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(took)
}

pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
