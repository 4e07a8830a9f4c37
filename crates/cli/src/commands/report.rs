//! `pvcheck report`.

use std::path::Path;

use pvcheck_gates::{GateReport, Verdict, mark, with_waivers};
use pvcheck_ledger::LedgerFile;
use pvcheck_report::page;
use serde::Serialize;

use super::gate::replay::read;
use crate::args::{Output, Report};
use crate::failure::{DONE, Failure};
use crate::files::save_new;
use crate::printer::Printer;
use crate::report::Document;

/// A page that was written.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Written {
    file: String,
    bytes: usize,
    gates: Vec<Shown>,
}

/// A gate of the page.
#[derive(Serialize, schemars::JsonSchema)]
struct Shown {
    gate: String,
    verdict: Verdict,
    /// The waivers that the verdict rests on.
    waivers: usize,
}

impl Document for Written {
    const KIND: &'static str = "report";
}

pub(crate) fn run(asked: &Report, printer: &Printer) -> Result<u8, Failure> {
    let path = destination(asked, printer)?;
    let (bundle, reports) = read(&asked.bundle, "BUNDLE", printer)?;
    let room = asked.ledger.as_ref().map(|ledger| Ok::<_, Failure>(LedgerFile::at(ledger).read()?.room()));
    let page = page(&bundle, &reports, room.transpose()?.as_deref())?;
    printer.done();
    if is_stdout(path) {
        printer.print(&page)?;
        return Ok(DONE);
    }
    save_new(path, &page, "--write")?;
    let gates = reports.iter().map(|report| Shown {
        gate: report.gate.clone(),
        verdict: report.verdict,
        waivers: report.waivers_in_use(),
    });
    let written = Written { file: path.display().to_string(), bytes: page.len(), gates: gates.collect() };
    printer.result(&written, || text(&written, &reports, printer))?;
    Ok(DONE)
}

/// Where the page goes. A terminal is no place for HTML, and one stream none for two documents.
fn destination<'a>(asked: &'a Report, printer: &Printer) -> Result<&'a Path, Failure> {
    let Some(path) = asked.write.as_deref() else {
        return Err(Failure::usage(
            "name the page with --write FILE, such as --write report.html; --write - prints it",
        ));
    };
    if is_stdout(path) && printer.output() == Output::Json {
        return Err(Failure::usage(
            "-o json and --write - would both print to stdout; name a file with --write FILE",
        ));
    }
    Ok(path)
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn text(written: &Written, reports: &[GateReport], printer: &Printer) -> String {
    let mut text = format!("{}: {} bytes\n", written.file, written.bytes);
    for report in reports {
        let (verdict, waivers) = (report.verdict, with_waivers(report));
        text += &format!("  {verdict}{waivers}{} {}\n", mark(printer.engine()), report.gate);
    }
    text
}
