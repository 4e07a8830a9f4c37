//! The systemd journal, read by libsystemd instead of the journalctl program (feature `journald`).
//! No command uses this yet; it is meant for `pvcheck journal scan` built with feature `journald`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use systemd::journal::{Journal, JournalRef, OpenDirectoryOptions, OpenOptions};
use tokio::sync::mpsc;

use super::error::SourceError;
use super::mark::Mark;
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::entry::{self, Fields};
use crate::incomplete::Incomplete;
use crate::record::{MAX_LINE_BYTES, Record};

/// Records buffered between the thread that reads the journal and the task that scans them.
const WAITING: usize = 1024;

/// The systemd journal, read by libsystemd: this system's, or the one in a directory that was copied from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Directory {
    /// A directory with `*.journal` files; `None` for this system's journal.
    pub path: Option<PathBuf>,
    /// The engine's unit, as `docker` or `docker.service`.
    pub unit: String,
}

/// What the reading thread reports.
enum Item {
    Record(Box<Record>),
    MarkGone,
    Failed(String),
}

type Report = mpsc::Sender<Item>;

impl Directory {
    pub(super) fn describe(&self) -> String {
        match &self.path {
            Some(path) => format!("journal of unit {} in {}", self.unit, path.display()),
            None => format!("journal of unit {}", self.unit),
        }
    }

    pub(super) async fn mark(&self, limits: &Limits) -> Result<Mark, SourceError> {
        let this = self.clone();
        let last = tokio::task::spawn_blocking(move || this.last_cursor());
        match tokio::time::timeout(limits.deadline, last).await {
            Ok(Ok(Ok(cursor))) => Ok(cursor.map_or(Mark::Empty, |cursor| Mark::Cursor { cursor })),
            Ok(Ok(Err(error))) => Err(self.failed(&error.to_string())),
            Ok(Err(error)) => Err(self.failed(&error.to_string())),
            Err(_) => Err(SourceError::NoMark {
                source_name: self.describe(),
                after_ms: u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    pub(super) async fn read(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> Result<(), SourceError> {
        if let ReadFrom::Mark(Mark::Offset { .. }) = from {
            return Err(SourceError::WrongMark { source_name: self.describe() });
        }
        let (send, mut receive) = mpsc::channel(WAITING);
        let (this, from) = (self.clone(), from.clone());
        // `Journal` is neither Send nor Sync, so it stays on one thread, which ends when the receiver is dropped.
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || this.run(&from, &send))
            .map_err(|error| self.failed(&error.to_string()))?;
        while let Some(item) = receive.recv().await {
            let reason = match item {
                Item::Failed(error) if reading.records == 0 => return Err(self.failed(&error)),
                Item::Failed(error) => Some(Incomplete::Failed { error }),
                Item::MarkGone => {
                    reading.incomplete.push(Incomplete::MarkGone);
                    None
                }
                Item::Record(record) => take(*record, limits, reading, sink),
            };
            if let Some(reason) = reason {
                reading.incomplete.push(reason);
                return Ok(());
            }
        }
        Ok(())
    }

    fn failed(&self, message: &str) -> SourceError {
        SourceError::Journald { source_name: self.describe(), message: message.to_owned() }
    }

    fn run(&self, from: &ReadFrom, send: &Report) {
        if let Err(error) = self.entries(from, send) {
            // This fails only when the receiver is gone, which then needs no error.
            let _ = send.blocking_send(Item::Failed(error.to_string()));
        }
    }

    fn entries(&self, from: &ReadFrom, send: &Report) -> systemd::Result<()> {
        let mut journal = self.open()?;
        match from {
            ReadFrom::Beginning | ReadFrom::Mark(_) => journal.seek_head()?,
            ReadFrom::Time(at) => journal.seek_realtime_usec(micros(*at))?,
        }
        if let ReadFrom::Mark(Mark::Cursor { cursor }) = from {
            journal.seek_cursor(cursor.as_str())?;
            // libsystemd takes the nearest entry where the one of the cursor is gone.
            if journal.next()? == 0 || !journal.test_cursor(cursor.as_str())? {
                let _ = send.blocking_send(Item::MarkGone);
                journal.seek_cursor(cursor.as_str())?;
            }
        }
        while journal.next()? > 0 {
            let record = entry::from_fields(&fields(&mut journal)?);
            if send.blocking_send(Item::Record(Box::new(record))).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn last_cursor(&self) -> systemd::Result<Option<String>> {
        let mut journal = self.open()?;
        journal.seek_tail()?;
        if journal.previous()? == 0 { Ok(None) } else { journal.cursor().map(Some) }
    }

    /// With what `journalctl --unit` asks for: the unit's own lines, and systemd's about it.
    fn open(&self) -> systemd::Result<Journal> {
        let mut journal = match &self.path {
            Some(path) => OpenDirectoryOptions::default()
                .open_directory(path.to_string_lossy().into_owned().as_str())?,
            None => OpenOptions::default().system(true).local_only(true).open()?,
        };
        journal.set_data_threshold(MAX_LINE_BYTES * 2)?;
        let unit = if self.unit.contains('.') { self.unit.clone() } else { format!("{}.service", self.unit) };
        journal.match_add("_SYSTEMD_UNIT", unit.as_str())?;
        journal.match_or()?;
        journal.match_add("_PID", "1")?;
        journal.match_add("UNIT", unit.as_str())?;
        Ok(journal)
    }
}

fn take(record: Record, limits: &Limits, reading: &mut Reading, sink: &mut Sink<'_>) -> Option<Incomplete> {
    reading.records += 1;
    reading.bytes += record.raw.len() as u64;
    if let ControlFlow::Break(reason) = sink(record) {
        return Some(reason);
    }
    (limits.max_bytes < reading.bytes).then_some(Incomplete::TooLarge { limit_bytes: limits.max_bytes })
}

fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

fn fields(journal: &mut JournalRef) -> systemd::Result<Fields> {
    let mut fields = Fields {
        cursor: Some(journal.cursor()?),
        realtime_usec: i64::try_from(journal.timestamp_usec()?).ok(),
        ..Fields::default()
    };
    journal.restart_data();
    while let Some(field) = journal.enumerate_data()? {
        fields.set(field.name(), field.value().unwrap_or_default());
    }
    Ok(fields)
}
