//! One line of the engine's log.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::redact::{self, redact};

/// The longest line that is parsed, in bytes; the rest of a longer one is cut and counted in [`Record::cut_bytes`].
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// One line of the engine's log.
///
/// Every line becomes a record. One that could not be parsed is [`Form::Unparsed`], with the whole line as its
/// message. `Debug` and `Serialize` redact secrets; the fields themselves are
/// verbatim.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// The engine's own time where it wrote one, else the journal's; `None` if the line has neither.
    pub at: Option<Timestamp>,
    /// The engine's level, or the journal's priority for a line without one.
    pub level: Level,
    /// logrus' `msg`, unescaped. The whole line where the line has no structure.
    #[serde(serialize_with = "redact::text")]
    pub message: String,
    /// logrus' `error` field, unescaped: what actually went wrong, while `message` says during what.
    #[serde(serialize_with = "redact::option")]
    pub error: Option<String>,
    /// All other fields (`module`, `node.id`, `service.id`, …), unescaped.
    #[serde(serialize_with = "redact::map")]
    pub fields: BTreeMap<String, String>,
    /// The journal's cursor, where the record has it: journalctl prints one with each.
    pub cursor: Option<String>,
    /// Its writer.
    pub origin: Origin,
    /// True iff the log names dockerd as the writer: in a syslog prefix, or in the fields of a journal's entry. False for a
    /// line that names none, whose origin is the engine by assumption.
    #[serde(default)]
    pub by_name: bool,
    /// How it could be read.
    pub form: Form,
    /// Bytes of the line beyond [`MAX_LINE_BYTES`], which were not parsed.
    pub cut_bytes: u64,
    /// The line as it was written; for a journal's record its message.
    #[serde(serialize_with = "redact::text")]
    pub raw: String,
}

impl Record {
    /// A record without structure: the text is its message.
    pub(crate) fn bare(form: Form, text: &str) -> Self {
        Self {
            at: None,
            level: Level::Unknown,
            message: text.to_owned(),
            error: None,
            fields: BTreeMap::new(),
            cursor: None,
            origin: Origin::Engine,
            by_name: false,
            form,
            cut_bytes: 0,
            raw: text.to_owned(),
        }
    }

    /// The text that decides which signature a record is: its `error` if it has one, else its message. The message
    /// alone is ambiguous: `Failed allocation for service` is logged for an exhausted network and for a missing
    /// ingress network alike (swarmkit `manager/allocator/network.go`).
    pub fn inner(&self) -> &str {
        self.error.as_deref().unwrap_or(&self.message)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("at", &self.at)
            .field("level", &self.level)
            .field("origin", &self.origin)
            .field("form", &self.form)
            .field("raw", &redact(&self.raw))
            .finish_non_exhaustive()
    }
}

/// The first `max` bytes, and how many were cut off.
pub(crate) fn cut_at(line: &[u8], max: usize) -> (&[u8], u64) {
    let kept = &line[..line.len().min(max)];
    (kept, (line.len() - kept.len()) as u64)
}

/// logrus' levels, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The engine is about to die.
    Panic,
    /// The engine exits.
    Fatal,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Information.
    Info,
    /// Only with `debug: true` in the engine's configuration.
    Debug,
    /// Only with `log-level: trace`.
    Trace,
    /// The line does not say.
    Unknown,
}

impl Level {
    /// Reads logrus' spelling (`warning` and `warn` are the same); anything else is [`Level::Unknown`].
    pub fn from_logrus(text: &str) -> Self {
        match text {
            "panic" => Self::Panic,
            "fatal" => Self::Fatal,
            "error" => Self::Error,
            "warning" | "warn" => Self::Warning,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => Self::Unknown,
        }
    }

    /// Reads a syslog priority, 0 to 7 (RFC 5424, 6.2.1).
    pub fn from_priority(priority: u8) -> Self {
        match priority {
            // syslog has eight priorities and logrus seven levels: emergency and alert are both worse than logrus'
            // fatal.
            0 | 1 => Self::Panic,
            2 => Self::Fatal,
            3 => Self::Error,
            4 => Self::Warning,
            5 | 6 => Self::Info,
            7 => Self::Debug,
            _ => Self::Unknown,
        }
    }

    /// True iff it is an error or worse. `Unknown` is not.
    pub fn is_error(self) -> bool {
        self <= Self::Error
    }
}

/// The writer of a line. Only the engine's and systemd's lines are matched: with the `journald` logging driver the
/// output of *containers* is in the engine's unit too, and other programs that log with logrus look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// dockerd, or the containerd that it started; also a line that names no writer.
    Engine,
    /// systemd about the engine's unit; journald or a syslog daemon about the lines that they keep.
    Systemd,
    /// A container or another program.
    Other,
}

impl Origin {
    /// From a syslog identifier or a unit, such as `dockerd`, `docker.service` or `systemd`.
    pub(crate) fn from_ident(ident: &str) -> Self {
        match ident {
            "containerd" | "containerd.service" => Self::Engine,
            // `init.scope` is the unit of systemd itself; rsyslog names itself by its version too (`rsyslogd-2177`).
            "init.scope" | "systemd" | "systemd-journald" | "systemd-journald.service" => Self::Systemd,
            _ if ident.starts_with("rsyslogd") => Self::Systemd,
            _ if is_dockerd(ident) => Self::Engine,
            _ => Self::Other,
        }
    }
}

/// True iff it is a name under which dockerd logs: its own, its unit's (`journalctl -o with-unit`), or the one of upstart and
/// of Snap's package.
pub(crate) fn is_dockerd(ident: &str) -> bool {
    matches!(ident, "docker" | "docker.dockerd" | "docker.service" | "snap.docker.dockerd.service")
        || ident.starts_with("dockerd")
}

/// How a line could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// logrus' text format.
    Text,
    /// logrus' JSON format.
    Json,
    /// A journal entry, or a line after a syslog prefix, that is not logrus'.
    Plain,
    /// None of these: the whole line is the message. It is counted, and matched like any other.
    Unparsed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_json_of_a_record_hide_secrets() {
        let line = br#"time="2026-06-13T05:38:00Z" level=error msg="join failed" error="bad SWMTKN-1-canary" token=canary2"#;
        let record = Record::parse_line(line);
        assert_eq!(record.error.as_deref(), Some("bad SWMTKN-1-canary"));
        for text in [format!("{record:?}"), serde_json::to_string(&record).unwrap()] {
            assert!(!text.contains("canary"), "{text}");
            assert!(text.contains("join failed"), "{text}");
        }
    }

    #[test]
    fn a_longer_line_is_cut_and_noted() {
        let mut line = b"level=error msg=\"".to_vec();
        line.resize(MAX_LINE_BYTES + 10, b'x');
        let record = Record::parse_line(&line);
        assert_eq!((record.cut_bytes, record.raw.len()), (10, MAX_LINE_BYTES));
        assert_eq!(record.form, Form::Text);
    }

    #[test]
    fn levels_are_ordered_by_gravity() {
        assert!(Level::from_logrus("fatal").is_error());
        assert!(!Level::from_logrus("warn").is_error());
        assert!(!Level::from_logrus("loud").is_error());
        assert_eq!(Level::from_priority(3), Level::Error);
        assert_eq!(Level::from_priority(200), Level::Unknown);
    }
}
