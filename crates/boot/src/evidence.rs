//! Where a fact about a unit was read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where something was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The file, or the rule of systemd's that implies it.
    pub source: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// The relevant part of the text.
    pub text: String,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} ({}:{line})", self.text, self.source),
            None => write!(f, "{} ({})", self.text, self.source),
        }
    }
}
