//! Where one line or entry ends and the next begins.

use crate::entry::{self, Fields, MAX_ENTRY_BYTES};
use crate::reader::{MAX_DOCUMENT_BYTES, Out, Reader};

/// Splits text into lines, and systemd's export format into entries.
#[derive(Default)]
pub(super) struct Frames {
    reader: Reader,
    line: Line,
    export: Option<Export>,
    is_begun: bool,
}

impl Frames {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(Export { value: Some(value), .. }) = &mut self.export {
                rest = value.take(rest);
                self.close_value();
                continue;
            }
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.line.add(rest);
                return;
            };
            self.line.add(&rest[..end]);
            self.end_line(out);
            rest = &rest[end + 1..];
        }
    }

    /// What is left when there are no more bytes.
    pub(super) fn end(&mut self, out: &mut Out<'_>) {
        self.end_line(out);
        if let Some(export) = &mut self.export {
            export.entry(out);
        }
        self.reader.end(out);
    }

    fn end_line(&mut self, out: &mut Out<'_>) {
        let Line { kept, cut_bytes } = std::mem::take(&mut self.line);
        let is_blank = kept.trim_ascii().is_empty();
        // The export format begins with a field that every entry has (systemd, "Journal Export Format").
        if !self.is_begun && !is_blank {
            self.is_begun = true;
            let is_export =
                [&b"__CURSOR="[..], b"__REALTIME_TIMESTAMP="].iter().any(|key| kept.starts_with(key));
            self.export = is_export.then(Export::default);
        }
        match &mut self.export {
            Some(export) => export.line(&kept, out),
            None if is_blank && cut_bytes == 0 => {}
            None => self.reader.line(&kept, cut_bytes, out),
        }
        // The buffer is used again, unless one line made it large.
        if kept.capacity() <= MAX_ENTRY_BYTES {
            self.line.kept = kept;
            self.line.kept.clear();
        }
    }

    fn close_value(&mut self) {
        let Some(export) = &mut self.export else { return };
        if export.value.as_ref().is_some_and(Value::is_whole)
            && let Some(value) = export.value.take()
        {
            export.set(&value.name, &value.kept);
        }
    }
}

#[derive(Default)]
struct Line {
    kept: Vec<u8>,
    cut_bytes: u64,
}

impl Line {
    fn add(&mut self, part: &[u8]) {
        // A JSON document may be in one line.
        let first = self.kept.first().or(part.first());
        let most = if matches!(first, Some(b'{' | b'[')) { MAX_DOCUMENT_BYTES } else { MAX_ENTRY_BYTES };
        let free = most.saturating_sub(self.kept.len());
        let kept = &part[..part.len().min(free)];
        self.kept.extend_from_slice(kept);
        self.cut_bytes += (part.len() - kept.len()) as u64;
    }
}

/// An entry of the export format that is being read.
#[derive(Default)]
struct Export {
    fields: Fields,
    is_empty: bool,
    /// A value that is not text: its length, then its bytes.
    value: Option<Value>,
}

impl Export {
    fn line(&mut self, line: &[u8], out: &mut Out<'_>) {
        if line.is_empty() {
            self.entry(out);
        } else if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            self.set(&line[..at], &line[at + 1..]);
        } else {
            self.value = Some(Value { name: line.to_vec(), ..Value::default() });
        }
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.is_empty = false;
        self.fields.set(name, value);
    }

    fn entry(&mut self, out: &mut Out<'_>) {
        let fields = std::mem::take(&mut self.fields);
        if !std::mem::replace(&mut self.is_empty, true) {
            out(entry::from_fields(&fields));
        }
    }
}

/// A value in binary: eight bytes with its length, the lowest first, the value, and a line end.
#[derive(Default)]
struct Value {
    name: Vec<u8>,
    length: Vec<u8>,
    read: u64,
    kept: Vec<u8>,
}

impl Value {
    /// Takes what belongs to the value, and returns what does not.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (length, rest) = bytes.split_at(bytes.len().min(8 - self.length.len()));
        self.length.extend_from_slice(length);
        let Some(all) = self.all() else { return rest };
        let missing = usize::try_from(all - self.read).unwrap_or(usize::MAX);
        let (value, rest) = rest.split_at(rest.len().min(missing));
        self.read += value.len() as u64;
        let free = MAX_ENTRY_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&value[..value.len().min(free)]);
        rest
    }

    /// How long it is with its line end.
    fn all(&self) -> Option<u64> {
        let length: [u8; 8] = self.length[..].try_into().ok()?;
        Some(u64::from_le_bytes(length).saturating_add(1))
    }

    fn is_whole(&self) -> bool {
        self.all() == Some(self.read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Record;

    fn read(bytes: &[u8], step: usize) -> Vec<Record> {
        let (mut frames, mut records) = (Frames::default(), Vec::new());
        for part in bytes.chunks(step) {
            frames.push(part, &mut |record| records.push(record));
        }
        frames.end(&mut |record| records.push(record));
        records
    }

    #[test]
    fn an_export_has_text_and_binary_values() {
        let message = b"level=info msg=\"one\ntwo\"";
        let mut export =
            b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795640340000000\nSYSLOG_IDENTIFIER=dockerd\nMESSAGE\n"
                .to_vec();
        export.extend_from_slice(&(message.len() as u64).to_le_bytes());
        export.extend_from_slice(message);
        export.extend_from_slice(
            b"\nPRIORITY=6\n\n\n__REALTIME_TIMESTAMP=1795640341000000\nMESSAGE=Starting up",
        );
        for step in [1, 7, 1000] {
            let records = read(&export, step);
            let messages: Vec<_> = records.iter().map(|record| record.message.as_str()).collect();
            assert_eq!(messages, ["one\ntwo", "Starting up"], "{step}");
            assert!(records[0].by_name && records[0].at < records[1].at);
        }
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        let mut export = b"__CURSOR=s=1\nMESSAGE\n".to_vec();
        export.extend_from_slice(&u64::MAX.to_le_bytes());
        export.extend_from_slice(&b"x".repeat(100));
        assert_eq!(read(&export, 9).len(), 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_steps_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in proptest::option::of(Just(b"__CURSOR=a\n")), step in 1usize..20) {
            let bytes = [head.map_or(&b""[..], |head| &head[..]), &bytes].concat();
            prop_assert_eq!(read(&bytes, step), read(&bytes, 1000));
        }
    }
}
