//! The files of `gate run`. A report is never overwritten: it may be the proof that a later gate asks for.

use std::io::ErrorKind;
use std::path::Path;

use pvcheck_gates::{Bundle, BundledRun, RunFacts, markdown};
use serde::Serialize;

use crate::failure::Failure;
use crate::files::{save_new, write_new};
use crate::printer::Printer;

/// The most reports of one gate in a folder.
const MOST: u32 = 10_000;

/// What a gate rests on, and where it ran, in one file.
#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    facts: serde_json::Value,
    run: &'a RunFacts,
}

/// Writes report and facts under the first number that is free: `GATE.json`, `GATE.2.json` and so on.
pub(super) fn save(folder: &Path, ran: &BundledRun, printer: &Printer) -> Result<(), Failure> {
    let report = &ran.report;
    let facts = Facts { facts: ran.facts.to_json().map_err(Failure::unknown)?, run: &ran.run };
    let failed = |what: &Path, e: &dyn std::fmt::Display| {
        Failure::not_done(format!("cannot write {}: {e}", what.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    let texts = [
        ("json", pretty(&printer.envelope(report))?),
        ("facts.json", pretty(&facts)?),
        ("md", markdown(report, printer.engine())),
    ];
    for number in 1..=MOST {
        let stem = if number == 1 { report.gate.clone() } else { format!("{}.{number}", report.gate) };
        let path = |end: &str| folder.join(format!("{stem}.{end}"));
        if texts.iter().any(|(end, _)| path(end).exists()) {
            continue;
        }
        let [(first, report), rest @ ..] = &texts;
        match write_new(&path(first), report) {
            Ok(()) => {}
            // Another process has taken the number since.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(failed(&path(first), &e)),
        }
        for (end, text) in rest {
            write_new(&path(end), text).map_err(|e| failed(&path(end), &e))?;
        }
        if 1 < number {
            printer.note(&format!("pvcheck: the report is {}", path(first).display()));
        }
        return Ok(());
    }
    let line = format!("it has {MOST} reports of {}; name another folder with --out", report.gate);
    Err(failed(folder, &line))
}

/// Refuses a bundle's place where something is, before anything is run.
pub(super) fn must_be_new(path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => {
            let line = format!("{} is there already; name another file with --bundle", path.display());
            Err(Failure::usage(line))
        }
        Err(e) => Err(Failure::usage(format!("--bundle {}: {e}", path.display()))),
    }
}

/// Writes a bundle, which only its owner may read: it has the whole snapshot. One that is there is never overwritten.
pub(super) fn save_bundle(path: &Path, bundle: &Bundle) -> Result<(), Failure> {
    let text = serde_json::to_string(bundle).map_err(Failure::unknown)? + "\n";
    save_new(path, &text, "--bundle")
}

fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(Failure::unknown)
}
