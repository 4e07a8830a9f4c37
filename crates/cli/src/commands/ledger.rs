//! `pvcheck ledger`, and how every command appends a line.

use jiff::Timestamp;
use pvcheck_ledger::{
    Content, Digest, Founding, Ledger, LedgerFile, Line, Note, ledger_table, line_table, read_private,
    read_public,
};
use serde::Serialize;

use crate::args::{self, Args, LedgerCommand, Signing};
use crate::commands::gate::names;
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::Document;

/// A ledger that is whole.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Checked<'a> {
    lines: usize,
    head: Digest,
    founding: &'a Founding,
    /// The line of the head that was noted.
    noted: Option<u64>,
}

impl Document for Checked<'_> {
    const KIND: &'static str = "ledger";
}

/// A line that was appended. Its own `kind` is that of the line, so it is not in the envelope itself.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Appended<'a> {
    head: Digest,
    line: &'a Line,
}

impl Document for Appended<'_> {
    const KIND: &'static str = "ledger-line";
}

pub(crate) fn run(args: &Args, asked: &args::Ledger, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        LedgerCommand::Check(asked) => check(asked, printer),
        LedgerCommand::New(asked) => new(asked, printer),
        LedgerCommand::Note(asked) => {
            let gate = asked.gate.as_deref().map(|gate| names::existing(args, gate)).transpose()?;
            let note = Note { text: asked.text.clone(), gate: gate.map(str::to_owned) };
            append(&asked.to, printer, |_| Content::Note(note))
        }
    }
}

fn check(asked: &args::LedgerCheck, printer: &Printer) -> Result<u8, Failure> {
    let ledger = LedgerFile::at(&asked.file).read()?;
    let noted = asked.head.map(|head| ledger.holds(head)).transpose();
    let noted = noted.map_err(|damage| {
        let failure = Failure::from(damage);
        Failure { line: format!("{}: {}", asked.file.display(), failure.line), ..failure }
    })?;
    printer.done();
    let checked = Checked {
        lines: ledger.lines().len(),
        head: ledger.head(),
        founding: ledger.founding(),
        noted: noted.map(|line| line.number),
    };
    printer.result(&checked, || ledger_table(&ledger, noted))?;
    Ok(DONE)
}

fn new(asked: &args::LedgerNew, printer: &Printer) -> Result<u8, Failure> {
    let founding = Founding::new(read_public(&asked.builder)?, read_public(&asked.verifier)?)?;
    let key = read_private(&asked.key)?;
    let ledger = LedgerFile::at(&asked.file).found(founding, Timestamp::now(), &key)?;
    ledger.lines().first().map_or(Ok(DONE), |line| say(line, printer))
}

/// Appends what `content` makes of the ledger, and prints the line.
pub(crate) fn append(
    to: &Signing,
    printer: &Printer,
    content: impl FnOnce(&Ledger) -> Content,
) -> Result<u8, Failure> {
    let key = read_private(&to.key)?;
    let line = LedgerFile::at(&to.ledger.ledger).append(&key, Timestamp::now, content)?;
    say(&line, printer)
}

fn say(line: &Line, printer: &Printer) -> Result<u8, Failure> {
    printer.done();
    printer.result(&Appended { head: line.digest, line }, || line_table(line))?;
    Ok(DONE)
}
