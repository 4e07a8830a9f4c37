//! The systemd journal, read from its files.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::binary::{Entries, Files, Flaw, Next, Wanted, is_of_several_machines};
use super::burst::Burst;
use super::error::SourceError;
use super::mark::Mark;
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::entry::{self, Fields};
use crate::incomplete::Incomplete;

/// Entries that the thread that reads the journal hands over at once to the task that parses and scans them.
const BATCH: usize = 1024;
/// Bytes of their messages, about.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches buffered between them.
const WAITING: usize = 4;
/// How often the files are listed that change meanwhile.
const MOST_LISTINGS: usize = 8;

/// The systemd journal, read from its files: this system's, or the one in a directory that was copied from elsewhere.
///
/// Every object of a file is read up to its last entry, and every entry is checked by its hash, so that damage anywhere makes a
/// scan incomplete; `journalctl` and libsystemd leave out what they cannot find in the file's index, and say nothing.
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
    Lacks(Incomplete),
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
            Ok(Ok(Err(error))) => Err(self.failed(&error)),
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
        // It reads files, and ends when the receiver is dropped.
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || this.run(&from, &send))
            .map_err(|error| self.failed(&error.to_string()))?;
        let (mut is_whole, mut burst) = (false, Burst::default());
        while let Some(item) = receive.recv().await {
            match item {
                Item::Failed(error) => return Err(self.failed(&error)),
                Item::End => is_whole = true,
                Item::Lacks(reason) if reading.incomplete.contains(&reason) => {}
                Item::Lacks(reason) => reading.incomplete.push(reason),
                Item::Entries(entries) => {
                    entries.iter().filter_map(|fields| fields.realtime_usec).for_each(|at| burst.saw(at));
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
        if burst.is_open() {
            reading.incomplete.push(Incomplete::Burst);
        }
        if reading.records == 0 && reading.incomplete.contains(&Incomplete::NotAllowed) {
            return Err(SourceError::JournalNotAllowed { unit: self.unit.clone() });
        }
        Ok(())
    }

    /// True iff the journal has an entry of root's, whatever the unit, from that moment or before, so that entries of the
    /// engine's unit from then on are all there: journald removes whole files of all units, the oldest first
    /// (journald.conf(5)). What users other than root log may be in files of their own, which are kept longer; and of two
    /// machines in one folder, neither vouches for the other.
    pub(super) async fn reaches(&self, at: Timestamp, limits: &Limits) -> bool {
        if self.path.as_deref().is_some_and(is_of_several_machines) {
            return false;
        }
        let this = self.clone();
        let first = tokio::task::spawn_blocking(move || this.first_of_root());
        // Whatever fails leaves the scan incomplete.
        let first = tokio::time::timeout(limits.deadline, first).await.ok().and_then(Result::ok);
        matches!(first, Some(Ok(Some(first))) if first <= at.as_microsecond())
    }

    fn failed(&self, message: &str) -> SourceError {
        SourceError::Journald { source_name: self.describe(), message: message.to_owned() }
    }

    fn run(&self, from: &ReadFrom, send: &Report) {
        let last = match self.entries(from, send) {
            Ok(()) => Item::End,
            Err(error) => Item::Failed(error.to_string()),
        };
        // This fails only when the receiver is gone, which then needs no word.
        let _ = send.blocking_send(last);
    }

    fn entries(&self, from: &ReadFrom, send: &Report) -> io::Result<()> {
        let (files, mut entries) = self.open(&Wanted::of_unit(&self.unit()))?;
        let lacks = |reason| drop(send.blocking_send(Item::Lacks(reason)));
        if files.are_hidden {
            lacks(Incomplete::NotAllowed);
        }
        entries.unopened().map(|(path, flaw)| lack(path, flaw)).for_each(lacks);
        match from {
            ReadFrom::Mark(Mark::Cursor { cursor }) => {
                if !entries.seek_after(cursor) {
                    lacks(Incomplete::MarkGone);
                }
            }
            ReadFrom::Beginning | ReadFrom::Mark(_) => {}
            ReadFrom::Time(at) => entries.seek_time(micros(*at)),
        }
        let mut batch = Batch::default();
        loop {
            match entries.next() {
                Next::Entry(fields) => batch.push(fields, send),
                Next::Flaw(path, flaw) => lacks(lack(&path, &flaw)),
                Next::More => {}
                Next::End => break,
            }
            if send.is_closed() {
                return Ok(());
            }
        }
        batch.send(send);
        Ok(())
    }

    fn last_cursor(&self) -> Result<Option<String>, String> {
        let (_, entries) = self.open(&Wanted::of_unit(&self.unit())).map_err(|error| error.to_string())?;
        entries.last_cursor().map_err(|(path, flaw)| format!("{}: {flaw}", path.display()))
    }

    /// When the first entry of root's was received, in microseconds.
    fn first_of_root(&self) -> io::Result<Option<i64>> {
        let (_, mut entries) = self.open(&Wanted::of_root())?;
        loop {
            match entries.next() {
                Next::Entry(fields) => return Ok(fields.realtime_usec),
                Next::End => return Ok(None),
                // What is damaged makes the scan incomplete by itself.
                Next::Flaw(..) | Next::More => {}
            }
        }
    }

    /// Opens the files, and lists them again: journald renames the file that it writes when it begins another, and what was listed
    /// before and opened after is the new one, without the entries of the old one.
    fn open(&self, wanted: &Wanted) -> io::Result<(Files, Entries)> {
        let (mut files, mut opened) = (self.files()?, None);
        for _ in 0..MOST_LISTINGS {
            let entries = Entries::open(&files.paths, wanted.clone());
            let again = self.files()?;
            let is_same = again.paths == files.paths;
            if is_same && !entries.unopened().any(|(_, flaw)| is_gone(flaw)) {
                return Ok((files, entries));
            }
            opened = is_same.then_some((files, entries));
            files = again;
        }
        opened.ok_or_else(|| io::Error::other("its files change all the time; try again"))
    }

    fn files(&self) -> io::Result<Files> {
        self.path.as_deref().map_or_else(Files::of_system, Files::of_directory)
    }

    /// The unit's whole name.
    fn unit(&self) -> String {
        if self.unit.contains('.') { self.unit.clone() } else { format!("{}.service", self.unit) }
    }
}

/// True iff the file is not there any more under its name.
fn is_gone(flaw: &Flaw) -> bool {
    matches!(flaw, Flaw::Io(error) if error.kind() == ErrorKind::NotFound)
}

/// What a flaw of a file says of the scan.
fn lack(path: &Path, flaw: &Flaw) -> Incomplete {
    let file = path.display().to_string();
    match flaw {
        Flaw::Io(error) if error.kind() == ErrorKind::PermissionDenied => Incomplete::NotAllowed,
        Flaw::Damage { offset } => Incomplete::Damaged { file, offset_bytes: *offset },
        flaw => Incomplete::Failed { error: format!("{file}: {flaw}") },
    }
}

/// Entries on their way to the task.
#[derive(Default)]
struct Batch {
    entries: Vec<Fields>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, fields: Fields, send: &Report) {
        self.bytes += fields.message.as_ref().map_or(0, Vec::len);
        self.entries.push(fields);
        if BATCH <= self.entries.len() || BATCH_BYTES <= self.bytes {
            std::mem::take(self).send(send);
        }
    }

    fn send(self, send: &Report) {
        // The receiver is gone where this fails, which the caller sees.
        let _ = send.blocking_send(Item::Entries(self.entries));
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
