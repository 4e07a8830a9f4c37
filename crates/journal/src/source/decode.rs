//! Bytes of a file to bytes of UTF-8: gzip, xz, UTF-16 and byte order marks.

use std::io::{self, Write as _};

use flate2::write::MultiGzDecoder;

use super::xz::Xz;
use crate::incomplete::{Incomplete, Packed};

/// How many bytes decide what a file is.
const HEAD_BYTES: usize = 8;
/// Compressed data is unpacked in steps of this length: gzip grows by a factor of 1,032 at most (zlib's technical notes), so
/// that one step takes 4 MiB; xz grows by some 7,000.
pub(super) const STEP_BYTES: usize = 4 * 1024;

/// The beginnings of packed formats, of which gzip and xz are read.
const HEADS: &[(&[u8], Packed)] = &[
    (b"\x1f\x8b", Packed::Gzip),
    (b"BZh", Packed::Bzip2),
    (b"LPKSHHRH", Packed::Journal),
    (b"\x04\x22\x4d\x18", Packed::Lz4),
    (b"\xfd7zXZ\0", Packed::Xz),
    (b"PK\x03\x04", Packed::Zip),
    (b"\x28\xb5\x2f\xfd", Packed::Zstd),
];

/// Turns what a file holds into UTF-8, step by step.
pub(super) struct Decoder(Stage);

enum Stage {
    /// The first bytes, until they say what the file is.
    Head(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Vec<u8>>>, Text),
    Xz(Box<Xz>, Text),
    Text(Text),
    /// Nothing more comes out.
    Done,
}

impl Decoder {
    /// For a whole file, whose beginning says what it is.
    pub(super) fn sniffing() -> Self {
        Self(Stage::Head(Vec::new()))
    }

    /// For UTF-8.
    pub(super) fn plain() -> Self {
        Self(Stage::Text(Text::Utf8))
    }

    /// Adds what the bytes stand for to `out`; at most [`STEP_BYTES`] should be given at once.
    ///
    /// # Errors
    /// If the file is of a format that is not read, or its compressed data is broken; `out` has what came before.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Incomplete> {
        match &mut self.0 {
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES { Ok(()) } else { self.begin(out) }
            }
            Stage::Gzip(gzip, text) => {
                let done = gzip.write_all(bytes);
                text.push(&std::mem::take(gzip.get_mut()), out);
                done.map_err(|error| self.broken(&error))
            }
            Stage::Xz(xz, text) => {
                let mut unpacked = Vec::new();
                let done = xz.push(bytes, &mut unpacked);
                text.push(&unpacked, out);
                if done.is_err() {
                    self.0 = Stage::Done;
                }
                done
            }
            Stage::Text(text) => {
                text.push(bytes, out);
                Ok(())
            }
            Stage::Done => Ok(()),
        }
    }

    /// The file is at its end.
    ///
    /// # Errors
    /// As [`push`](Self::push), and if compressed data ends in the middle.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Incomplete> {
        if let Stage::Head(_) = &self.0 {
            self.begin(out)?;
        }
        match &mut self.0 {
            Stage::Gzip(gzip, text) => {
                let done = gzip.try_finish();
                text.push(&std::mem::take(gzip.get_mut()), out);
                text.end(out);
                // At the end a checksum that is missing and one that differs are the same error.
                done.map_err(|_| Incomplete::EndsEarly { format: Packed::Gzip })
            }
            Stage::Xz(xz, text) => {
                let mut unpacked = Vec::new();
                let done = xz.end(&mut unpacked);
                text.push(&unpacked, out);
                text.end(out);
                done
            }
            Stage::Text(text) => {
                text.end(out);
                Ok(())
            }
            Stage::Head(_) | Stage::Done => Ok(()),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Incomplete> {
        let Stage::Head(head) = std::mem::replace(&mut self.0, Stage::Done) else { return Ok(()) };
        let packed = HEADS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, packed)| *packed);
        self.0 = match packed {
            None => Stage::Text(Text::Head(Vec::new())),
            Some(Packed::Gzip) => {
                Stage::Gzip(Box::new(MultiGzDecoder::new(Vec::new())), Text::Head(Vec::new()))
            }
            Some(Packed::Xz) => Stage::Xz(Box::new(Xz::new()?), Text::Head(Vec::new())),
            Some(format) => return Err(Incomplete::Packed { format }),
        };
        self.push(&head, out)
    }

    fn broken(&mut self, error: &io::Error) -> Incomplete {
        self.0 = Stage::Done;
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => {
                Incomplete::EndsEarly { format: Packed::Gzip }
            }
            _ => Incomplete::Failed { error: format!("broken gzip data: {error}") },
        }
    }
}

/// The encoding of text.
enum Text {
    /// The first bytes, until they say which it is.
    Head(Vec<u8>),
    Utf8,
    Utf16 {
        is_big: bool,
        odd: Option<u8>,
        high: Option<u16>,
    },
}

