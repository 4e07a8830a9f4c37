//! logrus' two formats, read tolerantly: nothing here fails or panics; the worst outcome is an unparsed record.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::record::{Form, Level, MAX_LINE_BYTES, Origin, Record, cut_at};

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
    if line.starts_with('{')
        && let Some(record) = json(line)
    {
        return record;
    }
    let header = Header::of(line);
    let mut record = body_start(line)
        .and_then(|start| text(line, &line[start..]))
        .unwrap_or_else(|| plain(line, header.as_ref()));
    if let Some(header) = header {
        record.at = record.at.or(header.at);
        record.origin = header.origin;
    }
    record
}

/// Where logrus' part begins: `time=` comes first, or `level=` where the engine is configured to write no time.
fn body_start(line: &str) -> Option<usize> {
    if line.starts_with("time=") || line.starts_with("level=") {
        return Some(0);
    }
    // `time=` is tried first: the prefix of a syslog line may hold `level=`, but not logrus' quoted time.
    let after_space = |needle: &str| line.find(needle).map(|at| at + 1);
    after_space(" time=\"").or_else(|| after_space(" level="))
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
        None => Record::bare(Form::Unparsed, line),
    }
}

/// logrus' JSON format: one object, of which `level` and `msg` are required.
fn json(line: &str) -> Option<Record> {
    let serde_json::Value::Object(object) = serde_json::from_str(line).ok()? else { return None };
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

/// The prefix that a syslog daemon or `journalctl` adds to a line: `Jun 13 05:38:00 host dockerd[812]: `, or with an
/// ISO time.
struct Header {
    /// `None` for the classic form, which has no year.
    at: Option<Timestamp>,
    origin: Origin,
    end: usize,
}

impl Header {
    fn of(line: &str) -> Option<Self> {
        let mut words = Words { line, at: 0 };
        let first = words.next()?;
        let at = if first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let (day, time) = (words.next()?, words.next()?);
            let is_date =
                day.bytes().all(|b| b.is_ascii_digit()) && time.bytes().filter(|b| *b == b':').count() == 2;
            if !is_date {
                return None;
            }
            None
        } else {
            Some(first.parse::<Timestamp>().ok()?)
        };
        // A syslog prefix names the host before the program; neither host nor process id says anything about the
        // engine.
        let _host = words.next()?;
        let ident = words.next()?.strip_suffix(':')?;
        let ident = ident.split_once('[').map_or(ident, |(name, _)| name);
        let end = (words.at + 1).min(line.len());
        Some(Self { at, origin: Origin::from_ident(ident), end })
    }
}

struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let rest = &self.line[self.at..];
        let start = self.at + (rest.len() - rest.trim_start_matches(' ').len());
        let word = self.line[start..].split(' ').next().filter(|word| !word.is_empty())?;
        self.at = start + word.len();
        Some(word)
    }
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
