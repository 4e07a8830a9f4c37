//! logrus' formats, read tolerantly: nothing here fails or panics; the worst outcome is an unparsed record.

use std::borrow::Cow;

use serde_json::Map;

use crate::header::{Header, without_colours};
use crate::record::{Form, Level, MAX_LINE_BYTES, Record, cut_at};
use crate::terminal;

impl Record {
    /// Reads one line of a text log: logrus' text format, bare or after a syslog or journal prefix, or its JSON
    /// format (`dockerd --log-format json`). Never fails; see [`Form::Unparsed`].
    pub fn parse_line(line: &[u8]) -> Self {
        let (kept, cut) = cut_at(line, MAX_LINE_BYTES);
        let text = String::from_utf8_lossy(kept);
        let mut record = record(text.trim_end_matches(['\r', '\n']));
        record.cut_bytes = cut;
        record
    }
}

/// Reads one line without its line end.
pub(crate) fn record(line: &str) -> Record {
    let plain_line = without_colours(line);
    let mut record = without_escapes(&plain_line);
    if plain_line != line {
        line.clone_into(&mut record.raw);
    }
    record
}

fn without_escapes(line: &str) -> Record {
    let header = Header::of(line);
    let body = header.as_ref().map_or(line, |header| &line[header.end..]);
    let mut record = json(line, body)
        .or_else(|| body_start(line).and_then(|start| text(line, &line[start..])))
        .or_else(|| terminal::record(line, body))
        .unwrap_or_else(|| plain(line, header.as_ref()));
    if let Some(header) = header {
        record.at = record.at.or(header.at);
        record.origin = header.origin;
        record.by_name = header.by_name;
    }
    record
}

/// Where logrus' part begins: `time=` comes first, or `level=` where the engine is configured to write no time.
fn body_start(line: &str) -> Option<usize> {
    if line.starts_with("time=") || line.starts_with("level=") {
        return Some(0);
    }
    // `time=` is tried first: the prefix of a syslog line may hold `level=`, but not logrus' quoted time.
    let after_gap = |needle: &str| {
        let is_gap = |at: &usize| matches!(line.as_bytes()[at - 1], b' ' | b'\t' | b',' | b';' | b'|');
        line.match_indices(needle).map(|(at, _)| at).find(|at| 0 < *at && is_gap(at))
    };
    after_gap("time=\"").or_else(|| after_gap("level="))
}

fn text(line: &str, body: &str) -> Option<Record> {
    let mut record = Record::bare(Form::Text, line);
    let (mut level, mut message) = (None, None);
    for (key, value) in Pairs(body) {
        match key {
            // Of a repeated key the first counts: logrus writes its own `time`, `level` and `msg` before the caller's
            // fields (logrus text_formatter.go).
            "time" if record.at.is_none() => record.at = value.parse().ok(),
            "level" if level.is_none() => level = Some(Level::from_logrus(&value)),
            "msg" if message.is_none() => message = Some(value.into_owned()),
            "error" if record.error.is_none() => record.error = Some(value.into_owned()),
            _ => drop(record.fields.entry(key.to_owned()).or_insert_with(|| value.into_owned())),
        }
    }
    record.level = level?;
    record.message = message?;
    Some(record)
}

fn plain(line: &str, header: Option<&Header>) -> Record {
    match header {
        Some(header) => Record { message: line[header.end..].to_owned(), ..Record::bare(Form::Plain, line) },
        None if is_go_log(line) => Record::bare(Form::Plain, line),
        None => Record::bare(Form::Unparsed, line),
    }
}

/// `2026/06/13 05:38:00 text`: Go's own log, which net/http in the engine writes to (`http: TLS handshake error …`). The time
/// is local, so that it is not known here.
fn is_go_log(line: &str) -> bool {
    const SHAPE: &[u8] = b"0000/00/00 00:00:00 ";
    line.len() > SHAPE.len()
        && SHAPE.iter().zip(line.bytes()).all(|(shape, byte)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte == *shape,
        })
}

