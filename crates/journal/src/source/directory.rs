//! The systemd journal, read from its files.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::binary::{Asker, Entries, Files, Flaw, Next, Wanted, is_of_several_machines, whole_name};
use super::burst::Burst;
use super::error::SourceError;
#[cfg(feature = "journald")]
use super::libsystemd;
use super::mark::Mark;
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::entry::{self, Fields};
use crate::incomplete::Incomplete;

/// Entries that the thread that reads the journal hands over at once to the task that parses and scans them.
const BATCH: usize = 1024;
/// Bytes of their texts, about.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches buffered between them.
const WAITING: usize = 4;
/// How often the files are listed that change meanwhile.
const MOST_LISTINGS: usize = 8;

/// The systemd journal, read from its files: this system's, or the one in a directory that was copied from elsewhere.
///
/// By pvcheck's own reader every object of a file is read up to its last entry, and every entry is checked by its hash, so that damage anywhere makes a
/// scan incomplete; `journalctl` and libsystemd leave out what they cannot find in the file's index, and say nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Directory {
    /// A directory with `*.journal` files; `None` for this system's journal.
    pub path: Option<PathBuf>,
    /// The engine's unit, as `docker` or `docker.service`.
    pub unit: String,
    /// What reads it.
    #[serde(default)]
    pub by: JournalReader,
}

/// What reads the files of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JournalReader {
    /// pvcheck, by the files' format.
    #[default]
    Pvcheck,
    /// systemd's own library, which knows the formats of its version and says nothing of damage in the middle of a file. From
    /// a cursor on pvcheck reads all the same: where two files have the same entries, the library was seen to pass over the one
    /// behind the cursor.
    #[cfg(feature = "journald")]
    Libsystemd,
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
            Ok(Ok(last)) => Ok(last?.map_or(Mark::Empty, |cursor| Mark::Cursor { cursor })),
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
        let (this, from, asker) = (self.clone(), from.clone(), Asker::default());
        let wanted = self.wanted().map_err(|error| self.failed(&error))?.by(&asker);
        // It reads files, and ends when the receiver is dropped, or the asker.
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || this.run(&wanted, &from, &send))
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
            return Err(self.not_allowed());
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
        let (this, asker) = (self.clone(), Asker::default());
        let wanted = Wanted::of_root().by(&asker);
        let first = tokio::task::spawn_blocking(move || this.first_of_root(&wanted));
        // Whatever fails leaves the scan incomplete.
        let first = tokio::time::timeout(limits.deadline, first).await.ok().and_then(Result::ok);
        matches!(first, Some(Ok(Some(first))) if first <= at.as_microsecond())
    }

    fn failed(&self, message: &str) -> SourceError {
        SourceError::Journald { source_name: self.describe(), message: message.to_owned() }
    }

    fn not_allowed(&self) -> SourceError {
        SourceError::JournalNotAllowed { unit: self.unit.clone() }
    }

    fn run(&self, wanted: &Wanted, from: &ReadFrom, send: &Report) {
        let last = match self.entries(wanted, from, send) {
            Ok(()) => Item::End,
            Err(error) => Item::Failed(error),
        };
        // This fails only when the receiver is gone, which then needs no word.
        let _ = send.blocking_send(last);
    }

    fn entries(&self, wanted: &Wanted, from: &ReadFrom, send: &Report) -> Result<(), String> {
        let (files, entries) = self.open(wanted, |files| &files.paths).map_err(|error| error.to_string())?;
        if files.are_hidden {
            lacks(send, Incomplete::NotAllowed);
        }
        let mut batch = Batch::default();
        #[cfg(feature = "journald")]
        if self.by == JournalReader::Libsystemd && !matches!(from, ReadFrom::Mark(Mark::Cursor { .. })) {
            self.by_libsystemd(&files, from, send, &mut batch)?;
            batch.send(send);
            return Ok(());
        }
        by_pvcheck(entries, from, send, &mut batch);
        batch.send(send);
        Ok(())
    }

    #[cfg(feature = "journald")]
    fn by_libsystemd(
        &self,
        files: &Files,
        from: &ReadFrom,
        send: &Report,
        batch: &mut Batch,
    ) -> Result<(), String> {
        for reason in libsystemd::left_out(&files.paths) {
            lacks(send, reason);
        }
        let unit = whole_name(&self.unit)?;
        let mut read = || -> systemd::Result<()> {
            let mut entries = libsystemd::Parts::open(self.path.as_deref(), &unit)?;
            match from {
                ReadFrom::Beginning | ReadFrom::Mark(_) => entries.seek_head()?,
                ReadFrom::Time(at) => entries.seek_time(micros(*at))?,
            }
            while let Some(fields) = entries.next()?
                && !send.is_closed()
            {
                batch.push(fields, send);
            }
            Ok(())
        };
        read().map_err(|error| error.to_string())
    }

    /// The cursor of the last entry of all. A file that cannot be opened may have a later one.
    fn last_cursor(&self) -> Result<Option<String>, SourceError> {
        let wanted = self.wanted().map_err(|error| self.failed(&error))?;
        let opened = self.open(&wanted, |files| &files.paths);
        let (files, entries) = opened.map_err(|error| self.failed(&error.to_string()))?;
        self.check_opened(files.are_hidden, entries.unopened())?;
        entries.last_cursor().map_err(|(path, flaw)| self.flawed(&path, &flaw))
    }

    /// Refuses a journal of which this user may not read everything, or a file of which cannot be opened.
    fn check_opened<'a>(
        &self,
        are_hidden: bool,
        mut unopened: impl Iterator<Item = (&'a Path, &'a Flaw)>,
    ) -> Result<(), SourceError> {
        if are_hidden {
            return Err(self.not_allowed());
        }
        unopened.next().map_or(Ok(()), |(path, flaw)| match lack(path, flaw) {
            Incomplete::NotAllowed => Err(self.not_allowed()),
            _ => Err(self.flawed(path, flaw)),
        })
    }

    fn flawed(&self, path: &Path, flaw: &Flaw) -> SourceError {
        self.failed(&format!("{}: {flaw}", path.display()))
    }

    /// When the first entry of root's was received, in microseconds. By pvcheck whatever reads the rest: it is what both see.
    fn first_of_root(&self, wanted: &Wanted) -> io::Result<Option<i64>> {
        let (_, mut entries) = self.open(wanted, |files| &files.of_root)?;
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
    /// before and opened after is the new one, without the entries of the old one. So it does where a name has no file any more; a link
    /// that leads nowhere stays so.
    fn open(&self, wanted: &Wanted, which: fn(&Files) -> &[PathBuf]) -> io::Result<(Files, Entries)> {
        let mut files = self.files()?;
        for listing in 1..=MOST_LISTINGS {
            let entries = Entries::open(which(&files), wanted.clone(), self.path.is_none());
            let again = self.files()?;
            let are_there = listing == MOST_LISTINGS || !entries.unopened().any(|(_, flaw)| is_gone(flaw));
            if are_there && again.paths == files.paths {
                return Ok((files, entries));
            }
            files = again;
        }
        Err(io::Error::other("its files change all the time; try again"))
    }

    fn files(&self) -> io::Result<Files> {
        self.path.as_deref().map_or_else(Files::of_system, Files::of_directory)
    }

    fn wanted(&self) -> Result<Wanted, String> {
        whole_name(&self.unit).map(|unit| Wanted::of_unit(&unit))
    }
}

