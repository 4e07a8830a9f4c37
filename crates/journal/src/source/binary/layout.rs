//! The bytes of a journal file: its header, and the heads of its objects (systemd `src/libsystemd/sd-journal/journal-def.h`).

use std::fmt;
use std::io;

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// The header of the first version; later ones are longer.
pub(super) const HEADER_BYTES: usize = 208;
/// Type, flags and size of an object.
pub(super) const HEAD_BYTES: u64 = 16;

/// `HEADER_INCOMPATIBLE_*`: a reader that does not know a set flag cannot read the file.
const COMPRESSED_XZ: u32 = 1;
const COMPRESSED_LZ4: u32 = 2;
const KEYED_HASH: u32 = 4;
const COMPRESSED_ZSTD: u32 = 8;
const COMPACT: u32 = 16;
const KNOWN: u32 = COMPRESSED_XZ | COMPRESSED_LZ4 | KEYED_HASH | COMPRESSED_ZSTD | COMPACT;

const STATE_ONLINE: u8 = 1;

/// An id of 128 bits.
pub(super) type Id = [u8; 16];

/// Why a file, or a part of it, cannot be read.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// The system says so.
    Io(io::Error),
    /// It does not begin as a journal file does, or its header contradicts itself.
    NotAJournal,
    /// Its format has extensions that are not known here.
    Flags(u32),
    /// What is at that offset is not what the format has there.
    Damage {
        /// In bytes, from the beginning of the file.
        offset: u64,
    },
}

impl Flaw {
    /// Nobody asks any more, and the rest was not read.
    pub(super) fn over() -> Self {
        Self::Io(io::ErrorKind::Interrupted.into())
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotAJournal => f.write_str("not a journal file"),
            Self::Flags(flags) => write!(
                f,
                "a journal file of a newer systemd (flags {flags:#x}); try `pvcheck journal scan --reader journalctl`"
            ),
            Self::Damage { offset } => write!(f, "damaged at byte {offset}"),
        }
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What of a file's header is used.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) seqnum_id: Id,
    /// It is open for writing, or was when its writer died.
    pub(super) is_online: bool,
    /// Where the first object is.
    pub(super) begin: u64,
    /// Where the file may have its last byte; it grows while it is written.
    pub(super) end: u64,
    pub(super) tail_object: u64,
    pub(super) n_entries: u64,
    pub(super) tail_seqnum: u64,
    /// The first array of the offsets of all entries.
    pub(super) entry_array: u64,
    pub(super) is_compact: bool,
}

impl Header {
    /// # Errors
    /// If the bytes are not those of a header, or of one with unknown flags.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() < HEADER_BYTES || &bytes[..8] != SIGNATURE {
            return Err(Flaw::NotAJournal);
        }
        let flags = u32_at(bytes, 12);
        if flags & !KNOWN != 0 {
            return Err(Flaw::Flags(flags & !KNOWN));
        }
        let (begin, arena) = (u64_at(bytes, 88), u64_at(bytes, 96));
        let header = Self {
            seqnum_id: id_at(bytes, 72),
            is_online: bytes[16] == STATE_ONLINE,
            begin,
            end: begin.checked_add(arena).ok_or(Flaw::NotAJournal)?,
            tail_object: u64_at(bytes, 136),
            n_entries: u64_at(bytes, 152),
            tail_seqnum: u64_at(bytes, 160),
            entry_array: u64_at(bytes, 176),
            is_compact: flags & COMPACT != 0,
        };
        let is_sound =
            HEADER_BYTES as u64 <= begin && begin.is_multiple_of(8) && header.tail_object < header.end;
        if is_sound { Ok(header) } else { Err(Flaw::NotAJournal) }
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Entry,
    EntryArray,
    /// Fields, hash tables and tags, which are not read.
    Other,
}

/// How the payload of a data object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Xz,
    Lz4,
    Zstd,
}

/// The head of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) packing: Packing,
    /// Of the whole object.
    pub(super) bytes: u64,
}

impl Head {
    /// `None` if no object begins so.
    pub(super) fn read(bytes: &[u8], is_compact: bool) -> Option<Self> {
        let size = u64_at(bytes, 8);
        let (kind, least) = match bytes[0] {
            1 => (Kind::Data, data_payload(is_compact)),
            2 => (Kind::Other, 40),
            3 => (Kind::Entry, ENTRY_ITEMS + item_bytes(is_compact)),
            4 | 5 => (Kind::Other, HEAD_BYTES),
            6 => (Kind::EntryArray, ARRAY_ITEMS),
            7 => (Kind::Other, 64),
            _ => return None,
        };
        let packing = match (kind, bytes[1]) {
            (_, 0) => Packing::Plain,
            (Kind::Data, 1) => Packing::Xz,
            (Kind::Data, 2) => Packing::Lz4,
            (Kind::Data, 4) => Packing::Zstd,
            _ => return None,
        };
        // Six bytes are reserved.
        let is_known = u64_at(bytes, 0) >> 16 == 0;
        (is_known && least <= size).then_some(Self { kind, packing, bytes: size })
    }

    /// How far it is to the next object: objects begin at multiples of eight.
    pub(super) fn step(&self) -> Option<u64> {
        self.bytes.checked_next_multiple_of(8)
    }
}

/// Where the items of an entry begin.
pub(super) const ENTRY_ITEMS: u64 = 64;
/// Where those of an array begin.
pub(super) const ARRAY_ITEMS: u64 = 24;

/// Where the payload of a data object begins.
pub(super) fn data_payload(is_compact: bool) -> u64 {
    if is_compact { 72 } else { 64 }
}

/// The length of an item of an entry.
pub(super) fn item_bytes(is_compact: bool) -> u64 {
    if is_compact { 4 } else { 16 }
}

/// The length of an item of an array.
pub(super) fn array_item_bytes(is_compact: bool) -> u64 {
    if is_compact { 4 } else { 8 }
}

/// A number at a place that is there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn id_at(bytes: &[u8], at: usize) -> Id {
    array(bytes, at)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
    // Callers ask for what they have read.
    part.copied().unwrap_or([0; N])
}
