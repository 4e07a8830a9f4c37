//! `pvcheck gate diff`.

use pvcheck_gates::{GateChange, Verdict, diff, diff_markdown, diff_table};
use serde::Serialize;

use super::replay::read;
use crate::args::{GateDiff, Output};
use crate::failure::{DONE, Failure, Outcome};
use crate::printer::Printer;
use crate::report::Document;

/// What has changed between two bundles.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Changed {
    /// True iff a gate or a required check passed and does not any more.
    worse: bool,
    gates: Vec<GateChange>,
}

impl Document for Changed {
    const KIND: &'static str = "gate-diff";
}

pub(super) fn run(asked: &GateDiff, printer: &Printer) -> Result<u8, Failure> {
    let [before, after] =
        [(&asked.before, "BEFORE"), (&asked.after, "AFTER")].map(|(path, which)| read(path, which, printer));
    let gates = diff(&before?.1, &after?.1);
    let changed = Changed { worse: gates.iter().any(GateChange::is_worse), gates };
    printer.done();
    printer.result(&changed, || match printer.output() {
        Output::Markdown => diff_markdown(&changed.gates),
        _ => diff_table(&changed.gates),
    })?;
    Ok(if changed.worse { Verdict::Fail.code() } else { DONE })
}
