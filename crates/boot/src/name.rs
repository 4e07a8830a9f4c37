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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

    /// True iff it is a template such as `getty@.service`, which is never started itself.
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// What follows the first `@` of the stem: empty for a template, `None` for an ordinary unit.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// What precedes the first `@`, or the whole stem.
    pub(crate) fn prefix(&self) -> &str {
        self.stem().split_once('@').map_or(self.stem(), |(prefix, _)| prefix)
    }

    /// The template of an instance: `getty@.service` for `getty@tty1.service`. `None` for a template itself and for an
    /// ordinary unit.
    pub(crate) fn template(&self) -> Option<Self> {
        let instance = self.instance()?;
        (!instance.is_empty()).then(|| Self(format!("{}@.{}", self.prefix(), self.suffix())))
    }

    /// This template as an instance; `None` if the result is no unit name.
    pub(crate) fn with_instance(&self, instance: &str) -> Option<Self> {
        format!("{}@{instance}.{}", self.prefix(), self.suffix()).parse().ok()
    }

    /// The unit of a mount point as `systemd-escape --path --suffix=mount` names it; `None` if the name is too long.
    pub(crate) fn of_mount_point(path: &str) -> Option<Self> {
        format!("{}.mount", escape_path(path)).parse().ok()
    }

    /// The mount point of a mount or automount unit.
    pub(crate) fn mount_point(&self) -> String {
        format!("/{}", unescape(self.stem()).trim_matches('/'))
    }
}

/// A path as part of a unit name (`systemd.unit(5)`, "String escaping for inclusion in unit names").
fn escape_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() {
        return "-".to_owned();
    }
    let mut escaped = String::new();
    for (index, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            // A dot is plain everywhere but in front: a unit's file must not be hidden.
            b'.' if index != 0 => escaped.push('.'),
            _ if byte.is_ascii_alphanumeric() || b":_".contains(&byte) => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!(r"\x{byte:02x}")),
        }
    }
    escaped
}

/// The text with `\x2d` and the like turned back into what they stand for, as the specifier `%I` has it.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(1..3).filter(|_| first == b'\\' && after[0] == b'x');
        let code = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = &rest[4..];
        } else {
            // In an escaped path a dash stands for a slash.
            bytes.push(if first == b'-' { b'/' } else { first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

    fn name(text: &str) -> UnitName {
        text.parse().unwrap()
    }

    #[test]
    fn instances_have_a_template() {
        assert_eq!(name("wg@wg0.service").template(), Some(name("wg@.service")));
        assert_eq!(name("wg@a@b.service").instance(), Some("a@b"));
        for none in ["wg@.service", "wg.service"] {
            assert_eq!(name(none).template(), None, "{none}");
        }
        assert!(name("wg@.service").is_template() && !name("wg.service").is_template());
        assert_eq!(name("wg@.service").with_instance("x"), Some(name("wg@x.service")));
    }

    /// The expected names are what `systemd-escape --path --suffix=mount` of systemd 252 prints.
    #[test]
    fn mount_points_are_named_as_systemd_does() {
        for (path, unit) in [
            ("/", "-.mount"),
            ("/srv/data", "srv-data.mount"),
            ("/srv//data/", "srv-data.mount"),
            ("/srv/my-data", r"srv-my\x2ddata.mount"),
            ("/.hidden/a.b", r"\x2ehidden-a.b.mount"),
        ] {
            assert_eq!(UnitName::of_mount_point(path), Some(name(unit)), "{path}");
        }
        assert_eq!(unescape(r"srv-my\x2ddata"), "srv/my-data");
        assert_eq!(unescape(r"a\x2"), r"a\x2");
    }

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
