//! Regular expressions over bodies.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The most memory of a compiled expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression, matched anywhere in a body. Two are equal iff they are written the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Where the earliest match ends.
    pub(crate) fn earliest_end(&self, body: &[u8]) -> Option<usize> {
        self.0.shortest_match(body)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        RegexBuilder::new(&text).size_limit(SIZE_LIMIT).build().map(Self).map_err(|error| {
            // Its error is a drawing of several lines; the last says what is wrong.
            let all = error.to_string();
            let why = all.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("not a regular expression: {why}")
        })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
