//! logrus' formats, read tolerantly: nothing here fails or panics; the worst outcome is an unparsed record.

use serde_json::Map;

use crate::header::{Header, without_colours};
use crate::pairs::pairs;
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
    // Most lines begin with logrus' part, before which nothing stands.
    let header = if is_logrus(line) { None } else { Header::of(line) };
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

fn is_logrus(line: &str) -> bool {
    line.starts_with("time=") || line.starts_with("level=")
}

/// Where logrus' part begins: `time=` comes first, or `level=` where the engine is configured to write no time.
fn body_start(line: &str) -> Option<usize> {
    if is_logrus(line) {
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
    let mut record = Record::bare(Form::Text, "");
    line.clone_into(&mut record.raw);
    let (mut level, mut message) = (None, None);
    for (key, value) in pairs(body) {
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

#[cfg(test)]
mod tests;
