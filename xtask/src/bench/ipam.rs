//! `cargo xtask bench ipam`: conflicts and free subnets among many reservations.
//!
//! Every side reads the same file and answers the same questions in the same run. The answers are compared before any
//! time is printed: a fast wrong answer is no measure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use super::table::{Table, thousands, time, whole};
use super::{release_build, target};
use crate::lab;

/// The Python sides.
const SCRIPT: &str = include_str!("ipam.py");
/// What the index is to be faster than `netaddr` by, and at how many reservations.
const DEMAND: (u64, f64) = (100_000, 100.0);

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

/// What one side measured; unknown is what the limit cut off or the side does not do.
#[derive(Deserialize)]
struct Side {
    name: String,
    version: Option<String>,
    read_ns: Option<u64>,
    index_ns: Option<u64>,
    conflicts_ns: Option<u64>,
    counts: Vec<u64>,
    is_free_ns: Option<u64>,
    free_ns: Option<u64>,
    free: Option<String>,
    plan_ns: Option<u64>,
    allocations: Option<u64>,
}

/// All sides at one size; ours is the first.
struct Round {
    size: u32,
    sides: Vec<Side>,
}

/// A name and the time that it stands for.
type Measure = (&'static str, fn(&Side) -> Option<u64>);

const MEASURES: [Measure; 5] = [
    ("read the file", |side| side.read_ns),
    ("build", |side| side.index_ns),
    ("all conflicts of a candidate", |side| side.conflicts_ns),
    ("a free /16", |side| side.free_ns),
    ("all of it once", |side| Some(side.read_ns? + side.index_ns? + side.conflicts_ns? + side.free_ns?)),
];

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
    let (text, met) = report(&rounds, args.limit);
    write!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A Python for each library that can be had; what cannot is said and left out.
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
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "netaddr==1.3.0"];
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

/// Whether the sides gave the same answers, as far as they came.
fn agree(round: &Round) -> anyhow::Result<()> {
    let Some((ours, others)) = round.sides.split_first() else { return Ok(()) };
    for side in others {
        if !ours.counts.starts_with(&side.counts) {
            bail!("{} finds other conflicts than {} among {}", side.name, ours.name, round.size);
        }
        if side.free.is_some() && side.free != ours.free {
            bail!("{} finds {:?} free and {} {:?}", side.name, side.free, ours.name, ours.free);
        }
    }
    Ok(())
}

/// The text, and whether the demand is met.
fn report(rounds: &[Round], limit: u32) -> (String, bool) {
    let mut text = rounds.iter().map(|round| times(round, limit).to_string() + "\n").collect::<String>();
    text += &growth(rounds).to_string();
    text += "\n";
    let mut met = true;
    for (line, held) in demands(rounds) {
        text += &format!("{}: {line}\n", if held { "held" } else { "NOT HELD" });
        met &= held;
    }
    (text, met)
}

/// One row for each measure: our time, then each side's and how many times ours it is.
fn times(round: &Round, limit: u32) -> Table {
    let counts = round.sides.first().map_or(&[][..], |ours| &ours.counts);
    let conflicts = counts.iter().sum::<u64>() as f64 / counts.len().max(1) as f64;
    let title = format!(
        "{} reservations; a candidate has {conflicts:.1} conflicts on average",
        whole(round.size.into())
    );
    let mut head = vec![String::new()];
    for side in &round.sides {
        let version = side.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        head.extend([format!("{}{version}", side.name), "ratio".to_owned()]);
    }
    // Ours has no ratio to itself.
    head.remove(2);
    let mut table = Table::new(title, head);
    for (name, of) in MEASURES {
        let ours = round.sides.first().and_then(of);
        let cells = round.sides.iter().enumerate().flat_map(|(at, side)| {
            let (took, times) = match of(side) {
                Some(0) => ("-".to_owned(), String::new()),
                Some(ns) => (time(ns), ratio(ours, Some(ns)).map(number).unwrap_or_default()),
                None => (format!("> {limit} s"), String::new()),
            };
            std::iter::once(took).chain((at > 0).then_some(times))
        });
        table.row(std::iter::once(name.to_owned()).chain(cells));
    }
    table
}

fn ratio(ours: Option<u64>, theirs: Option<u64>) -> Option<f64> {
    Some(theirs? as f64 / ours?.max(1) as f64)
}

/// Two digits that mean something.
fn number(value: f64) -> String {
    match value {
        ..9.95 => format!("{value:.1}x"),
        _ => format!("{}x", thousands(&format!("{value:.0}"))),
    }
}

/// What is measured of our side alone.
const OURS: [Measure; 5] = [
    ("build", |side| side.index_ns),
    ("is it free", |side| side.is_free_ns),
    ("all conflicts", |side| side.conflicts_ns),
    ("free /16", |side| side.free_ns),
    ("plan /16", |side| side.plan_ns),
];

/// Our times at each size, and how they grow from size to size, beside n log n.
fn growth(rounds: &[Round]) -> Table {
    let names = OURS.map(|(name, _)| name);
    let head = ["reservations"].into_iter().chain(names).chain(["n log n", "allocations of all questions"]);
    let mut table = Table::new("pvcheck-ipam alone, and its growth", head);
    for (at, round) in rounds.iter().enumerate() {
        let Some(ours) = round.sides.first() else { continue };
        let before = at.checked_sub(1).and_then(|at| rounds.get(at));
        if let Some((before, theirs)) = before.and_then(|before| Some((before, before.sides.first()?))) {
            let factors = OURS.map(|(_, of)| ratio(of(theirs), of(ours)).map(number).unwrap_or_default());
            let expected = number(n_log_n(round.size) / n_log_n(before.size));
            table.row(["  growth".to_owned()].into_iter().chain(factors).chain([expected]));
        }
        let times = OURS.map(|(_, of)| of(ours).map(time).unwrap_or_default());
        let allocations = ours.allocations.map(whole).unwrap_or_default();
        table.row([whole(round.size.into())].into_iter().chain(times).chain([String::new(), allocations]));
    }
    table
}

fn n_log_n(size: u32) -> f64 {
    f64::from(size) * f64::from(size).log2().max(1.0)
}

/// What was demanded, and whether it held; only what was measured.
fn demands(rounds: &[Round]) -> Vec<(String, bool)> {
    let mut lines = vec![];
    let (size, times) = DEMAND;
    let at = rounds.iter().find(|round| u64::from(round.size) == size);
    let netaddr = at.and_then(|round| round.sides.iter().find(|side| side.name == "netaddr"));
    if let (Some(ours), Some(netaddr)) = (at.and_then(|round| round.sides.first()), netaddr) {
        for (name, of) in &MEASURES[2..4] {
            // Given up by the other side is slower than any time it could have had.
            let ratio = ratio(of(ours), of(netaddr)).unwrap_or(f64::INFINITY);
            let line = format!("{name} among {} at least {times} times as fast as netaddr", whole(size));
            lines.push((line, ratio >= times));
        }
    }
    let allocations: u64 = rounds.iter().filter_map(|round| round.sides.first()?.allocations).sum();
    lines.push(("no question allocates".to_owned(), allocations == 0));
    lines
}
