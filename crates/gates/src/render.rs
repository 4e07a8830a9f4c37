//! Reports for people: a table for the terminal, Markdown for a file. The JSON is the [`GateReport`] itself.

use std::fmt::{self, Write as _};

use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;

use crate::gate_report::{CheckReport, GateReport};
use crate::waiver::{WaiverNote, WaiverState};

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
                padded(word_of(check), "", EngineKind::Real, style),
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
        if let Some(waiver) = &check.waiver {
            line(&mut text, &format!("          {:width$}  {waiver}", ""));
        }
    }
    for note in told(report) {
        line(&mut text, &format!("  {note}"));
    }
    line(&mut text, &summary(report, engine, style));
    text
}

/// The last line: verdict, gate, and how many checks have which word.
pub(crate) fn summary(report: &GateReport, engine: EngineKind, style: Style) -> String {
    let verdict = padded(Word::Verdict(report.verdict), &with_waivers(report), engine, style);
    format!("{verdict} {} ({})", report.gate, tally(report))
}

/// What follows the verdict of a gate that rests on waivers.
pub fn with_waivers(report: &GateReport) -> String {
    match report.waivers_in_use() {
        0 => String::new(),
        1 => " with 1 waiver".to_owned(),
        several => format!(" with {several} waivers"),
    }
}

/// The waivers that no check of the report tells of.
pub fn told(report: &GateReport) -> impl Iterator<Item = &WaiverNote> {
    report.waivers.iter().filter(|note| note.state != WaiverState::InUse)
}

/// Markdown: verdict, a row per check, then the evidence of each. The verdict says so if the engine is embedded.
pub fn markdown(report: &GateReport, engine: EngineKind) -> String {
    let mut text = String::new();
    let (verdict, waivers) = (report.verdict, with_waivers(report));
    line(&mut text, &format!("# {}: {verdict}{waivers}{}\n", report.gate, mark(engine)));
    line(
        &mut text,
        &format!("At {}, {}. Configuration: sha256 `{}`.\n", report.at, tally(report), report.config_digest),
    );
    line(&mut text, "| verdict | check | about | reason | ms |\n| --- | --- | --- | --- | ---: |");
    for c in &report.checks {
        let row = [&c.id, &c.title, &said(c)].map(|cell| escape(cell));
        line(
            &mut text,
            &format!("| {} | `{}` | {} | {} | {} |", word_of(c), row[0], row[1], row[2], c.elapsed_ms),
        );
    }
    for note in told(report) {
        line(&mut text, &format!("\n- {}", escape(&note.to_string())));
    }
    line(&mut text, "\n## Evidence");
    for check in report.checks.iter().filter(|c| !c.evidence.is_empty()) {
        evidence(&mut text, check);
    }
    text
}

/// The reason of a check, and who waives it until when.
pub(crate) fn said(check: &CheckReport) -> String {
    match &check.waiver {
        Some(waiver) => format!("{}; {waiver}", check.reason),
        None => check.reason.to_string(),
    }
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
    let tally = match count(Word::Note) {
        0 => tally,
        1 => format!("{tally}, 1 note"),
        notes => format!("{tally}, {notes} notes"),
    };
    match count(Word::Waived) {
        0 => tally,
        waived => format!("{tally}, {waived} waived"),
    }
}

/// The word that a check has in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Its verdict.
    Verdict(Verdict),
    /// It did not pass, and the gate does not need it.
    Note,
    /// It did not pass, and the configuration waives it.
    Waived,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Note => f.pad("NOTE"),
            Self::Waived => f.pad("WAIVED"),
        }
    }
}

/// The word of a check: an advisory check that did not pass is no FAIL to anyone who counts the lines of a gate that passed.
pub fn word_of(check: &CheckReport) -> Word {
    if check.verdict == Verdict::Pass {
        Word::Verdict(Verdict::Pass)
    } else if check.waiver.is_some() {
        Word::Waived
    } else if check.required {
        Word::Verdict(check.verdict)
    } else {
        Word::Note
    }
}

fn padded(said: Word, more: &str, engine: EngineKind, style: Style) -> String {
    let padded = match engine {
        EngineKind::Real if more.is_empty() => format!("{said:<7}"),
        EngineKind::Real | EngineKind::Embedded => format!("{said}{more}{}", mark(engine)),
    };
    if style == Style::Plain {
        return padded;
    }
    let colour = match said {
        Word::Verdict(Verdict::Pass) => 32,
        Word::Verdict(Verdict::Unknown) | Word::Note | Word::Waived => 33,
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
