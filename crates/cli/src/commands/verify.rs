//! `pvcheck gate verify`.

use std::path::{Component, Path};

use jiff::Timestamp;
use pvcheck_gates::GateReport;
use pvcheck_ledger::{
    Claim, Content, Damage, Digest, Facts, FileError, LedgerFile, Measurement, SeenFile, Verdict, Veto,
    judge, read_private, read_report, verdict_markdown, verdict_table, veto,
};
use serde::Serialize;

use crate::args::{GateVerify, Output};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::Document;

/// A verdict, and the line that it was recorded as.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Verified<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// `None` where the ledger is damaged, so that nothing is appended to it.
    recorded: Option<Recorded>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Recorded {
    line: u64,
    head: Digest,
}

impl Document for Verified<'_> {
    const KIND: &'static str = "gate-verify";
}

/// Verifies by what `measuring` finds: it is begun only if there is a claim to judge and a key that may.
pub(crate) async fn run(
    asked: &GateVerify,
    printer: &Printer,
    measuring: impl Future<Output = Result<GateReport, Failure>>,
) -> Result<u8, Failure> {
    let gate = asked.gate.as_str();
    let key = read_private(&asked.to.key)?;
    let file = LedgerFile::at(&asked.to.ledger.ledger);
    let ledger = match file.read() {
        Ok(ledger) => ledger,
        Err(error @ FileError::Damage { damage: Damage::Damaged { .. }, .. }) => {
            let veto = Veto::Ledger { fault: error.to_string() };
            return say(&Verdict::vetoed(gate, None, veto), None, printer);
        }
        Err(other) => return Err(other.into()),
    };
    ledger.admits(
        &Content::Verdict(Verdict::vetoed(gate, None, Veto::NoClaim { gate: gate.to_owned() })),
        &key,
    )?;
    let verdict = if let Some(vetoed) = veto(&ledger, gate, Timestamp::now(), asked.max_age) {
        vetoed
    } else {
        let facts = facts(gate, &measuring.await?, printer)?;
        let files = ledger.claim(gate).map(|(_, claim)| seen(claim, &asked.root)).unwrap_or_default();
        judge(&ledger, gate, Measurement { facts, files, commit: asked.commit.clone() })
    };
    let content = Content::Verdict(verdict.clone());
    let line = file.append(&key, Timestamp::now, |_| content)?;
    say(&verdict, Some(Recorded { line: line.number, head: line.digest }), printer)
}

/// What the gate's report says, read as a claim's report is.
fn facts(gate: &str, report: &GateReport, printer: &Printer) -> Result<Facts, Failure> {
    let json = serde_json::to_vec(&printer.envelope(report)).map_err(Failure::unknown)?;
    Ok(read_report(&json, gate)?)
}

/// The files of a claim as they are now.
fn seen(claim: &Claim, root: &Path) -> Vec<SeenFile> {
    let of = |path: &str| {
        // What a claim names must not lead the verifier to other files of this machine.
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return SeenFile::Unreadable("it is not below --root".to_owned());
        }
        let path = root.join(path);
        match path.try_exists() {
            Ok(false) => SeenFile::Missing,
            Err(error) => SeenFile::Unreadable(error.to_string()),
            Ok(true) => match files::read_bytes(&path, "--root") {
                Ok(bytes) => SeenFile::There(Digest::of(&bytes)),
                Err(failure) => SeenFile::Unreadable(failure.line),
            },
        }
    };
    claim.files.iter().map(|file| of(&file.path)).collect()
}

fn say(verdict: &Verdict, recorded: Option<Recorded>, printer: &Printer) -> Result<u8, Failure> {
    printer.done();
    let place = match &recorded {
        Some(recorded) => format!("recorded as line {}, head {}\n", recorded.line, recorded.head),
        None => "not recorded: nothing is appended to a ledger that is not whole\n".to_owned(),
    };
    printer.result(&Verified { verdict, recorded }, || {
        let text = match printer.output() {
            Output::Markdown => verdict_markdown(verdict) + "\n",
            _ => verdict_table(verdict),
        };
        text + &place
    })?;
    Ok(verdict.outcome.code())
}
