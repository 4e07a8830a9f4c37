//! Where records come from. This is the only part of the crate that touches the world.

#[cfg(feature = "journald")]
mod directory;
mod error;
mod file;
mod journalctl;
mod lines;
mod mark;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(feature = "journald")]
pub use self::directory::Directory;
pub use self::error::SourceError;
pub use self::journalctl::Journalctl;
pub use self::mark::Mark;

use crate::record::Record;
use crate::scan::{Incomplete, Scan};
use crate::scanner::Scanner;

/// A log of an engine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A text file: what dockerd wrote to its stderr, or what a syslog daemon or `journalctl` made of it.
    File(PathBuf),
    /// A file with the output of `journalctl -o json`.
    JsonFile(PathBuf),
    /// The systemd journal of this host, read by its own program.
    Journalctl(Journalctl),
    /// The systemd journal, read by libsystemd.
    #[cfg(feature = "journald")]
    Directory(Directory),
}

/// From where to read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// For the whole of one call.
    pub deadline: Duration,
    /// Of the log.
    pub max_bytes: u64,
    /// Kept by [`Source::read`] and [`Source::read_since`]; the others keep none.
    pub max_records: u64,
}

impl Default for Limits {
    /// One minute, 4 GiB, 200,000 records.
    fn default() -> Self {
        Self { deadline: Duration::from_mins(1), max_bytes: 4 << 30, max_records: 200_000 }
    }
}

/// What was read.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Records {
    /// In the log's order.
    pub records: Vec<Record>,
    /// How it was read.
    pub reading: Reading,
}

/// How reading went.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
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

impl Source {
    /// The log in words, such as `file /var/log/docker.log` or `journal of unit docker`.
    pub fn describe(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::JsonFile(path) => format!("journal entries in {}", path.display()),
            Self::Journalctl(journal) => journal.describe(),
            #[cfg(feature = "journald")]
            Self::Directory(directory) => directory.describe(),
        }
    }

    /// Reads into memory, from a time on or everything.
    ///
    /// # Errors
    ///
    /// If the log cannot be read at all. What ends reading early is in [`Reading::incomplete`].
    pub async fn read(&self, since: Option<Timestamp>, limits: &Limits) -> Result<Records, SourceError> {
        self.collect(&since.map_or(ReadFrom::Beginning, ReadFrom::Time), limits).await
    }

    /// Reads into memory what is new since the mark. A file that was rotated or truncated in between is read from its
    /// beginning, and the result says so.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or if the mark is not one of such a source.
    pub async fn read_since(&self, mark: &Mark, limits: &Limits) -> Result<Records, SourceError> {
        self.collect(&ReadFrom::Mark(mark.clone()), limits).await
    }

    /// The present end of the log, for reading on from there later. It can be stored.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub async fn mark(&self, limits: &Limits) -> Result<Mark, SourceError> {
        match self {
            Self::File(path) | Self::JsonFile(path) => file::mark(path).await,
            Self::Journalctl(journal) => journal.mark(limits).await,
            #[cfg(feature = "journald")]
            Self::Directory(directory) => directory.mark(limits).await,
        }
    }

    /// Feeds a scan without keeping any record, and finishes it. Memory does not grow with the log.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn scan(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        scanner: Scanner<'_>,
    ) -> Result<Scan, SourceError> {
        let mut scanner = scanner.source(self.describe());
        let reading = self
            .each(from, limits, |record| {
                scanner.push(&record);
                ControlFlow::Continue(())
            })
            .await?;
        for reason in reading.incomplete {
            scanner.note_incomplete(reason);
        }
        Ok(scanner.finish())
    }

    /// Calls `sink` with each record; it breaks off with the reason, which becomes part of the result.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn each(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        mut sink: impl FnMut(Record) -> ControlFlow<Incomplete> + Send,
    ) -> Result<Reading, SourceError> {
        let started = Instant::now();
        let mut reading = Reading { source: self.describe(), ..Reading::default() };
        let since = if let ReadFrom::Time(at) = from { Some(*at) } else { None };
        let mut sink = |record: Record| {
            if record.at.zip(since).is_some_and(|(at, since)| at < since) {
                ControlFlow::Continue(())
            } else {
                sink(record)
            }
        };
        let read = self.pour(from, limits, &mut reading, &mut sink);
        if let Ok(done) = tokio::time::timeout(limits.deadline, read).await {
            done?;
        } else {
            let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            reading.incomplete.push(Incomplete::Deadline { after_ms });
        }
        Ok(reading)
    }

    async fn pour(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> Result<(), SourceError> {
        match self {
            Self::File(path) => file::read(path, lines::text, from, limits, reading, sink).await,
            Self::JsonFile(path) => file::read(path, lines::entry, from, limits, reading, sink).await,
            Self::Journalctl(journal) => journal.read(from, limits, reading, sink).await,
            #[cfg(feature = "journald")]
            Self::Directory(directory) => directory.read(from, limits, reading, sink).await,
        }
    }

    async fn collect(&self, from: &ReadFrom, limits: &Limits) -> Result<Records, SourceError> {
        let mut records = Vec::new();
        let limit = limits.max_records;
        let reading = self
            .each(from, limits, |record| {
                if records.len() as u64 >= limit {
                    return ControlFlow::Break(Incomplete::TooMany { limit });
                }
                records.push(record);
                ControlFlow::Continue(())
            })
            .await?;
        Ok(Records { records, reading })
    }
}
