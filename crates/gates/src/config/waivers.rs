//! What may stay open for a while: `[[waiver]]`.

use std::fmt;

use jiff::civil::Date;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::own_gates::CheckPattern;

/// A check that may be open for a while: who says so, why, and until when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverConfig {
    /// The check, or several by a pattern.
    pub check: CheckPattern,
    /// Who answers for it.
    #[serde(deserialize_with = "one_line")]
    pub owner: String,
    /// Why it may be open.
    #[serde(deserialize_with = "one_line")]
    pub reason: String,
    /// The last day on which it counts, in UTC.
    #[serde(deserialize_with = "date")]
    pub expires: Date,
}

/// A text that says something, on one line: it stands in every form of a report.
fn one_line<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(D::Error::custom("not a text of one line"));
    }
    Ok(text.trim().to_owned())
}

fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    from.deserialize_any(DateForms)
}

/// A date as TOML has it, or as a text.
struct DateForms;

impl<'de> Visitor<'de> for DateForms {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date such as 2026-12-31")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Date, E> {
        // A time of day would be dropped unseen: a date has ten characters.
        let read = (text.len() == 10).then(|| text.parse().ok()).flatten();
        read.ok_or_else(|| E::custom(format!("`{text}` is no date, such as 2026-12-31")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Date, A::Error> {
        let read = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&read.to_string())
    }
}
