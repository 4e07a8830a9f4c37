//! What has changed from one run to another.

use pvcheck_routes::Verdict;
use serde::Serialize;

use crate::gate_report::{CheckReport, GateReport};
use crate::render::escape;
use crate::waiver::Waiver;

/// How one gate has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateChange {
    /// Its name.
    pub gate: String,
    /// Its verdict before; `None` if it was not run.
    pub before: Option<Verdict>,
    /// Its verdict after.
    pub after: Option<Verdict>,
    /// Its checks that are not as they were, in the order of the later report.
    pub changes: Vec<Change>,
}

/// How one check has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// Its id.
    pub id: String,
    /// Verdict and reason before; `None` if it was not there.
    pub before: Option<Said>,
    /// Verdict and reason after.
    pub after: Option<Said>,
    /// True iff its gate cannot pass without it, before or after.
    pub required: bool,
}

/// What a check said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Said {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Why it did not count for its gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

impl GateChange {
    /// True iff the gate passed and does not any more, or was there and is not.
    pub fn is_worse(&self) -> bool {
        let worse = |before: Option<Verdict>, after: Option<Verdict>| {
            before == Some(Verdict::Pass) && after != Some(Verdict::Pass)
        };
        let check = |change: &Change| {
            let verdict = |said: &Option<Said>| said.as_ref().map(|said| said.verdict);
            change.required && worse(verdict(&change.before), verdict(&change.after))
        };
        worse(self.before, self.after) || self.changes.iter().any(check)
    }
}

/// What has changed, for every gate of the two runs: those of the later one first.
pub fn diff(before: &[GateReport], after: &[GateReport]) -> Vec<GateChange> {
    let of = |reports: &[GateReport], gate: &str| reports.iter().rev().find(|r| r.gate == gate).cloned();
    let mut gates: Vec<&str> = Vec::new();
    for report in after.iter().chain(before) {
        if !gates.contains(&report.gate.as_str()) {
            gates.push(&report.gate);
        }
    }
    let changed = |gate: &str| {
        let (was, is) = (of(before, gate), of(after, gate));
        let [was_checks, is_checks] =
            [&was, &is].map(|report| report.as_ref().map(|r| r.checks.as_slice()).unwrap_or_default());
        GateChange {
            gate: gate.to_owned(),
            before: was.as_ref().map(|report| report.verdict),
            after: is.as_ref().map(|report| report.verdict),
            changes: changes(was_checks, is_checks),
        }
    };
    gates.into_iter().map(changed).collect()
}

fn changes(before: &[CheckReport], after: &[CheckReport]) -> Vec<Change> {
    let of = |checks: &[CheckReport], id: &str| checks.iter().find(|check| check.id == id).cloned();
    let gone = before.iter().filter(|check| of(after, &check.id).is_none());
    let ids = after.iter().chain(gone).map(|check| check.id.as_str());
    let changed = |id: &str| {
        let (was, is) = (of(before, id), of(after, id));
        let required = [&was, &is].into_iter().flatten().any(|check| check.required);
        let [before, after] = [was, is].map(|check| check.map(|c| said(&c)));
        (before != after).then(|| Change { id: id.to_owned(), before, after, required })
    };
    ids.filter_map(changed).collect()
}

fn said(check: &CheckReport) -> Said {
    Said { verdict: check.verdict, reason: check.reason.to_string(), waiver: check.waiver.clone() }
}

/// Both runs side by side, for a terminal: a line for each gate, and three for each check that is not as it was.
pub fn diff_table(gates: &[GateChange]) -> String {
    let mut text = String::new();
    for gate in gates {
        let changed = match gate.changes.len() {
            0 => "nothing has changed".to_owned(),
            1 => "1 check has changed".to_owned(),
            several => format!("{several} checks have changed"),
        };
        text += &format!("{}: {}, {changed}\n", gate.gate, step(gate.before, gate.after));
        for change in &gate.changes {
            let advisory = if change.required { "" } else { " (advisory)" };
            text += &format!("  {}: {}{advisory}\n", change.id, verdicts(change));
            text += &format!(
                "    before: {}\n    after:  {}\n",
                reason(change.before.as_ref()),
                reason(change.after.as_ref())
            );
        }
    }
    text
}

/// The same as Markdown, for a ticket: a table for each gate.
pub fn diff_markdown(gates: &[GateChange]) -> String {
    let mut text = String::new();
    for gate in gates {
        text += &format!("## {}: {}\n\n", gate.gate, step(gate.before, gate.after));
        if gate.changes.is_empty() {
            text += "Nothing has changed.\n\n";
            continue;
        }
        text += "| check | verdict | before | after |\n| --- | --- | --- | --- |\n";
        for change in &gate.changes {
            let [before, after] = [&change.before, &change.after].map(|said| escape(&reason(said.as_ref())));
            text += &format!("| `{}` | {} | {before} | {after} |\n", escape(&change.id), verdicts(change));
        }
        text.push('\n');
    }
    text
}

fn verdicts(change: &Change) -> String {
    let [before, after] = [&change.before, &change.after].map(|said| said.as_ref().map(|said| said.verdict));
    step(before, after)
}

fn step(before: Option<Verdict>, after: Option<Verdict>) -> String {
    let word = |verdict: Option<Verdict>| verdict.map_or_else(|| "not run".to_owned(), |v| v.to_string());
    if before == after { word(before) } else { format!("{} -> {}", word(before), word(after)) }
}

fn reason(said: Option<&Said>) -> String {
    let Some(said) = said else { return "not there".to_owned() };
    let waiver = said.waiver.as_ref().map(|waiver| format!(" ({waiver})")).unwrap_or_default();
    format!("{}{waiver}", said.reason)
}
