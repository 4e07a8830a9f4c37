//! The result of a harness: what its JSON says, or the place at which it says nothing that counts.
//!
//! Every field that a verdict rests on must be there, once, with the type that it has to have. An error never repeats a value:
//! a result may have a secret where it should have none.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::config::{MOST_LEVEL, Tier};

/// How a tier of a harness ended.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierOutcome {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It was left out.
    Skip,
    /// It was not verified.
    Unver,
}

impl TierOutcome {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "pass" => Self::Pass,
            "fail" => Self::Fail,
            "skip" => Self::Skip,
            "unver" => Self::Unver,
            _ => return None,
        })
    }
}

impl fmt::Display for TierOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Unver => "unver",
        })
    }
}

/// What a harness says of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarnessResult {
    /// When it started, by its own clock.
    pub started_at: Timestamp,
    /// When it ended, if it says so.
    pub finished_at: Option<Timestamp>,
    /// The level that it reached.
    pub level: u8,
    /// Its tiers.
    pub tiers: Vec<(Tier, TierOutcome)>,
    /// True iff it says that nothing was left.
    pub clean_teardown: bool,
    /// True iff it says that no secret got into its output.
    pub no_secret_leak: bool,
}

impl HarnessResult {
    /// How this tier ended, if the result has it.
    pub fn tier(&self, tier: Tier) -> Option<TierOutcome> {
        self.tiers.iter().find(|(name, _)| *name == tier).map(|(_, outcome)| *outcome)
    }
}

/// Why a result says nothing that counts: the place, and what should stand there.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ResultFault {
    /// It is no JSON.
    #[error("line {line}, column {column}: it is no JSON")]
    NoJson {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: u64,
    },
    /// A field has not what it should have.
    #[error("{place} should be {wanted}")]
    Wrong {
        /// The place, as a JSON pointer; `/` stands for the whole.
        place: String,
        /// What should be there.
        wanted: String,
    },
    /// A field is missing, or there twice.
    #[error("{what}")]
    Field {
        /// Which, and what of the two it is.
        what: String,
    },
    /// It has a tier that there is not.
    #[error("/tiers has `{name}`, and the tiers are install, upgrade, backup, restore and custom")]
    NoTier {
        /// The name, as far as it is one.
        name: String,
    },
    /// It ended before it started.
    #[error("/finished_at is before /started_at")]
    Backwards,
}

/// Reads a result.
pub(crate) fn read(text: &str) -> Result<HarnessResult, ResultFault> {
    is_object(text, "/")?;
    let written: Written<'_> = serde_json::from_str(text).map_err(|error| fault(&error))?;
    let (started_at, finished_at) = (time(&written.started_at, "/started_at")?, finished(&written)?);
    if finished_at.is_some_and(|at| at < started_at) {
        return Err(ResultFault::Backwards);
    }
    Ok(HarnessResult {
        started_at,
        finished_at,
        level: level(&written.level)?,
        tiers: tiers(written.tiers.get())?,
        clean_teardown: flag(&written.clean_teardown, "/clean_teardown")?,
        no_secret_leak: flag(&written.no_secret_leak, "/no_secret_leak")?,
    })
}

/// A result as it is written. What it has beside these fields is the harness's own.
#[derive(Deserialize)]
struct Written<'a> {
    started_at: Value,
    #[serde(default)]
    finished_at: Value,
    level: Value,
    #[serde(borrow)]
    tiers: &'a RawValue,
    clean_teardown: Value,
    no_secret_leak: Value,
}

/// What serde says of a type has the value in it, so that an object is looked for here.
fn is_object(text: &str, place: &str) -> Result<(), ResultFault> {
    if text.trim_start().starts_with('{') { Ok(()) } else { Err(wrong(place, "an object")) }
}

fn fault(error: &serde_json::Error) -> ResultFault {
    if error.is_data() {
        // Of a missing or a second field, by the names above.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().to_owned();
        return ResultFault::Field { what };
    }
    ResultFault::NoJson { line: error.line() as u64, column: error.column() as u64 }
}

fn wrong(place: &str, wanted: &str) -> ResultFault {
    ResultFault::Wrong { place: place.to_owned(), wanted: wanted.to_owned() }
}

fn time(value: &Value, place: &str) -> Result<Timestamp, ResultFault> {
    let read = value.as_str().and_then(|text| text.parse().ok());
    read.ok_or_else(|| wrong(place, "a time such as 2026-06-13T06:02:48Z"))
}

fn finished(written: &Written<'_>) -> Result<Option<Timestamp>, ResultFault> {
    if written.finished_at.is_null() {
        Ok(None)
    } else {
        time(&written.finished_at, "/finished_at").map(Some)
    }
}

fn level(value: &Value) -> Result<u8, ResultFault> {
    let read = value.as_u64().and_then(|level| u8::try_from(level).ok());
    read.filter(|level| *level <= MOST_LEVEL).ok_or_else(|| wrong("/level", "a whole number from 0 to 5"))
}

fn flag(value: &Value, place: &str) -> Result<bool, ResultFault> {
    value.as_bool().ok_or_else(|| wrong(place, "true or false"))
}

