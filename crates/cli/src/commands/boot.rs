//! `pvcheck boot`.

use std::fmt::Write as _;

use pvcheck_boot::{BootReport, Place, Serves, UnitName, Wait, WaitOutcome, analyse, read_units};
use serde::Deserialize;

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::many;

/// What unit files do not say: which unit waits for what, and which unit serves it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    waits: Vec<Wait>,
    serves: Vec<Serves>,
}

impl Declared {
    /// Every unit that is named, so that instances among them are made from their templates.
    fn units(&self) -> Vec<UnitName> {
        let mut units: Vec<UnitName> = self.waits.iter().map(|wait| wait.unit.clone()).collect();
        for wait in &self.waits {
            if let Place::Unit(unit) = &wait.url {
                units.push(unit.clone());
            }
        }
        units.extend(self.serves.iter().flat_map(|serves| serves.via.iter().chain([&serves.unit])).cloned());
        units
    }
}

pub(crate) fn run(_: &Args, asked: &args::Boot, printer: &Printer) -> Result<u8, Failure> {
    let path = asked.waits.display();
    let text = files::read(&asked.waits, "--waits")?;
    let declared: Declared = serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{path}:{}:{}: {e}", e.line(), e.column())))?;
    let units = read_units(&asked.units, &declared.units()).map_err(Failure::usage)?;
    let report = analyse(&units, &declared.waits, &declared.serves);
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
    // A summary of "0 deadlocks" alone would read as an all-clear.
    for row in report.waits.iter().filter(|row| row.outcome == WaitOutcome::Unknown) {
        let reason = row.reason.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  UNKNOWN {} -> {}  ({reason})", row.unit, row.url);
    }
    if report.waits.iter().all(|row| row.found.is_some()) {
        text.push_str("  UNKNOWN no wait is declared, so none was judged: write them into --waits FILE\n");
    }
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
