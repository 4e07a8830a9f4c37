//! Reports for people: a table for the terminal, Markdown for a file. The JSON is the [`GateReport`] itself.

use std::fmt::{self, Write as _};

use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;

use crate::gate_report::{CheckReport, GateReport};

/// Whether a table is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Words only.
    Plain,
    /// Verdicts in colour; the words stay.
    Coloured,
}

/// A table: one line per check, the reason under those that did not pass. The verdict says so if the engine is embedded.
pub fn table(report: &GateReport, engine: EngineKind, style: Style) -> String {
    let width = report.checks.iter().map(|c| c.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in &report.checks {
        line(
            &mut text,
            &format!(
                "  {} {:width$}  {}",
                padded(word_of(check), EngineKind::Real, style),
                check.id,
                check.title
            ),
        );
        let arrow = if check.verdict == Verdict::Pass { "" } else { "-> " };
        line(&mut text, &format!("          {:width$}  {arrow}{}", "", check.reason));
        // Of what passed the other forms of the report have it.
        let command = check.evidence.iter().find_map(|e| e.command.as_deref());
        if let Some(command) = command.filter(|_| check.verdict != Verdict::Pass) {
            line(&mut text, &format!("          {:width$}  $ {command}", ""));
        }
    }
    line(
        &mut text,
        &format!(
            "{} {} ({})",
            padded(Word::Verdict(report.verdict), engine, style),
            report.gate,
            tally(report)
        ),
    );
    text
}

/// Markdown: verdict, a row per check, then the evidence of each. The verdict says so if the engine is embedded.
pub fn markdown(report: &GateReport, engine: EngineKind) -> String {
    let mut text = String::new();
    line(&mut text, &format!("# {}: {}{}\n", report.gate, report.verdict, mark(engine)));
    line(
        &mut text,
        &format!("At {}, {}. Configuration: sha256 `{}`.\n", report.at, tally(report), report.config_digest),
    );
    line(&mut text, "| verdict | check | about | reason | ms |\n| --- | --- | --- | --- | ---: |");
    for c in &report.checks {
        let row = [&c.id, &c.title, &c.reason.to_string()].map(|cell| escape(cell));
        line(
            &mut text,
            &format!("| {} | `{}` | {} | {} | {} |", word_of(c), row[0], row[1], row[2], c.elapsed_ms),
        );
    }
    line(&mut text, "\n## Evidence");
    for check in report.checks.iter().filter(|c| !c.evidence.is_empty()) {
        evidence(&mut text, check);
    }
    text
}

fn evidence(text: &mut String, check: &CheckReport) {
    line(text, &format!("\n### `{}`\n", check.id));
    for of_one in check.evidence.chunk_by(|a, b| a.command == b.command) {
        if let Some(command) = of_one.first().and_then(|e| e.command.as_deref()) {
            line(text, &format!("    $ {command}"));
        }
        for e in of_one {
            let node = e.node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
            let digest = e.short_digest().map(|digest| format!(" (sha256 {digest})")).unwrap_or_default();
            line(text, &format!("    {} [{}{node}] {}{digest}", e.at, e.source, e.line()));
        }
    }
}

/// What follows a verdict that is true of a model only.
pub fn mark(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Real => "",
        EngineKind::Embedded => " (embedded engine)",
    }
}

/// How many checks have which word.
pub fn tally(report: &GateReport) -> String {
    let count = |what| report.checks.iter().filter(|c| word_of(c) == what).count();
    let [pass, fail, unknown] =
        [Verdict::Pass, Verdict::Fail, Verdict::Unknown].map(|v| count(Word::Verdict(v)));
    let tally = format!("{pass} pass, {fail} fail, {unknown} unknown");
    match count(Word::Note) {
        0 => tally,
        1 => format!("{tally}, 1 note"),
        notes => format!("{tally}, {notes} notes"),
    }
}

/// The word that a check has in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Its verdict.
    Verdict(Verdict),
    /// It did not pass, and the gate does not need it.
    Note,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Note => f.pad("NOTE"),
        }
    }
}

/// The word of a check: an advisory check that did not pass is no FAIL to anyone who counts the lines of a gate that passed.
pub fn word_of(check: &CheckReport) -> Word {
    if check.required || check.verdict == Verdict::Pass { Word::Verdict(check.verdict) } else { Word::Note }
}

fn padded(said: Word, engine: EngineKind, style: Style) -> String {
    let padded = match engine {
        EngineKind::Real => format!("{said:<7}"),
        EngineKind::Embedded => format!("{said}{}", mark(engine)),
    };
    if style == Style::Plain {
        return padded;
    }
    let colour = match said {
        Word::Verdict(Verdict::Pass) => 32,
        Word::Verdict(Verdict::Unknown) | Word::Note => 33,
        Word::Verdict(Verdict::Fail) => 31,
    };
    format!("\x1b[{colour}m{padded}\x1b[0m")
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A bar or a line break in a cell would end it.
pub(crate) fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}
