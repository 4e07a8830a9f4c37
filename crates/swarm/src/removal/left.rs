//! Parts that were not removed, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use pvcheck_audit::TaskState;
use serde::{Deserialize, Serialize, Serializer};

use crate::engine::ObjectKind;

/// The kind of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A service.
    Service,
    /// A network.
    Network,
    /// A secret.
    Secret,
    /// A config.
    Config,
    /// A stack as a whole.
    Stack,
    /// The tasks of a stack that has no network of its own.
    Tasks,
}

impl PartKind {
    /// Its name in JSON and in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Network => "network",
            Self::Secret => "secret",
            Self::Config => "config",
            Self::Stack => "stack",
            Self::Tasks => "tasks",
        }
    }
}

impl From<ObjectKind> for PartKind {
    fn from(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Service => Self::Service,
            ObjectKind::Network => Self::Network,
            ObjectKind::Secret => Self::Secret,
            ObjectKind::Config => Self::Config,
        }
    }
}

/// A part that was not removed. Its JSON has `kind`, `name`, `why`, and as `text` the `Display` of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written<'static>"))]
pub struct Left {
    /// The kind of the part.
    pub kind: PartKind,
    /// The part's name; for tasks, the stack's.
    pub name: String,
    /// Why it was not removed.
    pub why: LeftReason,
}

/// Why a part was not removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LeftReason {
    /// It is still listed although its removal was accepted.
    Listed,
    /// This run created it, and the engine has not answered since then that it is gone.
    Created,
    /// The call failed.
    Refused {
        /// The call and why it failed.
        error: String,
    },
    /// A service outside of the removal uses it.
    UsedBy {
        /// The service's name.
        service: String,
    },
    /// All that was seen of it is removed, and what a list may have lacked could not be looked for again.
    NotSeenAgain {
        /// The call and why it failed.
        error: String,
    },
    /// Tasks that would lose addresses did not stop in time.
    TasksStop {
        /// Their number, by observed state.
        tasks: BTreeMap<TaskState, u64>,
        /// The patience that was used up, in seconds.
        waited_secs: u64,
        /// True iff there are networks, which were left in place.
        networks_kept: bool,
    },
    /// The tasks could not be read until the patience was over.
    TasksUnknown {
        /// The last error.
        error: String,
        /// The patience that was used up, in seconds.
        waited_secs: u64,
        /// True iff there are networks, which were left in place.
        networks_kept: bool,
    },
}

impl LeftReason {
    /// Tasks that are still stopping after `waited`.
    pub(crate) fn tasks_stop(tasks: BTreeMap<TaskState, u64>, waited: Duration, networks_kept: bool) -> Self {
        Self::TasksStop { tasks, waited_secs: waited.as_secs(), networks_kept }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.why) {
            (PartKind::Tasks, why) => write!(f, "tasks: {why}"),
            (kind, LeftReason::Created | LeftReason::Listed) => write!(f, "{} {}", kind.as_str(), self.name),
            (kind, why) => write!(f, "{} {}: {why}", kind.as_str(), self.name),
        }
    }
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |kept: bool| if kept { ", so it was left in place" } else { "" };
        match self {
            Self::Created => f.write_str("created, and not known to be gone"),
            Self::Listed => f.write_str("still listed"),
            Self::Refused { error } => f.write_str(error),
            Self::NotSeenAgain { error } => {
                write!(f, "whether all of it is gone could not be seen, run the removal again: {error}")
            }
            Self::UsedBy { service } => write!(f, "service {service} uses it, so it was left in place"),
            Self::TasksStop { tasks, waited_secs, networks_kept } => {
                let states = tasks.iter().map(|(state, n)| format!("{n} {}", state.word()));
                let states = states.collect::<Vec<_>>().join(", ");
                let all: u64 = tasks.values().sum();
                let kept = kept(*networks_kept);
                write!(f, "{all} task(s) still there ({states}) after {waited_secs} s{kept}")
            }
            Self::TasksUnknown { error, waited_secs, networks_kept } => {
                write!(f, "{error} after {waited_secs} s{}", kept(*networks_kept))
            }
        }
    }
}

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kind, name, why } = self;
        Written { kind: *kind, name, why, text: self.to_string() }.serialize(serializer)
    }
}

/// [`Left`] as JSON has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Written<'a> {
    kind: PartKind,
    name: &'a str,
    why: &'a LeftReason,
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(kind: PartKind, why: LeftReason) -> Left {
        Left { kind, name: "x".into(), why }
    }

    #[test]
    fn each_reason_has_its_sentence_and_survives_json() {
        let stop = |networks_kept| {
            let tasks = BTreeMap::from([(TaskState::Running, 2), (TaskState::Shutdown, 1)]);
            LeftReason::tasks_stop(tasks, Duration::from_mins(2), networks_kept)
        };
        let refused = LeftReason::Refused { error: "the engine answered 500".into() };
        let unknown = |networks_kept| LeftReason::TasksUnknown {
            error: "no leader".into(),
            waited_secs: 3,
            networks_kept,
        };
        for (left, text) in [
            (left(PartKind::Service, LeftReason::Listed), "service x"),
            (left(PartKind::Config, LeftReason::Created), "config x"),
            (left(PartKind::Secret, refused), "secret x: the engine answered 500"),
            (
                left(PartKind::Stack, LeftReason::NotSeenAgain { error: "no leader".into() }),
                "stack x: whether all of it is gone could not be seen, run the removal again: no leader",
            ),
            (
                left(PartKind::Network, LeftReason::UsedBy { service: "guest".into() }),
                "network x: service guest uses it, so it was left in place",
            ),
            (
                left(PartKind::Network, stop(true)),
                "network x: 3 task(s) still there (2 running, 1 shutdown) after 120 s, so it was left in place",
            ),
            (
                left(PartKind::Tasks, stop(false)),
                "tasks: 3 task(s) still there (2 running, 1 shutdown) after 120 s",
            ),
            (left(PartKind::Config, unknown(true)), "config x: no leader after 3 s, so it was left in place"),
        ] {
            assert_eq!(left.to_string(), text);
            let json = serde_json::to_value(&left).unwrap();
            assert_eq!((&json["text"], &json["kind"]), (&text.into(), &left.kind.as_str().into()));
            assert_eq!(serde_json::from_value::<Left>(json).unwrap(), left);
        }
    }
}
