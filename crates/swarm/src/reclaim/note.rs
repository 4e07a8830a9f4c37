//! Notes of a reclaim, and what it changed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::removal::Left;

/// An event that an operator should know of, although the reclaim did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// The lock of another run was taken over.
    LockTakenOver {
        /// The holder, as it identified itself.
        holder: String,
        /// The purpose of its lock.
        purpose: String,
        /// The operator's reason to break it; `None` if it had expired.
        reason: Option<String>,
    },
    /// The manager was made the only one of its Swarm by force; tasks restarted.
    ForcedNewCluster,
    /// The leadership was not given back: no other manager can be reached from here.
    LeadershipStays,
    /// The leadership was handed round, and the former leader was not elected again.
    LeadershipWentRound,
    /// Fewer tasks run than before.
    FewerTasks {
        /// Tasks that run.
        running: usize,
        /// Tasks that ran before.
        before: usize,
    },
    /// A part of the last census was not removed.
    LeftOfCensus {
        /// The part.
        left: Left,
    },
    /// Another manager leads than before.
    AnotherLeads {
        /// Its node; `None` if no manager leads.
        leader: Option<String>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockTakenOver { holder, purpose, reason } => {
                let why = reason.as_deref().unwrap_or("it had expired");
                write!(f, "the lock of {holder} for {purpose} was taken over: {why}")
            }
            Self::ForcedNewCluster => {
                f.write_str("the Swarm was made anew from this manager's own state; its tasks restarted")
            }
            Self::LeadershipStays => f.write_str(
                "the leadership was not given back: only the manager that leads now can be asked from here; name others with --helper URL",
            ),
            Self::LeadershipWentRound => f.write_str("the leadership went round and did not come back"),
            Self::FewerTasks { running, before } => write!(f, "{running} of {before} tasks run again"),
            Self::LeftOfCensus { left } => write!(f, "left of the census: {left}"),
            Self::AnotherLeads { leader } => {
                write!(f, "another manager leads now: {}", leader.as_deref().unwrap_or("none"))
            }
        }
    }
}

/// The kind of object that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A node's role or availability.
    Node,
    /// A service's specification, or the version of a secret or config.
    Object,
    /// A task's container and process.
    Task,
}

/// A difference between before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// The kind of object.
    pub kind: ChangeKind,
    /// Its id; that of a service, secret or config with the list before it, `services ID`.
    pub id: String,
    /// Its state before; `None` if it is new.
    pub was: Option<String>,
    /// Its state after; `None` if it is gone.
    pub is: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ChangeKind::Node => "node ",
            ChangeKind::Object => "",
            ChangeKind::Task => "task ",
        })?;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "{}: was {was}; is {is}", self.id),
            (Some(was), None) => write!(f, "{}: was {was}; is gone", self.id),
            (None, _) => write!(f, "{}: is new", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::removal::{LeftReason, PartKind};

    #[test]
    fn each_note_has_its_sentence_and_survives_json() {
        let taken = |reason| Note::LockTakenOver { holder: "root@a".into(), purpose: "churn".into(), reason };
        let left = Left { kind: PartKind::Service, name: "x".into(), why: LeftReason::Listed };
        let table = [
            (taken(None), "the lock of root@a for churn was taken over: it had expired"),
            (taken(Some("its host is gone".into())), "for churn was taken over: its host is gone"),
            (Note::ForcedNewCluster, "its tasks restarted"),
            (Note::LeadershipStays, "name others with --helper URL"),
            (Note::LeadershipWentRound, "did not come back"),
            (Note::FewerTasks { running: 2, before: 3 }, "2 of 3 tasks run again"),
            (Note::LeftOfCensus { left }, "left of the census: service x"),
            (Note::AnotherLeads { leader: Some("n2".into()) }, "another manager leads now: n2"),
            (Note::AnotherLeads { leader: None }, "another manager leads now: none"),
        ];
        for (note, words) in table {
            assert!(note.to_string().ends_with(words), "{note}");
            let json = serde_json::to_value(&note).unwrap();
            assert!(json["kind"].is_string(), "{json}");
            assert_eq!(serde_json::from_value::<Note>(json).unwrap(), note);
        }
    }

    #[test]
    fn a_change_says_what_was_and_what_is() {
        let change = |kind, was: Option<&str>, is: Option<&str>| {
            let text = |t: Option<&str>| t.map(str::to_owned);
            Change { kind, id: "x".into(), was: text(was), is: text(is) }.to_string()
        };
        assert_eq!(change(ChangeKind::Node, Some("a"), Some("b")), "node x: was a; is b");
        assert_eq!(change(ChangeKind::Task, Some("a"), None), "task x: was a; is gone");
        assert_eq!(change(ChangeKind::Node, None, Some("b")), "node x: is new");
        assert_eq!(change(ChangeKind::Object, Some("a"), None), "x: was a; is gone");
    }
}
