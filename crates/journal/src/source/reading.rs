//! From where a log is read, how far, and what came of it.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::mark::Mark;
use crate::record::Record;
use crate::scan::Incomplete;

/// From where to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// How much is read at most. What is over makes the result incomplete, it is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the whole of one call.
    pub deadline: Duration,
    /// Of the log.
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
pub struct Reading {
    /// Which log, in words.
    pub source: String,
    /// How much of it was read.
    pub bytes: u64,
    /// How many records that were.
    pub records: u64,
    /// Why these are not all, if they are not.
    pub incomplete: Vec<Incomplete>,
}

/// What is called with each record; it may break off.
pub(crate) type Sink<'a> = dyn FnMut(Record) -> ControlFlow<Incomplete> + Send + 'a;
