//! `pvcheck gate status`.

use std::path::Path;

use jiff::Timestamp;
use pvcheck_audit::EngineKind;
use pvcheck_ledger::{
    Engine, Ledger, LedgerFile, Line, Page, Phase, Status, add_to_page, declaration, line_table,
    read_private, status, status_markdown, status_table,
};
use serde::Serialize;

use crate::args::{Args, GateStatus, Output};
use crate::commands::gate::names;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::report::Document;

/// How phases stand, what was appended to the ledger about that, and the pages that something was added to.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Shown {
    #[serde(flatten)]
    status: Status,
    declared: Vec<Line>,
    written: Vec<&'static str>,
}

impl Document for Shown {
    const KIND: &'static str = "gate-status";
}

pub(crate) fn run(args: &Args, asked: &GateStatus, printer: &Printer) -> Result<u8, Failure> {
    let phases = phases(args, asked)?;
    let file = LedgerFile::at(&asked.ledger.ledger);
    let mut ledger = file.read()?;
    let declared = declare(asked, &file, &ledger, &phases)?;
    if !declared.is_empty() {
        ledger = file.read()?;
    }
    let status = status(&ledger, &phases, Timestamp::now(), asked.max_age);
    let written = match (&asked.write, phases.as_slice()) {
        (Some(folder), [phase]) => write(folder, &ledger, phase, &status)?,
        _ => Vec::new(),
    };
    if status.phases.iter().any(|phase| phase.on() == Engine::Embedded) {
        printer.rests_on(EngineKind::Embedded);
    }
    let shown = Shown { status, declared, written };
    printer.done();
    printer.result(&shown, || text(&shown, printer))?;
    Ok(shown.status.code())
}

/// The phases that are asked for: named gates as one, else that of `--phase`, else all.
fn phases(args: &Args, asked: &GateStatus) -> Result<Vec<Phase>, Failure> {
    if !asked.gates.is_empty() {
        // By their own names: a part of a phase must not be done under the name of the whole.
        let named = asked.gates.iter().map(|gate| Ok(names::existing(args, gate)?.to_owned()));
        let gates = named.collect::<Result<Vec<_>, Failure>>()?;
        return Ok(vec![Phase { name: gates.join(" "), gates }]);
    }
    let gates = names::all(args)?;
    let known = Phase::of_gates(gates.iter().map(String::as_str));
    let names = || known.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>().join(" or ");
    match &asked.phase {
        Some(name) => match known.iter().find(|phase| phase.name == *name) {
            Some(phase) => Ok(vec![phase.clone()]),
            None => Err(Failure::usage(format!("--phase {name}: no such phase; name {}, or gates", names()))),
        },
        None if asked.write.is_some() => {
            Err(Failure::usage(format!("--write is for the pages of one phase; add --phase {}", names())))
        }
        None => Ok(known),
    }
}

/// The lines that `--key` lets be appended: that a phase is done, or is so no longer.
fn declare(
    asked: &GateStatus,
    file: &LedgerFile,
    ledger: &Ledger,
    phases: &[Phase],
) -> Result<Vec<Line>, Failure> {
    let Some(path) = &asked.key else { return Ok(Vec::new()) };
    let key = read_private(path)?;
    let due = |phase: &Phase| declaration(ledger, phase, Timestamp::now(), asked.max_age);
    let lines = phases.iter().filter_map(due).map(|content| file.append(&key, Timestamp::now, |_| content));
    Ok(lines.collect::<Result<_, _>>()?)
}

fn write(
    folder: &Path,
    ledger: &Ledger,
    phase: &Phase,
    status: &Status,
) -> Result<Vec<&'static str>, Failure> {
    let mut written = Vec::new();
    for (page, stands) in Page::ALL.into_iter().flat_map(|page| status.phases.iter().map(move |s| (page, s)))
    {
        let added =
            add_to_page(folder, page, |there| page.addition(there, ledger, phase, stands, status.at))?;
        written.extend(added.then(|| page.file_name()));
    }
    Ok(written)
}

fn text(shown: &Shown, printer: &Printer) -> String {
    let mut text = match printer.output() {
        Output::Markdown => status_markdown(&shown.status),
        _ => status_table(&shown.status),
    };
    text.extend(shown.declared.iter().map(line_table));
    if !shown.written.is_empty() {
        text.push_str(&format!("added to {}\n", shown.written.join(", ")));
    }
    text
}
