//! The result of a scan.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{NetworkId, NodeId, ServiceId};
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
pub struct Scan {
    /// The log's name, as [`Source::describe`](crate::Source::describe) gives it.
    pub source: String,
    /// Where the scan was to begin.
    pub since: Since,
    /// For a beginning that had to be found in the records: whether it was. `null` otherwise.
    pub start_found: Option<bool>,
    /// The window that was scanned; `from` is resolved where the beginning was found in the records.
    pub window: Window,
    /// False where lines are missing; the reasons are in `incomplete`. Counts are lower bounds then, and zero means
    /// nothing.
    pub complete: bool,
    /// Why the scan is incomplete.
    pub incomplete: Vec<Incomplete>,
    /// Records that were read, inside of the window or not.
    pub read: u64,
    /// Records in the window.
    pub records: u64,
    /// Known signatures in the window, in the order of their first appearance.
    pub matched: Vec<Matched>,
    /// The same for what pvcheck's own censuses caused; never findings.
    pub own: Vec<Matched>,
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

    /// True iff finding nothing means that there was nothing: lines were read, none of the window's is missing, and
    /// the log goes back to where the scan was to begin. An empty or rotated log says nothing.
    pub fn is_conclusive(&self) -> bool {
        self.complete && 0 < self.read && self.start_found != Some(false)
    }

    /// Why it is not conclusive; `None` if it is.
    pub fn doubt(&self) -> Option<Doubt> {
        if self.is_conclusive() {
            return None;
        }
        // An empty log comes first: usually it is the wrong one, which explains everything else.
        Some(match (self.read, &self.incomplete[..]) {
            (0, _) => Doubt::EmptyLog,
            (_, []) => Doubt::NoStart,
            (_, missing) => Doubt::Missing { parts: missing.to_vec() },
        })
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

/// Why finding nothing in a log proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Doubt {
    /// Not one record was read.
    EmptyLog,
    /// Parts of the log were not read.
    Missing {
        /// Which, and why; not empty.
        parts: Vec<Incomplete>,
    },
    /// The log does not go back to where the scan was to begin.
    NoStart,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyLog => {
                f.write_str("the log is empty, so none found means nothing; name the log of this engine")
            }
            Self::Missing { parts } => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "parts of the log are missing ({}), so none found means nothing", parts.join(", "))
            }
            Self::NoStart => {
                f.write_str("the log does not go back to the engine's start, so none found means nothing")
            }
        }
    }
}

/// One signature that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why lines are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Incomplete {
    /// The time was up.
    Deadline {
        /// How long was read.
        after_ms: u64,
    },
    /// There was more than the limit.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is another one than when the mark was set.
    Rotated,
    /// The file is shorter than the mark, or was written anew.
    Truncated {
        /// The mark.
        mark_bytes: u64,
        /// The file's size now.
        size_bytes: u64,
    },
    /// The journal no longer has the entry that the mark points to.
    MarkGone,
    /// journald dropped lines.
    Suppressed {
        /// In how many places.
        places: u64,
    },
    /// Not all of the journal may be read.
    NotAllowed,
    /// Reading failed after some records.
    Failed {
        /// What was reported.
        error: String,
    },
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline { after_ms } => write!(f, "time was up after {after_ms} ms"),
            Self::TooLarge { limit_bytes } => write!(f, "more than {limit_bytes} bytes"),
            Self::Rotated => {
                f.write_str("the log was rotated since the mark; lines in the old file were not read")
            }
            Self::Truncated { mark_bytes, size_bytes } => {
                write!(f, "the log was cut since the mark ({mark_bytes} bytes then, {size_bytes} now)")
            }
            Self::MarkGone => f.write_str("the journal was vacuumed since the mark"),
            Self::Suppressed { places } => write!(f, "journald dropped lines in {places} places"),
            Self::NotAllowed => f.write_str("this user may not read all of the journal"),
            Self::Failed { error } => write!(f, "reading ended early: {error}"),
        }
    }
}

/// What limits the trust in the counts of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Note {
    /// The log shows no start of the engine (or change of leadership), so that all of it was scanned.
    NoStartMarker,
    /// The source had no record at all: is it the right one?
    NothingRead,
    /// Records without a time were left out, because the window is not open.
    UntimedLeftOut {
        /// How many.
        count: u64,
    },
    /// Lines in the window that could not be parsed. They were matched all the same, as a whole.
    Unparsed {
        /// How many.
        count: u64,
    },
    /// Lines in the window that were longer than the limit; what was cut was not matched.
    Cut {
        /// How many.
        count: u64,
    },
    /// Lines of containers and other programs, which were not matched.
    Foreign {
        /// How many.
        count: u64,
    },
}
