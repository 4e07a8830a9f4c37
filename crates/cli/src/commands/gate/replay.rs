//! `pvcheck gate run --replay`, and how every command reads a bundle.

use std::path::Path;

use pvcheck_gates::{Bundle, GateReport};

use super::{exit_code, show, show_all};
use crate::failure::{DONE, Failure};
use crate::files;
use crate::printer::Printer;

/// Prints what the gates of a bundle came to: those of these names, or all.
pub(super) fn run(path: &Path, gates: &[String], printer: &Printer) -> Result<u8, Failure> {
    let (bundle, reports) = read(path, "--replay", printer)?;
    printer.done();
    let has = |gate: &String| reports.iter().any(|report| report.gate == *gate);
    if let Some(missing) = gates.iter().find(|gate| !has(gate)) {
        let names: Vec<&str> = reports.iter().map(|report| report.gate.as_str()).collect();
        let line = format!("{} has no run of {missing}, but of {}", path.display(), names.join(", "));
        return Err(Failure::usage(line));
    }
    let is_asked = |report: &GateReport| gates.is_empty() || gates.contains(&report.gate);
    let pairs = bundle.runs.iter().zip(&reports).filter(|(_, report)| is_asked(report));
    let (mut shown, mut code) = (Vec::new(), DONE);
    for (run, report) in pairs {
        show(report, printer)?;
        shown.push(report);
        if code == DONE {
            code = exit_code(&run.facts, report);
        }
    }
    show_all(&shown, printer)?;
    Ok(code)
}

/// A bundle and its reports, judged again. What is printed from here on rests on it.
///
/// # Errors
/// If it cannot be read, is no bundle, or its reports are not what its facts give.
pub(crate) fn read(
    path: &Path,
    option: &str,
    printer: &Printer,
) -> Result<(Bundle, Vec<GateReport>), Failure> {
    let of_file =
        |failure: Failure| Failure { line: format!("{}: {}", path.display(), failure.line), ..failure };
    let bundle = Bundle::from_json(&files::read(path, option)?).map_err(|e| of_file(e.into()))?;
    printer.rests_on(bundle.engine);
    let reports = bundle.replay().map_err(|e| of_file(e.into()))?;
    Ok((bundle, reports))
}
