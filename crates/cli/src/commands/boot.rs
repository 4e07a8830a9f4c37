//! `pvcheck boot`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use pvcheck_boot::{
    BootReport, Place, Serves, UnitName, Wait, WaitOutcome, analyse, edges, read_alerts, read_units,
};
use serde::Deserialize;

use crate::args::{self, Args, Output};
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
    /// What is served by units and not found.
    #[serde(default)]
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
    if asked.edges && matches!(printer.output(), Output::Dot | Output::Mermaid) {
        return Err(Failure::usage(
            "--edges: a diagram has no orders, only what is waited for: leave out -o",
        ));
    }
    let declared = asked.waits.as_deref().map(read).transpose()?.unwrap_or_default();
    let named = declared.units();
    let mut units = read_units(&asked.units, asked.root.as_deref(), &named).map_err(Failure::usage)?;
    for folder in &asked.alerts {
        units.alerts.extend(read_alerts(folder).map_err(Failure::usage)?);
    }
    let mut report = analyse(&units, &declared.waits, &declared.serves);
    if !asked.introduced_since.is_empty() {
        let before =
            read_units(&asked.introduced_since, asked.root.as_deref(), &named).map_err(Failure::usage)?;
        report = report.introduced_since(&analyse(&before, &declared.waits, &declared.serves));
    }
    report.edges = asked.edges.then(|| edges(&units));
    printer.done();
    for warning in &units.warnings {
        printer.note(&format!("pvcheck: {warning}"));
    }
    match printer.output() {
        Output::Dot => printer.print(&report.dot())?,
        Output::Mermaid => printer.print(&report.mermaid())?,
        _ => printer.result(&report, || table(&report))?,
    }
    Ok(report.code())
}

/// What a program other than a shell or Python waits for is not seen.
const NO_WAIT: &str = "  UNKNOWN no wait was found and none is declared: what a program other than a shell or Python waits \
                       for is not seen, write it into --waits FILE\n";

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
    // One line for each unit: a script that calls functions of a library has dozens.
    for of_unit in report.opaque.chunk_by(|one, other| one.unit == other.unit) {
        let more = match of_unit.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let _ = writeln!(
            text,
            "  UNKNOWN {} may wait for anything: {} was not read{more}, write what the unit waits for into --waits FILE",
            of_unit[0].unit, of_unit[0]
        );
    }
    if report.waits.is_empty() {
        text.push_str(NO_WAIT);
    }
    if let Some(known) = report.known_before {
        let _ = writeln!(text, "  {} that the units before had as well", many(known as u64, "deadlock"));
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
    for lint in &report.lints {
        let _ = writeln!(text, "  note: {lint}");
    }
    for edge in report.edges.iter().flatten() {
        let _ = writeln!(text, "  {} after {}  ({})", edge.from, edge.to, edge.why);
    }
    text
}
