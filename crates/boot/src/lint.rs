//! Habits of gates that prove less than they seem to. None of them is a deadlock.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::alert_of;
use crate::evidence::Evidence;
use crate::graph::{Holds, NumberedWait, World};
use crate::name::UnitName;
use crate::place::Place;
use crate::read::UnitSet;
use crate::runs::Run;
use crate::simple::program;
use crate::systemctl::{self, Call};
use crate::unit::Unit;

/// One such habit, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lint {
    /// The unit; `None` of a file that no unit names.
    pub unit: Option<UnitName>,
    /// What it is. In JSON `kind` with its data, and the text as `text`.
    #[serde(flatten, with = "json")]
    #[cfg_attr(feature = "schema", schemars(with = "json::WithText<'static>"))]
    pub kind: LintKind,
    /// The command or line, where there is one.
    pub evidence: Option<Evidence>,
}

/// What a gate does, or what it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LintKind {
    /// It takes a unit for healthy that stays active once its command has ended.
    ActiveAfterExit {
        /// That unit.
        asks: UnitName,
    },
    /// A file that a gate has left where alerts are.
    Alert {
        /// The file.
        path: String,
    },
    /// It writes an alert: whether it also fails is not known.
    AlertWritten {
        /// The file, as the command names it.
        path: String,
    },
    /// Any answer ends the wait, an error's too.
    AnyAnswer {
        /// What it waits for.
        place: Place,
    },
    /// Its unit starts even if the wait fails.
    FailureIgnored {
        /// What it waits for.
        place: Place,
    },
    /// Nothing ends the wait but its success.
    Unbounded {
        /// What it waits for.
        place: Place,
    },
}

impl fmt::Display for LintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActiveAfterExit { asks } => write!(
                f,
                "{asks} stays active (exited) however its command fared since: ask for what it serves, not for the unit"
            ),
            Self::Alert { path } => {
                write!(f, "alert {path}: a gate has failed, even if its unit is active; read and remove it")
            }
            Self::AlertWritten { path } => write!(
                f,
                "a failure becomes the file {path}: let the command fail as well, or look for the file before anything else"
            ),
            Self::AnyAnswer { place } => write!(
                f,
                "any answer of {place} counts, an error's too: use curl --fail, or compare the status"
            ),
            Self::FailureIgnored { place } => write!(
                f,
                "the unit starts even if {place} never answers: take the - away in front of the command"
            ),
            Self::Unbounded { place } => {
                write!(f, "nothing ends the wait for {place}: set TimeoutStartSec=, or run it by timeout")
            }
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unit) = &self.unit {
            write!(f, "{unit}: ")?;
        }
        self.kind.fmt(f)?;
        match &self.evidence {
            Some(evidence) => write!(f, "  ({evidence})"),
            None => Ok(()),
        }
    }
}

/// All that the started units have, and the alerts that were read.
pub(crate) fn lints(set: &UnitSet, world: &World) -> Vec<Lint> {
    let by_name: BTreeMap<&UnitName, &Unit> = set.units.iter().map(|unit| (&unit.name, unit)).collect();
    let mut found: Vec<Lint> = world
        .waits
        .iter()
        .filter_map(|wait| Some((wait, by_name.get(&wait.wait.unit)?)))
        .flat_map(|(wait, unit)| of_wait(wait, unit))
        .collect();
    let started = set.units.iter().filter(|unit| world.started.contains(&unit.name) && !unit.masked);
    for unit in started {
        for run in unit.commands.iter().flat_map(|command| command.runs().list) {
            let asked = asked(&run).into_iter().filter(|asked| {
                let asked = by_name.get(asked);
                asked.is_some_and(|unit| unit.remains && unit.service_type.as_deref() == Some("oneshot"))
            });
            let mut kinds: Vec<LintKind> = asked.map(|asks| LintKind::ActiveAfterExit { asks }).collect();
            kinds.extend(alert_of(&run).map(|path| LintKind::AlertWritten { path }));
            let lint =
                |kind| Lint { unit: Some(unit.name.clone()), kind, evidence: Some(run.evidence.clone()) };
            found.extend(kinds.into_iter().map(lint));
        }
    }
    let alert =
        |path: &String| Lint { unit: None, kind: LintKind::Alert { path: path.clone() }, evidence: None };
    found.extend(set.alerts.iter().map(alert));
    found
}

fn of_wait(wait: &NumberedWait, unit: &Unit) -> Vec<Lint> {
    let Some(found) = wait.found.as_ref().filter(|found| !found.starts) else { return Vec::new() };
    let place = || wait.wait.url.clone();
    let ignored = unit.commands.iter().any(|command| {
        let prefixes = command.line.trim_start_matches(['@', ':', '+', '!', '|']);
        prefixes.starts_with('-') && command.waits().contains(found)
    });
    let endless = wait.holds == Holds::Yes && unit.start_bound().is_none() && !found.bounded;
    let kinds = [
        found.any_answer.then(|| LintKind::AnyAnswer { place: place() }),
        ignored.then(|| LintKind::FailureIgnored { place: place() }),
        endless.then(|| LintKind::Unbounded { place: place() }),
    ];
    let lint = |kind| Lint { unit: Some(unit.name.clone()), kind, evidence: Some(found.evidence.clone()) };
    kinds.into_iter().flatten().map(lint).collect()
}

/// The units that a command asks about, once or again and again.
fn asked(run: &Run) -> Vec<UnitName> {
    let Some((first, rest)) = run.words.split_first() else { return Vec::new() };
    match systemctl::call(rest).filter(|_| program(first) == "systemctl") {
        Some(Call::Asks(units)) => units,
        _ => Vec::new(),
    }
}

/// The JSON of a kind: its fields, and its text as `text`.
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::LintKind;

    #[derive(Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(super) struct WithText<'a> {
        text: String,
        #[serde(flatten)]
        kind: &'a LintKind,
    }

    pub(super) fn serialize<S: Serializer>(kind: &LintKind, output: S) -> Result<S::Ok, S::Error> {
        WithText { text: kind.to_string(), kind }.serialize(output)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<LintKind, D::Error> {
        LintKind::deserialize(input)
    }
}
