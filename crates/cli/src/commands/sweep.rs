//! `pvcheck sweep`.

use std::time::Duration;

use pvcheck_swarm::{Left, Operation, Permit, RunId, leftover_runs, sweep_run};
use serde::Serialize;

use crate::args::{self, Args};
use crate::failure::{Failure, code_of_found};
use crate::printer::Printer;
use crate::report::Document;
use crate::session::Session;

/// The result, as JSON has it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Report {
    applied: bool,
    runs: Vec<Swept>,
}

impl Document for Report {
    const KIND: &'static str = "sweep";
}

/// One run that left something.
#[derive(Serialize, schemars::JsonSchema)]
struct Swept {
    run: RunId,
    found: Vec<Left>,
    left: Vec<Left>,
}

pub(crate) async fn run(args: &Args, asked: &args::Apply, printer: &Printer) -> Result<u8, Failure> {
    let session = Session::open(args, printer).await?;
    let mut runs = Vec::new();
    for (run, found) in leftover_runs(&session.engine).await? {
        let left = if asked.apply {
            let permit = Permit::granted_by_operator();
            sweep_run(
                Operation::new(&session.engine, permit, &run, &|p| printer.show(p)),
                Duration::from_mins(1),
            )
            .await?
            .left
        } else {
            found.clone()
        };
        runs.push(Swept { run, found, left });
    }
    printer.done();
    let report = Report { applied: asked.apply, runs };
    printer.result(&report, || text(&report))?;
    Ok(code_of_found(asked.apply && report.runs.iter().any(|r| !r.left.is_empty())))
}

fn text(report: &Report) -> String {
    if report.runs.is_empty() {
        return "nothing of pvcheck is left\n".into();
    }
    let line = |run: &Swept| {
        let what = if report.applied { "found" } else { "would remove" };
        let found = run.found.iter().map(|f| format!("  {what} {f}\n"));
        let left = run.left.iter().filter(|_| report.applied).map(|l| format!("  left: {l}\n"));
        format!("run {}\n{}", run.run, found.chain(left).collect::<String>())
    };
    let lines: String = report.runs.iter().map(line).collect();
    if report.applied { lines } else { lines + "Nothing was touched; add --apply to do it.\n" }
}
