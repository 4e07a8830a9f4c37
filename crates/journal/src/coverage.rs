//! What of a log was read and understood, and whose log it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a scan covered. Finding nothing means something only where this is the whole log of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// Records in the window that could be read as a record of some known format.
    pub understood: u64,
    /// Records in the window that could not.
    pub not_understood: u64,
    /// Records in the window that containers or other programs wrote; they are understood and not matched.
    pub foreign: u64,
    /// Records that are certainly dockerd's, because the log names it as their writer or because only dockerd writes such
    /// a text; in the window or before it.
    pub engine: u64,
    /// The earliest time of any record that was read, in the window or not; `null` if none has a time.
    pub first: Option<Timestamp>,
    /// The latest time of any record that was read; `null` if none has a time.
    pub last: Option<Timestamp>,
    /// The role of the engine that wrote the log, as the caller or the log itself says.
    pub role: Role,
}

impl Coverage {
    pub(crate) fn saw(&mut self, at: Option<Timestamp>) {
        self.first = self.first.into_iter().chain(at).min();
        self.last = self.last.into_iter().chain(at).max();
    }
}

/// The role of the engine that wrote a log. The allocator runs on the leader only, and so do most signatures
/// ([`Place::Leader`](crate::Place::Leader)): the log of another node cannot show that there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The leader of the Swarm's managers.
    Leader,
    /// A manager that does not lead, or a worker.
    Follower,
    /// Neither the caller nor the log says.
    #[default]
    Unknown,
}
