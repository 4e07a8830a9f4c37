//! The xz format, step by step.

use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};

use crate::incomplete::{Incomplete, Packed};

/// How much memory unpacking may take: what `xz -9` made needs 65 MiB (xz(1)). A file says how much it needs, and may say
/// anything.
const MEMORY_BYTES: u64 = 80 << 20;
/// So much is unpacked at once.
const PART_BYTES: usize = 64 * 1024;

/// Unpacks the streams of an xz file.
pub(super) struct Xz {
    stream: Stream,
    part: Vec<u8>,
}

impl Xz {
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn new() -> Result<Self, Incomplete> {
        let stream = Stream::new_stream_decoder(MEMORY_BYTES, CONCATENATED).map_err(broken)?;
        Ok(Self { stream, part: vec![0; PART_BYTES] })
    }

    /// Adds what the bytes unpack to.
    ///
    /// # Errors
    /// If the data is broken, or needs more memory than is allowed; `out` has what came before.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Incomplete> {
        self.run(bytes, Action::Run, out).map_err(broken)?;
        Ok(())
    }

    /// The file is at its end.
    ///
    /// # Errors
    /// As [`push`](Self::push), and if a stream is not at its end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Incomplete> {
        match self.run(&[], Action::Finish, out).map_err(broken)? {
            Status::StreamEnd => Ok(()),
            Status::Ok | Status::GetCheck | Status::MemNeeded => {
                Err(Incomplete::EndsEarly { format: Packed::Xz })
            }
        }
    }

    fn run(&mut self, mut bytes: &[u8], action: Action, out: &mut Vec<u8>) -> Result<Status, Error> {
        loop {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let done = self.stream.process(bytes, &mut self.part, action);
            let read = usize::try_from(self.stream.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.stream.total_out() - written).unwrap_or(usize::MAX);
            bytes = bytes.get(read..).unwrap_or_default();
            // Also what came before a fault.
            out.extend_from_slice(self.part.get(..written).unwrap_or_default());
            let status = done?;
            // Without a full part there is nothing more to come out of what is in.
            let is_idle = bytes.is_empty() && written < self.part.len();
            if status == Status::StreamEnd || is_idle || (read == 0 && written == 0) {
                return Ok(status);
            }
        }
    }
}

fn broken(error: Error) -> Incomplete {
    match error {
        // The program `xz` has neither limit.
        Error::MemLimit | Error::Options => Incomplete::Packed { format: Packed::Xz },
        error => Incomplete::Failed { error: format!("broken xz data: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use liblzma::write::XzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = XzEncoder::new(Vec::new(), 6);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: &[u8], step: usize) -> (Vec<u8>, Result<(), Incomplete>) {
        let (mut xz, mut out) = (Xz::new().unwrap(), Vec::new());
        for part in bytes.chunks(step) {
            if let Err(reason) = xz.push(part, &mut out) {
                return (out, Err(reason));
            }
        }
        let done = xz.end(&mut out);
        (out, done)
    }

    #[test]
    fn several_streams_are_one_file_and_a_cut_one_is_not_whole() {
        let two = [pack(b"one\n"), pack(b"two\n")].concat();
        assert_eq!(unpack(&two, 3), (b"one\ntwo\n".to_vec(), Ok(())));
        for cut in [two.len() - 1, two.len() - 20, 20] {
            assert_eq!(unpack(&two[..cut], 5).1, Err(Incomplete::EndsEarly { format: Packed::Xz }), "{cut}");
        }
    }

    #[test]
    fn broken_data_costs_nothing_of_what_came_before() {
        let mut broken = [pack(b"one\n"), pack(&b"0123456789".repeat(9))].concat();
        let at = broken.len() - 40;
        broken[at] ^= 0xff;
        let (out, done) = unpack(&broken, 1);
        assert!(out.starts_with(b"one\n"));
        assert!(
            matches!(&done, Err(Incomplete::Failed { error }) if error.starts_with("broken xz")),
            "{done:?}"
        );
    }

    #[test]
    fn what_needs_more_memory_says_how_to_unpack_it() {
        let mut packed = pack(b"one\n");
        // The block's header: its length, flags, filter LZMA2, one byte of properties, of which 40 is 4 GiB (The .xz File
        // Format, 3.1 and 5.3.1), and its checksum.
        assert_eq!(packed[12..16], [2, 0, 0x21, 1]);
        packed[16] = 40;
        let mut sum = flate2::Crc::new();
        sum.update(&packed[12..20]);
        packed[20..24].copy_from_slice(&sum.sum().to_le_bytes());
        let (out, done) = unpack(&packed, 7);
        assert_eq!((out.len(), done), (0, Err(Incomplete::Packed { format: Packed::Xz })));
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..60) {
            prop_assert_eq!(unpack(&pack(&bytes), step), (bytes, Ok(())));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), step in 1usize..9) {
            let _ = unpack(&[&b"\xfd7zXZ\0"[..], &bytes].concat(), step);
            let _ = unpack(&bytes, step);
        }
    }
}
