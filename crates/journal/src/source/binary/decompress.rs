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
