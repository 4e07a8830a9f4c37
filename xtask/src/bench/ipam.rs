//! `cargo xtask bench ipam`: conflicts and free subnets among many reservations.
//!
//! Every side reads the same file and answers the same questions in the same run. The answers are compared before any
//! time is printed: a fast wrong answer measures nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Args;

use crate::bench::build::{release_build, target};
use crate::bench::ipam::side::{Round, Side};
use crate::bench::table::whole;
use crate::lab;

mod report;
mod side;
#[cfg(test)]
mod tests;

/// The Python sides.
const SCRIPT: &str = include_str!("ipam.py");

/// Arguments of `bench ipam`.
#[derive(Args, Debug)]
pub(crate) struct Ipam {
    /// Numbers of reservations
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 100_000, 1_000_000], value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    sizes: Vec<u32>,
    /// Seconds after which one step of a side is given up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    limit: u32,
}

/// Measures all sides at all sizes, prints the tables, and fails where the demand is not met.
pub(crate) fn run(args: &Ipam) -> anyhow::Result<ExitCode> {
    let bench =
        release_build(&["--package", "pvcheck-ipam", "--example", "bench_ipam"])?.join("examples/bench_ipam");
    let dir = target()?.join("bench-ipam");
    std::fs::create_dir_all(&dir).context("cannot make a folder in the target folder")?;
    let pythons = pythons(&dir)?;
    let mut rounds = vec![];
    for size in &args.sizes {
        lab::say(&format!("{} reservations", whole((*size).into())));
        let round = measure(*size, &dir, &bench, &pythons, args.limit)?;
        agree(&round)?;
        rounds.push(round);
    }
    let (text, met) = report::report(&rounds, args.limit);
    write!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A Python for each library that can be installed here; the others are named on stderr and left out.
fn pythons(dir: &Path) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    std::fs::write(dir.join("ipam.py"), SCRIPT).context("cannot write the Python side")?;
    let python = dir.join("venv/bin/python");
    let quiet = |program: &Path, words: &[&str]| {
        let output = Command::new(program).args(words).current_dir(dir).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !python.exists() && !quiet(Path::new("python3"), &["-m", "venv", "venv"]) {
        lab::say("LEFT OUT: netaddr and ipaddress, because python3 cannot make a venv here");
        return Ok(vec![]);
    }
    // One version, so that ratios of different machines and years can be compared.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "netaddr==1.3.0"];
    // Import first: a venv that is complete needs no network.
    let netaddr = quiet(&python, &["-c", "import netaddr"]) || quiet(&python, &pip);
    if !netaddr {
        lab::say("LEFT OUT: netaddr, because pip cannot install it here");
    }
    let found = netaddr.then(|| ("netaddr", python.clone())).into_iter();
    Ok(found.chain([("ipaddress", python.clone())]).collect())
}

fn measure(
    size: u32,
    dir: &Path,
    bench: &Path,
    pythons: &[(&str, PathBuf)],
    limit: u32,
) -> anyhow::Result<Round> {
    let folder = dir.join(size.to_string());
    std::fs::create_dir_all(&folder).context("cannot make a folder in the target folder")?;
    let ours = |words: &[&str]| output(Command::new(bench).args(words).current_dir(&folder));
    ours(&["generate", &size.to_string(), "."])?;
    let mut sides: Vec<Side> =
        serde_json::from_str(&ours(&["measure", ".", &(u64::from(limit) * 1_000).to_string()])?)?;
    for (library, python) in pythons {
        let limit = limit.to_string();
        let words = ["../ipam.py", library, "reservations.json", "questions.json", &limit];
        let text = output(Command::new(python).args(words).current_dir(&folder))?;
        sides.push(serde_json::from_str(&text).with_context(|| format!("{library} printed something else"))?);
    }
    Ok(Round { size, sides })
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("cannot run a side of the bench")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("a side of the bench ended with {}: {said}", output.status);
    }
    String::from_utf8(output.stdout).context("a side of the bench printed no text")
}

/// Compares the answers of the sides, as far as each came before its limit.
///
/// # Errors
/// If a side found other conflicts, or another free subnet, than ours.
fn agree(round: &Round) -> anyhow::Result<()> {
    let Some((ours, others)) = round.sides.split_first() else { return Ok(()) };
    for side in others {
        // A side that reached its limit answered the first candidates only.
        if !ours.counts.starts_with(&side.counts) {
            bail!("{} finds other conflicts than {} among {}", side.name, ours.name, round.size);
        }
        if side.free.is_some() && side.free != ours.free {
            bail!("{} finds {:?} free and {} {:?}", side.name, side.free, ours.name, ours.free);
        }
    }
    Ok(())
}
