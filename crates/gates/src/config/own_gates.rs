//! The gates of a configuration's own, and what must have passed before a gate: `[[gate]]` and `[precondition]`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::forms::stars_match;

/// A gate: a list of checks of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// Its name on the command line, in reports and in file names.
    pub name: String,
    /// What it is about, as the end of a sentence.
    pub about: Option<String>,
    /// What it is made of.
    pub checks: Vec<CheckPattern>,
    /// What it is made of as well, and passes without; a check that is in both lists is advisory.
    #[serde(default)]
    pub advisory: Vec<CheckPattern>,
}

/// The ids of checks: one, or several by `*`, which stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPattern(String);

impl CheckPattern {
    /// True iff it is this id, or its `*` stand for what the id has in their places.
    pub fn matches(&self, id: &str) -> bool {
        stars_match(&self.0, id)
    }

    /// True iff it names one check alone.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CheckPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CheckPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let is_id = |c: char| !c.is_whitespace() && !c.is_control();
        if text.is_empty() || !text.chars().all(is_id) {
            return Err(D::Error::custom("not the id of a check, such as overlay.leaked or overlay.*"));
        }
        Ok(Self(text))
    }
}

/// Which gates must have passed before a gate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreconditionConfig {
    /// The gate that has this precondition.
    pub gate: String,
    /// The gates that must have passed.
    pub requires: Vec<String>,
    /// Where their reports are.
    pub reports: ReportPlaces,
    /// How old a report may be.
    #[serde(default = "one_day", deserialize_with = "duration")]
    pub max_age: Duration,
}

/// Where reports are: a folder, a file, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPlaces(pub Vec<PathBuf>);

impl<'de> Deserialize<'de> for ReportPlaces {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PlaceForms)
    }
}

struct PlaceForms;

impl<'de> Visitor<'de> for PlaceForms {
    type Value = ReportPlaces;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder, a file, or a list of them")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<ReportPlaces, E> {
        Ok(ReportPlaces(vec![path.into()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, paths: A) -> Result<ReportPlaces, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(paths)).map(ReportPlaces)
    }
}

fn one_day() -> Duration {
    Duration::from_hours(24)
}

/// Reads a duration such as `24h` or `90min`.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    read.filter(|age| !age.is_zero())
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no duration, such as 24h or 90m")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        for (pattern, id, expected) in [
            ("overlay.leaked", "overlay.leaked", true),
            ("overlay.leaked", "overlay.leaked.proxy", false),
            ("overlay.leaked", "overlayxleaked", false),
            ("overlay.*", "overlay.leaked.proxy", true),
            ("overlay.*", "overlay", false),
            ("*", "residue", true),
            ("*.leaked", "overlay.leaked", true),
            ("*.leaked", "overlay.leaked.proxy", false),
            ("*.leaked.*", "overlay.leaked.proxy", true),
            ("service.*_app", "service.shop_app", true),
            ("service.*_app", "service.shop_db", false),
            ("a*a", "a", false),
            ("a*ba*a", "abababa", true),
        ] {
            assert_eq!(CheckPattern(pattern.into()).matches(id), expected, "{pattern} {id}");
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_same_regular_expressions(pattern in "[ab.*]{0,8}", id in "[ab.]{0,10}") {
            let expression = format!("^{}$", regex::escape(&pattern).replace("\\*", ".*"));
            let expected = regex::Regex::new(&expression).expect("escaped").is_match(&id);
            prop_assert_eq!(CheckPattern(pattern).matches(&id), expected);
        }
    }
}
