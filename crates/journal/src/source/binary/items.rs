//! What the data objects are that entries refer to, by their offsets.

use std::sync::Arc;

use super::hash::jenkins;
use super::wanted::Wanted;
use crate::entry::printable;

/// Objects that are remembered: most entries share most of their data.
const SLOTS: usize = 1024;
/// So many slots are tried for an offset.
const TRIED: usize = 4;

/// What is longer is read again where it is needed.
const MOST_REMEMBERED: usize = 4096;
/// So much of a program's name is kept, in characters: those of the engine are far shorter.
const NAME_CHARS: usize = 256;

pub(super) const MESSAGE: &[u8] = b"MESSAGE=";

/// What a data object says, as far as a record needs it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Other,
    /// It is read where it is needed.
    Message,
    Priority(Option<u8>),
    Ident(Option<Arc<str>>),
    Command(Option<Arc<str>>),
    Container,
}

impl Value {
    pub(super) fn of(payload: &[u8]) -> Self {
        if payload.starts_with(MESSAGE) {
            return Self::Message;
        }
        let Some(at) = payload.iter().position(|byte| *byte == b'=') else { return Self::Other };
        let text = || printable(&payload[at + 1..]);
        let name = || text().map(|text| beginning(text).into());
        match &payload[..at] {
            b"PRIORITY" => Self::Priority(text().and_then(|text| text.parse().ok())),
            b"SYSLOG_IDENTIFIER" => Self::Ident(name()),
            b"_COMM" => Self::Command(name()),
            b"CONTAINER_ID" => Self::Container,
            _ => Self::Other,
        }
    }
}

fn beginning(name: &str) -> &str {
    name.char_indices().nth(NAME_CHARS).map_or(name, |(end, _)| &name[..end])
}

/// What is known of a data object.
#[derive(Clone, Debug)]
pub(super) struct Datum {
    pub(super) hash: u64,
    /// See [`Wanted::bit`].
    pub(super) bit: u8,
    pub(super) value: Value,
    /// In bytes.
    len: usize,
}

impl Datum {
    pub(super) fn of(payload: &[u8], wanted: &Wanted) -> Self {
        let (hash, bit, value) = (jenkins(payload), wanted.bit(payload), Value::of(payload));
        Self { hash, bit, value, len: payload.len() }
    }
}

/// The data objects of a file that were read last.
pub(super) struct Remembered {
    keys: Vec<Key>,
    values: Vec<Value>,
    /// Which of the slots that were tried goes first.
    turn: usize,
}

/// What each entry asks of a datum.
#[derive(Clone, Copy)]
struct Key {
    offset: u64,
    hash: u64,
    bit: u8,
}

impl Key {
    /// No object begins there.
    const NONE: Self = Self { offset: u64::MAX, hash: 0, bit: 0 };
}

impl Remembered {
    pub(super) fn new() -> Self {
        Self { keys: vec![Key::NONE; SLOTS], values: vec![Value::Other; SLOTS], turn: 0 }
    }

    /// Hash and bit of a datum.
    pub(super) fn sum(&self, offset: u64) -> Option<(u64, u8)> {
        let key = self.keys[self.slot(offset)?];
        Some((key.hash, key.bit))
    }

    pub(super) fn value(&self, offset: u64) -> Option<&Value> {
        self.slot(offset).map(|slot| &self.values[slot])
    }

    /// Remembers a datum, unless it is long.
    pub(super) fn add(&mut self, offset: u64, datum: Datum) {
        if MOST_REMEMBERED < datum.len {
            return;
        }
        let slots = slots(offset);
        self.turn = (self.turn + 1) % TRIED;
        let free = slots.into_iter().find(|slot| self.keys[*slot].offset == Key::NONE.offset);
        let slot = free.unwrap_or(slots[self.turn]);
        self.keys[slot] = Key { offset, hash: datum.hash, bit: datum.bit };
        self.values[slot] = datum.value;
    }

    fn slot(&self, offset: u64) -> Option<usize> {
        slots(offset).into_iter().find(|slot| self.keys[*slot].offset == offset)
    }
}

/// The slots that an offset may have.
fn slots(offset: u64) -> [usize; TRIED] {
    // Fibonacci hashing: the golden ratio spreads what is a multiple of eight.
    let hashed = (offset >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let first = usize::try_from(hashed).unwrap_or(0);
    std::array::from_fn(|more| (first + more) % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(hash: u64) -> Datum {
        Datum { hash, bit: 1, value: Value::Container, len: 8 }
    }

    #[test]
    fn what_is_long_is_not_remembered_and_of_a_long_name_only_the_beginning_is() {
        let (mut remembered, wanted) = (Remembered::new(), Wanted::of_root());
        let ident = |letters: usize| format!("SYSLOG_IDENTIFIER={}", "é".repeat(letters));
        for (at, letters, kept) in [(8, 300, Some(NAME_CHARS)), (16, 3000, None)] {
            remembered.add(at, Datum::of(ident(letters).as_bytes(), &wanted));
            let chars = remembered.value(at).map(|value| match value {
                Value::Ident(Some(ident)) => ident.chars().count(),
                other => panic!("{other:?}"),
            });
            assert_eq!(chars, kept);
            assert_eq!(remembered.sum(at).is_some(), kept.is_some());
        }
    }

    #[test]
    fn what_was_added_last_is_remembered_whatever_had_its_slots() {
        let mut remembered = Remembered::new();
        assert_eq!(remembered.sum(8), None);
        for round in 1..10_000_u64 {
            remembered.add(round * 8, datum(round));
            assert_eq!(remembered.sum(round * 8), Some((round, 1)));
        }
        let kept = (1..10_000_u64).filter(|round| remembered.sum(round * 8).is_some()).count();
        assert!((SLOTS / 2..=SLOTS).contains(&kept), "{kept}");
        assert!((1..10_000_u64).all(|round| remembered.sum(round * 8).is_none_or(|(hash, _)| hash == round)));
    }

    #[test]
    fn a_value_is_taken_as_journalctl_prints_it() {
        let ident = |text: &str| match Value::of(text.as_bytes()) {
            Value::Ident(ident) => ident,
            other => panic!("{other:?}"),
        };
        assert_eq!(ident("SYSLOG_IDENTIFIER=dockerd").as_deref(), Some("dockerd"));
        assert_eq!(ident("SYSLOG_IDENTIFIER=a=b").as_deref(), Some("a=b"));
        // As a list of bytes, which is no name.
        assert_eq!(ident("SYSLOG_IDENTIFIER=docker\u{1b}d"), None);
        assert!(matches!(Value::of(b"PRIORITY=3"), Value::Priority(Some(3))));
        assert!(matches!(Value::of(b"PRIORITY=x"), Value::Priority(None)));
        assert!(matches!(Value::of(b"PRIORITY"), Value::Other));
        assert!(matches!(Value::of(b"MESSAGE="), Value::Message));
    }
}
