//! The entries of one file, from its first or a later one on to the last.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::data::{Data, Sum};
use super::items::Remembered;
use super::layout::{ENTRY_ITEMS, Flaw, HEADER_BYTES, Head, Header, Kind, u32_at, u64_at};
use super::pages::{MOST_BYTES, Pages};
use super::place::Place;
use super::seek::{self, Indexed};
use super::wanted::Wanted;
use crate::entry::Fields;

/// What is far from where the walk is, is read in such parts.
const FAR_BYTES: usize = 4096;
/// A file with more damage than that is given up.
const MOST_FLAWS: usize = 16;
/// How often the header of a file is read again that is written meanwhile.
const MOST_LOOKS: usize = 8;
/// A file without entries has fewer objects: an entry has some thirty data, each with its field.
const OBJECTS_OF_NONE: usize = 1024;
/// A step looks at so many objects at most.
const OBJECTS: usize = 16 * 1024;

/// An entry that was asked for.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) fields: Fields,
}

/// What a step came to.
pub(super) enum Step {
    Found(Box<Found>),
    /// A part of the file is damaged; there may be more entries after it.
    Flaw(Flaw),
    /// Neither yet.
    More,
    End,
}

/// A walk through a file.
pub(super) struct Walk {
    file: File,
    header: Header,
    /// Where the next object is.
    at: u64,
    /// Entries up to here.
    seen: u64,
    last_seqnum: u64,
    flaws: usize,
    looks: usize,
    parts: Parts,
}

/// What is in memory of a file.
struct Parts {
    near: Pages,
    far: Pages,
    remembered: Remembered,
}

impl Walk {
    /// Opens a file. `chunk` is how much of it is read at once.
    ///
    /// # Errors
    /// If it cannot be read, or is of an unknown format.
    pub(super) fn open(path: &Path, chunk: usize) -> Result<Self, Flaw> {
        let file = File::open(path)?;
        let header = header(&file)?;
        let parts =
            Parts { near: Pages::new(chunk), far: Pages::new(FAR_BYTES), remembered: Remembered::new() };
        let at = header.begin;
        Ok(Self { file, header, at, seen: 0, last_seqnum: 0, flaws: 0, looks: 0, parts })
    }

