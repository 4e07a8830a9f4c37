//! `pvcheck check`: the catalogue of checks.

use std::fmt::Write as _;

use pvcheck_gates::{CheckInfo, Config, OwnGate, catalogue, check_info};
use serde::Serialize;

use crate::args::{self, Args, CheckCommand};
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::Document;
use crate::session::config;

/// The catalogue.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Checks {
    checks: Vec<Row>,
}

impl Document for Checks {
    const KIND: &'static str = "checks";
}

/// A check, and the gates that contain it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Row {
    #[serde(flatten)]
    info: &'static CheckInfo,
    gates: Vec<String>,
}

impl Document for Row {
    const KIND: &'static str = "check";
}

impl Row {
    fn of(info: &'static CheckInfo, own: &[OwnGate<'_>]) -> Self {
        let own = own.iter().filter(|gate| gate.contains(info)).map(|gate| gate.name().to_owned());
        Self { info, gates: info.gates().map(|gate| gate.name().to_owned()).chain(own).collect() }
    }

    fn text(&self) -> String {
        let info = self.info;
        let mut text = format!("{} ({})\n", info.id, if info.required { "required" } else { "advisory" });
        let gates =
            if self.gates.is_empty() { "any, by [precondition]".to_owned() } else { self.gates.join(", ") };
        let needs: Vec<String> = info.needs.iter().map(ToString::to_string).collect();
        let requirements: Vec<String> = info.requirements.iter().map(ToString::to_string).collect();
        for (label, value) in [
            ("title:", info.title),
            ("passes when:", info.passes_when),
            ("needs:", &needs.join(", ")),
            ("remedies:", info.remedies),
            ("gates:", &gates),
            ("requirements:", &format!("{} (docs/requirements.md)", requirements.join(", "))),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<13} {value}");
        }
        text
    }
}

pub(crate) fn run(args: &Args, asked: &args::Check, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        CheckCommand::List => {
            let config = named(args)?;
            let own = own(config.as_ref())?;
            let list = Checks { checks: catalogue().map(|info| Row::of(info, &own)).collect() };
            printer.done();
            printer.result(&list, || table(&list.checks))?;
            Ok(DONE)
        }
        CheckCommand::Explain(asked) => explain(args, check_info(asked.id.trim())?, printer),
    }
}

/// The configuration of `--config`. The catalogue is of use without one, so that `./pvcheck.toml` is left alone.
fn named(args: &Args) -> Result<Option<Config>, Failure> {
    args.global.config.is_some().then(|| config(args)).transpose()
}

fn own(config: Option<&Config>) -> Result<Vec<OwnGate<'_>>, Failure> {
    Ok(config.map(|config| OwnGate::all(config, None)).transpose()?.unwrap_or_default())
}

/// Prints one check.
pub(crate) fn explain(args: &Args, info: &'static CheckInfo, printer: &Printer) -> Result<u8, Failure> {
    let config = named(args)?;
    let row = Row::of(info, &own(config.as_ref())?);
    printer.done();
    printer.result(&row, || row.text())?;
    Ok(DONE)
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.info.id.len()).max().unwrap_or(0);
    let line = |row: &Row| {
        let note = if row.info.required { "" } else { " (advisory)" };
        format!("{:width$}  {}{note}\n", row.info.id, row.info.title)
    };
    rows.iter().map(line).collect()
}
