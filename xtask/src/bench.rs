//! `cargo xtask bench`: speed as a ratio against what a user would do instead, side by side in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{Cancel, Lab, LabError, LabSpec, Suite, World};

use crate::{lab, test};

/// What an operator without pvcheck would write: every service's endpoints and every overlay's tasks, summed up by jq.
const PIPELINE: &str = r#"
docker service inspect $(docker service ls -q) |
  jq '[.[] | {name: .Spec.Name, vips: [.Endpoint.VirtualIPs[]?.Addr]}]' >/dev/null
for network in $(docker network ls --filter driver=overlay -q); do
  docker network inspect -v "$network"
done | jq '.[] | {name: .Name, services: [.Services[]? | {vip: .VIP, tasks: [.Tasks[]?.EndpointIP]}]}' >/dev/null
"#;

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Rounds; each runs both sides once
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=1000))]
    rounds: u32,
}

/// Times the audit and the pipeline on the cc-ci world, and prints the ratio.
pub(crate) fn run(args: &Bench) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build()?;
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

/// A build that a user would have: debug builds are no measure.
fn release_build() -> anyhow::Result<PathBuf> {
    lab::say("building pvcheck for release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "pvcheck-cli"]).current_dir(test::root()?);
    if !command.status().context("cannot run cargo")?.success() {
        bail!("the release build failed");
    }
    let debug = std::env::current_exe().context("cannot find this program")?;
    let target = debug.parent().and_then(Path::parent).context("this program stands in no target folder")?;
    Ok(target.join("release/pvcheck"))
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

fn time(command: &mut Command) -> anyhow::Result<Duration> {
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

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