/// Hands over what pvcheck's own reader reads.
fn by_pvcheck(mut entries: Entries, from: &ReadFrom, send: &Report, batch: &mut Batch) {
    entries.unopened().for_each(|(path, flaw)| lacks(send, lack(path, flaw)));
    match from {
        ReadFrom::Mark(Mark::Cursor { cursor }) => {
            if !entries.seek_after(cursor) {
                lacks(send, Incomplete::MarkGone);
            }
        }
        ReadFrom::Beginning | ReadFrom::Mark(_) => {}
        ReadFrom::Time(at) => entries.seek_time(micros(*at)),
    }
    while !send.is_closed() {
        match entries.next() {
            Next::Entry(fields) => batch.push(fields, send),
            Next::Flaw(path, flaw) => lacks(send, lack(&path, &flaw)),
            Next::More => {}
            Next::End => break,
        }
    }
}

/// Says why the scan is not whole.
fn lacks(send: &Report, reason: Incomplete) {
    // The receiver is gone where this fails, which the caller sees.
    let _ = send.blocking_send(Item::Lacks(reason));
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

/// True iff there was no file of that name.
fn is_gone(flaw: &Flaw) -> bool {
    matches!(flaw, Flaw::Io(error) if error.kind() == ErrorKind::NotFound)
}

/// Entries on their way to the task.
#[derive(Default)]
struct Batch {
    entries: Vec<Fields>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, fields: Fields, send: &Report) {
        self.bytes += fields.text_bytes();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mark_is_set_on_what_may_not_be_read_or_cannot_be_opened() {
        let unit = || "docker".to_owned();
        let directory = Directory { path: None, unit: unit(), by: JournalReader::Pvcheck };
        let check = |are_hidden: bool, flaw: Option<Flaw>| {
            let unopened = flaw.iter().map(|flaw| (Path::new("system.journal"), flaw));
            directory.check_opened(are_hidden, unopened).map_err(|error| error.to_string())
        };
        let not_allowed = Err(SourceError::JournalNotAllowed { unit: unit() }.to_string());
        assert_eq!(check(false, None), Ok(()));
        assert_eq!(check(true, None), not_allowed);
        assert_eq!(check(false, Some(Flaw::Io(ErrorKind::PermissionDenied.into()))), not_allowed);
        for flaw in [Flaw::NotAJournal, Flaw::Flags(64), Flaw::Io(ErrorKind::NotFound.into())] {
            let text = check(false, Some(flaw)).unwrap_err();
            assert!(text.starts_with("cannot read journal of unit docker: system.journal: "), "{text}");
        }
    }
}
