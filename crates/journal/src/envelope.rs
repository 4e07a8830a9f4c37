//! Records inside of JSON that something else made of a log: journal entries, Docker's json-file, Loki, rsyslog, and what a
//! search returns.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::entry::{self, Fields};
use crate::logfmt;
use crate::record::{Form, Level, MAX_LINE_BYTES, Origin, Record, cut_at, is_dockerd};

/// How deep an engine's line is looked for inside of objects, lists, and lines that are JSON themselves.
const MAX_DEPTH: usize = 8;

/// Names of the field that holds the line. Exact, the likeliest first: Docker's json-file and Fluentd (`log`), Loki's `logcli`
/// (`line`), rsyslog, Vector and Elastic (`message`), Splunk (`_raw`), Google (`textPayload`), GELF (`short_message`).
const LINES: &[&str] = &[
    "log",
    "line",
    "message",
    "msg",
    "Message",
    "@message",
    "_raw",
    "textPayload",
    "full_message",
    "short_message",
    "text",
    "body",
    "Body",
    "original",
];
/// Names of the field with the time.
const TIMES: &[&str] = &[
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "_time",
    "timereported",
    "timegenerated",
    "Timestamp",
    "date",
    "datetime",
    "Time",
];
/// Names of the field with the program.
const PROGRAMS: &[&str] = &[
    "SYSLOG_IDENTIFIER",
    "syslog_identifier",
    "programname",
    "app-name",
    "appname",
    "app_name",
    "program",
    "syslogtag",
    "ident",
    "identifier",
    "process",
];
/// Where an object of fields or labels has the program, or else its unit: Elastic Common Schema (`process.name`,
/// `log.syslog.appname`), Filebeat's journald input (`syslog.identifier`, `systemd.unit`), `logcli -o jsonl` (`labels`), and
/// the answer of Loki (`stream`), whose labels are those of Promtail or Alloy for a journal. No name of a container: in one
/// may run an engine.
const PROGRAM_PATHS: &[&[&str]] = &[
    &["syslog", "identifier"],
    &["log", "syslog", "appname"],
    &["process", "name"],
    &["labels", "syslog_identifier"],
    &["stream", "syslog_identifier"],
    &["systemd", "unit"],
    &["labels", "unit"],
    &["labels", "systemd_unit"],
    &["stream", "unit"],
    &["stream", "systemd_unit"],
    // The same with dots, as exporters that flatten objects write it.
    &["syslog.identifier"],
    &["process.name"],
    &["systemd.unit"],
];
const LEVELS: &[&str] = &["level", "log.level", "severity", "syslogseverity-text", "priority"];

/// The records in a JSON value, each handed to `out`; false if there is none.
pub(crate) fn records(value: &Value, out: &mut dyn FnMut(Record)) -> bool {
    read(value, 0, out)
}

fn read(value: &Value, depth: usize, out: &mut dyn FnMut(Record)) -> bool {
    if MAX_DEPTH < depth {
        return false;
    }
    match value {
        Value::Object(object) => {
            if let Some(record) = of_object(object) {
                out(record);
                return true;
            }
            // The labels of a stream say whose lines are beside them.
            let writer = program(object);
            each(object.values(), depth, &mut |record| out(named(record, writer)))
        }
        Value::Array(values) => {
            if let Some(record) = of_pair(values) {
                out(record);
                return true;
            }
            each(values.iter(), depth, out)
        }
        // A label or a host is a text too: only what has logrus' form is a line.
        Value::String(text) => {
            let record = line(text);
            let is_line = matches!(record.form, Form::Text | Form::Json);
            if is_line {
                out(record);
            }
            is_line
        }
        _ => false,
    }
}

/// Reads every value, also after one that had records.
fn each<'a>(values: impl Iterator<Item = &'a Value>, depth: usize, out: &mut dyn FnMut(Record)) -> bool {
    let mut found = false;
    for value in values {
        found |= read(value, depth + 1, out);
    }
    found
}

