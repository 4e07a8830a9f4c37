//! `pvcheck journal`.

use std::fmt::Write as _;

use pvcheck_journal::{
    Catalogue, Journalctl, Limits, Matched, NetworkId, ReadFrom, Scan, Scanner, Since, Source,
};

use crate::args::{self, Args, JournalCommand};
use crate::failure::{Failure, Outcome as _};
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
    Ok(scan.code())
}

fn text(scan: &Scan) -> String {
    let mut text = format!("{}: {} records in the window, {} read\n", scan.source, scan.records, scan.read);
    for matched in &scan.matched {
        let sign = if matched.class.is_finding() { "->" } else { "  " };
        let (count, signature, class) = (matched.count, &matched.signature, matched.class.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sign} {count:>6} x {signature:<28} {class}");
        if matched.class.is_finding() {
            explained(&mut text, scan, matched);
        }
    }
    let _ = writeln!(text, "   {:>6} other errors", scan.unclassified_errors);
    if let Some(doubt) = scan.doubt() {
        text += &format!("{doubt}\n");
    }
    text
}

/// What a reader needs to act on one finding: meaning and remedy from the catalogue, the rest from the log.
fn explained(text: &mut String, scan: &Scan, matched: &Matched) {
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{:12}{label:<9} {value}", "");
    };
    line("meaning:", &matched.meaning);
    line("remedy:", &matched.remedy);
    if let (Some(first), Some(last)) = (matched.first, matched.last) {
        let seen = if first == last { format!("at {first}") } else { format!("from {first} to {last}") };
        line("seen:", &seen);
    }
    if !matched.networks.is_empty() {
        let names: Vec<&str> = matched.networks.iter().map(NetworkId::as_str).collect();
        let more = if matched.more { ", and more" } else { "" };
        line("networks:", &format!("{}{more}", names.join(", ")));
    }
    let sample = scan.samples.iter().find(|sample| sample.signature.as_ref() == Some(&matched.signature));
    if let Some(sample) = sample {
        line("sample:", &printable(&sample.text));
    }
}

/// A log line may hold what its writer wanted a terminal to do.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
