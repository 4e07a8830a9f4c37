//! An entry by the file's index of all entries, which is a chain of arrays of their offsets.

use std::fs::File;

use super::layout::{
    ARRAY_ITEMS, ENTRY_ITEMS, Flaw, HEAD_BYTES, Head, Header, Kind, array_item_bytes, u32_at, u64_at,
};
use super::pages::Pages;
use super::place::Place;

/// Arrays of a chain; each is longer than the one before it.
const MOST_ARRAYS: usize = 100_000;
const CHUNK: usize = 4096;

/// A file, and its header.
#[derive(Clone, Copy)]
pub(super) struct Indexed<'a> {
    pub(super) file: &'a File,
    pub(super) header: &'a Header,
}

/// The index of a file.
struct Index<'a> {
    of: Indexed<'a>,
    pages: Pages,
    /// Where the items of an array begin, and how many entries there are up to its end.
    arrays: Vec<(u64, u64)>,
}

/// The first entry from which on `is_late` holds, with the number of those before it. Where there is none, it is the end.
///
/// # Errors
/// If the index is damaged: the file is to be walked from its beginning.
pub(super) fn first(of: Indexed<'_>, is_late: impl Fn(&Place) -> bool) -> Result<Option<(u64, u64)>, Flaw> {
    let mut index = Index::of(of)?;
    let (mut early, mut late) = (0, of.header.n_entries);
    while early < late {
        let middle = early + (late - early) / 2;
        let offset = index.offset(middle)?;
        if is_late(&index.place(offset)?) { late = middle } else { early = middle + 1 }
    }
    if late == of.header.n_entries { Ok(None) } else { Ok(Some((index.offset(late)?, late))) }
}

/// The first entry behind that offset, with the number of those before it; `None` if the index does not have one.
pub(super) fn first_after(of: Indexed<'_>, offset: u64) -> Option<(u64, u64)> {
    let mut index = Index::of(of).ok()?;
    let (mut early, mut late) = (0, of.header.n_entries);
    while early < late {
        let middle = early + (late - early) / 2;
        if offset < index.offset(middle).ok()? { late = middle } else { early = middle + 1 }
    }
    let found = (late < of.header.n_entries).then(|| index.offset(late).ok())??;
    (offset < found && found.is_multiple_of(8)).then_some((found, late))
}

/// The last entry; `None` if there is none.
///
/// # Errors
/// If the index is damaged.
pub(super) fn last(of: Indexed<'_>) -> Result<Option<Place>, Flaw> {
    let Some(last) = of.header.n_entries.checked_sub(1) else { return Ok(None) };
    nth(of, last).map(Some)
}

/// The entry before which there are so many.
///
/// # Errors
/// If the index is damaged.
pub(super) fn nth(of: Indexed<'_>, before: u64) -> Result<Place, Flaw> {
    let mut index = Index::of(of)?;
    let offset = index.offset(before)?;
    index.place(offset)
}

impl<'a> Index<'a> {
    fn of(of: Indexed<'a>) -> Result<Self, Flaw> {
        let header = of.header;
        let mut index = Self { of, pages: Pages::new(CHUNK), arrays: Vec::new() };
        let (mut at, mut entries) = (header.entry_array, 0_u64);
        while entries < header.n_entries {
            let damage = Flaw::Damage { offset: at };
            if at == 0 || index.arrays.len() == MOST_ARRAYS {
                return Err(damage);
            }
            let head = index.head(at, Kind::EntryArray)?;
            let next = u64_at(index.get(at, ARRAY_ITEMS)?, 16);
            let items = (head.bytes - ARRAY_ITEMS) / array_item_bytes(header.is_compact);
            entries = entries.saturating_add(items);
            index.arrays.push((at + ARRAY_ITEMS, entries));
            // Later arrays are further on.
            if next != 0 && next <= at {
                return Err(damage);
            }
            at = next;
        }
        Ok(index)
    }

    /// Where an entry is, by the number of those before it.
    fn offset(&mut self, before: u64) -> Result<u64, Flaw> {
        let array = self.arrays.partition_point(|(_, entries)| *entries <= before);
        let start = array.checked_sub(1).map_or(0, |array| self.arrays[array].1);
        let (items, _) = *self.arrays.get(array).ok_or(Flaw::Damage { offset: 0 })?;
        let width = array_item_bytes(self.of.header.is_compact);
        let at = items.saturating_add((before - start).saturating_mul(width));
        let item = self.get(at, width)?;
        Ok(if width == 4 { u32_at(item, 0).into() } else { u64_at(item, 0) })
    }

    fn place(&mut self, offset: u64) -> Result<Place, Flaw> {
        self.head(offset, Kind::Entry)?;
        let seqnum_id = self.of.header.seqnum_id;
        Ok(Place::of_entry(self.get(offset, ENTRY_ITEMS)?, seqnum_id))
    }

    fn head(&mut self, at: u64, kind: Kind) -> Result<Head, Flaw> {
        let is_compact = self.of.header.is_compact;
        let head = Head::read(self.get(at, HEAD_BYTES)?, is_compact).filter(|head| head.kind == kind);
        head.filter(|_| at.is_multiple_of(8)).ok_or(Flaw::Damage { offset: at })
    }

    fn get(&mut self, at: u64, len: u64) -> Result<&[u8], Flaw> {
        self.pages.get(self.of.file, at, usize::try_from(len).unwrap_or(usize::MAX))
    }
}
