//! The data of an entry.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;

use super::decompress::{MOST_UNPACKED, unpack};
use super::items::{Datum, MESSAGE, Remembered, Value};
use super::layout::{Flaw, HEAD_BYTES, Head, Kind, Packing, data_payload};
use super::pages::Pages;
use super::wanted::Wanted;
use crate::entry::Fields;

/// Of so many data any may have been given twice. A wrong hash passes for such a one in one of 16 million cases.
const MOST_DOUBLES: usize = 40;

/// The data objects of a file, while an entry is read.
pub(super) struct Data<'a> {
    /// What is in memory already, around the entry.
    pub(super) near: &'a Pages,
    pub(super) far: &'a mut Pages,
    pub(super) remembered: &'a mut Remembered,
    pub(super) file: &'a File,
    pub(super) is_compact: bool,
    pub(super) wanted: &'a Wanted,
    /// Which of the fields that count once the entry had.
    pub(super) had: Had,
}

/// Fields of an entry that count once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Had {
    priority: bool,
    ident: bool,
    command: bool,
}

/// A payload, as far as it is read.
struct Payload<'a> {
    bytes: Cow<'a, [u8]>,
    /// All of it is there.
    is_whole: bool,
    /// It is in memory around the entry.
    is_near: bool,
}

/// What the data of an entry come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// The bits of those that [`Wanted`] asks for.
    pub(super) bits: u8,
    /// The exclusive or of their hashes.
    pub(super) xor: u64,
    /// One is too long to be read whole, so that its hash is not known.
    pub(super) is_open: bool,
}

/// Sets a field; one that is given more than once says nothing.
fn once<T>(field: &mut Option<T>, had: &mut bool, value: Option<T>) {
    *field = if *had { None } else { value };
    *had = true;
}

/// True iff `off` is what a hash is off by that has some of these twice. Of many only one or two are looked for: any number
/// is the exclusive or of some of 64.
pub(super) fn is_of_doubles(off: u64, hashes: &[u64]) -> bool {
    if MOST_DOUBLES < hashes.len() {
        let all: HashSet<u64> = hashes.iter().copied().collect();
        return all.contains(&off) || all.iter().any(|hash| all.contains(&(hash ^ off)));
    }
    // Gaussian elimination: each of the basis has a highest bit of its own.
    let mut basis: Vec<u64> = Vec::new();
    let reduced = |basis: &[u64], number: u64| basis.iter().fold(number, |rest, one| rest.min(rest ^ one));
    for hash in hashes {
        let rest = reduced(&basis, *hash);
        if rest != 0 {
            basis.push(rest);
            basis.sort_unstable_by(|one, other| other.cmp(one));
        }
    }
    reduced(&basis, off) == 0
}

