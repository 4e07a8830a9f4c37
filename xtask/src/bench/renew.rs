//! `cargo xtask bench renew`: a renewal beside the time that Swarm itself needs to stop and start the same containers.

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{FaultProxy, Lab, LabError, LabSpec, Suite, World};
use pvcheck_routes::{Outage, WatchSummary};
use serde_json::Value;

use super::build::release_build;
use super::table::{Table, whole};
use crate::lab;

#[cfg(test)]
mod tests;

/// The subnets that the network has in turn; the world begins with the first.
const SUBNETS: [&str; 2] = ["10.10.0.0/24", "10.10.0.0/16"];
const STRATEGIES: [&str; 2] = ["recreate", "bridge"];

/// Arguments of `bench renew`.
#[derive(Args, Debug)]
pub(crate) struct Renew {
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
}

/// Runs the bench in a lab of its own.
pub(crate) fn run(args: &Renew) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let spec = LabSpec { suite: args.engine, world: World::CcCi, ..LabSpec::default() };
    match lab::up_unless_interrupted(spec, false)? {
        Ok(lab) => {
            let outcome = bench(&lab, &pvcheck);
            lab.down()?;
            outcome.map(|()| ExitCode::SUCCESS)
        }
        Err(LabError::Cancelled) => Ok(ExitCode::from(lab::INTERRUPTED)),
        Err(error) => Err(error.into()),
    }
}

/// What one strategy took.
#[derive(Clone, Debug, PartialEq)]
struct Round {
    strategy: &'static str,
    services: u64,
    changes: usize,
    calls: usize,
    renewal: Duration,
    restarts: Duration,
    routes: WatchSummary,
}

fn bench(lab: &Lab, pvcheck: &Path) -> anyhow::Result<()> {
    let engine = lab.info().engine.version.as_deref().unwrap_or("unknown");
    lab::say(&format!("engine {engine}, world cc-ci"));
    let mut rounds = Vec::new();
    for (strategy, at) in STRATEGIES.into_iter().zip([1, 0]) {
        lab::say(&format!("renewing proxy by {strategy}"));
        rounds.push(round(lab, pvcheck, strategy, SUBNETS[at])?);
    }
    lab::say(&times(&rounds).to_string());
    lab::say(&dark(&rounds).to_string());
    Ok(())
}

fn round(lab: &Lab, pvcheck: &Path, strategy: &'static str, to: &str) -> anyhow::Result<Round> {
    let folder = tempfile::tempdir().context("cannot make a folder for the proxy")?;
    let host = lab.info().hosts.first().context("the lab has no engine")?;
    let config = lab.info().config.as_ref().context("the world has no configuration")?;
    // A proxy counts what really goes over the socket, whatever the code believes that it sends.
    let socket = Path::new(host.trim_start_matches("unix://"));
    let proxy = FaultProxy::start(&folder.path().join("counting.sock"), socket, Vec::new())?;
    let resize = ["resize", "proxy", "--to", to, "--strategy", strategy, "-o", "json", "--quiet", "--host"];
    let mut command = lab.command(pvcheck);
    command.args(resize).arg(proxy.host()).arg("--config").arg(config).arg("--state").arg(folder.path());
    let plan = json(&mut command)?;
    // The plan is made anew before it is done, so its own calls are part of what is counted.
    proxy.arm(Vec::new());
    let done = json(command.arg("--apply"))?;
    let calls = proxy.calls();
    if done["changed"] != serde_json::json!([]) {
        bail!("the renewal has changed {}", done["changed"]);
    }
    let batches = batches(&plan);
    Ok(Round {
        strategy,
        services: done["services"].as_u64().context("no services")?,
        changes: batches.iter().map(Vec::len).sum(),
        calls,
        renewal: Duration::from_millis(done["elapsed_ms"].as_u64().context("no elapsed_ms")?),
        restarts: restarts(lab, &batches)?,
        routes: serde_json::from_value(done["routes"].clone()).context("no routes")?,
    })
}

/// The services of each step that changes services, in the plan's order.
fn batches(plan: &Value) -> Vec<Vec<String>> {
    let services = |step: &Value| -> Vec<String> {
        let names = step["services"].as_array().into_iter().flatten();
        names.filter_map(|name| Some(name.as_str()?.to_owned())).collect()
    };
    let steps = plan["steps"].as_array().into_iter().flatten();
    steps.map(services).filter(|batch| !batch.is_empty()).collect()
}

/// How long Swarm takes to stop and start the same tasks, in the same batches and as often, when nothing else is changed:
/// `docker service update --force`, which waits for the new tasks.
fn restarts(lab: &Lab, batches: &[Vec<String>]) -> anyhow::Result<Duration> {
    let since = Instant::now();
    for batch in batches {
        let forced = |name: &String| -> anyhow::Result<Child> {
            let mut update = lab.command("docker");
            update.args(["service", "update", "--force", "--quiet", name]);
            update.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot run docker")
        };
        let updates: Vec<Child> = batch.iter().map(forced).collect::<Result<_, _>>()?;
        for mut update in updates {
            let status = update.wait().context("cannot wait for docker")?;
            if !status.success() {
                bail!("docker service update --force ended with {status}");
            }
        }
    }
    Ok(since.elapsed())
}

fn json(command: &mut Command) -> anyhow::Result<Value> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run pvcheck")?;
    if !output.status.success() {
        bail!("pvcheck ended with {}: {}", output.status, String::from_utf8_lossy(&output.stdout));
    }
    serde_json::from_slice(&output.stdout).context("pvcheck printed no JSON")
}

fn times(rounds: &[Round]) -> Table {
    let head = ["", "services", "changes", "renewal", "restarts alone", "ratio", "calls", "calls a service"];
    let mut table = Table::new("first to last step, beside the same restarts by docker service update", head);
    for round in rounds {
        let (renewal, restarts) = (round.renewal.as_secs_f64(), round.restarts.as_secs_f64());
        table.row([
            round.strategy.to_owned(),
            whole(round.services),
            whole(round.changes as u64),
            format!("{renewal:.1} s"),
            format!("{restarts:.1} s"),
            format!("{:.2}", renewal / restarts),
            whole(round.calls as u64),
            whole(round.calls as u64 / round.services.max(1)),
        ]);
    }
    table
}

fn dark(rounds: &[Round]) -> Table {
    let head = ["", "requests", "failed", "outages", "dark", "longest"];
    let mut table = Table::new("what the routes saw, asked ten times a second", head);
    for round in rounds {
        for route in &round.routes.routes {
            let dark: u64 = route.outages.iter().map(Outage::observed_ms).sum();
            table.row([
                format!("{} {}", round.strategy, route.name),
                whole(route.probes),
                whole(route.failed),
                whole(route.outages_seen),
                format!("{} ms", whole(dark)),
                format!("{} ms", whole(route.longest_outage_ms().unwrap_or(0))),
            ]);
        }
    }
    table
}
