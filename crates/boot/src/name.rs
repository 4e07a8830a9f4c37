//! Names of units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// systemd's own limit (`UNIT_NAME_MAX`).
const LENGTH_MAX: usize = 255;

const SUFFIXES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// A full unit name with its suffix, such as `deploy-proxy.service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

impl UnitName {
    /// The name as systemd writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last dot, such as `service`.
    pub fn suffix(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// What precedes the last dot.
    pub(crate) fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }
}

impl FromStr for UnitName {
    type Err = UnitNameError;

    /// # Errors
    /// If the name has no known suffix, is empty before it, longer than 255 bytes, or has characters that
    /// systemd does not allow (`systemd.unit(5)`).
    fn from_str(text: &str) -> Result<Self, UnitNameError> {
        let valid = text.rsplit_once('.').is_some_and(|(stem, suffix)| {
            !stem.is_empty() && SUFFIXES.contains(&suffix) && stem.bytes().all(is_allowed)
        });
        if valid && text.len() <= LENGTH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            let given: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(UnitNameError { given })
        }
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)
}

impl TryFrom<String> for UnitName {
    type Error = UnitNameError;

    fn try_from(text: String) -> Result<Self, UnitNameError> {
        text.parse()
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot be the name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{given}` is not a unit name: write it with its suffix, as in deploy-proxy.service")]
pub struct UnitNameError {
    given: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_a_suffix_and_allowed_characters() {
        for good in ["a.service", "dev-sda1.device", "getty@tty1.service", r"a\x2db.mount", "a.b.target"] {
            assert_eq!(good.parse::<UnitName>().unwrap().as_str(), good);
        }
        let long = format!("{}.service", "a".repeat(255));
        for bad in ["", "proxy", ".service", "a.conf", "a b.service", "a%i.service", "a/b.service", &long] {
            let error = bad.parse::<UnitName>().unwrap_err().to_string();
            assert!(error.contains("write it with its suffix"), "{bad}: {error}");
        }
    }
}
