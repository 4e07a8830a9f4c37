//! Lines of a log in any known format, one after the other.

use serde_json::Value;

use crate::entry;
use crate::entry::Fields;
use crate::envelope;
use crate::record::{Form, MAX_LINE_BYTES, Record};
use crate::table::{self, Columns};

/// The longest JSON document that is parsed, in bytes: Loki answers with 5,000 lines at most unless it is configured
/// otherwise (`max_entries_limit_per_query`).
pub(crate) const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// At most so much may be in it, where a comma is one and an object or list is four: a value takes 72 bytes and an object some
/// 200, so that a document takes less than 80 MB. 5,000 lines of Loki's are 15,000.
const MAX_DOCUMENT_PARTS: usize = 1_000_000;
/// Docker cuts the output of a container into pieces of this length (moby `daemon/logger/copier.go` defaultBufSize).
const PIECE_BYTES: usize = 16 * 1024;

/// Where records go.
pub(crate) type Out<'a> = dyn FnMut(Record) + 'a;

/// Reads the lines of one file. The format is recognised line by line; what belongs to several lines is kept until it is
/// whole.
#[derive(Default)]
pub(crate) struct Reader {
    is_begun: bool,
    /// Columns, where the first line named them.
    columns: Option<Columns>,
    /// A JSON document that is not closed yet.
    document: Option<Document>,
    /// Pieces of a line that Docker's json-file driver cut.
    pieces: String,
    /// An entry of `journalctl -o verbose`.
    verbose: Option<Fields>,
}

impl Reader {
    /// Takes a line without its end; `cut` bytes of it are missing.
    pub(crate) fn line(&mut self, line: &[u8], cut: u64, out: &mut Out<'_>) {
        let mut cutting = |mut record: Record| {
            record.cut_bytes += cut;
            out(record);
        };
        if let Some(document) = &mut self.document {
            // A new object at the beginning of a line: what was open is a torn line and no document.
            if line.first() != Some(&b'{') {
                if !document.add(line) {
                    return;
                }
                return self.close(&mut cutting);
            }
            self.close(&mut cutting);
        }
        self.start(line, cut, &mut cutting);
    }

    /// What is left when there are no more lines.
    pub(crate) fn end(&mut self, out: &mut Out<'_>) {
        self.close(out);
        self.flush_verbose(out);
        if !self.pieces.is_empty() {
            let pieces = std::mem::take(&mut self.pieces);
            out(envelope::line(&pieces));
        }
    }

    fn start(&mut self, line: &[u8], cut: u64, out: &mut Out<'_>) {
        if self.is_of_verbose(line, out) {
            return;
        }
        // `journalctl -o json-seq` begins each entry with a record separator (RFC 7464), `-o json-sse` with `data: `.
        let line = line.trim_ascii_end();
        let line = line.strip_prefix(b"\x1e").or_else(|| line.strip_prefix(b"data: ")).unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) || is_remark(line) {
            return;
        }
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if begins_document(line) && cut == 0 {
            match parse(line) {
                Parsed::Value(value) => return self.value(&value, line, out),
                Parsed::Open => {
                    let mut document = Document::default();
                    document.add(line);
                    self.document = Some(document);
                    return;
                }
                Parsed::Not => {}
            }
        }
        self.text(line, is_first, out);
    }

    fn text(&mut self, line: &[u8], is_first: bool, out: &mut Out<'_>) {
        let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES)]);
        if is_first {
            self.columns = Columns::of(&text);
            if self.columns.is_some() {
                return;
            }
        }
        let row = self.columns.as_ref().and_then(|columns| columns.record(&text));
        match row.or_else(|| table::record(&text)) {
            Some(mut record) => {
                record.cut_bytes += (line.len() - line.len().min(MAX_LINE_BYTES)) as u64;
                out(record);
            }
            None => out(Record::parse_line(line)),
        }
    }

    fn value(&mut self, value: &Value, line: &[u8], out: &mut Out<'_>) {
        if let Some(piece) = piece(value) {
            if self.pieces.len() + piece.len() <= MAX_LINE_BYTES + PIECE_BYTES {
                self.pieces.push_str(piece);
            }
            return;
        }
        let before = std::mem::take(&mut self.pieces);
        let joined = if before.is_empty() { None } else { joined(value, &before) };
        if !in_order(joined.as_ref().unwrap_or(value), out) {
            out(unknown(line));
        }
    }

    /// Ends the document that is open, if one is.
    fn close(&mut self, out: &mut Out<'_>) {
        let Some(document) = self.document.take() else { return };
        if let Parsed::Value(value) = parse(&document.text) {
            if !in_order(&value, out) {
                out(unknown(&document.text));
            }
            return;
        }
        // No document after all: its lines may be records all the same.
        for line in document.text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            out(Record::parse_line(line));
        }
        if document.left_out {
            out(unknown(b"(a JSON document that is too long)"));
        }
    }

    /// `journalctl -o verbose`: a line with the time and the cursor in brackets, then the fields, indented by four.
    fn is_of_verbose(&mut self, line: &[u8], out: &mut Out<'_>) -> bool {
        let is_head = line.ends_with(b"]") && line.windows(4).any(|part| part == b" [s=");
        if is_head {
            self.flush_verbose(out);
            self.verbose = Some(Fields::default());
            return true;
        }
        let Some(fields) = &mut self.verbose else { return false };
        let field = line.strip_prefix(b"    ").filter(|field| !field.starts_with(b" "));
        let Some(at) = field.and_then(|field| field.iter().position(|byte| *byte == b'=')) else {
            // A message of several lines goes on, indented by more.
            return line.starts_with(b"     ");
        };
        let field = &line[4..];
        fields.set(&field[..at], &field[at + 1..]);
        true
    }

    fn flush_verbose(&mut self, out: &mut Out<'_>) {
        if let Some(fields) = self.verbose.take() {
            out(entry::from_fields(&fields));
        }
    }
}

