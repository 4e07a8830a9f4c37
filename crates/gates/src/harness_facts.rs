//! What was seen of a harness, as it is recorded and saved.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fault::{Counted, Waiting};
use crate::harness_result::{HarnessResult, ResultFault};
use crate::observed::Seen;

/// What was seen of a harness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HarnessFact {
    /// Its name in the configuration.
    pub name: String,
    /// Where its result is from.
    pub how: HarnessHow,
    /// After what it must have started; `None` where nothing says so.
    pub after: Option<After>,
    /// Its result's file.
    pub result: Seen<ResultFile>,
    /// What the Swarm showed meanwhile.
    pub watch: HarnessWatch,
}

/// Where a result is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarnessHow {
    /// It was there.
    Offered,
    /// pvcheck has run its command.
    Ran(HarnessRun),
}

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarnessRun {
    /// Its program; its words may hold secrets.
    pub program: String,
    /// When it was started.
    pub started: Timestamp,
    /// When it had ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: HarnessEnd,
    /// The last lines that it printed, 64 KiB at most, without what may be a secret.
    pub output: Vec<String>,
    /// SHA-256 of all that it printed, without what may be a secret, in hex.
    pub output_digest: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HarnessEnd {
    /// With this code.
    Code {
        /// The code.
        code: i32,
    },
    /// By a signal that pvcheck did not send.
    Signal,
    /// Its time was over, and it was killed with its process group.
    Late {
        /// Its time, in seconds.
        seconds: u64,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
}

/// A time after which a run must have started.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The time.
    pub at: Timestamp,
    /// What it is the time of.
    pub of: AfterWhat,
}

/// What a run must be after.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterWhat {
    /// The end of a renewal, by its record.
    Renewal,
    /// The start of the command by pvcheck.
    Run,
    /// `since` of the configuration.
    Since,
}

/// The file of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Its path.
    pub path: String,
    /// When it was written, by the file system.
    pub modified: Timestamp,
    /// False iff it is the file that was there before the command was run.
    pub is_new: bool,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its text, in hex.
    pub digest: String,
    /// What it says.
    pub said: ResultSaid,
}

/// What a result says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultSaid {
    /// All that counts.
    Sound(HarnessResult),
    /// Nothing that counts, for this reason.
    Unsound(ResultFault),
}

/// What the Swarm showed while a harness was at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HarnessWatch {
    /// The overlay that it must join.
    pub network: String,
    /// How often the Swarm was read.
    pub looks: u64,
    /// The last error of a reading that failed.
    pub missed: Option<String>,
    /// What has had an address on the overlay, and is neither of the configuration nor was there before.
    pub joined: Vec<Joined>,
    /// What waited for an address at two readings in a row.
    pub waits: Vec<Waiting>,
    /// The services of `joined` that were still there at its end; none where the end was not seen.
    pub left: Vec<String>,
    /// True iff the Swarm was read after its end.
    #[serde(default)]
    pub seen_at_end: bool,
    /// The log's signatures of exhausted networks meanwhile.
    pub signatures: Seen<Vec<Counted>>,
    /// The core route that did not pass when the harness had ended.
    pub route_down: Option<String>,
}

/// A service with an address on the overlay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Joined {
    /// Its name.
    pub service: String,
    /// Its address, of the service or of a task.
    pub address: Ipv4Addr,
}

impl std::fmt::Display for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.service, self.address)
    }
}
