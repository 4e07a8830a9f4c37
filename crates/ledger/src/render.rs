//! Ledgers, verdicts and phases for people: tables for the terminal, Markdown for files.

use std::fmt::Write as _;

use crate::claim::Claim;
use crate::facts::{Engine, Facts};
use crate::finding::Finding;
use crate::ledger::Ledger;
use crate::line::Line;
use crate::role::Role;
use crate::standing::{GateStanding, Mark};
use crate::status::{PhaseStatus, Status};
use crate::text::{escaped, many, one_line};
use crate::verdict::{Difference, Outcome, Verdict, hours};

/// A whole ledger: its keys, its head, and how many lines follow the one that was noted as the head.
pub fn ledger_table(ledger: &Ledger, noted: Option<&Line>) -> String {
    let lines = ledger.lines();
    let mut text = format!("whole: {}\n", many(lines.len(), "line"));
    for role in Role::ALL {
        put(&mut text, &format!("{role:<8}  {}", ledger.founding().key(role)));
    }
    put(&mut text, &format!("head      {}", ledger.head()));
    match noted {
        Some(line) => {
            let since = lines.len().saturating_sub(usize::try_from(line.number).unwrap_or(usize::MAX));
            put(
                &mut text,
                &format!("the head that was noted is line {}, {} since", line.number, many(since, "line")),
            );
        }
        None => put(
            &mut text,
            "lines missing at its end cannot be seen; give --head DIGEST, as it was printed last",
        ),
    }
    text
}

/// A line that was appended: what it is, and the head from now on.
pub fn line_table(line: &Line) -> String {
    let gate = line.content.gate().map(|gate| format!(" {}", one_line(gate))).unwrap_or_default();
    let mut text = format!("line {}: {} by the {}{gate}\n", line.number, line.content.kind(), line.role);
    put(&mut text, &format!("head {}", line.digest));
    text
}

/// A verdict: what is not as claimed, and the outcome in the last line.
pub fn verdict_table(verdict: &Verdict) -> String {
    let mut text = String::new();
    let mut row = |word: &str, what: &str| put(&mut text, &format!("  {word:<8} {}", one_line(what)));
    if let Some(veto) = &verdict.veto {
        row("VETO", &veto.to_string());
    }
    verdict.wrong.iter().for_each(|difference| row("WRONG", &difference.to_string()));
    verdict.unseen.iter().for_each(|what| row("UNSEEN", &format!("{what}: claimed, and not observed")));
    verdict.moved.iter().for_each(|difference| row("moved", &difference.to_string()));
    put(&mut text, &format!("{} {} ({})", said(verdict), one_line(&verdict.gate), basis(verdict)));
    text
}

/// A verdict in Markdown, without a heading: the outcome, what differs, and each check that was measured.
pub fn verdict_markdown(verdict: &Verdict) -> String {
    let mut text = String::new();
    put(&mut text, &format!("**{}** {}: {}.\n", said(verdict), escaped(&verdict.gate), basis(verdict)));
    if let Some(veto) = &verdict.veto {
        put(&mut text, &format!("VETO: {}.\n", escaped(&veto.to_string())));
    }
    for (title, differences) in [("Not as claimed", &verdict.wrong), ("Moved, as it may", &verdict.moved)] {
        differences_markdown(&mut text, title, differences);
    }
    if !verdict.unseen.is_empty() {
        let unseen = verdict.unseen.iter().map(|what| escaped(what)).collect::<Vec<_>>().join(", ");
        put(&mut text, &format!("Claimed, and not observed: {unseen}.\n"));
    }
    if let Some(measured) = &verdict.measured {
        facts_markdown(&mut text, measured);
    }
    text
}

/// A claim in Markdown, without a heading: WHAT, HOW, EXPECTED, WHERE, and each check.
pub(crate) fn claim_markdown(claim: &Claim) -> String {
    let mut text = String::new();
    for (word, said) in [("WHAT", &claim.what), ("HOW", &claim.how), ("EXPECTED", &claim.expected)] {
        put(
            &mut text,
            &format!("- {word}: {}", said.as_deref().map_or_else(|| "not said".to_owned(), escaped)),
        );
    }
    let commit = claim
        .commit
        .as_deref()
        .map_or_else(|| "no commit".to_owned(), |id| format!("commit {}", escaped(id)));
    put(&mut text, &format!("- WHERE: {commit}, report sha256 `{}`", claim.report));
    for file in &claim.files {
        put(&mut text, &format!("- WHERE: {} sha256 `{}`", escaped(&file.path), file.sha256));
    }
    put(&mut text, "");
    facts_markdown(&mut text, &claim.facts);
    text
}

/// A finding on one line of Markdown, without its checkbox.
pub(crate) fn finding_markdown(finding: &Finding) -> String {
    let opened = &finding.opened;
    let about = opened.gate.as_deref().map(|gate| format!(", about {}", escaped(gate))).unwrap_or_default();
    let mut text = format!(
        "**{}** {}, by the {}{about}, closed by the {} only: {}",
        escaped(&opened.id),
        opened.severity,
        finding.by,
        opened.may_close,
        escaped(&opened.title)
    );
    if let Some(reproduction) = &opened.reproduction {
        let _ = write!(text, "; reproduction: {}", escaped(reproduction));
    }
    for (n, option) in opened.options.iter().zip(1..).map(|(option, n)| (n, option)) {
        let _ = write!(text, "; option {n}: {}", escaped(option));
    }
    text
}

