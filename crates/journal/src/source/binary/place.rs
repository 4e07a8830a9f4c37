//! Where an entry stands in the order of a journal.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::layout::{Id, id_at, u64_at};

/// Where an entry stands, and what it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seqnum_id: Id,
    pub(super) seqnum: u64,
    pub(super) boot: Id,
    pub(super) since_boot_usec: u64,
    pub(super) at_usec: u64,
    /// Of the hashes of its data.
    pub(super) xor_hash: u64,
}

impl Place {
    /// The place of an entry whose object this is.
    pub(super) fn of_entry(entry: &[u8], seqnum_id: Id) -> Self {
        Self {
            seqnum_id,
            seqnum: u64_at(entry, 16),
            at_usec: u64_at(entry, 24),
            since_boot_usec: u64_at(entry, 32),
            boot: id_at(entry, 40),
            xor_hash: u64_at(entry, 56),
        }
    }

    /// By the number in the sequence, where both are of one, else by the time since the boot, where both are of one, else by the
    /// clock, which may have been set (systemd `journal-file.c` journal_file_compare_locations).
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let of_one_sequence = self.seqnum_id == other.seqnum_id;
        let of_one_boot = self.boot == other.boot;
        let by_seqnum = if of_one_sequence { self.seqnum.cmp(&other.seqnum) } else { Ordering::Equal };
        let by_boot =
            if of_one_boot { self.since_boot_usec.cmp(&other.since_boot_usec) } else { Ordering::Equal };
        let by_clock = self.at_usec.cmp(&other.at_usec);
        by_seqnum.then(by_boot).then(by_clock).then(self.xor_hash.cmp(&other.xor_hash))
    }

    /// The cursor, as `sd_journal_get_cursor` writes it.
    pub(super) fn cursor(&self) -> String {
        let Self { seqnum, since_boot_usec, at_usec, xor_hash, .. } = self;
        let (sequence, boot) = (hex(self.seqnum_id), hex(self.boot));
        format!("s={sequence};i={seqnum:x};b={boot};m={since_boot_usec:x};t={at_usec:x};x={xor_hash:x}")
    }

    /// Reads a cursor; `None` if a part of it is missing.
    pub(super) fn of_cursor(cursor: &str) -> Option<Self> {
        let part = |key: &str| {
            cursor.split(';').find_map(|part| part.strip_prefix(key)).and_then(|rest| rest.strip_prefix('='))
        };
        let number = |key: &str| u64::from_str_radix(part(key)?, 16).ok();
        let id = |key: &str| part(key).and_then(id);
        Some(Self {
            seqnum_id: id("s")?,
            seqnum: number("i")?,
            boot: id("b")?,
            since_boot_usec: number("m")?,
            at_usec: number("t")?,
            xor_hash: number("x")?,
        })
    }
}

fn hex(id: Id) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn id(text: &str) -> Option<Id> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(boot: u8, since_boot_usec: u64, at_usec: u64) -> Place {
        Place { seqnum_id: [boot; 16], seqnum: 1, boot: [boot; 16], since_boot_usec, at_usec, xor_hash: 7 }
    }

    #[test]
    fn a_boot_has_an_order_of_its_own_whatever_the_clock_did() {
        let (early, late) = (place(1, 10, 900), place(1, 20, 500));
        assert_eq!(early.order(&late), Ordering::Less);
        assert_eq!(early.order(&early), Ordering::Equal);
        let other = place(2, 1, 700);
        assert_eq!((other.order(&early), late.order(&other)), (Ordering::Less, Ordering::Less));
    }

    #[test]
    fn a_sequence_goes_before_both() {
        let early = Place { seqnum: 1, ..place(1, 20, 900) };
        let late = Place { seqnum: 2, ..place(1, 10, 500) };
        assert_eq!(early.order(&late), Ordering::Less);
    }

    #[test]
    fn a_cursor_is_read_again_and_a_part_of_one_is_not() {
        let place = Place { seqnum_id: *b"0123456789abcdef", ..place(0xab, 0x2f, u64::MAX) };
        let cursor = place.cursor();
        assert_eq!(Place::of_cursor(&cursor), Some(place));
        for cut in 0..cursor.len() - 1 {
            let read = Place::of_cursor(&cursor[..cut]);
            assert!(read.is_none_or(|read| read != place), "{cut}");
        }
        for other in ["", "s=;i=;b=;m=;t=;x=", "s=é0123456789abcdef0123456789abcde;i=1"] {
            assert_eq!(Place::of_cursor(other), None, "{other}");
        }
    }
}
