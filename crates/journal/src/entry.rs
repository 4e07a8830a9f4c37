//! Entries of the systemd journal: `journalctl -o json`, one object a line.

use std::borrow::Cow;
use std::str::from_utf8;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::logfmt;
use crate::record::{Form, Level, MAX_LINE_BYTES, Origin, Record, cut_at, is_dockerd};

/// The longest line of `journalctl -o json` that is parsed: an array of bytes takes up to four characters a byte.
pub(crate) const MAX_ENTRY_BYTES: usize = 5 * MAX_LINE_BYTES;

/// The fields that are needed. Asking for these only keeps `journalctl` from printing some 30 more for each line.
pub(crate) const FIELDS: &str = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,CONTAINER_ID";

impl Record {
    /// Reads one line of `journalctl -o json`. `MESSAGE` may be text or an array of bytes (systemd, "Journal JSON
    /// Format"). Never fails; see [`Form::Unparsed`].
    pub fn parse_entry(line: &[u8]) -> Self {
        let (kept, cut) = cut_at(line, MAX_ENTRY_BYTES);
        if cut == 0
            && let Ok(Value::Object(object)) = serde_json::from_slice(kept)
        {
            return from_fields(&Fields::of_json(&object));
        }
        // Not an entry: `-- Boot … --` or a torn line. Its text may still hold a signature, so it is read as a plain
        // line.
        let mut record = Self::parse_line(kept);
        record.form = Form::Unparsed;
        record.cut_bytes += cut;
        record
    }
}

/// What is taken from an entry, wherever it came from.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// `None` if the entry has none, or journald left it out for its size.
    pub(crate) message: Option<Vec<u8>>,
    /// Bytes of the message that are not kept.
    pub(crate) cut_bytes: u64,
    pub(crate) priority: Option<u8>,
    pub(crate) ident: Option<Arc<str>>,
    pub(crate) command: Option<Arc<str>>,
    pub(crate) container: bool,
    pub(crate) realtime_usec: Option<i64>,
    pub(crate) cursor: Option<String>,
}

impl Fields {
    pub(crate) fn of_json(object: &Map<String, Value>) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        Self {
            message: object.get("MESSAGE").and_then(bytes),
            cut_bytes: 0,
            priority: text("PRIORITY").and_then(|text| text.parse().ok()),
            ident: text("SYSLOG_IDENTIFIER").map(Into::into),
            command: text("_COMM").map(Into::into),
            // The journald logging driver adds this field to the output of containers (moby daemon/logger/journald).
            container: object.contains_key("CONTAINER_ID"),
            realtime_usec: text("__REALTIME_TIMESTAMP").and_then(|text| text.parse().ok()),
            cursor: text("__CURSOR").map(str::to_owned),
        }
    }

    /// Takes a field of the export format, of which only the needed ones are kept.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"MESSAGE" => self.add_message(value),
            b"PRIORITY" => self.priority = text().parse().ok(),
            // Of a name that was given twice none counts, as in what journalctl prints as JSON.
            b"SYSLOG_IDENTIFIER" if self.ident.is_some() => self.ident = None,
            b"SYSLOG_IDENTIFIER" => self.ident = printable(value).map(Into::into),
            b"_COMM" if self.command.is_some() => self.command = None,
            b"_COMM" => self.command = printable(value).map(Into::into),
            b"CONTAINER_ID" => self.container = true,
            b"__REALTIME_TIMESTAMP" => self.realtime_usec = text().parse().ok(),
            // Without the time of reception, the one that the program gave (systemd.journal-fields(7)).
            b"_SOURCE_REALTIME_TIMESTAMP" => {
                self.realtime_usec = self.realtime_usec.or_else(|| text().parse().ok());
            }
            b"__CURSOR" => self.cursor = Some(text()),
            _ => {}
        }
    }

    /// Takes a message, or another line of it where the entry has several. What is too long is not kept.
    pub(crate) fn add_message(&mut self, text: &[u8]) {
        let gap: &[u8] = if self.message.is_none() { b"" } else { b"\n" };
        let message = self.message.get_or_insert_default();
        for part in [gap, text] {
            let (kept, cut) = cut_at(part, MAX_LINE_BYTES - message.len());
            message.extend_from_slice(kept);
            self.cut_bytes += cut;
        }
    }

    /// How long its texts are.
    pub(crate) fn text_bytes(&self) -> usize {
        let names = [&self.ident, &self.command].into_iter().flatten().map(|name| name.len());
        self.message.as_ref().map_or(0, Vec::len) + names.sum::<usize>()
    }

    fn origin(&self) -> Origin {
        if self.container {
            return Origin::Other;
        }
        let engine = |name: &str| Origin::from_ident(name) == Origin::Engine;
        match (self.ident.as_deref(), self.command.as_deref()) {
            // `_COMM` comes from the kernel, `SYSLOG_IDENTIFIER` is what the program says of itself
            // (systemd.journal-fields(7), trusted fields). So the command decides where it is the engine's; a wrapper
            // such as a start script changes only the identifier.
            (_, Some(command)) if engine(command) => Origin::Engine,
            (Some(ident), _) => Origin::from_ident(ident),
            (None, Some(_)) => Origin::Other,
            (None, None) => Origin::Engine,
        }
    }

    fn names_dockerd(&self) -> bool {
        [&self.ident, &self.command].into_iter().flatten().any(|name| is_dockerd(name))
    }
}

