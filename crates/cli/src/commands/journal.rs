//! `pvcheck journal`.

use std::fmt::Write as _;

use pvcheck_journal::{Catalogue, Journalctl, Limits, ReadFrom, Scanner, Since, Source};

use crate::args::{self, Args, JournalCommand};
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) async fn run(_: &Args, asked: &args::Journal, printer: &Printer) -> Result<u8, Failure> {
    let JournalCommand::Scan(asked) = &asked.what;
    let source = match &asked.file {
        Some(file) => Source::File(file.clone()),
        None => Source::Journalctl(Journalctl::unit(&asked.unit)),
    };
    let since = match asked.since {
        Some(at) => Since::At(at),
        None if asked.since_engine_start => Since::EngineStart,
        None => Since::Beginning,
    };
    let from = asked.since.map_or(ReadFrom::Beginning, ReadFrom::Time);
    let scanner = Scanner::since(Catalogue::builtin(), since, None);
    let scan = source.scan(&from, &Limits::default(), scanner).await.map_err(Failure::unknown)?;
    printer.done();
    printer.result(&scan, || text(&scan))?;
    let found = scan.findings().next().is_some();
    Ok(if found {
        1
    } else if scan.is_conclusive() {
        0
    } else {
        3
    })
}

fn text(scan: &pvcheck_journal::Scan) -> String {
    let mut text = format!("{}: {} records in the window, {} read\n", scan.source, scan.records, scan.read);
    for matched in &scan.matched {
        let class = serde_json::to_string(&matched.class).unwrap_or_default();
        let sign = if matched.class.is_finding() { "->" } else { "  " };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{sign} {:>6} x {:<28} {}",
            matched.count,
            matched.signature,
            class.trim_matches('"')
        );
    }
    let _ = writeln!(text, "   {:>6} other errors", scan.unclassified_errors);
    if let Some(doubt) = scan.doubt() {
        text += &format!("{doubt}\n");
    }
    text
}
