//! Payloads that journald compressed.

use std::io::Read;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use ruzstd::decoding::StreamingDecoder;

use super::layout::{Packing, u64_at};

/// So much of a payload is unpacked: a longer line of dockerd's is cut far below it.
pub(super) const MOST_UNPACKED: usize = 1024 * 1024;
/// How much memory xz may take; a file says how much it needs, and may say anything.
const XZ_MEMORY_BYTES: u64 = 80 << 20;
/// The window of zstd, which bounds its memory: journald compresses payloads of 768 MiB at most, in one frame.
const ZSTD_WINDOW_BYTES: u64 = 8 << 20;

/// A payload.
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    /// False iff it is longer than what is unpacked.
    pub(super) is_whole: bool,
}

/// Unpacks a payload; `None` if it is damaged.
pub(super) fn unpack(packing: Packing, packed: &[u8]) -> Option<Unpacked> {
    match packing {
        Packing::Plain => whole(packed),
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0).ok()?;
            whole(XzDecoder::new_stream(packed, stream))
        }
        Packing::Lz4 => lz4(packed),
        Packing::Zstd => whole(StreamingDecoder::new_with_max_window_size(packed, ZSTD_WINDOW_BYTES).ok()?),
    }
}

fn whole(input: impl Read) -> Option<Unpacked> {
    let mut bytes = Vec::new();
    input.take(MOST_UNPACKED as u64 + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = bytes.len() <= MOST_UNPACKED;
    bytes.truncate(MOST_UNPACKED);
    Some(Unpacked { bytes, is_whole })
}

/// One block, after its length.
fn lz4(packed: &[u8]) -> Option<Unpacked> {
    let (length, block) = (packed.first_chunk::<8>()?, &packed[8..]);
    let length = usize::try_from(u64_at(length, 0)).ok()?;
    if MOST_UNPACKED < length {
        return Some(Unpacked { bytes: Vec::new(), is_whole: false });
    }
    let mut bytes = vec![0; length];
    let written = lz4_flex::block::decompress_into(block, &mut bytes).ok()?;
    (written == length).then_some(Unpacked { bytes, is_whole: true })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use liblzma::write::XzEncoder;

    use super::*;

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder = XzEncoder::new(Vec::new(), 6);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Four literals, which a match repeats twice, and five literals; after their length.
    fn lz4_block(length: u64) -> Vec<u8> {
        let mut packed = length.to_le_bytes().to_vec();
        packed.extend_from_slice(b"\x44abcd\x04\x00\x50hello");
        packed
    }

    fn text(packing: Packing, packed: &[u8]) -> Option<Vec<u8>> {
        unpack(packing, packed).filter(|unpacked| unpacked.is_whole).map(|unpacked| unpacked.bytes)
    }

    #[test]
    fn what_older_versions_of_systemd_packed_is_unpacked() {
        assert_eq!(text(Packing::Lz4, &lz4_block(17)).as_deref(), Some(&b"abcdabcdabcdhello"[..]));
        assert_eq!(text(Packing::Xz, &xz(b"MESSAGE=x")).as_deref(), Some(&b"MESSAGE=x"[..]));
    }

    #[test]
    fn what_is_damaged_is_not_unpacked() {
        assert_eq!(text(Packing::Lz4, &lz4_block(18)), None);
        assert_eq!(text(Packing::Lz4, b"short"), None);
        let packed = xz(b"MESSAGE=x");
        assert_eq!(text(Packing::Xz, &packed[..packed.len() - 1]), None);
        for packing in [Packing::Xz, Packing::Zstd] {
            assert_eq!(text(packing, &[0xa5; 64]), None);
        }
    }

    #[test]
    fn no_more_than_a_bound_is_unpacked() {
        let unpacked = unpack(Packing::Xz, &xz(&vec![b'x'; MOST_UNPACKED + 1])).unwrap();
        assert_eq!((unpacked.bytes.len(), unpacked.is_whole), (MOST_UNPACKED, false));
        let unpacked = unpack(Packing::Lz4, &lz4_block(u64::MAX / 2)).unwrap();
        assert_eq!((unpacked.bytes.len(), unpacked.is_whole), (0, false));
    }
}
