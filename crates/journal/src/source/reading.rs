//! Where reading a log starts, where it stops, and how it went.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::mark::Mark;
use crate::incomplete::Incomplete;
use crate::record::Record;

/// Where to start reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadFrom {
    /// All there is.
    #[default]
    Beginning,
    /// Records of this time and later. Records without a time come along.
    Time(Timestamp),
    /// What was written after the mark was set.
    Mark(Mark),
}

impl ReadFrom {
    /// The time to start at, if it is one.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        if let Self::Time(at) = self { Some(*at) } else { None }
    }
}

/// How much is read at most. Exceeding a limit is not an error: it makes the result incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole call.
    pub deadline: Duration,
    /// Bytes of the log.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// One minute and 4 GiB.
    fn default() -> Self {
        Self { deadline: Duration::from_mins(1), max_bytes: 4 << 30 }
    }
}

/// How reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reading {
    /// The log's name, as [`Source::describe`](crate::Source::describe) gives it.
    pub source: String,
    /// How much of it was read.
    pub bytes: u64,
    /// How many records that were.
    pub records: u64,
    /// Why these are not all, if they are not.
    pub incomplete: Vec<Incomplete>,
}

/// Called with each record; it may stop the reading, with the reason.
pub(crate) type Sink<'a> = dyn FnMut(Record) -> ControlFlow<Incomplete> + Send + 'a;
