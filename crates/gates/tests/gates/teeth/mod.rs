//! The matrix of teeth: a healthy world, broken in one way after the other, and every check of the gate beside each.
//!
//! Exactly the checks that are named may change, and every required check of the catalogue is changed by one way at least.
//! `cargo xtask teeth` prints the matrix.

mod control;
mod deployment;
mod renewal;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use Verdict::{Fail, Pass, Unknown};
use pvcheck_gates::{Gate, GateReport, Verdict, catalogue, check_info};

/// One way to break a world, and what came of it.
pub(super) struct Row {
    gate: Gate,
    broken: &'static str,
    report: GateReport,
    expected: BTreeMap<String, Verdict>,
}

impl Row {
    pub(super) fn new(
        gate: Gate,
        broken: &'static str,
        report: GateReport,
        expected: &[(&str, Verdict)],
    ) -> Self {
        let expected = expected.iter().map(|(id, verdict)| ((*id).to_owned(), *verdict)).collect();
        Self { gate, broken, report, expected }
    }

    /// What is expected of a check.
    fn wanted(&self, id: &str) -> Verdict {
        self.expected.get(id).copied().unwrap_or(Pass)
    }

    /// The required checks that are not as expected.
    fn wrong(&self) -> Vec<String> {
        let checks = self.report.checks.iter().filter(|check| check.required);
        let wrong = checks.filter(|check| check.verdict != self.wanted(&check.id));
        let missing = self.expected.keys().filter(|id| !self.report.checks.iter().any(|c| c.id == **id));
        let said =
            wrong.map(|c| format!("{} is {}, not {}: {}", c.id, c.verdict, self.wanted(&c.id), c.reason));
        said.chain(missing.map(|id| format!("{id} is not there"))).collect()
    }
}

/// The matrix of one gate: a line for each way, a column for each required check.
fn matrix(gate: Gate, rows: &[&Row]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for check in rows.iter().flat_map(|row| &row.report.checks).filter(|check| check.required) {
        if !ids.contains(&check.id.as_str()) {
            ids.push(&check.id);
        }
    }
    let mut text = format!("{gate}\n");
    for (at, id) in ids.iter().enumerate() {
        let _ = writeln!(text, "  {:>2} {id}", at + 1);
    }
    let width = rows.iter().map(|row| row.broken.chars().count()).max().unwrap_or(0);
    let head: String = (1..=ids.len()).map(|at| format!("{at:>3}")).collect();
    let _ = writeln!(text, "  {:width$} {head}", "");
    for row in rows {
        let cell = |id: &&str| {
            let check = row.report.checks.iter().find(|check| check.id == *id);
            let word = match check.map(|check| check.verdict) {
                None => " ",
                Some(Pass) => ".",
                Some(Fail) => "F",
                Some(Unknown) => "?",
            };
            let mark = if check.is_some_and(|c| c.verdict != row.wanted(id)) { "!" } else { " " };
            format!("{mark}{word:>2}")
        };
        let cells: String = ids.iter().map(cell).collect();
        let _ = writeln!(text, "  {:width$} {cells}", row.broken);
    }
    text
}

#[tokio::test]
async fn every_required_check_is_broken_and_no_cell_is_wrong() {
    let mut rows = control::rows().await;
    rows.extend(deployment::rows().await);
    rows.extend(renewal::plan_rows().await);
    rows.extend(Box::pin(renewal::fixed_rows()).await);
    let mut text = String::from("F is FAIL, ? is UNKNOWN, . is PASS, ! is wrong\n");
    for gate in Gate::ALL {
        let of_gate: Vec<&Row> = rows.iter().filter(|row| row.gate == gate).collect();
        assert!(!of_gate.is_empty(), "{gate} has no row");
        text += &matrix(gate, &of_gate);
    }
    // Past the capture of the test's own output: the matrix is a result.
    let _ = write!(std::io::stdout(), "{text}");
    let wrong: Vec<String> =
        rows.iter().flat_map(|r| r.wrong().into_iter().map(move |w| format!("{}: {w}", r.broken))).collect();
    assert!(wrong.is_empty(), "{} wrong cells: {wrong:#?}", wrong.len());

    let broken: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row.expected.keys())
        .filter_map(|id| check_info(id).ok().map(|info| info.id))
        .collect();
    let required = catalogue().filter(|info| info.required).map(|info| info.id);
    let toothless: Vec<&str> = required.filter(|id| !broken.contains(id)).collect();
    assert_eq!(toothless, [] as [&str; 0], "required checks that nothing here breaks");
}
