//! Positions in a log that can be stored.

use serde::{Deserialize, Serialize};

/// The end of a log at some moment. It holds no text of the log, and can be stored and used by another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mark {
    /// After the last whole line of a file.
    Offset {
        /// From the file's beginning.
        offset_bytes: u64,
        /// Which file it was.
        inode: u64,
        /// On which device.
        device: u64,
        /// How many bytes before the offset `tail_hash` is about.
        tail_bytes: u64,
        /// FNV-1a of these bytes: it differs if the file was cut and has grown again.
        tail_hash: u64,
    },
    /// After an entry of the journal.
    Cursor {
        /// The entry's cursor.
        cursor: String,
    },
    /// The journal had no entry yet, so that each one is new.
    Empty,
}

/// FNV-1a, 64 bits: it does not change between versions of the standard library, as a stored mark requires.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_fnv_1a() {
        // Test vectors of the algorithm's authors.
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_mark_survives_being_stored() {
        let mark = Mark::Offset { offset_bytes: 7, inode: 1, device: 2, tail_bytes: 7, tail_hash: u64::MAX };
        let stored = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&stored).unwrap(), mark);
    }
}
