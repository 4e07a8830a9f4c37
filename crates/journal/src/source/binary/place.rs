//! Where an entry stands in the order of a journal.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::fs;

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

    /// The same where the boot is known that runs now: no other one came after it, whatever the clock says.
    pub(super) fn order_now(&self, other: &Self, boot: Option<Id>) -> Ordering {
        let is_now = |place: &Self| boot == Some(place.boot);
        is_now(self).cmp(&is_now(other)).then_with(|| self.order(other))
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

/// Where the entries of a file stand to a mark that is of another sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// All of them before it, or it is one of them.
    Before,
    /// All of them after it.
    After,
    /// Some may be, and the order says which.
    Across,
    /// The first ones may be before it, and those of other boots are after it, whatever the clock says.
    From,
    /// Only the clock says so, which may have been set.
    Unknown,
}

/// The first and the last entry of a file, in which entries are in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: Place,
    pub(super) last: Place,
}

impl Span {
    /// Where they stand to a mark of another sequence. `boot` is the one that runs now, where that is known: no other one came
    /// after it.
    pub(super) fn stand(&self, mark: &Place, boot: Option<Id>) -> Stand {
        let Self { first, last } = self;
        let is_of_its_boot = |place: &Place| place.boot == mark.boot;
        // In a copy the clock is believed where it has gone on.
        let is_by_clock = boot.is_none() && mark.at_usec < last.at_usec;
        let is_after = |place: &Place| is_of_its_boot(place) && place.order(mark).is_gt();
        if is_after(first) {
            Stand::After
        } else if is_after(last) {
            Stand::Across
        } else if is_of_its_boot(last) {
            Stand::Before
        } else if is_of_its_boot(first) {
            if is_by_clock { Stand::Across } else { Stand::From }
        } else if boot == Some(mark.boot) {
            Stand::Before
        } else if boot == Some(first.boot) {
            Stand::After
        } else {
            Stand::Unknown
        }
    }

    /// True iff all of them were received before that time: they are of one boot, and the last one was by its own time and by what
    /// had passed since the first one's, so that the clock was not set back between them.
    pub(super) fn is_before(&self, at_usec: u64) -> bool {
        let Self { first, last } = self;
        let passed = last.since_boot_usec.checked_sub(first.since_boot_usec);
        let by_first = passed.and_then(|passed| first.at_usec.checked_add(passed));
        first.boot == last.boot && last.at_usec < at_usec && by_first.is_some_and(|at| at < at_usec)
    }
}

/// The boot that runs now; `None` if the kernel does not say.
pub(super) fn this_boot() -> Option<Id> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    id(&text.trim().replace('-', ""))
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
    fn the_boot_that_runs_now_is_the_last_one_whatever_the_clock_says() {
        let (ahead, now) = (place(1, 10, 900), place(2, 20, 500));
        assert_eq!(ahead.order(&now), Ordering::Greater);
        assert_eq!(ahead.order_now(&now, Some([2; 16])), Ordering::Less);
        assert_eq!(now.order_now(&place(2, 30, 400), Some([2; 16])), Ordering::Less);
        assert!(this_boot().is_some());
    }

    #[test]
    fn a_file_stands_to_a_mark_by_boots_and_never_by_the_clock_alone() {
        let at =
            |boot: u8, since_boot_usec: u64| Place { seqnum_id: [9; 16], ..place(boot, since_boot_usec, 5) };
        let mark = place(2, 100, 900);
        for (first, last, boot, expected) in [
            (at(2, 101), at(3, 1), None, Stand::After),
            (at(1, 1), at(2, 101), None, Stand::Across),
            (at(2, 1), at(2, 101), None, Stand::Across),
            (at(1, 1), at(2, 99), None, Stand::Before),
            (at(2, 1), at(3, 1), None, Stand::From),
            (at(2, 1), Place { at_usec: 901, ..at(3, 1) }, None, Stand::Across),
            (at(2, 1), Place { at_usec: 901, ..at(3, 1) }, Some(3), Stand::From),
            (at(1, 1), at(3, 1), None, Stand::Unknown),
            (at(3, 1), at(3, 2), None, Stand::Unknown),
            (at(3, 1), at(3, 2), Some(3), Stand::After),
            (at(1, 1), at(3, 2), Some(3), Stand::Unknown),
            (at(1, 1), at(1, 2), Some(2), Stand::Before),
        ] {
            let span = Span { first, last };
            assert_eq!(span.stand(&mark, boot.map(|boot| [boot; 16])), expected, "{span:?}, {boot:?}");
        }
    }

    #[test]
    fn a_file_is_before_a_time_only_by_both_of_its_ends() {
        let span = |first: Place, last: Place| Span { first, last };
        assert!(span(place(1, 10, 500), place(1, 20, 510)).is_before(511));
        assert!(!span(place(1, 10, 500), place(1, 20, 510)).is_before(510));
        // The clock was set back between them, the first one's time is damaged, there was another boot.
        assert!(!span(place(1, 10, 500), place(1, 90, 510)).is_before(580));
        assert!(!span(place(1, 10, u64::MAX), place(1, 20, 510)).is_before(580));
        assert!(!span(place(1, 10, 500), place(2, 20, 510)).is_before(580));
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