fn json(line: &str, body: &str) -> Option<Record> {
    if !body.starts_with('{') {
        return None;
    }
    let serde_json::Value::Object(object) = serde_json::from_str(body).ok()? else { return None };
    of_json(line, object)
}

/// logrus' JSON format: one object, of which `level` and `msg` are required.
pub(crate) fn of_json(line: &str, object: Map<String, serde_json::Value>) -> Option<Record> {
    let mut record = Record::bare(Form::Json, line);
    let (mut level, mut message) = (None, None);
    for (key, value) in object {
        let value = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        match key.as_str() {
            "time" => record.at = value.parse().ok(),
            "level" => level = Some(Level::from_logrus(&value)),
            "msg" => message = Some(value),
            "error" => record.error = Some(value),
            _ => drop(record.fields.insert(key, value)),
        }
    }
    record.level = level?;
    record.message = message?;
    Some(record)
}

/// The `key=value` pairs of a text; words without `=` are skipped.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    Pairs(text)
}

/// True iff the text begins with a key of logrus' and `=`.
pub(crate) fn starts_with_pair(text: &str) -> bool {
    let key = text.find(|c: char| !(c.is_ascii_alphanumeric() || "._-/".contains(c)));
    key.is_some_and(|end| 0 < end && text[end..].starts_with('='))
}

/// True iff the text is nothing but `key=value` pairs; not true of an empty one.
pub(crate) fn is_all_pairs(text: &str) -> bool {
    let mut rest = text.trim_end_matches(' ');
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        if !starts_with_pair(rest) {
            return false;
        }
        let at = rest.find('=').unwrap_or(rest.len());
        rest = value(rest.get(at + 1..).unwrap_or_default()).1.trim_start_matches(' ');
    }
    true
}

/// The `key=value` pairs of a line; words without `=` are skipped.
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.0 = self.0.trim_start_matches(' ');
            let end = self.0.find(['=', ' '])?;
            let (key, rest) = self.0.split_at(end);
            if let Some(rest) = rest.strip_prefix('=') {
                let (value, rest) = value(rest);
                self.0 = rest;
                return Some((key, value));
            }
            self.0 = rest;
        }
    }
}

fn value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        return (Cow::Borrowed(&text[..end]), &text[end..]);
    };
    let end = closing_quote(quoted).unwrap_or(quoted.len());
    (unescape(&quoted[..end]), quoted.get(end + 1..).unwrap_or_default())
}

/// The quote that ends a value: not escaped, and followed by a space or nothing. Engines up to 18.03 passed
/// containerd's lines on without escaping their inner quotes (docker/for-linux issue 231).
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' if matches!(bytes.get(at + 1), None | Some(b' ')) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Undoes Go's `strconv.Quote`; an unknown escape stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], &mut out);
    }
    out.extend_from_slice(rest.as_bytes());
    Cow::Owned(
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Writes the character that an escape stands for, and returns the text after it.
fn escape<'a>(rest: &'a str, out: &mut Vec<u8>) -> &'a str {
    let Some(letter) = rest.chars().next() else {
        out.push(b'\\');
        return rest;
    };
    let simple = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' | '\'' => letter as u8,
        'x' => return hex(rest, 2, out),
        'u' => return hex(rest, 4, out),
        'U' => return hex(rest, 8, out),
        _ => {
            out.push(b'\\');
            return rest;
        }
    };
    out.push(simple);
    &rest[1..]
}

fn hex<'a>(rest: &'a str, digits: usize, out: &mut Vec<u8>) -> &'a str {
    let number = rest.get(1..=digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(code) = number.and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        out.push(b'\\');
        return rest;
    };
    if digits == 2 {
        // `\x` is one byte, not one character: Go writes bytes that are not UTF-8 this way.
        out.extend(u8::try_from(code));
    } else {
        let mut buffer = [0; 4];
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
    &rest[1 + digits..]
}

#[cfg(test)]
mod tests;
