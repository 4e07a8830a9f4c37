//! The entries of one file, from its first or a later one on to the last.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

use super::data::{Data, Had, Sum, is_of_doubles};
use super::items::Remembered;
use super::layout::{ENTRY_ITEMS, Flaw, HEADER_BYTES, Head, Header, Kind, u32_at, u64_at};
use super::pages::{MOST_BYTES, Pages};
use super::place::Place;
use super::seek::{self, Indexed};
use super::wanted::Wanted;
use crate::entry::Fields;

/// What is far from where the walk is, is read in such parts.
const FAR_BYTES: usize = 4096;
/// A file of which the walk was lost so often is given up; so many of its entries are told that are damaged themselves.
const MOST_FLAWS: usize = 16;
/// How often the header of a file is read again that is written meanwhile: after a millisecond, and each time after twice as long.
const MOST_LOOKS: u32 = 8;
/// journald takes 1,024 fields from a program and has some thirty of its own.
const MOST_ITEMS: usize = 4096;
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
    /// How often the walk was lost.
    flaws: usize,
    /// Entries that are damaged themselves.
    damaged: usize,
    looks: u32,
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
    /// If it cannot be read, is no regular file, or is of an unknown format.
    pub(super) fn open(path: &Path, chunk: usize) -> Result<Self, Flaw> {
        // Opening a pipe waits for a writer otherwise.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file").into());
        }
        let header = header(&file)?;
        let parts =
            Parts { near: Pages::new(chunk), far: Pages::new(FAR_BYTES), remembered: Remembered::new() };
        let at = header.begin;
        Ok(Self { file, header, at, seen: 0, last_seqnum: 0, flaws: 0, damaged: 0, looks: 0, parts })
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
                return self.end(wanted);
            }
            if wanted.is_over() {
                return self.last(Flaw::over());
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
                // The walk goes on behind it.
                Err(flaw @ Flaw::Damage { .. }) => {
                    self.damaged += 1;
                    if self.damaged <= MOST_FLAWS {
                        return Step::Flaw(flaw);
                    }
                }
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
    fn end(&mut self, wanted: &Wanted) -> Step {
        let is_whole = if self.header.n_entries == 0 {
            self.is_empty()
        } else {
            self.last_seqnum == self.header.tail_seqnum
        };
        if is_whole || 0 < self.flaws + self.damaged {
            return Step::End;
        }
        let is_written = self.looks == 0 || self.header.is_online;
        if self.looks == MOST_LOOKS || !is_written {
            return self.uncounted(wanted);
        }
        if wanted.is_over() {
            return self.last(Flaw::over());
        }
        thread::sleep(Duration::from_millis(1 << self.looks));
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

    /// journald numbers an entry before it counts it. If it did not come to count the last one, that is the only one left.
    fn uncounted(&mut self, wanted: &Wanted) -> Step {
        let mut only = None;
        for _ in 0..OBJECTS {
            let at = self.at;
            if self.header.tail_object < at {
                break;
            }
            match self.head() {
                Ok(head) if head.kind == Kind::Entry && only.is_some() => return self.contradiction(),
                Ok(head) if head.kind == Kind::Entry => only = Some((at, head.bytes)),
                Ok(_) => {}
                Err(flaw) => return self.last(flaw),
            }
        }
        let Some((at, len)) = only.filter(|_| self.header.tail_object < self.at) else {
            return self.contradiction();
        };
        self.seen += 1;
        self.header.n_entries = self.seen;
        match self.entry(at, len, wanted) {
            Ok(_) if self.last_seqnum != self.header.tail_seqnum => self.contradiction(),
            Ok(Some(found)) => Step::Found(Box::new(found)),
            Ok(None) => Step::End,
            Err(flaw) => self.last(flaw),
        }
    }

    /// The header says what the file is not.
    fn contradiction(&mut self) -> Step {
        self.last(Flaw::Damage { offset: 0 })
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
            // An archive ends there.
            if at == self.header.tail_object {
                return true;
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
        let had = Had::default();
        let mut data = Data { near, far, remembered, file, is_compact: header.is_compact, wanted, had };
        let mut sum = Sum::default();
        if MOST_ITEMS < items(entry, header.is_compact).count() {
            return Err(Flaw::Damage { offset: at });
        }
        for offset in items(entry, header.is_compact) {
            data.add(offset, at, &mut sum)?;
        }
        let place = Place::of_entry(entry, header.seqnum_id);
        let is_next = self.last_seqnum < place.seqnum;
        self.last_seqnum = place.seqnum;
        // Data that a program gave twice is in the entry's hash twice, and among its items once (systemd 251 `journal-file.c`
        // remove_duplicate_entry_items).
        let off = sum.xor ^ place.xor_hash;
        let is_whole =
            off == 0 || sum.is_open || is_of_doubles(off, &data.hashes(items(entry, header.is_compact), at)?);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::source::binary::hash::jenkins;
    use crate::source::binary::wanted::Asker;

    const BEGIN: u64 = 208;
    const ROOT: &[u8] = b"_UID=0";

    /// A file with a table and these objects, which says that it has so many entries. There is nothing behind the last object.
    fn file(objects: &[Vec<u8>], entries: u64, tail_seqnum: u64) -> tempfile::NamedTempFile {
        let table = object(5, &[]);
        let all: Vec<&Vec<u8>> = std::iter::once(&table).chain(objects).collect();
        let bytes = all.iter().map(|object| object.len() as u64).sum::<u64>();
        let tail = BEGIN + bytes - all[all.len() - 1].len() as u64;
        let mut content = vec![0; 208];
        content[..8].copy_from_slice(b"LPKSHHRH");
        for (at, number) in [(88, BEGIN), (96, bytes), (136, tail), (152, entries), (160, tail_seqnum)] {
            content[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        content[16] = 1;
        content.extend(all.into_iter().flatten());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    fn object(kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut object = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        object.extend_from_slice(&(16 + rest.len() as u64).to_le_bytes());
        object.extend_from_slice(rest);
        object.resize(object.len().next_multiple_of(8), 0);
        object
    }

    fn datum(payload: &[u8]) -> Vec<u8> {
        object(1, &[&[0; 48], payload].concat())
    }

    /// An entry that has the first datum so often.
    fn entry(seqnum: u64, times: usize) -> Vec<u8> {
        let mut rest = [0; 48];
        rest[..8].copy_from_slice(&seqnum.to_le_bytes());
        let hash = if times.is_multiple_of(2) { 0 } else { jenkins(ROOT) };
        rest[40..].copy_from_slice(&hash.to_le_bytes());
        let mut item = [0; 16];
        // Behind the table.
        item[..8].copy_from_slice(&(BEGIN + 16).to_le_bytes());
        object(3, &[&rest[..], &item.repeat(times)].concat())
    }

    /// The numbers of the entries, and the flaws.
    fn walk(path: &Path, wanted: &Wanted) -> (Vec<u64>, Vec<Flaw>) {
        let (mut numbers, mut flaws) = (Vec::new(), Vec::new());
        let mut walk = Walk::open(path, 4096).unwrap();
        loop {
            match walk.step(wanted) {
                Step::Found(found) => numbers.push(found.place.seqnum),
                Step::Flaw(flaw) => flaws.push(flaw),
                Step::More => {}
                Step::End => return (numbers, flaws),
            }
        }
    }

    #[test]
    fn an_archive_without_entries_is_whole_and_one_with_any_is_not() {
        let (numbers, flaws) = walk(file(&[], 0, 0).path(), &Wanted::of_root());
        assert!(numbers.is_empty() && flaws.is_empty(), "{flaws:?}");
        let objects = [datum(ROOT), entry(1, 1), entry(2, 1)];
        let (numbers, flaws) = walk(file(&objects, 0, 2).path(), &Wanted::of_root());
        assert!(numbers.is_empty() && matches!(flaws[..], [Flaw::Damage { offset: 0 }]), "{flaws:?}");
    }

    #[test]
    fn an_entry_that_was_numbered_and_not_counted_is_read() {
        for (entries, counted, tail, is_whole) in
            [(2, 1, 2, true), (1, 0, 1, true), (2, 1, 3, false), (3, 1, 3, false), (1, 1, 2, false)]
        {
            let mut objects = vec![datum(ROOT)];
            objects.extend((1..=entries).map(|number| entry(number, 1)));
            let (numbers, flaws) = walk(file(&objects, counted, tail).path(), &Wanted::of_root());
            let read = if is_whole { entries } else { counted };
            assert_eq!(numbers, (1..=read).collect::<Vec<_>>(), "{entries}, {counted}, {tail}");
            assert_eq!(flaws.is_empty(), is_whole, "{entries}, {counted}, {tail}: {flaws:?}");
        }
    }

    #[test]
    fn a_header_that_contradicts_itself_for_a_moment_is_no_damage() {
        let file = file(&[datum(ROOT), entry(1, 1)], 1, 2);
        let writer = OpenOptions::new().write(true).open(file.path()).unwrap();
        let mend = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            writer.write_all_at(&1_u64.to_le_bytes(), 160).unwrap();
        });
        let (numbers, flaws) = walk(file.path(), &Wanted::of_root());
        mend.join().unwrap();
        assert!(numbers == [1] && flaws.is_empty(), "{numbers:?}, {flaws:?}");
    }

    #[test]
    fn an_entry_of_very_many_items_is_damage_and_the_next_one_is_read() {
        for (items, expected) in [(MOST_ITEMS - 1, vec![1, 2]), (MOST_ITEMS + 1, vec![2])] {
            let (numbers, flaws) =
                walk(file(&[datum(ROOT), entry(1, items), entry(2, 1)], 2, 2).path(), &Wanted::of_root());
            assert_eq!((numbers, flaws.len()), (expected.clone(), 2 - expected.len()), "{items}");
        }
    }

    #[test]
    fn entries_that_are_damaged_themselves_do_not_end_the_walk() {
        let mut objects = vec![datum(ROOT)];
        for number in 1..=40 {
            let mut damaged = entry(number, 1);
            damaged[56] ^= 1;
            objects.push(damaged);
        }
        objects.push(entry(41, 1));
        let (numbers, flaws) = walk(file(&objects, 41, 41).path(), &Wanted::of_root());
        assert_eq!((numbers, flaws.len()), (vec![41], MOST_FLAWS));
    }

    #[test]
    fn a_walk_ends_when_nobody_asks_any_more() {
        let file = file(&[datum(ROOT), entry(1, 1), entry(2, 1)], 2, 2);
        let asker = Asker::default();
        let wanted = Wanted::of_root().by(&asker);
        let mut walk = Walk::open(file.path(), 4096).unwrap();
        assert!(matches!(walk.step(&wanted), Step::Found(_)));
        drop(asker);
        assert!(matches!(walk.step(&wanted), Step::Flaw(Flaw::Io(_))));
        assert!(matches!(walk.step(&wanted), Step::End));
    }

    #[test]
    fn a_pipe_is_no_file_of_a_journal_and_nobody_waits_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.journal");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let flaw = Walk::open(&pipe, 4096).map(|_| ()).unwrap_err();
        assert_eq!(flaw.to_string(), "not a regular file");
    }
}
