//! A log, and the calls that are the same for every kind of source.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::error::SourceError;
use super::file;
use super::journalctl::Journalctl;
use super::mark::Mark;
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::incomplete::Incomplete;
use crate::record::Record;
use crate::scan::Scan;
use crate::scanner::Scanner;

/// A log of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A file: what dockerd wrote to its stderr, or what a syslog daemon, `journalctl`, Docker's json-file driver, Loki or a
    /// table made of it, packed by gzip or xz or not. Its format is recognised; docs/journal.md has the list.
    File(PathBuf),
    /// The same, described as saved journal entries.
    JsonFile(PathBuf),
    /// The systemd journal of this host, read by its own program.
    Journalctl(Journalctl),
    /// The systemd journal, read from its files.
    Directory(Directory),
}

impl Source {
    /// The log's name for people, such as `file /var/log/docker.log` or `journal of unit docker`.
    pub fn describe(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::JsonFile(path) => format!("journal entries in {}", path.display()),
            Self::Journalctl(journal) => journal.describe(),
            Self::Directory(directory) => directory.describe(),
        }
    }

    /// The present end of the log, for reading on from there later. It can be stored.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn mark(&self, limits: &Limits) -> Result<Mark, SourceError> {
        match self {
            Self::File(path) | Self::JsonFile(path) => file::mark(path).await,
            Self::Journalctl(journal) => journal.mark(limits).await,
            Self::Directory(directory) => directory.mark(limits).await,
        }
    }

    /// Feeds a scanner record by record and finishes it. Memory does not grow with the log.
    ///
    /// # Errors
    /// If the log cannot be read at all, or if the mark to read from is not one of such a source. What ends reading
    /// early is in [`Scan::incomplete`].
    pub async fn scan(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        scanner: Scanner<'_>,
    ) -> Result<Scan, SourceError> {
        let mut scanner = scanner.source(self.describe());
        // A scanner leaves out what is too early by itself, and learns from it: that the log goes back so far, that it is an
        // engine's, when the engine started.
        let begins = scanner.begins();
        let since = from.time().filter(|at| begins != Some(*at));
        let mut push = |record: Record| {
            scanner.push(&record);
            ControlFlow::Continue(())
        };
        let reading = self.read(from, since, limits, &mut push).await?;
        if let Some(at) = from.time().or(begins)
            && self.reaches(at, limits).await
        {
            scanner.note_reaches_back();
        }
        for reason in reading.incomplete {
            scanner.note_incomplete(reason);
        }
        Ok(scanner.finish())
    }

    /// True iff the source says that it goes back to that moment, which a file does by its records alone.
    async fn reaches(&self, at: Timestamp, limits: &Limits) -> bool {
        match self {
            Self::File(_) | Self::JsonFile(_) => false,
            Self::Journalctl(journal) => journal.reaches(at, limits).await,
            Self::Directory(directory) => directory.reaches(at, limits).await,
        }
    }

    /// Calls `sink` with each record. It may stop the reading with a reason, which becomes part of the result.
    ///
    /// # Errors
    /// If [`scan`](Self::scan) would err. What ends reading early is in [`Reading::incomplete`].
    pub async fn each(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        mut sink: impl FnMut(Record) -> ControlFlow<Incomplete> + Send,
    ) -> Result<Reading, SourceError> {
        self.read(from, from.time(), limits, &mut sink).await
    }

    /// Reads, and leaves out what was written before `since`.
    async fn read(
        &self,
        from: &ReadFrom,
        since: Option<Timestamp>,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) -> Result<Reading, SourceError> {
        let started = Instant::now();
        let mut reading = Reading { source: self.describe(), ..Reading::default() };
        let mut sink = |record: Record| {
            // Sources may start too early: journalctl takes whole seconds, and a file has no index. A record without
            // a time may belong to the window, so it is kept.
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
            // What was read before the deadline is kept: an incomplete scan with findings is still a finding.
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
            Self::File(path) | Self::JsonFile(path) => file::read(path, from, limits, reading, sink).await,
            Self::Journalctl(journal) => journal.read(from, limits, reading, sink).await,
            Self::Directory(directory) => directory.read(from, limits, reading, sink).await,
        }
    }
}
