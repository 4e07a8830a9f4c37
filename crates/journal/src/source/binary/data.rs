//! The data of an entry.

use std::borrow::Cow;
use std::fs::File;

use super::decompress::{MOST_UNPACKED, unpack};
use super::items::{Datum, MESSAGE, Remembered, Value};
use super::layout::{Flaw, HEAD_BYTES, Head, Kind, Packing, data_payload};
use super::pages::Pages;
use super::wanted::Wanted;
use crate::entry::Fields;

/// The data objects of a file, while an entry is read.
pub(super) struct Data<'a> {
    /// What is in memory already, around the entry.
    pub(super) near: &'a Pages,
    pub(super) far: &'a mut Pages,
    pub(super) remembered: &'a mut Remembered,
    pub(super) file: &'a File,
    pub(super) is_compact: bool,
    pub(super) wanted: &'a Wanted,
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

/// Sets a field; one that is given twice says nothing.
fn once<T>(field: &mut Option<T>, value: Option<T>) {
    *field = if field.is_some() { None } else { value };
}

impl Data<'_> {
    /// Adds a datum of the entry at that offset.
    ///
    /// # Errors
    /// If it is not there, or damaged.
    pub(super) fn add(&mut self, offset: u64, entry: u64, sum: &mut Sum) -> Result<(), Flaw> {
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

    /// True iff the hash of one of these data is that.
    pub(super) fn has(&mut self, mut offsets: impl Iterator<Item = u64>, entry: u64, hash: u64) -> bool {
        offsets.any(|offset| {
            let mut sum = Sum::default();
            self.add(offset, entry, &mut sum).is_ok() && !sum.is_open && sum.xor == hash
        })
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
            Value::Priority(priority) => once(&mut fields.priority, priority),
            Value::Ident(ident) => once(&mut fields.ident, ident),
            Value::Command(command) => once(&mut fields.command, command),
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
