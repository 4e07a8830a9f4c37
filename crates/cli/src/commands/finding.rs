//! `pvcheck gate finding`.

use pvcheck_ledger::{
    Closed, Content, Finding, FindingEvent, LedgerFile, Opened, Role, findings_table, read_private,
};
use serde::Serialize;

use crate::args::{Args, FindingClose, FindingCommand, FindingOpen, GateFinding, LedgerPath};
use crate::commands::gate::names;
use crate::commands::ledger::append;
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::Document;

/// The findings of a ledger.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Findings {
    findings: Vec<Finding>,
}

impl Document for Findings {
    const KIND: &'static str = "findings";
}

pub(crate) fn run(args: &Args, asked: &GateFinding, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        FindingCommand::Close(asked) => close(asked, printer),
        FindingCommand::List(asked) => list(asked, printer),
        FindingCommand::Open(asked) => open(args, asked, printer),
    }
}

fn open(args: &Args, asked: &FindingOpen, printer: &Printer) -> Result<u8, Failure> {
    let gate = asked.gate.as_deref().map(|gate| names::existing(args, gate)).transpose()?;
    let public = read_private(&asked.to.key)?.public();
    append(&asked.to, printer, |ledger| {
        // A key of neither role is refused with the line.
        let opener = ledger.founding().role(public).unwrap_or(Role::Verifier);
        Content::Finding(FindingEvent::Open(Opened {
            id: ledger.next_finding(),
            severity: asked.severity.into(),
            title: asked.title.clone(),
            gate: gate.map(str::to_owned),
            reproduction: asked.reproduction.clone(),
            options: asked.options.clone(),
            may_close: asked.may_close.map_or(opener, Into::into),
        }))
    })
}

fn close(asked: &FindingClose, printer: &Printer) -> Result<u8, Failure> {
    let closed = Closed { id: asked.id.clone(), because: asked.because.clone() };
    append(&asked.to, printer, |_| Content::Finding(FindingEvent::Closed(closed)))
}

fn list(asked: &LedgerPath, printer: &Printer) -> Result<u8, Failure> {
    let found = Findings { findings: LedgerFile::at(&asked.ledger).read()?.findings() };
    printer.done();
    printer.result(&found, || findings_table(&found.findings))?;
    Ok(DONE)
}