/// The text of a field's value; `None` where `journalctl -o json` gives a list of bytes (systemd `src/basic/utf8.c`
/// utf8_is_printable_newline).
pub(crate) fn printable(value: &[u8]) -> Option<&str> {
    let is_unprintable = |c: char| c.is_control() && !matches!(c, '\t' | '\n');
    from_utf8(value).ok().filter(|text| !text.contains(is_unprintable))
}

/// A value is text, an array of bytes where it is not printable UTF-8, an array of these where the field was given
/// more than once, and null where it was too large (systemd, "Journal JSON Format").
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Array(values) if !values.iter().all(Value::is_number) => {
            let lines: Option<Vec<_>> = values.iter().map(one).collect();
            Some(lines?.join(&b'\n'))
        }
        value => one(value),
    }
}

fn one(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(values) => {
            values.iter().map(|value| value.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
        }
        _ => None,
    }
}

pub(crate) fn from_fields(fields: &Fields) -> Record {
    let mut record = match &fields.message {
        Some(message) => message_record(message, fields.cut_bytes),
        None => Record::bare(Form::Unparsed, ""),
    };
    record.origin = fields.origin();
    record.by_name = record.origin == Origin::Engine && fields.names_dockerd();
    record.cursor.clone_from(&fields.cursor);
    record.at =
        record.at.or_else(|| fields.realtime_usec.and_then(|usec| Timestamp::from_microsecond(usec).ok()));
    if record.level == Level::Unknown {
        record.level = fields.priority.map_or(Level::Unknown, Level::from_priority);
    }
    record
}

fn message_record(message: &[u8], cut_before: u64) -> Record {
    let (kept, cut) = cut_at(message, MAX_LINE_BYTES);
    // Looking whether all of it is UTF-8 is much faster than looking for what is not.
    let text = from_utf8(kept).map_or_else(|_| String::from_utf8_lossy(kept), Cow::Borrowed);
    let text = text.trim_end_matches(['\r', '\n']);
    let mut record = logfmt::record(text);
    if record.form == Form::Unparsed {
        // The entry itself was understood: it has a time and a writer, only no structure of logrus'.
        record.form = Form::Plain;
    }
    record.cut_bytes = cut_before + cut;
    record
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(json: &str) -> Record {
        Record::parse_entry(json.as_bytes())
    }

    #[test]
    fn reads_text_and_keeps_the_cursor() {
        let record = parse(
            r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1781329080123456","PRIORITY":"6","SYSLOG_IDENTIFIER":"dockerd","MESSAGE":"level=error msg=\"task allocation failure\" error=\"a \\\"b\\\"\""}"#,
        );
        assert_eq!(record.cursor.as_deref(), Some("s=1;i=2"));
        assert_eq!(record.at.unwrap().as_microsecond(), 1_781_329_080_123_456);
        assert_eq!(
            (record.level, record.origin),
            (Level::Error, Origin::Engine),
            "logrus' level, not the journal's"
        );
        assert_eq!(record.error.as_deref(), Some("a \"b\""));
        assert_eq!(record.raw, r#"level=error msg="task allocation failure" error="a \"b\"""#);
    }

    #[test]
    fn a_message_may_be_bytes_or_several_lines() {
        assert_eq!(parse(r#"{"MESSAGE":[104,105,255]}"#).message, "hi\u{fffd}");
        assert_eq!(parse(r#"{"MESSAGE":["one",[116,119,111]]}"#).message, "one\ntwo");
    }

    #[test]
    fn the_engines_own_time_goes_before_the_journals() {
        let record = parse(
            r#"{"__REALTIME_TIMESTAMP":"1781329080123456","MESSAGE":"time=\"2026-01-01T00:00:00Z\" level=info msg=x"}"#,
        );
        assert_eq!(record.at, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn containers_and_other_programs_are_not_the_engine() {
        for (fields, origin) in [
            (r#""SYSLOG_IDENTIFIER":"dockerd","CONTAINER_ID":"3f4e5d6c7b8a""#, Origin::Other),
            (r#""SYSLOG_IDENTIFIER":"mount""#, Origin::Other),
            (r#""SYSLOG_IDENTIFIER":"start-docker","_COMM":"dockerd""#, Origin::Engine),
            (r#""SYSLOG_IDENTIFIER":"systemd","_COMM":"systemd""#, Origin::Systemd),
            (r#""PRIORITY":"3""#, Origin::Engine),
        ] {
            assert_eq!(parse(&format!(r#"{{"MESSAGE":"x",{fields}}}"#)).origin, origin, "{fields}");
        }
    }

    #[test]
    fn an_entry_without_a_message_keeps_its_time() {
        let record = parse(r#"{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":null,"PRIORITY":"3"}"#);
        assert_eq!((record.form, record.level), (Form::Unparsed, Level::Error));
        assert_eq!(record.at.unwrap().as_second(), 1);
    }

    #[test]
    fn what_is_no_entry_is_kept_whole() {
        for line in ["-- Boot 1 --", "{", "[]", "{\"MESSAGE\":", "17"] {
            let record = parse(line);
            assert_eq!((record.form, record.raw.as_str()), (Form::Unparsed, line));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let record = Record::parse_entry(&bytes);
            prop_assert!(record.cursor.is_none());
        }

        #[test]
        fn arbitrary_messages_come_through(message in any::<String>(), as_bytes in any::<bool>()) {
            let value = if as_bytes { serde_json::json!(message.as_bytes()) } else { serde_json::json!(message) };
            let record = parse(&serde_json::json!({ "MESSAGE": value }).to_string());
            prop_assert_eq!(record.raw.as_str(), message.trim_end_matches(['\r', '\n']));
        }
    }
}