impl Text {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Head(head) => {
                head.extend_from_slice(bytes);
                if 4 <= head.len() {
                    self.begin(out);
                }
            }
            Self::Utf8 => out.extend_from_slice(bytes),
            Self::Utf16 { is_big, odd, high } => {
                for byte in bytes {
                    let Some(first) = odd.take() else {
                        *odd = Some(*byte);
                        continue;
                    };
                    let pair = [first, *byte];
                    let unit = if *is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
                    add_unit(unit, high, out);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Self::Head(_) = self {
            self.begin(out);
        }
        if let Self::Utf16 { odd, high, .. } = self
            && (odd.is_some() || high.is_some())
        {
            add_char(char::REPLACEMENT_CHARACTER, out);
        }
    }

    /// A byte order mark decides; without one, a NUL next to an ASCII character does, because no log in UTF-8 has it
    /// (PowerShell before version 6 writes `>` in UTF-16).
    fn begin(&mut self, out: &mut Vec<u8>) {
        let Self::Head(head) = std::mem::replace(self, Self::Utf8) else { return };
        let utf16 = |is_big| Self::Utf16 { is_big, odd: None, high: None };
        let (encoding, mark) = match head[..] {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (utf16(false), 2),
            [0xfe, 0xff, ..] => (utf16(true), 2),
            [b' '..=b'~', 0, b' '..=b'~', 0, ..] => (utf16(false), 0),
            [0, b' '..=b'~', 0, b' '..=b'~', ..] => (utf16(true), 0),
            _ => (Self::Utf8, 0),
        };
        *self = encoding;
        self.push(&head[mark..], out);
    }
}

fn add_unit(unit: u16, high: &mut Option<u16>, out: &mut Vec<u8>) {
    let units = match (high.take(), unit) {
        (None, 0xd800..=0xdbff) => {
            *high = Some(unit);
            return;
        }
        (Some(high), _) => vec![high, unit],
        (None, _) => vec![unit],
    };
    for character in char::decode_utf16(units) {
        add_char(character.unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
}

fn add_char(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8], step: usize) -> (Vec<u8>, Result<(), Incomplete>) {
        let (mut decoder, mut out) = (Decoder::sniffing(), Vec::new());
        for part in bytes.chunks(step) {
            if let Err(reason) = decoder.push(part, &mut out) {
                return (out, Err(reason));
            }
        }
        let done = decoder.end(&mut out);
        (out, done)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str, is_big: bool, mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter()
            .chain(text.encode_utf16())
            .flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    #[test]
    fn several_members_are_one_file_and_a_cut_one_is_not_whole() {
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(decode(&two, 3), (b"one\ntwo\n".to_vec(), Ok(())));
        for cut in [two.len() - 1, two.len() - 9, 10] {
            let (_, done) = decode(&two[..cut], 5);
            assert_eq!(done, Err(Incomplete::EndsEarly { format: Packed::Gzip }), "{cut}");
        }
        let mut broken = gzip(&b"0123456789".repeat(100));
        let at = broken.len() - 6;
        broken[at] ^= 0xff;
        assert!(decode(&broken, 7).1.is_err(), "its checksum differs");
    }

    #[test]
    fn gzip_may_hold_any_encoding() {
        assert_eq!(decode(&gzip(&utf16("one", false, true)), 2), (b"one".to_vec(), Ok(())));
    }

    #[test]
    fn what_is_not_read_is_named_with_the_command_that_unpacks_it() {
        for (magic, format) in HEADS.iter().filter(|(_, format)| !matches!(format, Packed::Gzip | Packed::Xz))
        {
            let bytes = [magic, &b"0123456789"[..]].concat();
            let (out, done) = decode(&bytes, 3);
            assert_eq!((out.len(), done), (0, Err(Incomplete::Packed { format: *format })));
            let text = Incomplete::Packed { format: *format }.to_string();
            assert!(text.contains(format.command()), "{text}");
        }
    }

    #[test]
    fn short_files_are_text() {
        for text in ["", "a", "\u{feff}a", "ab\ncd"] {
            assert_eq!(decode(text.as_bytes(), 1).0, text.trim_start_matches('\u{feff}').as_bytes());
        }
    }

    proptest! {
        #[test]
        fn utf16_comes_out_as_what_it_was(text in "[ -~]{2}\\PC{0,20}", is_big: bool, mark: bool, step in 1usize..9) {
            let (out, done) = decode(&utf16(&text, is_big, mark), step);
            prop_assert_eq!((String::from_utf8(out).unwrap(), done), (text, Ok(())));
        }

        #[test]
        fn gzip_comes_out_as_what_it_was(text in "[ -~\n]{0,200}", step in 1usize..50) {
            prop_assert_eq!(decode(&gzip(text.as_bytes()), step), (text.into_bytes(), Ok(())));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), magic in 0..HEADS.len(), step in 1usize..9) {
            let _ = decode(&[HEADS[magic].0, &bytes].concat(), step);
            let _ = decode(&bytes, step);
        }
    }
}
