//! Reports for people: a table for the terminal, Markdown for a file. The JSON is the [`GateReport`] itself.

use std::fmt::Write as _;

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

/// A table: one line per check, the reason under those that did not pass.
pub fn table(report: &GateReport, style: Style) -> String {
    let width = report.checks.iter().map(|c| c.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in &report.checks {
        line(&mut text, &format!("  {} {:width$}  {}", word(check.verdict, style), check.id, check.title));
        let reason = if check.verdict == Verdict::Pass { "" } else { "-> " };
        line(&mut text, &format!("          {:width$}  {reason}{}", "", check.reason));
    }
    line(&mut text, &format!("{} {} ({})", word(report.verdict, style), report.gate, tally(report)));
    text
}

/// Markdown: verdict, a row per check, then the evidence of each.
pub fn markdown(report: &GateReport) -> String {
    let mut text = String::new();
    line(&mut text, &format!("# {}: {}\n", report.gate, report.verdict));
    line(
        &mut text,
        &format!("At {}, {}. Configuration: sha256 `{}`.\n", report.at, tally(report), report.config_digest),
    );
    line(&mut text, "| verdict | check | about | reason | ms |\n| --- | --- | --- | --- | ---: |");
    for c in &report.checks {
        let row = [&c.id, &c.title, &c.reason.to_string()].map(|cell| escape(cell));
        line(
            &mut text,
            &format!("| {} | `{}` | {} | {} | {} |", c.verdict, row[0], row[1], row[2], c.elapsed_ms),
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
    for e in &check.evidence {
        line(text, &format!("    {} [{}] {}", e.at, e.source, e.text.replace(['\n', '\r'], " ")));
    }
}

fn tally(report: &GateReport) -> String {
    let count = |verdict| report.checks.iter().filter(|c| c.verdict == verdict).count();
    format!(
        "{} pass, {} fail, {} unknown",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Unknown)
    )
}

fn word(verdict: Verdict, style: Style) -> String {
    let padded = format!("{verdict:<7}");
    if style == Style::Plain {
        return padded;
    }
    let colour = match verdict {
        Verdict::Pass => 32,
        Verdict::Unknown => 33,
        Verdict::Fail => 31,
    };
    format!("\x1b[{colour}m{padded}\x1b[0m")
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A bar or a line break in a cell would end it.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}
