//! `cargo xtask bench gates`: gate `pvcheck.m1` of the cc-ci world, beside a shell that runs what an operator would type.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{Lab, LabInfo, Suite};

use super::audit::on_cc_ci;
use super::compare::{median, time};
use crate::lab;

/// Arguments of `bench gates`.
#[derive(Args, Debug)]
pub(crate) struct Gates {
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Rounds; each runs both sides once
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(3..=1000))]
    rounds: u32,
}

/// Times both sides and prints the ratio.
pub(crate) fn run(args: &Gates) -> anyhow::Result<ExitCode> {
    on_cc_ci(args.engine, |lab, pvcheck| compare(lab, pvcheck, args.rounds))
}

fn compare(lab: &Lab, pvcheck: &Path, rounds: u32) -> anyhow::Result<()> {
    let info = lab.info();
    let config = info.config.as_deref().context("the world has no configuration")?;
    let script = script(info)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        ours.push(gate(lab.command(pvcheck).args(["gate", "run", "pvcheck.m1", "--config"]).arg(config))?);
        theirs.push(time(lab.command("sh").args(["-ec", &script]))?);
        lab::say(&format!("round {round} of {rounds}"));
    }
    let (ours, theirs) = median(&ours).zip(median(&theirs)).context("no round was run")?;
    let engine = info.engine.version.as_deref().unwrap_or("unknown");
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    lab::say(&format!(
        "engine {engine}, world cc-ci, median of {rounds} rounds; neither side counts leaked addresses\n  \
         pvcheck gate run pvcheck.m1   {:.1} ms\n  docker, curl and grep by sh   {:.1} ms\n  ratio {:>24.1}",
        millis(ours),
        millis(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    ));
    Ok(())
}

/// As [`time`], of a gate that may be UNKNOWN: without a census, an engine before 29 does not tell what is leaked.
fn gate(command: &mut Command) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let output =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).output().context("cannot run pvcheck")?;
    let took = since.elapsed();
    match output.status.code() {
        Some(0 | 3) => Ok(took),
        _ => bail!("the gate ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// What the mission's documents have an operator type, for each thing that the gate checks: the subnet, who holds its
/// addresses, services and what waits, every route, and the log since the engine's start.
fn script(info: &LabInfo) -> anyhow::Result<String> {
    let ca = info.ca.as_deref().context("the world has no authority")?.display();
    let log = info.log.first().context("the lab has no log")?.display();
    let mut text = "\
docker network inspect proxy --format '{{json .IPAM}}' >/dev/null
docker network inspect -v proxy >/dev/null
docker stack ls >/dev/null
docker service ls --format '{{.Name}} {{.Replicas}}' >/dev/null
docker service inspect $(docker service ls -q) --format '{{json .Endpoint.VirtualIPs}}' >/dev/null
docker service ps --no-trunc $(docker service ls -q) >/dev/null
"
    .to_owned();
    for route in &info.routes {
        let address = route.addresses.first().context("a route has no address")?;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "curl -s -o /dev/null -w '%{{http_code}}' --cacert {ca} --connect-to ::{address} {} >/dev/null",
            route.url
        );
    }
    let _ = writeln!(text, "test \"$(grep -c 'available IP while allocating VIP' {log})\" = 0");
    Ok(text)
}
