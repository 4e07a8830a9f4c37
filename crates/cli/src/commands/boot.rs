//! `pvcheck boot`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use pvcheck_boot::{BootReport, Place, Serves, UnitName, Wait, WaitOutcome, analyse, read_units};
use serde::Deserialize;

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::many;

/// What unit files do not say: which unit waits for what, and which unit serves it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    /// Waits that the commands of units do not show by themselves.
    #[serde(default)]
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
    let declared = asked.waits.as_deref().map(read).transpose()?.unwrap_or_default();
    let units = read_units(&asked.units, &declared.units()).map_err(Failure::usage)?;
    let report = analyse(&units, &declared.waits, &declared.serves);
    printer.done();
    for warning in &units.warnings {
        printer.note(&format!("pvcheck: {warning}"));
    }
    printer.result(&report, || table(&report))?;
    Ok(report.code())
}

/// What a program other than a shell waits for is not seen.
const NOT_DECLARED: &str = "  UNKNOWN no wait is declared: only those that stand in commands and shell scripts were \
                            judged, write the others into --waits FILE\n";

fn read(path: &Path) -> Result<Declared, Failure> {
    let text = files::read(path, "--waits")?;
    let at = path.display();
    serde_json::from_str(&text).map_err(|e| Failure::usage(format!("{at}:{}:{}: {e}", e.line(), e.column())))
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
        text.push_str(NOT_DECLARED);
    }
    for deadlock in &report.deadlocks {
        for link in &deadlock.chain {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} -> {}  ({})", link.from, link.to, link.evidence);
        }
        let time = deadlock.bound_ms.map(Duration::from_millis);
        let time = time.map(|time| format!("{}, ", humantime::format_duration(time))).unwrap_or_default();
        let _ = writeln!(text, "  bound: {time}{}", deadlock.bound_reason);
        for remedy in deadlock.remedies.iter().filter(|r| r.breaks_cycle) {
            let _ = writeln!(text, "  way out: {}", remedy.change);
        }
    }
    text
}
