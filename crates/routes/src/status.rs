//! Which statuses are expected: single ones, or whole classes.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An expected status, or a class of them. In a file `303` or `"2xx"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expected {
    /// Every status that begins with this digit, 1 to 5.
    Class(u8),
    /// This status alone.
    Status(u16),
}

impl Expected {
    /// True iff the status is this one, or one of this class.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Class(digit) => status / 100 == u16::from(digit),
            Self::Status(one) => status == one,
        }
    }
}

impl From<u16> for Expected {
    fn from(status: u16) -> Self {
        Self::Status(status)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(digit) => write!(f, "{digit}xx"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Expected {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expected".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["integer", "string"], "pattern": "^[1-5]xx$"})
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Class(_) => serializer.collect_str(self),
            Self::Status(status) => serializer.serialize_u16(*status),
        }
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberOrClass)
    }
}

/// A visitor, not an untagged enum, which would lose the reason of what is wrong.
struct NumberOrClass;

impl Visitor<'_> for NumberOrClass {
    type Value = Expected;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 303, or a class such as \"2xx\"")
    }

    fn visit_u64<E: Error>(self, status: u64) -> Result<Expected, E> {
        let status = u16::try_from(status);
        status.map(Expected::Status).map_err(|_| E::custom("statuses are 100 to 599"))
    }

    fn visit_i64<E: Error>(self, status: i64) -> Result<Expected, E> {
        u64::try_from(status)
            .map_or_else(|_| Err(E::custom("statuses are 100 to 599")), |s| self.visit_u64(s))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Expected, E> {
        match text.as_bytes() {
            [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Ok(Expected::Class(digit - b'0')),
            _ => Err(E::custom(format!(
                "{text:?} is no class of statuses: write \"1xx\" to \"5xx\", or a number"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Expected>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_classes_are_read_and_written_as_they_stand() {
        let both = read("[303,\"2xx\"]").unwrap();
        assert_eq!(both, [Expected::Status(303), Expected::Class(2)]);
        assert_eq!(serde_json::to_string(&both).unwrap(), "[303,\"2xx\"]");
    }

    #[test]
    fn a_class_holds_its_hundred_and_no_more() {
        let class = Expected::Class(2);
        assert!([200, 204, 299].iter().all(|status| class.matches(*status)));
        assert!(![199, 300, 20, 2000].iter().any(|status| class.matches(*status)));
        assert!(Expected::Status(303).matches(303) && !Expected::Status(303).matches(302));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_way_to_write_it() {
        for (json, part) in [
            ("[\"200\"]", "\"1xx\" to \"5xx\""),
            ("[\"6xx\"]", "no class"),
            ("[\"2x\"]", "no class"),
            ("[70000]", "100 to 599"),
            ("[-1]", "100 to 599"),
            ("[true]", "a status such as 303"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
