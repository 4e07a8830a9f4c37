//! `cargo xtask bench boot`: waits among many units, and how the time grows with them.

use std::io::Write;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use super::build::release_build;
use super::table::{Table, time};
use crate::lab;

/// The demand: so many waits in less than this.
const DEMAND: (u64, u64) = (120, 200_000_000);

/// The demand: from one number of waits to the next, the time grows no more than so many times as much as they do. Two
/// and not one, because reports of more deadlocks have more remedies each.
const GROWTH_LIMIT: f64 = 2.0;

/// Arguments of `bench boot`.
#[derive(Args, Debug)]
pub(crate) struct Boot {
    /// Units
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    units: u32,
    /// Numbers of waits
    #[arg(long, value_delimiter = ',', default_values_t = [10, 30, 60, 120, 1_000], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    waits: Vec<u32>,
    /// Rounds of each number; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// What the measured side says of one number of waits.
#[derive(Clone, Debug, Deserialize)]
struct Measured {
    units: u64,
    waits: u64,
    deadlocks: u64,
    ns: u64,
}

/// Measures all numbers of waits, prints the table, and fails where the demand is not met.
pub(crate) fn run(args: &Boot) -> anyhow::Result<ExitCode> {
    let bench =
        release_build(&["--package", "pvcheck-boot", "--example", "bench_boot"])?.join("examples/bench_boot");
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let side = |words: &[String]| -> anyhow::Result<String> {
        let output = Command::new(&bench).args(words).output().context("cannot run the bench")?;
        if !output.status.success() {
            bail!("the bench ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let dir = folder.path().display().to_string();
    side(&["generate".to_owned(), args.units.to_string(), dir.clone()])?;
    let mut measured: Vec<Measured> = Vec::new();
    for waits in &args.waits {
        lab::say(&format!("{waits} waits"));
        let line = side(&["measure".to_owned(), dir.clone(), waits.to_string(), args.rounds.to_string()])?;
        measured.push(serde_json::from_str(&line).context("the bench printed no JSON")?);
    }
    let (text, met) = report(&measured);
    write!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(measured: &[Measured]) -> (String, bool) {
    let units = measured.first().map_or(0, |one| one.units);
    let mut table = Table::new(
        format!("{units} units"),
        ["waits", "deadlocks", "time on a core", "growth of time / of waits"],
    );
    let mut met = true;
    let mut before: Option<&Measured> = None;
    for one in measured {
        let growth = before.map(|before| {
            let of = |now: u64, before: u64| now as f64 / before.max(1) as f64;
            of(one.ns, before.ns) / of(one.waits, before.waits)
        });
        met &= growth.is_none_or(|growth| growth <= GROWTH_LIMIT);
        met &= DEMAND.0 < one.waits || one.ns < DEMAND.1;
        let growth = growth.map_or_else(String::new, |growth| format!("{growth:.2}"));
        table.row([one.waits.to_string(), one.deadlocks.to_string(), time(one.ns), growth]);
        before = Some(one);
    }
    let demand = if met { "met" } else { "NOT met" };
    let text = format!(
        "{table}demand: {} waits in less than {}, growth up to {GROWTH_LIMIT}: {demand}\n",
        DEMAND.0,
        time(DEMAND.1)
    );
    (text, met)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(waits: u64, ms: u64) -> Measured {
        Measured { units: 300, waits, deadlocks: waits / 2, ns: ms * 1_000_000 }
    }

    #[test]
    fn the_demand_is_on_the_time_and_on_its_growth() {
        assert!(report(&[measured(60, 90), measured(120, 199), measured(1_000, 1_600)]).1);
        let (text, met) = report(&[measured(60, 190), measured(120, 201)]);
        assert!(!met && text.ends_with("growth up to 2: NOT met\n"), "{text}");
        assert!(!report(&[measured(60, 10), measured(120, 50)]).1, "more than twice as much as the waits");
    }
}
