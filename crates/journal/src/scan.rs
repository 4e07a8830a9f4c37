//! The result of a scan.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::coverage::{Coverage, Role};
use crate::ids::{NetworkId, NodeId, ServiceId};
use crate::incomplete::{Doubt, Incomplete, Note};
use crate::record::Record;
use crate::redact::redact;
use crate::signature::Class;
use crate::window::{Since, Window};

/// At most this many lines are kept for each signature, and for errors without one.
pub const MAX_SAMPLES: usize = 3;
/// At most this many ids are kept in each list of a [`Matched`].
pub const MAX_SUBJECTS: usize = 64;
/// A sample is cut after this many characters.
pub const MAX_SAMPLE_CHARS: usize = 1024;

/// What was found in a log, in a window: the `journal-scan` document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scan {
    /// The log's name, as [`Source::describe`](crate::Source::describe) gives it.
    pub source: String,
    /// Where the scan was to begin.
    pub since: Since,
    /// For a beginning that had to be found in the records: whether it was. `null` otherwise.
    pub start_found: Option<bool>,
    /// The window that was scanned; `from` is resolved where the beginning was found in the records.
    pub window: Window,
    /// The last start of the engine in the log, in the window or before it; `null` if none was read.
    #[serde(default)]
    pub engine_start: Option<Timestamp>,
    /// The last change of the leader, likewise.
    #[serde(default)]
    pub leader_change: Option<Timestamp>,
    /// True iff the log is an engine's, had records in the window, goes back to where the scan was to begin, and was read
    /// and understood to its end. Where it is false, the reasons are in `incomplete`, counts are lower bounds, and zero
    /// means nothing.
    pub complete: bool,
    /// Why the scan is incomplete; empty iff it is complete.
    pub incomplete: Vec<Incomplete>,
    /// What of the log was understood, from when to when, and whose it is. `null` in a scan that was saved before scans
    /// had it; such a scan proves nothing by finding nothing.
    #[serde(default)]
    pub coverage: Option<Coverage>,
    /// Records that were read, inside of the window or not.
    pub read: u64,
    /// Records in the window.
    pub records: u64,
    /// Known signatures in the window, in the order of their first appearance.
    pub matched: Vec<Matched>,
    /// The same for what pvcheck's own censuses caused; never findings.
    pub own: Vec<Matched>,
    /// Findings before the window, of a window whose beginning was given; as far as the log was read there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Matched>,
    /// Records in the window at level error or worse that match no known signature, without pvcheck's own.
    pub unclassified_errors: u64,
    /// The same, of pvcheck's own.
    pub own_unclassified_errors: u64,
    /// A few lines of each signature and of unclassified errors, redacted.
    pub samples: Vec<Sample>,
    /// What limits the trust in the counts.
    pub notes: Vec<Note>,
}

impl Scan {
    /// How many records in the window say that a Swarm network has no address left. An engine says so once for each
    /// service or task, and never again: zero does not mean that nothing waits.
    pub fn exhaustion_count(&self) -> u64 {
        self.count(Class::Exhaustion)
    }

    /// True iff finding nothing means that there was nothing: the scan is complete, and it was recorded what it covered.
    pub fn is_conclusive(&self) -> bool {
        self.doubt().is_none()
    }

    /// Why it is not conclusive; `None` if it is.
    pub fn doubt(&self) -> Option<Doubt> {
        Doubt::of(self.lacks())
    }

    /// Why finding nothing proves nothing of what only the leader logs, where the engine's role is known from the Swarm; `None`
    /// if it proves that there was nothing. Stricter than [`doubt`](Self::doubt): the log must be the leader's.
    pub fn doubt_of_leader(&self, role: Role) -> Option<Doubt> {
        let mut lacks = self.lacks();
        let of_log = self.coverage.map_or(Role::Unknown, |coverage| coverage.role);
        let is_known = lacks.contains(&Incomplete::LeaderOnly);
        lacks.extend(match (role, of_log) {
            _ if is_known => None,
            (Role::Follower, _) | (_, Role::Follower) => Some(Incomplete::LeaderOnly),
            (Role::Unknown, Role::Unknown) => Some(Incomplete::RoleUnknown),
            (Role::Leader, _) | (_, Role::Leader) => None,
        });
        Doubt::of(lacks)
    }

    fn lacks(&self) -> Vec<Incomplete> {
        let mut parts = self.incomplete.clone();
        // Versions before coverage called an empty log complete.
        if self.coverage.is_none() {
            parts.push(match self.records {
                0 => Incomplete::NoRecords { read: self.read },
                _ => Incomplete::CoverageNotRecorded,
            });
        }
        parts
    }

    /// When the allocator of the log's engine was last made anew, if it leads: at its start, or when the leader changed. What was
    /// leaked before is free again.
    pub fn allocator_start(&self) -> Option<Timestamp> {
        self.engine_start.max(self.leader_change)
    }

    /// How many records in the window are of that class, without pvcheck's own.
    pub fn count(&self, class: Class) -> u64 {
        self.matched.iter().filter(|matched| matched.class == class).map(|matched| matched.count).sum()
    }

    /// The signatures in the window that need attention ([`Class::is_finding`]).
    pub fn findings(&self) -> impl Iterator<Item = &Matched> {
        self.matched.iter().filter(|matched| matched.class.is_finding())
    }

    /// The signature's entry, if it was seen in the window.
    pub fn get(&self, signature: &str) -> Option<&Matched> {
        self.matched.iter().find(|matched| matched.signature == signature)
    }
}

/// One signature that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Matched {
    /// Its id in the catalogue.
    pub signature: String,
    /// Its class.
    pub class: Class,
    /// What it means, one sentence; empty in a scan that was saved before scans had it.
    #[serde(default)]
    pub meaning: String,
    /// What to do, one sentence; empty in a scan that was saved before scans had it.
    #[serde(default)]
    pub remedy: String,
    /// How many records.
    pub count: u64,
    /// The earliest time among them; `null` if none has one.
    pub first: Option<Timestamp>,
    /// The latest time among them; `null` if none has one.
    pub last: Option<Timestamp>,
    /// The networks that they name, at most [`MAX_SUBJECTS`].
    pub networks: BTreeSet<NetworkId>,
    /// The services that they name, at most [`MAX_SUBJECTS`].
    pub services: BTreeSet<ServiceId>,
    /// The nodes that they name, at most [`MAX_SUBJECTS`].
    pub nodes: BTreeSet<NodeId>,
    /// True if one of these lists had to leave some out.
    pub more: bool,
}

/// A line as evidence, redacted and cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sample {
    /// The signature's id; `null` for an error that matches none.
    pub signature: Option<String>,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The line.
    pub text: String,
}

impl Sample {
    pub(crate) fn of(signature: Option<&str>, record: &Record) -> Self {
        let text = redact(&record.raw);
        let text = match text.char_indices().nth(MAX_SAMPLE_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        };
        Self { signature: signature.map(str::to_owned), at: record.at, text }
    }
}