    /// What its entries are found by.
    pub(super) fn indexed(&self) -> Indexed<'_> {
        Indexed { file: &self.file, header: &self.header }
    }

    /// Goes to an entry, before which there are so many.
    pub(super) fn go_to(&mut self, offset: u64, before: u64) {
        (self.at, self.seen, self.last_seqnum) = (offset, before, 0);
    }

    /// Goes behind the last entry.
    pub(super) fn go_to_end(&mut self) {
        (self.seen, self.last_seqnum) = (self.header.n_entries, self.header.tail_seqnum);
    }

    /// Looks at some more objects.
    pub(super) fn step(&mut self, wanted: &Wanted) -> Step {
        for _ in 0..OBJECTS {
            if self.header.n_entries <= self.seen {
                return self.end();
            }
            let at = self.at;
            let head = match self.head() {
                Ok(head) => head,
                Err(flaw) => return self.resume(flaw),
            };
            if head.kind != Kind::Entry {
                continue;
            }
            self.seen += 1;
            match self.entry(at, head.bytes, wanted) {
                Ok(Some(found)) => return Step::Found(Box::new(found)),
                Ok(None) => {}
                Err(flaw) => return self.note(flaw),
            }
        }
        Step::More
    }

    /// The head of the next object, which it passes.
    fn head(&mut self) -> Result<Head, Flaw> {
        let at = self.at;
        let damage = || Flaw::Damage { offset: at };
        let bytes = self.parts.near.get(&self.file, at, 16)?;
        let head = Head::read(bytes, self.header.is_compact).ok_or_else(damage)?;
        let next = head.step().and_then(|step| at.checked_add(step)).ok_or_else(damage)?;
        if self.header.end < next {
            // A file that is written grows.
            self.header.end = header(&self.file)?.end;
        }
        if self.header.end < next {
            return Err(damage());
        }
        self.at = next;
        Ok(head)
    }

    /// All entries of the header were seen. The header has the number of the last one beside their count, and both are the same
    /// again soon where the file is being written.
    fn end(&mut self) -> Step {
        let is_whole = if self.header.n_entries == 0 {
            self.is_empty()
        } else {
            self.last_seqnum == self.header.tail_seqnum
        };
        if is_whole || self.flaws > 0 {
            return Step::End;
        }
        if self.looks == MOST_LOOKS {
            return self.last(Flaw::Damage { offset: 0 });
        }
        self.looks += 1;
        match header(&self.file) {
            Ok(header) => {
                self.header = header;
                // What was read ahead of the last entry was not written yet.
                self.parts.near.clear();
                self.parts.far.clear();
                Step::More
            }
            Err(flaw) => self.last(flaw),
        }
    }

    /// True iff the file begins as one without entries does: with its tables, and at most the data of an entry that is being written.
    /// A header that was lost says the same.
    fn is_empty(&mut self) -> bool {
        let mut at = self.header.begin;
        for _ in 0..OBJECTS_OF_NONE {
            let Ok(bytes) = self.parts.far.get(&self.file, at, 16) else { return false };
            // Behind the last object a file is empty.
            let is_behind = self.header.begin < at && bytes.iter().all(|byte| *byte == 0);
            let Some(head) = Head::read(bytes, self.header.is_compact) else { return is_behind };
            if matches!(head.kind, Kind::Entry | Kind::EntryArray) {
                return false;
            }
            let Some(next) = head.step().and_then(|step| at.checked_add(step)) else { return false };
            at = next;
        }
        false
    }

    /// Goes on after something that is no object, at the next entry that the file's index has.
    fn resume(&mut self, flaw: Flaw) -> Step {
        let next = match &flaw {
            Flaw::Damage { offset } => seek::first_after(self.indexed(), *offset),
            _ => None,
        };
        match next {
            Some((offset, before)) => {
                self.go_to(offset, before);
                self.note(flaw)
            }
            None => self.last(flaw),
        }
    }

    fn note(&mut self, flaw: Flaw) -> Step {
        self.flaws += 1;
        if self.flaws == MOST_FLAWS { self.last(flaw) } else { Step::Flaw(flaw) }
    }

    /// After this there is nothing more.
    fn last(&mut self, flaw: Flaw) -> Step {
        self.flaws += 1;
        self.go_to_end();
        Step::Flaw(flaw)
    }

    /// Reads an entry if it is asked for, and checks it in any case.
    fn entry(&mut self, at: u64, len: u64, wanted: &Wanted) -> Result<Option<Found>, Flaw> {
        let damage = Flaw::Damage { offset: at };
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MOST_BYTES) else {
            return Err(damage);
        };
        let Self { parts, file, header, .. } = self;
        parts.near.get(file, at, len)?;
        let Parts { near, far, remembered } = parts;
        let entry = near.peek(at, len).ok_or(damage)?;
        let mut data = Data { near, far, remembered, file, is_compact: header.is_compact, wanted };
        let mut sum = Sum::default();
        for offset in items(entry, header.is_compact) {
            data.add(offset, at, &mut sum)?;
        }
        let place = Place::of_entry(entry, header.seqnum_id);
        let is_next = self.last_seqnum < place.seqnum;
        self.last_seqnum = place.seqnum;
        // Data that a program gave twice is in the entry's hash twice, and among its items once (systemd 251 `journal-file.c`
        // remove_duplicate_entry_items).
        let off = sum.xor ^ place.xor_hash;
        let is_whole = off == 0 || sum.is_open || data.has(items(entry, header.is_compact), at, off);
        if !is_next || !is_whole {
            return Err(Flaw::Damage { offset: at });
        }
        if !wanted.has(sum.bits) {
            return Ok(None);
        }
        let mut fields = Fields::default();
        for offset in items(entry, header.is_compact) {
            data.set(offset, &mut fields)?;
        }
        // The time of reception, whatever the program said.
        fields.realtime_usec = i64::try_from(place.at_usec).ok();
        Ok(Some(Found { place, fields }))
    }
}

/// The offsets of an entry's data.
fn items(entry: &[u8], is_compact: bool) -> impl Iterator<Item = u64> {
    let items = usize::try_from(ENTRY_ITEMS).ok().and_then(|start| entry.get(start..)).unwrap_or_default();
    let (short, long) = if is_compact { (items, &[] as &[u8]) } else { (&[] as &[u8], items) };
    let short = short.chunks_exact(4).map(|item| u32_at(item, 0).into());
    short.chain(long.chunks_exact(16).map(|item| u64_at(item, 0)))
}

/// The header as it is now.
fn header(file: &File) -> Result<Header, Flaw> {
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Header::read(&bytes),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Flaw::NotAJournal),
        Err(error) => Err(error.into()),
    }
}