/// Findings, one line each; `none` if there is none.
pub fn findings_table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let opened = &finding.opened;
        let state =
            finding.closed_by_line.map_or_else(|| "open".to_owned(), |line| format!("closed by line {line}"));
        let title = one_line(&opened.title);
        let head = format!("{:<4} {:<8} {state}", one_line(&opened.id), opened.severity.to_string());
        put(&mut text, &format!("{head}, {} may close it: {title}", opened.may_close));
    }
    if text.is_empty() { "none\n".to_owned() } else { text }
}

/// How phases stand: a line for each gate, then what keeps the phase from being done.
pub fn status_table(status: &Status) -> String {
    let mut text = String::new();
    let gates = status.phases.iter().flat_map(|phase| &phase.gates);
    let width = gates.map(|gate| gate.gate.chars().count()).max().unwrap_or(0);
    for phase in &status.phases {
        for gate in &phase.gates {
            put(&mut text, &format!("{:<7} {:width$}  {}", word(gate), one_line(&gate.gate), marks(gate)));
        }
        let word = if phase.done { format!("DONE{}", phase.on().mark()) } else { "not done".to_owned() };
        put(&mut text, &format!("{}: {word}", one_line(&phase.phase)));
        for lack in &phase.lacks {
            put(&mut text, &format!("  -> {}", one_line(&lack.to_string())));
        }
    }
    put(&mut text, &format!("head {}", status.head));
    text
}

/// How phases stand, in Markdown.
pub fn status_markdown(status: &Status) -> String {
    let mut text = String::new();
    for phase in &status.phases {
        put(&mut text, &format!("# {}: {}\n", escaped(&phase.phase), done_word(phase)));
        put(&mut text, "| gate | standing | claim | verdict |\n| --- | --- | --- | --- |");
        for gate in &phase.gates {
            let [claim, verdict] =
                [gate.claim, gate.verdict].map(|mark| mark.map_or_else(|| "none".to_owned(), aged));
            put(&mut text, &format!("| {} | {} | {claim} | {verdict} |", escaped(&gate.gate), word(gate)));
        }
        phase.lacks.iter().for_each(|lack| put(&mut text, &format!("\n- {}", escaped(&lack.to_string()))));
        put(&mut text, "");
    }
    put(&mut text, &format!("At {}, head `{}`.", status.at, status.head));
    text
}

/// `DONE`, marked where it rests on a model, or `not done`.
fn done_word(phase: &PhaseStatus) -> String {
    if phase.done { format!("DONE{}", phase.on().mark()) } else { "not done".to_owned() }
}

fn word(gate: &GateStanding) -> String {
    format!("{}{}", gate.standing, gate.on.map_or("", Engine::mark))
}

fn marks(gate: &GateStanding) -> String {
    let said = |what: &str, mark: Option<Mark>| {
        mark.map_or_else(|| format!("no {what}"), |mark| format!("{what} {}", aged(mark)))
    };
    format!("{}, {}", said("claim", gate.claim), said("verdict", gate.verdict))
}

fn aged(mark: Mark) -> String {
    let age = if mark.age_ms < 0 {
        "ahead of this clock".to_owned()
    } else {
        format!("{} ago", hours(mark.age_ms))
    };
    format!("line {}, {age}", mark.line)
}

/// The outcome, marked where it is of a model.
pub(crate) fn said(verdict: &Verdict) -> String {
    let mark = verdict.measured.as_ref().map_or("", |facts| facts.engine.mark());
    format!("{}{mark}", verdict.outcome)
}

/// What a verdict rests on.
fn basis(verdict: &Verdict) -> String {
    let claim =
        verdict.claim.map_or_else(|| "no claim".to_owned(), |claim| format!("claim of line {}", claim.line));
    let commit =
        verdict.commit.as_deref().map(|commit| format!(", commit {}", escaped(commit))).unwrap_or_default();
    let Some(measured) = &verdict.measured else { return format!("{claim}{commit}, nothing measured") };
    let files = usize::try_from(verdict.files).unwrap_or(usize::MAX);
    let told = if verdict.outcome == Outcome::Pass { "as claimed" } else { "measured" };
    format!("{claim}{commit}, {} {told}, {}", many(measured.checks.len(), "check"), many(files, "file"))
}

fn differences_markdown(text: &mut String, title: &str, differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    put(text, &format!("{title}:\n"));
    for difference in differences {
        put(text, &format!("- {}", escaped(&difference.to_string())));
    }
    put(text, "");
}

fn facts_markdown(text: &mut String, facts: &Facts) {
    put(
        text,
        &format!(
            "{} at {}, configuration sha256 `{}`:\n",
            facts.said(),
            facts.at,
            escaped(&facts.config_digest)
        ),
    );
    put(text, "| verdict | check | figures |\n| --- | --- | --- |");
    for check in &facts.checks {
        let figures = check.figures.iter().map(|(path, value)| format!("{path} {value}")).collect::<Vec<_>>();
        let waiver = check.waiver.as_ref().map(|waiver| format!(" ({waiver})")).unwrap_or_default();
        let word = format!("{}{waiver}", check.verdict);
        put(
            text,
            &format!("| {} | {} | {} |", escaped(&word), escaped(&check.id), escaped(&figures.join(", "))),
        );
    }
}

fn put(text: &mut String, line: &str) {
    // A line break at the end is an empty line on purpose; spaces there are of a column without a text.
    text.push_str(line.trim_end_matches(' '));
    text.push('\n');
}