/// The records in a JSON value, the oldest first; false if there is none. Loki answers with the newest first, each stream by
/// itself.
fn in_order(value: &Value, out: &mut Out<'_>) -> bool {
    let mut records = Vec::new();
    let is_known = envelope::records(value, &mut |record| records.push(record));
    records.sort_by_key(|record| record.at);
    records.into_iter().for_each(out);
    is_known
}

/// JSON that is known to be an object or list, and of no known use.
fn unknown(text: &[u8]) -> Record {
    Record { form: Form::Unparsed, ..Record::parse_line(text) }
}

/// What journalctl says between entries.
fn is_remark(line: &[u8]) -> bool {
    line.starts_with(b"-- ") && (line.ends_with(b" --") || line.ends_with(b"."))
}

/// True iff a JSON object or list begins. `[  123.4] host` does not, nor does a list of anything but objects, lists and texts.
fn begins_document(line: &[u8]) -> bool {
    match line.trim_ascii_start() {
        [b'{', ..] | [b'['] => true,
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'[' | b'"', ..]),
        _ => false,
    }
}

enum Parsed {
    Value(Value),
    /// It ends in the middle.
    Open,
    Not,
}

fn parse(text: &[u8]) -> Parsed {
    let parts = text.iter().map(|byte| match byte {
        b',' => 1,
        b'{' | b'[' => 4,
        _ => 0,
    });
    if MAX_DOCUMENT_PARTS < parts.sum() {
        return Parsed::Not;
    }
    match serde_json::from_slice(text) {
        Ok(value) => Parsed::Value(value),
        Err(error) if error.is_eof() => Parsed::Open,
        Err(_) => Parsed::Not,
    }
}

/// The piece of a line that Docker's json-file driver cut; `None` for its last piece and for whole lines.
fn piece(value: &Value) -> Option<&str> {
    let log = value.get("log")?.as_str()?;
    let is_cut = value.get("stream").is_some() && !log.ends_with('\n') && PIECE_BYTES <= log.len();
    is_cut.then_some(log)
}

/// The last piece with those before it.
fn joined(value: &Value, before: &str) -> Option<Value> {
    let mut value = value.clone();
    let log = value.get_mut("log")?;
    *log = Value::String(format!("{before}{}", log.as_str()?));
    Some(value)
}

/// A JSON document over several lines.
#[derive(Default)]
struct Document {
    text: Vec<u8>,
    depth: i64,
    in_string: bool,
    is_escaped: bool,
    left_out: bool,
}

impl Document {
    /// Adds a line; true iff the document is closed then, or too long.
    fn add(&mut self, line: &[u8]) -> bool {
        if MAX_DOCUMENT_BYTES < self.text.len() + line.len() {
            self.left_out = true;
            return true;
        }
        for byte in line {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth -= 1,
                _ => {}
            }
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.depth <= 0
    }
}

#[cfg(test)]
mod tests;