impl Data<'_> {
    /// Adds a datum of the entry at that offset.
    ///
    /// # Errors
    /// If it is not there, or damaged, or if nobody asks any more.
    pub(super) fn add(&mut self, offset: u64, entry: u64, sum: &mut Sum) -> Result<(), Flaw> {
        if self.wanted.is_over() {
            return Err(Flaw::over());
        }
        // An entry is written after its data.
        if entry <= offset || !offset.is_multiple_of(8) {
            return Err(Flaw::Damage { offset: entry });
        }
        if let Some((hash, bit)) = self.remembered.sum(offset) {
            sum.xor ^= hash;
            sum.bits |= bit;
            return Ok(());
        }
        let wanted = self.wanted;
        let payload = self.payload(offset)?;
        if !payload.is_whole {
            sum.is_open = true;
            return Ok(());
        }
        let datum = Datum::of(&payload.bytes, wanted);
        sum.xor ^= datum.hash;
        sum.bits |= datum.bit;
        // Most messages are of one entry, which comes next.
        if !(payload.is_near && matches!(datum.value, Value::Message)) {
            self.remembered.add(offset, datum);
        }
        Ok(())
    }

    /// The hashes of these data.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn hashes(
        &mut self,
        offsets: impl Iterator<Item = u64>,
        entry: u64,
    ) -> Result<Vec<u64>, Flaw> {
        let mut hash = |offset| {
            let mut sum = Sum::default();
            self.add(offset, entry, &mut sum).map(|()| sum.xor)
        };
        offsets.map(&mut hash).collect()
    }

    /// Takes what a record needs of a datum that [`add`](Self::add) has seen.
    pub(super) fn set(&mut self, offset: u64, fields: &mut Fields) -> Result<(), Flaw> {
        let value = match self.remembered.value(offset).cloned() {
            Some(Value::Message) | None => {
                let payload = self.payload(offset)?;
                if let Some(text) = payload.bytes.strip_prefix(MESSAGE) {
                    fields.add_message(text);
                    // Nobody knows how much.
                    fields.cut_bytes += u64::from(!payload.is_whole);
                    return Ok(());
                }
                Value::of(&payload.bytes)
            }
            Some(value) => value,
        };
        match value {
            Value::Priority(priority) => once(&mut fields.priority, &mut self.had.priority, priority),
            Value::Ident(ident) => once(&mut fields.ident, &mut self.had.ident, ident),
            Value::Command(command) => once(&mut fields.command, &mut self.had.command, command),
            Value::Container => fields.container = true,
            Value::Message | Value::Other => {}
        }
        Ok(())
    }

    fn payload(&mut self, offset: u64) -> Result<Payload<'_>, Flaw> {
        let damage = || Flaw::Damage { offset };
        let head_bytes = usize::try_from(HEAD_BYTES).unwrap_or(usize::MAX);
        let head = match self.near.peek(offset, head_bytes) {
            Some(bytes) => bytes,
            None => self.far.get(self.file, offset, head_bytes)?,
        };
        let head = Head::read(head, self.is_compact).filter(|head| head.kind == Kind::Data);
        let head = head.ok_or_else(damage)?;
        let start = data_payload(self.is_compact);
        let len = usize::try_from(head.bytes - start).map_err(|_| damage())?;
        // What is plain needs no more than its beginning; what is packed is never so long for the engine's lines.
        let read = len.min(MOST_UNPACKED);
        let at = offset + start;
        let near = self.near.peek(at, read);
        let is_near = near.is_some();
        let bytes = match near {
            Some(bytes) => bytes,
            None => self.far.get(self.file, at, read)?,
        };
        match head.packing {
            Packing::Plain => Ok(Payload { bytes: bytes.into(), is_whole: read == len, is_near }),
            _ if read < len => Ok(Payload { bytes: Cow::Borrowed(&[]), is_whole: false, is_near }),
            packing => {
                let unpacked = unpack(packing, bytes).ok_or_else(damage)?;
                Ok(Payload { bytes: unpacked.bytes.into(), is_whole: unpacked.is_whole, is_near })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_a_few_data_may_be_there_twice_and_one_or_two_of_many() {
        let mut random = fastrand::Rng::with_seed(7);
        for (data, twice, expected) in
            [(30, 1, true), (30, 2, true), (40, 17, true), (41, 1, true), (41, 2, true), (41, 5, false)]
        {
            let hashes: Vec<u64> = (0..data).map(|_| random.u64(..)).collect();
            let off = hashes[..twice].iter().fold(0, |off, hash| off ^ hash);
            assert_eq!(is_of_doubles(off, &hashes), expected, "{data}, {twice}");
            assert!(!is_of_doubles(random.u64(..), &hashes), "{data}");
        }
        assert!(!is_of_doubles(1, &[]));
    }

    #[test]
    fn a_field_that_is_given_more_than_once_says_nothing() {
        let (mut field, mut had) = (None, false);
        for (value, expected) in [(Some(1), Some(1)), (Some(2), None), (Some(3), None)] {
            once(&mut field, &mut had, value);
            assert_eq!(field, expected);
        }
    }
}
