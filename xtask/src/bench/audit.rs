//! `cargo xtask bench audit`: the audit against the pipeline of inspect and jq that it replaces.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use pvcheck_lab::{Lab, LabError, LabSpec, Suite, World};

use super::build::release_build;
use super::compare::{Comparison, median, time};
use crate::lab;

/// What an operator without pvcheck would write: every service's endpoints and every overlay's tasks, summed up by jq.
const PIPELINE: &str = r#"
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
    on_cc_ci(args.engine, |lab, pvcheck| compare(lab, pvcheck, args.rounds))
}

/// Measures a released pvcheck on a lab with the cc-ci world, which is taken down whatever the measurement came to.
pub(super) fn on_cc_ci(
    suite: Option<Suite>,
    measure: impl FnOnce(&Lab, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let spec = LabSpec { suite, world: World::CcCi, ..LabSpec::default() };
    match lab::up_unless_interrupted(spec, false)? {
        Ok(lab) => {
            let outcome = measure(&lab, &pvcheck);
            lab.down()?;
            outcome.map(|()| ExitCode::SUCCESS)
        }
        Err(LabError::Cancelled) => Ok(ExitCode::from(lab::INTERRUPTED)),
        Err(error) => Err(error.into()),
    }
}

fn compare(lab: &Lab, pvcheck: &Path, rounds: u32) -> anyhow::Result<()> {
    let (ours, theirs) = side_by_side(lab, pvcheck, rounds)?;
    let engine = lab.info().engine.version.as_deref().unwrap_or("unknown");
    let title = format!("engine {engine}, world cc-ci, median of {rounds} rounds");
    lab::say(&Comparison { title, ours, remark: String::new(), theirs }.to_string());
    Ok(())
}

/// The medians of the audit and of the pipeline. They take turns, so that other load on the machine slows both.
pub(super) fn side_by_side(lab: &Lab, pvcheck: &Path, rounds: u32) -> anyhow::Result<(Duration, Duration)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        ours.push(time(lab.command(pvcheck).args(["audit", "-o", "json"]))?);
        theirs.push(time(lab.command("sh").args(["-ec", PIPELINE]))?);
        lab::say(&format!("round {round} of {rounds}"));
    }
    median(&ours).zip(median(&theirs)).context("no round was run")
}
