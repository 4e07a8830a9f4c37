//! `pvcheck boot`.

use std::fmt::Write as _;

use pvcheck_boot::{BootReport, Serves, Wait, analyse, read_units};
use serde::Deserialize;

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::many;

/// What unit files do not say: which unit waits for which URL, and which unit serves it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    waits: Vec<Wait>,
    serves: Vec<Serves>,
}

pub(crate) fn run(_: &Args, asked: &args::Boot, printer: &Printer) -> Result<u8, Failure> {
    let path = asked.waits.display();
    let text = files::read(&asked.waits, "--waits")?;
    let declared: Declared = serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{path}:{}:{}: {e}", e.line(), e.column())))?;
    let units = read_units(&[&asked.units]).map_err(Failure::usage)?;
    let report = analyse(&units.units, &declared.waits, &declared.serves);
    printer.done();
    for warning in &units.warnings {
        printer.note(&format!("pvcheck: {warning}"));
    }
    printer.result(&report, || table(&report))?;
    Ok(report.code())
}

fn table(report: &BootReport) -> String {
    let mut text = format!(
        "{}, {}, {}\n",
        many(report.units as u64, "unit"),
        many(report.waits.len() as u64, "wait"),
        many(report.deadlocks.len() as u64, "deadlock")
    );
    for deadlock in &report.deadlocks {
        for link in &deadlock.chain {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} -> {}  ({})", link.from, link.to, link.evidence);
        }
        let _ = writeln!(text, "  bound: {}", deadlock.bound_reason);
        for remedy in deadlock.remedies.iter().filter(|r| r.breaks_cycle) {
            let _ = writeln!(text, "  way out: {}", remedy.change);
        }
    }
    text
}
