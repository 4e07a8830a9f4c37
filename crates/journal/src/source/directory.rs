//! The systemd journal, read by libsystemd instead of the journalctl program (feature `journald`).

use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::error::SourceError;
use super::journal_files::{self, LeftOut};
use super::mark::Mark;
use super::parts::{self, Parts};
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::entry::{self, Fields};
use crate::incomplete::Incomplete;

/// Entries that the thread that reads the journal hands over at once to the task that parses and scans them.
const BATCH: usize = 64;
/// Batches buffered between them.
const WAITING: usize = 16;

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
    Entries(Vec<Fields>),
    MarkGone,
    LeftOut(LeftOut),
    Failed(String),
    /// There is no more. Without it the thread broke off.
    End,
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
        let (mut is_hidden, mut is_whole) = (false, false);
        while let Some(item) = receive.recv().await {
            match item {
                Item::Failed(error) if reading.records == 0 => return Err(self.failed(&error)),
                Item::Failed(error) => {
                    is_whole = true;
                    reading.incomplete.push(Incomplete::Failed { error });
                }
                Item::End => is_whole = true,
                Item::MarkGone => reading.incomplete.push(Incomplete::MarkGone),
                Item::LeftOut(LeftOut::NotAllowed) => is_hidden = true,
                Item::LeftOut(LeftOut::Unreadable { error }) => {
                    reading.incomplete.push(Incomplete::Failed { error });
                }
                Item::Entries(entries) => {
                    if let Some(reason) = take(&entries, limits, reading, sink) {
                        reading.incomplete.push(reason);
                        is_whole = true;
                        break;
                    }
                }
            }
        }
        if !is_whole {
            let error = "the reader of the journal broke off".to_owned();
            reading.incomplete.push(Incomplete::Failed { error });
        }
        if is_hidden && reading.records == 0 {
            return Err(SourceError::JournalNotAllowed { unit: self.unit.clone() });
        }
        reading.incomplete.extend(is_hidden.then_some(Incomplete::NotAllowed));
        Ok(())
    }

    /// True iff the journal has an entry of root's, whatever the unit, from that moment or before, so that entries of the
    /// engine's unit from then on are all there: journald removes whole files of all units, the oldest first
    /// (journald.conf(5)). What users other than root log may be in files of their own, which are kept longer; and of two
    /// machines in one folder, neither vouches for the other.
    pub(super) async fn reaches(&self, at: Timestamp, limits: &Limits) -> bool {
        let path = self.path.clone();
        if path.as_deref().is_some_and(journal_files::is_of_several_machines) {
            return false;
        }
        let first = tokio::task::spawn_blocking(move || {
            let mut journal = parts::open(path.as_deref())?;
            journal.match_add("_UID", "0")?;
            journal.seek_head()?;
            if journal.next()? == 0 { Ok(None) } else { journal.timestamp_usec().map(Some) }
        });
        // Whatever fails leaves the scan incomplete.
        let first: Option<systemd::Result<Option<u64>>> =
            tokio::time::timeout(limits.deadline, first).await.ok().and_then(Result::ok);
        matches!(first, Some(Ok(Some(first))) if first <= micros(at))
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
        for left_out in journal_files::left_out(self.path.as_deref()) {
            let _ = send.blocking_send(Item::LeftOut(left_out));
        }
        let mut entries = self.open()?;
        match from {
            ReadFrom::Mark(Mark::Cursor { cursor }) => {
                if !entries.seek_after(cursor)? {
                    let _ = send.blocking_send(Item::MarkGone);
                }
            }
            ReadFrom::Beginning | ReadFrom::Mark(_) => entries.seek_head()?,
            ReadFrom::Time(at) => entries.seek_time(micros(*at))?,
        }
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(fields) = entries.next()? {
            batch.push(fields);
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                // The receiver is gone.
                if send.blocking_send(Item::Entries(full)).is_err() {
                    return Ok(());
                }
            }
        }
        let _ = send.blocking_send(Item::Entries(batch));
        let _ = send.blocking_send(Item::End);
        Ok(())
    }

    fn last_cursor(&self) -> systemd::Result<Option<String>> {
        self.open()?.last_cursor()
    }

    fn open(&self) -> systemd::Result<Parts> {
        let unit = if self.unit.contains('.') { self.unit.clone() } else { format!("{}.service", self.unit) };
        Parts::open(self.path.as_deref(), &unit)
    }
}

/// Hands the entries on, up to the limit or until the sink has enough.
fn take(
    entries: &[Fields],
    limits: &Limits,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> Option<Incomplete> {
    for fields in entries {
        let record = entry::from_fields(fields);
        reading.records += 1;
        reading.bytes += record.raw.len() as u64;
        if let ControlFlow::Break(reason) = sink(record) {
            return Some(reason);
        }
        if limits.max_bytes < reading.bytes {
            return Some(Incomplete::TooLarge { limit_bytes: limits.max_bytes });
        }
    }
    None
}

fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}
