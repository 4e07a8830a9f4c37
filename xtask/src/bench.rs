//! `cargo xtask bench`: speed as a ratio against what a user would do instead, side by side in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::{lab, test};

mod audit;
mod ipam;
mod swarm;
mod table;

/// Arguments of `bench`. Without a word for what, it is `audit`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    audit: audit::Audit,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The audit on a real engine, beside the pipeline of inspect and jq that it replaces
    Audit(audit::Audit),
    /// Conflicts and free subnets among up to a million reservations, beside netaddr, ipaddress and a straight scan
    ///
    /// Example: cargo xtask bench ipam --sizes 10,1000
    Ipam(ipam::Ipam),
    /// A Swarm of many services: the audit beside the pipeline, its calls counted; censuses of an idle /24 and /16
    ///
    /// Example: cargo xtask bench swarm --services 500
    Swarm(swarm::Swarm),
}

/// Runs one bench and prints its table.
pub(crate) fn run(args: Bench) -> anyhow::Result<ExitCode> {
    match args.what.unwrap_or(What::Audit(args.audit)) {
        What::Audit(args) => audit::run(&args),
        What::Ipam(args) => ipam::run(&args),
        What::Swarm(args) => swarm::run(&args),
    }
}

/// Builds for release, as a user would have it, and returns the folder of the results. Debug builds are no measure.
fn release_build(what: &[&str]) -> anyhow::Result<PathBuf> {
    lab::say("building for release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet"]).args(what).current_dir(test::root()?);
    if !command.status().context("cannot run cargo")?.success() {
        bail!("the release build failed");
    }
    Ok(target()?.join("release"))
}

/// The target folder that this program stands in.
fn target() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let target =
        program.parent().and_then(Path::parent).context("this program stands in no target folder")?;
    Ok(target.to_owned())
}
