//! The name of one run of pvcheck.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The run of pvcheck that created an object: the value of its label [`crate::RUN_LABEL`].
///
/// Twelve lower-case hex digits, unique per run, and short enough for service names, which have at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new id: 48 random bits.
    pub fn unique() -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        // The tail of a v7 uuid is the random part; its head is the time and nearly equal between runs.
        Self(id[id.len() - 12..].to_owned())
    }

    /// The run that a label names. The value is not checked.
    pub fn from_label(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The id, as in labels and names.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_differ_and_are_short() {
        let (a, b) = (RunId::unique(), RunId::unique());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 12);
        assert!(a.as_str().chars().all(|c| c.is_ascii_hexdigit()));
    }
}
