//! `pvcheck gate claim`.

use std::path::{Component, Path};

use pvcheck_ledger::{Claim, ClaimedFile, Content, Digest, read_report};

use crate::args::{Args, GateClaim};
use crate::commands::gate::names;
use crate::commands::ledger::append;
use crate::failure::Failure;
use crate::files;
use crate::printer::Printer;

pub(crate) fn run(args: &Args, asked: &GateClaim, printer: &Printer) -> Result<u8, Failure> {
    let gate = names::existing(args, &asked.gate)?;
    let report = files::read_bytes(&asked.report, "--report")?;
    let facts = read_report(&report, gate).map_err(|error| {
        let failure = Failure::from(error);
        Failure { line: format!("{}: {}", asked.report.display(), failure.line), ..failure }
    })?;
    let claim = Claim {
        gate: gate.to_owned(),
        what: asked.what.clone(),
        how: asked.how.clone(),
        expected: asked.expected.clone(),
        commit: asked.commit.clone(),
        files: asked.files.iter().map(|path| file(path)).collect::<Result<_, _>>()?,
        report: Digest::of(&report),
        facts,
    };
    let claim = claim.of_a_pass()?;
    append(&asked.to, printer, |_| Content::Claim(claim))
}

fn file(path: &Path) -> Result<ClaimedFile, Failure> {
    let name = path.to_str();
    let name =
        name.ok_or_else(|| Failure::usage(format!("--file {}: its name is not UTF-8", path.display())))?;
    if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        let line = format!("--file {name}: name it relative to the folder that you are in, and below it");
        return Err(Failure::usage(line));
    }
    Ok(ClaimedFile { path: name.to_owned(), sha256: Digest::of(&files::read_bytes(path, "--file")?) })
}
