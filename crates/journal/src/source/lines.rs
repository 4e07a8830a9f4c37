//! Records of any length out of a stream of bytes, with bounded memory.

use std::io;
use std::ops::ControlFlow;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::decode::{Decoder, STEP_BYTES};
use super::frames::Frames;
use super::reading::{Limits, Reading, Sink};
use crate::incomplete::Incomplete;
use crate::record::Record;

const CHUNK_BYTES: usize = 256 * 1024;
/// So much may be unpacked before the deadline is looked at again.
const TURN_BYTES: u64 = 64 * 1024 * 1024;

/// Reads records and feeds the sink with them until the end, the sink's break, or the limit. A line takes a bounded
/// amount of memory however long it is.
pub(super) async fn pour(
    input: impl AsyncRead + Unpin + Send,
    mut decoder: Decoder,
    limits: &Limits,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let (mut frames, mut text) = (Frames::default(), Vec::new());
    let (mut unpacked, mut turn) = (0, 0);
    loop {
        let chunk = input.fill_buf().await?;
        let length = chunk.len();
        if length == 0 {
            finish(decoder, frames, reading, sink);
            return Ok(());
        }
        for step in chunk.chunks(STEP_BYTES) {
            let done = decoder.push(step, &mut text);
            unpacked += text.len() as u64;
            turn += text.len() as u64;
            let flow = feed(&mut frames, &mut text, reading, sink);
            if let Err(reason) = done {
                // What was read before the fault is kept; a line that it cut in two is no record.
                reading.incomplete.push(reason);
                return Ok(());
            }
            if flow.is_break() {
                return Ok(());
            }
            if TURN_BYTES < turn {
                turn = 0;
                tokio::task::yield_now().await;
            }
            // Compressed data counts as what it unpacks to, which may be thousands of times as much.
            if limits.max_bytes < unpacked {
                reading.incomplete.push(Incomplete::TooLarge { limit_bytes: limits.max_bytes });
                return Ok(());
            }
        }
        input.consume(length);
        reading.bytes += length as u64;
        // Checked for each chunk and not for each line, so at most one chunk is read beyond the limit.
        if limits.max_bytes < reading.bytes {
            reading.incomplete.push(Incomplete::TooLarge { limit_bytes: limits.max_bytes });
            return Ok(());
        }
    }
}

/// The records of a whole file that is in memory, in any format that [`Source::File`](crate::Source::File) takes, and what of
/// it was not read. Pure; never fails.
pub fn parse_file(bytes: &[u8]) -> (Vec<Record>, Option<Incomplete>) {
    let (mut decoder, mut frames) = (Decoder::sniffing(), Frames::default());
    let (mut records, mut text) = (Vec::new(), Vec::new());
    for step in bytes.chunks(STEP_BYTES) {
        let done = decoder.push(step, &mut text);
        frames.push(&text, &mut |record| records.push(record));
        text.clear();
        if let Err(reason) = done {
            return (records, Some(reason));
        }
    }
    let done = decoder.end(&mut text);
    frames.push(&text, &mut |record| records.push(record));
    // A line that a fault cut in two is no record.
    if done.is_ok() {
        frames.end(&mut |record| records.push(record));
    }
    (records, done.err())
}

/// The last line may have no line end.
fn finish(mut decoder: Decoder, mut frames: Frames, reading: &mut Reading, sink: &mut Sink<'_>) {
    let mut text = Vec::new();
    let done = decoder.end(&mut text);
    let is_whole = done.is_ok();
    reading.incomplete.extend(done.err());
    if feed(&mut frames, &mut text, reading, sink).is_continue() && is_whole {
        let mut records = Vec::new();
        frames.end(&mut |record| records.push(record));
        let _ = give(records, reading, sink);
    }
}

/// Hands over the records that the text completes, and empties it.
fn feed(
    frames: &mut Frames,
    text: &mut Vec<u8>,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    frames.push(text, &mut |record| {
        if flow.is_continue() {
            flow = give([record], reading, sink);
        }
    });
    text.clear();
    flow
}

fn give(
    records: impl IntoIterator<Item = Record>,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> ControlFlow<()> {
    for record in records {
        reading.records += 1;
        if let ControlFlow::Break(reason) = sink(record) {
            reading.incomplete.push(reason);
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], limits: Limits) -> (Vec<Record>, Reading) {
        let (mut records, mut reading) = (Vec::new(), Reading::default());
        let mut sink = |record| {
            records.push(record);
            ControlFlow::Continue(())
        };
        pour(input, Decoder::sniffing(), &limits, &mut reading, &mut sink).await.unwrap();
        (records, reading)
    }

    #[tokio::test]
    async fn every_line_comes_out_once_and_blank_ones_do_not() {
        let (records, reading) = read(b"one\n\r\n\ntwo\r\nthree", Limits::default()).await;
        let raws: Vec<_> = records.iter().map(|record| record.raw.as_str()).collect();
        assert_eq!(raws, ["one", "two", "three"]);
        assert_eq!((reading.records, reading.bytes), (3, 17));
    }

    #[tokio::test]
    async fn a_line_longer_than_any_buffer_is_cut_and_the_next_one_is_whole() {
        let mut input = vec![b'x'; 3 * CHUNK_BYTES];
        input.extend_from_slice(b"\nnext\n");
        let (records, _) = read(&input, Limits::default()).await;
        assert_eq!(records[0].cut_bytes + records[0].raw.len() as u64, 3 * CHUNK_BYTES as u64);
        assert_eq!(records[1].raw, "next");
    }

    #[tokio::test]
    async fn more_than_the_limit_is_not_read() {
        let input = b"0123456789\n".repeat(CHUNK_BYTES);
        let limits = Limits { max_bytes: 1000, ..Limits::default() };
        let (records, reading) = read(&input, limits).await;
        assert_eq!(reading.incomplete, [Incomplete::TooLarge { limit_bytes: 1000 }]);
        assert!(records.len() < CHUNK_BYTES / 5);
    }
}