/// The record that an object is: an entry of the journal, logrus' own JSON, or an envelope with a line in it.
fn of_object(object: &Map<String, Value>) -> Option<Record> {
    if ["MESSAGE", "__CURSOR", "__REALTIME_TIMESTAMP"].iter().any(|key| object.contains_key(*key)) {
        return Some(entry::from_fields(&Fields::of_json(object)));
    }
    let first = |keys: &[&str]| keys.iter().find_map(|key| object.get(*key));
    let text = LINES.iter().find_map(|key| object.get(*key)?.as_str())?;
    if object.get("msg").is_some_and(Value::is_string) && object.get("level").is_some_and(Value::is_string) {
        let whole = serde_json::to_string(object).ok()?;
        let record = logfmt::of_json(&whole, object.clone())?;
        return Some(named(record, program(object)));
    }
    let mut record = line(text);
    record.at = record.at.or_else(|| first(TIMES).and_then(time));
    if record.level == Level::Unknown {
        record.level = first(LEVELS).map_or(Level::Unknown, level);
    }
    if record.form == Form::Unparsed {
        // The envelope was understood: it has a line, only no structure of logrus'.
        record.form = Form::Plain;
    }
    Some(named(record, program(object)))
}

/// The program that an object names: in a field of its own, or in an object of fields or labels.
fn program(object: &Map<String, Value>) -> Option<&Value> {
    let flat = PROGRAMS.iter().find_map(|key| object.get(*key).filter(|value| value.is_string()));
    flat.or_else(|| PROGRAM_PATHS.iter().find_map(|path| at(object, path).filter(|value| value.is_string())))
}

fn at<'a>(object: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, key| value.get(*key))
}

/// `["1795640340000000000", "line"]`, as Loki answers a query (Loki HTTP API, "Query logs"), perhaps with metadata.
fn of_pair(values: &[Value]) -> Option<Record> {
    let (Some(Value::String(nanos)), Some(Value::String(text)), 2..=3) =
        (values.first(), values.get(1), values.len())
    else {
        return None;
    };
    let is_time = 16 <= nanos.len() && nanos.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then(|| {
        let mut record = line(text);
        record.at = record.at.or_else(|| epoch(nanos.parse().ok()?));
        if record.form == Form::Unparsed {
            record.form = Form::Plain;
        }
        record
    })
}

/// A line out of an envelope, cut like any other.
pub(crate) fn line(text: &str) -> Record {
    let (kept, cut) = cut_at(text.as_bytes(), MAX_LINE_BYTES);
    let kept = String::from_utf8_lossy(kept);
    let mut record = logfmt::record(kept.trim_end_matches(['\r', '\n']));
    record.cut_bytes = cut;
    record
}

/// The writer that an envelope names, where the line itself names none.
pub(crate) fn named(mut record: Record, program: Option<&Value>) -> Record {
    if !record.by_name
        && record.origin == Origin::Engine
        && let Some(program) = program.and_then(Value::as_str)
    {
        // `syslogtag` is `dockerd[812]:`.
        let program = program.split(['[', ':']).next().unwrap_or_default().trim();
        record.origin = Origin::from_ident(program);
        record.by_name = is_dockerd(program);
    }
    record
}

/// RFC 3339, or a number since the epoch.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok().or_else(|| epoch(text.parse().ok()?)),
        Value::Number(number) => epoch(number.as_f64()?),
        _ => None,
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch: which, its size says for all times from 1973 on.
fn epoch(number: f64) -> Option<Timestamp> {
    let seconds = match number {
        n if n < 1e11 => n,
        n if n < 1e14 => n / 1e3,
        n if n < 1e17 => n / 1e6,
        n => n / 1e9,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time in microseconds, of which a double holds all to 2255"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_microsecond(micros).ok()
}

/// A level as a word, or a syslog priority as a number.
fn level(value: &Value) -> Level {
    match value {
        Value::Number(number) => {
            number.as_u64().and_then(|n| u8::try_from(n).ok()).map_or(Level::Unknown, Level::from_priority)
        }
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "err" | "error" => Level::Error,
            "crit" | "critical" | "emerg" | "alert" => Level::Fatal,
            digit if digit.len() == 1 => digit.parse().map_or(Level::Unknown, Level::from_priority),
            word => Level::from_logrus(word),
        },
        _ => Level::Unknown,
    }
}