fn tiers(text: &str) -> Result<Vec<(Tier, TierOutcome)>, ResultFault> {
    is_object(text, "/tiers")?;
    let Pairs(pairs) = serde_json::from_str(text).map_err(|error| fault(&error))?;
    let mut tiers: Vec<(Tier, TierOutcome)> = Vec::new();
    for (name, value) in pairs {
        let known = Tier::ALL.into_iter().find(|tier| tier.as_str() == name);
        let tier = known.ok_or_else(|| ResultFault::NoTier { name: as_name(&name) })?;
        if tiers.iter().any(|(other, _)| *other == tier) {
            return Err(ResultFault::Field { what: format!("/tiers/{tier} is there twice") });
        }
        let outcome = value.as_str().and_then(TierOutcome::from_word);
        let outcome = outcome.ok_or_else(|| wrong(&format!("/tiers/{tier}"), "pass, fail, skip or unver"))?;
        tiers.push((tier, outcome));
    }
    Ok(tiers)
}

/// A key of the result, if it looks like the name of something.
fn as_name(key: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c == '_' || c == '-';
    if !key.is_empty() && key.len() <= 20 && key.chars().all(fits) {
        key.to_owned()
    } else {
        "…".to_owned()
    }
}

/// The fields of an object in their order, each as often as it is there.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        const MOST: usize = 1000;
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() == MOST {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Err(A::Error::custom("/tiers has more than 1000 fields"));
            }
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"started_at":"2026-06-13T06:02:48Z","finished_at":"2026-06-13T06:04:28Z","level":5,
        "tiers":{"install":"pass","upgrade":"pass","backup":"pass","restore":"pass","custom":"skip"},
        "clean_teardown":true,"no_secret_leak":true,"recipe":{"name":"hedgedoc"}}"#;

    #[test]
    fn a_result_is_read_with_everything_that_counts() {
        let result = read(GOOD).expect("sound");
        assert_eq!((result.level, result.tiers.len(), result.clean_teardown), (5, 5, true));
        assert_eq!(result.tier(Tier::Custom), Some(TierOutcome::Skip));
        assert_eq!(result.tier(Tier::Install).map(|outcome| outcome.to_string()), Some("pass".into()));
    }

    #[test]
    fn what_does_not_count_is_named_with_its_place_and_without_its_value() {
        for (old, new, said) in [
            ("\"level\":5", "\"level\":NaN", "line 1, column"),
            ("\"level\":5", "\"level\":5.0", "/level should be a whole number from 0 to 5"),
            ("\"level\":5", "\"level\":6", "/level should be"),
            ("\"level\":5", "\"level\":-1", "/level should be"),
            ("\"level\":5", "\"level\":\"hunter2\"", "/level should be"),
            ("\"level\":5,", "", "missing field `level`"),
            ("\"level\":5", "\"level\":5,\"level\":5", "duplicate field `level`"),
            (
                "\"clean_teardown\":true",
                "\"clean_teardown\":\"hunter2\"",
                "/clean_teardown should be true or false",
            ),
            ("\"no_secret_leak\":true", "\"no_secret_leak\":1", "/no_secret_leak should be"),
            ("\"no_secret_leak\":true,", "", "missing field `no_secret_leak`"),
            ("\"2026-06-13T06:02:48Z\"", "\"hunter2\"", "/started_at should be a time"),
            ("\"2026-06-13T06:04:28Z\"", "\"2026-06-13T06:02:47Z\"", "/finished_at is before /started_at"),
            (
                "\"install\":\"pass\"",
                "\"install\":\"passed\"",
                "/tiers/install should be pass, fail, skip or unver",
            ),
            ("\"install\":\"pass\"", "\"install\":true", "/tiers/install should be"),
            ("\"install\":\"pass\"", "\"lint\":\"pass\"", "/tiers has `lint`"),
            ("\"install\":\"pass\"", "\"hunter2\":\"pass\"", "/tiers has `…`"),
            (
                "\"install\":\"pass\"",
                "\"install\":\"fail\",\"install\":\"pass\"",
                "/tiers/install is there twice",
            ),
            (
                "{\"install\":\"pass\",\"upgrade\":\"pass\",\"backup\":\"pass\",\"restore\":\"pass\",\"custom\":\"skip\"}",
                "\"hunter2\"",
                "/tiers should be an object",
            ),
            ("{\"started_at\"", "[{\"started_at\"", "/ should be an object"),
            ("\"hedgedoc\"}}", "\"hedgedoc\"}", "it is no JSON"),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let fault = read(&GOOD.replacen(old, new, 1)).expect_err(new).to_string();
            assert!(
                fault.contains(said) && !fault.contains("hunter2") && !fault.contains('\n'),
                "{new}: {fault}"
            );
        }
        assert_eq!(read("\"hunter2\""), Err(wrong("/", "an object")));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_fault_has_more_than_a_line(text in "\\PC{0,60}", at in 0..GOOD.len()) {
            for text in [text.clone(), GOOD.get(..at).unwrap_or_default().to_owned() + &text] {
                if let Err(fault) = read(&text) {
                    prop_assert!(!fault.to_string().contains('\n'));
                }
            }
        }
    }
}
