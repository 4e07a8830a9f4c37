//! `[journal]`: where the engine's log is, and from when on it is judged.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pvcheck_journal::{Directory, JournalReader, Since, Source};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use toml::value::Datetime;

use super::forms::meant;

/// The unit that writes the engine's log where nothing else is configured.
pub(crate) const DOCKER_UNIT: &str = "docker.service";

/// Where the engine's log is: a file, a unit, or one of them for each of several nodes; the unit `docker.service` where all
/// are absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// A file that the engine's output goes to.
    pub file: Option<PathBuf>,
    /// A unit of the systemd journal.
    pub unit: Option<String>,
    /// From when on it is judged, in the place of the engine's start; what it has before is mended.
    #[serde(default, deserialize_with = "moment")]
    pub since: Option<Timestamp>,
    /// A file with the team's own signatures of it.
    pub catalogue: Option<PathBuf>,
    /// The logs of several managers, of which the leader's is read.
    #[serde(default, rename = "node")]
    pub nodes: Vec<NodeLog>,
}

/// The log of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLog {
    /// The node's host name or id.
    pub node: String,
    /// Where its log is on this host.
    pub place: LogPlace,
}

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// In a file.
    File(PathBuf),
    /// In the journal, under this unit.
    Unit(String),
}

impl NodeLog {
    /// The log. A relative path is relative to this folder.
    pub(crate) fn source(&self, folder: &Path) -> Source {
        match &self.place {
            LogPlace::File(file) => Source::File(folder.join(file)),
            LogPlace::Unit(unit) => unit_source(Some(unit)),
        }
    }
}

impl JournalConfig {
    /// Where a scan of what is to be judged begins.
    pub(crate) fn begins(&self) -> Since {
        self.since.map_or(Since::EngineStart, Since::At)
    }
}

/// The journal of a unit; of the one that writes the engine's log where none is named.
pub(crate) fn unit_source(unit: Option<&str>) -> Source {
    Source::Directory(Directory {
        path: None,
        unit: unit.unwrap_or(DOCKER_UNIT).to_owned(),
        by: JournalReader::Pvcheck,
    })
}

impl<'de> Deserialize<'de> for NodeLog {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        meant::<WrittenLog, _, _>(from)
    }
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLog {
    node: String,
    file: Option<PathBuf>,
    unit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum FormFault {
    #[error("[[journal.node]] `{0}` has both `file` and `unit`; keep one")]
    Both(String),
    // Not `docker.service`, as for a log alone: the journal of this host is that of one node at most.
    #[error("[[journal.node]] `{0}` does not say where its log is; give it `file` or `unit`")]
    Nowhere(String),
}

impl TryFrom<WrittenLog> for NodeLog {
    type Error = FormFault;

    fn try_from(WrittenLog { node, file, unit }: WrittenLog) -> Result<Self, FormFault> {
        let place = match (file, unit) {
            (Some(file), None) => LogPlace::File(file),
            (None, Some(unit)) => LogPlace::Unit(unit),
            (Some(_), Some(_)) => return Err(FormFault::Both(node)),
            (None, None) => return Err(FormFault::Nowhere(node)),
        };
        Ok(Self { node, place })
    }
}

/// Reads a moment: `"2026-11-01T00:00:00Z"`, or a date, which is its beginning in UTC; in quotes or as TOML's own.
pub(super) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    from.deserialize_any(MomentForms).map(Some)
}

struct MomentForms;

impl<'de> Visitor<'de> for MomentForms {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"2026-11-01T00:00:00Z\", or a date")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        let midnight = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
        // A `Date` would be read of a time without a zone as well, and the time be lost.
        let date = if text.len() <= "2026-11-01".len() { midnight() } else { None };
        let read = date.map(|date| date.timestamp()).or_else(|| text.parse().ok());
        let how = "write it with its zone, such as 2026-11-01T00:00:00Z, or a date alone";
        read.ok_or_else(|| E::custom(format!("`{text}` is no time; {how}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Timestamp, A::Error> {
        let written = Datetime::deserialize(MapAccessDeserializer::new(table))?;
        self.visit_str(&written.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<JournalConfig, String> {
        toml::from_str(lines).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn since_is_a_time_with_a_zone_or_a_date_in_quotes_or_not() {
        let since = |text: &str| read(&format!("since = {text}")).map(|j| j.since.expect("set").to_string());
        let midnight = || Ok("2026-11-01T00:00:00Z".to_owned());
        for text in ["\"2026-11-01T00:00:00Z\"", "\"2026-11-01\"", "2026-11-01", "2026-11-01T01:00:00+01:00"]
        {
            assert_eq!(since(text), midnight(), "{text}");
        }
        for text in ["\"2026-11-01T00:00:00\"", "2026-11-01T00:00:00", "\"yesterday\"", "\"\"", "00:00:00"] {
            let error = since(text).expect_err(text);
            assert!(error.contains("is no time; write it with its zone"), "{text}: {error}");
        }
        assert!(since("7").expect_err("a number").contains("a time such as"));
    }

    #[test]
    fn a_node_s_log_is_in_one_place() {
        let log =
            |lines: &str| read(&format!("[[node]]\nnode = \"m1\"\n{lines}")).map(|j| j.nodes[0].clone());
        assert_eq!(log("unit = \"x\"").map(|log| log.place), Ok(LogPlace::Unit("x".into())));
        for (lines, part) in [("", "does not say where"), ("file = \"a\"\nunit = \"b\"", "has both")] {
            let error = log(lines).expect_err(lines);
            assert!(error.contains("[[journal.node]] `m1`") && error.contains(part), "{error}");
        }
    }
}
