//! How phases stand, and what the ledger has to say of them next.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::content::Content;
use crate::digest::Digest;
use crate::done::{Done, Withdrawn};
use crate::facts::Engine;
use crate::finding::Finding;
use crate::ledger::Ledger;
use crate::lines::is_declared_done;
use crate::standing::{GateStanding, Lack, lacks, standing};

/// A phase: gates that have to pass together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its gates, in order.
    pub gates: Vec<String>,
}

/// How phases stand at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The time.
    pub at: Timestamp,
    /// The age of a verdict up to which it is fresh.
    pub max_age_ms: i64,
    /// The digest of the ledger's last line.
    pub head: Digest,
    /// The phases.
    pub phases: Vec<PhaseStatus>,
}

/// How one phase stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseStatus {
    /// Its name.
    pub phase: String,
    /// True iff every gate has a fresh pass and no critical finding about it is open.
    pub done: bool,
    /// What keeps it from being done.
    pub lacks: Vec<Lack>,
    /// Its gates.
    pub gates: Vec<GateStanding>,
    /// The findings about it that are open.
    pub findings: Vec<Finding>,
}

impl Phase {
    /// The phases of these gates: the part of a name before its first dot.
    pub fn of_gates<'a>(gates: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut phases: Vec<Self> = Vec::new();
        for gate in gates {
            let name = gate.split('.').next().unwrap_or(gate);
            match phases.iter_mut().find(|phase| phase.name == name) {
                Some(phase) => phase.gates.push(gate.to_owned()),
                None => phases.push(Self { name: name.to_owned(), gates: vec![gate.to_owned()] }),
            }
        }
        phases
    }

    /// True iff what is about this gate is about the phase; what is about no gate is about every phase.
    pub(crate) fn is_about(&self, gate: Option<&str>) -> bool {
        gate.is_none_or(|gate| self.gates.iter().any(|of_it| of_it == gate))
    }
}

impl PhaseStatus {
    /// The engine that its passes rest on: the embedded one if a single pass does.
    pub fn on(&self) -> Engine {
        let embedded = self.gates.iter().any(|gate| gate.on == Some(Engine::Embedded));
        if embedded { Engine::Embedded } else { Engine::Real }
    }
}

/// How phases stand at this time, by a ledger.
pub fn status(ledger: &Ledger, phases: &[Phase], now: Timestamp, max_age: Duration) -> Status {
    let phases = phases.iter().map(|phase| of_phase(ledger, phase, now, max_age)).collect();
    Status { at: now, max_age_ms: ms(max_age), head: ledger.head(), phases }
}

fn of_phase(ledger: &Ledger, phase: &Phase, now: Timestamp, max_age: Duration) -> PhaseStatus {
    let lacks = lacks(ledger.lines(), &phase.gates, now, max_age);
    let about = |finding: &Finding| phase.is_about(finding.opened.gate.as_deref());
    let open = |finding: &Finding| finding.closed_by_line.is_none() && about(finding);
    PhaseStatus {
        phase: phase.name.clone(),
        done: lacks.is_empty(),
        lacks,
        gates: phase.gates.iter().map(|gate| standing(ledger.lines(), gate, now, max_age)).collect(),
        findings: ledger.findings().into_iter().filter(open).collect(),
    }
}

/// The line that says what has changed: the phase is done now, or is so no longer. `None` if the ledger says it already.
pub fn declaration(ledger: &Ledger, phase: &Phase, now: Timestamp, max_age: Duration) -> Option<Content> {
    let lacks = lacks(ledger.lines(), &phase.gates, now, max_age);
    let name = || phase.name.clone();
    match (is_declared_done(ledger.lines(), &phase.name), lacks.is_empty()) {
        (false, true) => {
            Some(Content::Done(Done { phase: name(), gates: phase.gates.clone(), max_age_ms: ms(max_age) }))
        }
        (true, false) => {
            let because = lacks.iter().map(ToString::to_string).collect();
            Some(Content::Withdrawn(Withdrawn { phase: name(), because }))
        }
        _ => None,
    }
}

fn ms(age: Duration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_of_the_phase_that_their_names_begin_with() {
        let phases = Phase::of_gates(["pvfix.m1", "pvcheck.m1", "pvfix.m2", "alone"]);
        let listed: Vec<(String, usize)> =
            phases.into_iter().map(|phase| (phase.name, phase.gates.len())).collect();
        assert_eq!(listed, [("pvfix".to_owned(), 2), ("pvcheck".to_owned(), 1), ("alone".to_owned(), 1)]);
    }
}
