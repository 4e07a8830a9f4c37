//! Lines of any length, with bounded memory.

use std::io;
use std::ops::ControlFlow;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::reading::{Limits, Reading, Sink};
use crate::entry::MAX_ENTRY_BYTES;
use crate::record::Record;
use crate::scan::Incomplete;

const CHUNK_BYTES: usize = 256 * 1024;

/// Reads lines and feeds the sink with records until the end, the sink's break, or the limit. A line takes a bounded
/// amount of memory however long it is.
pub(super) async fn pour(
    input: impl AsyncRead + Unpin + Send,
    parse: fn(&[u8]) -> Option<Record>,
    limits: &Limits,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let mut line = Line::default();
    loop {
        let chunk = input.fill_buf().await?;
        if chunk.is_empty() {
            // The last line may have no line end.
            let _ = line.end(parse, reading, sink);
            return Ok(());
        }
        let length = chunk.len();
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            line.add(&rest[..end]);
            if line.end(parse, reading, sink).is_break() {
                return Ok(());
            }
            rest = &rest[end + 1..];
        }
        line.add(rest);
        input.consume(length);
        reading.bytes += length as u64;
        // Checked for each chunk and not for each line, so at most one chunk is read beyond the limit.
        if limits.max_bytes < reading.bytes {
            reading.incomplete.push(Incomplete::TooLarge { limit_bytes: limits.max_bytes });
            return Ok(());
        }
    }
}

/// A line of a text log; `None` for a blank one.
pub(super) fn text(line: &[u8]) -> Option<Record> {
    (!is_blank(line)).then(|| Record::parse_line(line))
}

/// An entry of a journal; `None` for a blank line, and for what journalctl says where it has none.
pub(super) fn entry(line: &[u8]) -> Option<Record> {
    let is_remark = line.trim_ascii() == b"-- No entries --";
    (!is_remark && !is_blank(line)).then(|| Record::parse_entry(line))
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[derive(Default)]
struct Line {
    kept: Vec<u8>,
    cut_bytes: u64,
}

impl Line {
    fn add(&mut self, part: &[u8]) {
        let room = MAX_ENTRY_BYTES.saturating_sub(self.kept.len());
        let kept = &part[..part.len().min(room)];
        self.kept.extend_from_slice(kept);
        self.cut_bytes += (part.len() - kept.len()) as u64;
    }

    fn end(
        &mut self,
        parse: fn(&[u8]) -> Option<Record>,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> ControlFlow<()> {
        let cut_bytes = std::mem::take(&mut self.cut_bytes);
        let mut flow = ControlFlow::Continue(());
        if let Some(mut record) = parse(&self.kept) {
            record.cut_bytes += cut_bytes;
            reading.records += 1;
            if let ControlFlow::Break(reason) = sink(record) {
                reading.incomplete.push(reason);
                flow = ControlFlow::Break(());
            }
        }
        self.kept.clear();
        flow
    }
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
        pour(input, text, &limits, &mut reading, &mut sink).await.unwrap();
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
