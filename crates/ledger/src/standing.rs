//! How a gate and a phase stand at a time: what was claimed, what was judged, and how old that is.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::facts::Engine;
use crate::line::Line;
use crate::lines::{findings, last_claim, last_verdict};
use crate::verdict::{Outcome, hours};

/// A line may be this much ahead of the reader's clock: machines differ.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Standing {
    /// Neither claimed nor judged.
    Pending,
    /// Claimed since the last verdict, or ever.
    Claimed,
    /// The last claim passed, not longer ago than accepted.
    Pass,
    /// The last claim passed, too long ago.
    Aged,
    /// The last claim failed.
    Fail,
    /// The last claim could not be observed, or its verdict is ahead of this machine's clock.
    Unknown,
    /// There was nothing to judge.
    Veto,
}

/// A line of a gate, and its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mark {
    /// Its number.
    pub line: u64,
    /// When it was written.
    pub at: Timestamp,
    /// How long ago that is; negative if that is ahead.
    pub age_ms: i64,
}

/// How one gate stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateStanding {
    /// The gate.
    pub gate: String,
    /// How it stands.
    pub standing: Standing,
    /// The engine that its pass rests on; `None` without one.
    pub on: Option<Engine>,
    /// Its last claim.
    pub claim: Option<Mark>,
    /// The last verdict on it.
    pub verdict: Option<Mark>,
}

/// What keeps a phase from being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lack {
    /// A gate has no fresh pass.
    Gate {
        /// The gate.
        gate: String,
        /// How it stands.
        standing: Standing,
        /// The age of its verdict.
        age_ms: Option<i64>,
    },
    /// A critical finding is open.
    Finding {
        /// Its id.
        id: String,
        /// What is wrong.
        title: String,
    },
    /// It has no gate.
    NoGate,
}

impl Standing {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Claimed => "CLAIMED",
            Self::Pass => "PASS",
            Self::Aged => "AGED",
            Self::Fail => "FAIL",
            Self::Unknown => "UNKNOWN",
            Self::Veto => "VETO",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate { gate, standing: Standing::Aged, age_ms: Some(age_ms) } => {
                write!(f, "the PASS of {gate} is {} old", hours(*age_ms))
            }
            Self::Gate { gate, standing, .. } => write!(f, "{gate} is {standing}"),
            Self::Finding { id, title } => write!(f, "{id}, critical, is open: {title}"),
            Self::NoGate => f.write_str("no gate is named"),
        }
    }
}

/// How a gate stands at this time.
pub(crate) fn standing(lines: &[Line], gate: &str, now: Timestamp, max_age: Duration) -> GateStanding {
    let (claim, verdict) = (last_claim(lines, gate), last_verdict(lines, gate));
    let mark = |line: &Line| {
        let age_ms = i64::try_from(now.duration_since(line.at).as_millis()).unwrap_or(i64::MAX);
        Mark { line: line.number, at: line.at, age_ms }
    };
    let standing = match (claim, verdict) {
        (None, None) => Standing::Pending,
        // A verdict is on one claim; a later claim is one that nobody has judged.
        (Some(_), None) => Standing::Claimed,
        (Some((claimed, _)), Some((judged, _))) if judged.number < claimed.number => Standing::Claimed,
        (_, Some((judged, verdict))) => match verdict.outcome {
            Outcome::Fail => Standing::Fail,
            Outcome::Unknown => Standing::Unknown,
            Outcome::Veto => Standing::Veto,
            Outcome::Pass => passed(now.duration_since(judged.at), max_age),
        },
    };
    let on = verdict.and_then(|(_, verdict)| verdict.measured.as_ref()).map(|facts| facts.engine);
    GateStanding {
        gate: gate.to_owned(),
        standing,
        on: on.filter(|_| matches!(standing, Standing::Pass | Standing::Aged)),
        claim: claim.map(|(line, _)| mark(line)),
        verdict: verdict.map(|(line, _)| mark(line)),
    }
}

fn passed(age: SignedDuration, max_age: Duration) -> Standing {
    match age {
        age if age < -AHEAD => Standing::Unknown,
        age if SignedDuration::try_from(max_age).is_ok_and(|max| max < age) => Standing::Aged,
        _ => Standing::Pass,
    }
}

/// What keeps a phase of these gates from being done at this time; empty iff it is done.
pub(crate) fn lacks(lines: &[Line], gates: &[String], now: Timestamp, max_age: Duration) -> Vec<Lack> {
    let of_gates = gates.iter().map(|gate| standing(lines, gate, now, max_age));
    let open = of_gates.filter(|gate| gate.standing != Standing::Pass).map(|gate| Lack::Gate {
        gate: gate.gate,
        standing: gate.standing,
        age_ms: gate.verdict.map(|verdict| verdict.age_ms),
    });
    let about = |gate: Option<&String>| gate.is_none_or(|gate| gates.contains(gate));
    let found = findings(lines).into_iter().filter(|f| f.keeps_done_away() && about(f.opened.gate.as_ref()));
    let found = found.map(|f| Lack::Finding { id: f.opened.id, title: f.opened.title });
    let none = gates.is_empty().then_some(Lack::NoGate);
    none.into_iter().chain(open).chain(found).collect()
}

#[cfg(test)]
mod tests;
