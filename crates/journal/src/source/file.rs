//! Logs in text files, and their marks.

use std::fs::Metadata;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::decode::Decoder;
use super::error::SourceError;
use super::lines;
use super::mark::{Mark, hash};
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::incomplete::Incomplete;
use crate::record::MAX_LINE_BYTES;

/// How much of a file's end a mark remembers.
const TAIL_BYTES: usize = 256;

pub(super) async fn read(
    path: &Path,
    from: &ReadFrom,
    limits: &Limits,
    reading: &mut Reading,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let failed = |error| SourceError::of_file(path, error);
    let (mut file, metadata) = open(path).await?;
    let mut start = 0;
    if let ReadFrom::Mark(mark) = from {
        let Mark::Offset { offset_bytes, .. } = mark else {
            return Err(SourceError::WrongMark { source_name: reading.source.clone() });
        };
        match moved(&mut file, &metadata, mark).await.map_err(failed)? {
            Some(reason) => reading.incomplete.push(reason),
            None => start = *offset_bytes,
        }
    }
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    // What the engine writes from now on belongs to the next reading.
    let input = file.take(metadata.len().saturating_sub(start));
    // From the middle on there is neither a byte order mark nor the head of a compressed file to go by.
    let decoder = if start == 0 { Decoder::sniffing() } else { Decoder::plain() };
    let reasons = reading.incomplete.len();
    lines::pour(input, decoder, limits, reading, sink).await.map_err(failed)?;
    // `copytruncate` empties a file under its reader, for whom it then ends early.
    let end = start + reading.bytes;
    if reading.incomplete.len() == reasons && end < metadata.len() {
        reading.incomplete.push(Incomplete::Truncated { mark_bytes: metadata.len(), size_bytes: end });
    }
    Ok(())
}

pub(super) async fn mark(path: &Path) -> Result<Mark, SourceError> {
    let failed = |error| SourceError::of_file(path, error);
    let (mut file, metadata) = open(path).await?;
    let size = metadata.len();
    let first = size.saturating_sub((MAX_LINE_BYTES + TAIL_BYTES) as u64);
    let end = range(&mut file, first, size).await.map_err(failed)?;
    // A line that is still being written is new. One longer than the buffer is cut in two: memory stays bounded.
    let whole = end.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let kept = whole.unwrap_or(if first == 0 { 0 } else { end.len() });
    let tail = &end[..kept];
    let tail = &tail[tail.len().saturating_sub(TAIL_BYTES)..];
    Ok(Mark::Offset {
        offset_bytes: first + kept as u64,
        inode: metadata.ino(),
        device: metadata.dev(),
        tail_bytes: tail.len() as u64,
        tail_hash: hash(tail),
    })
}

/// Why the mark no longer points to the same place; `None` if it does.
async fn moved(file: &mut File, metadata: &Metadata, mark: &Mark) -> io::Result<Option<Incomplete>> {
    let Mark::Offset { offset_bytes, inode, device, tail_bytes, tail_hash } = mark else { return Ok(None) };
    // Log rotation by renaming (logrotate's default) gives the path another inode; `copytruncate` keeps it and
    // empties the file, which the hash of the tail shows.
    if (metadata.ino(), metadata.dev()) != (*inode, *device) {
        return Ok(Some(Incomplete::Rotated));
    }
    let cut = Incomplete::Truncated { mark_bytes: *offset_bytes, size_bytes: metadata.len() };
    // From a file that is shorter now fewer bytes are read, so the hash differs too. A mark may have been stored by
    // another process, so the length that it claims must not decide how much memory is used.
    let tail_bytes = (*tail_bytes).min(TAIL_BYTES as u64);
    let tail = range(file, offset_bytes.saturating_sub(tail_bytes), *offset_bytes).await?;
    Ok((hash(&tail) != *tail_hash).then_some(cut))
}

async fn range(file: &mut File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from)).await?;
    let mut bytes = Vec::new();
    file.take(to.saturating_sub(from)).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn open(path: &Path) -> Result<(File, Metadata), SourceError> {
    let failed = |error| SourceError::of_file(path, error);
    // Checked before opening: opening a pipe blocks until a writer opens it (fifo(7)).
    let kind = tokio::fs::metadata(path).await.map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(SourceError::IsDirectory { path: path.to_owned() });
    }
    if !kind.is_file() {
        return Err(SourceError::NotRegular { path: path.to_owned() });
    }
    let file = File::open(path).await.map_err(failed)?;
    let metadata = file.metadata().await.map_err(failed)?;
    Ok((file, metadata))
}
