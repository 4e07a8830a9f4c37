//! Query strings.

use std::collections::BTreeMap;

/// A decoded query; of a repeated key the last value counts.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// True iff the value is set and is not one that moby takes for false (`daemon/server/httputils/form.go`,
    /// `BoolValue`).
    pub(super) fn is_set(&self, key: &str) -> bool {
        let value = self.get(key).unwrap_or_default().trim().to_ascii_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }
}

/// Percent decoding, with `+` for a space; an invalid escape stays as it is, and bytes that are not UTF-8 are
/// replaced.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2).and_then(hex_byte)).flatten();
        rest = if escaped.is_some() { &tail[2..] } else { tail };
        bytes.push(escaped.unwrap_or(if first == b'+' { b' ' } else { first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decodes() {
        let query = Query::parse("filters=%7B%22name%22%3A%5B%22a+b%22%5D%7D&x&y=1&y=2");
        assert_eq!(query.get("filters"), Some(r#"{"name":["a b"]}"#));
        assert_eq!((query.get("x"), query.get("y"), query.get("z")), (Some(""), Some("2"), None));
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(decode("%FF"), "\u{fffd}");
        assert_eq!(decode("%c3%A4+%2B"), "ä +", "either case, and a plus that is meant");
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(key in "[a-z]{1,6}", value in ".{0,20}") {
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let query = Query::parse(&format!("other=1&{key}={escaped}&last"));
            prop_assert_eq!(query.get(&key), Some(value.as_str()));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = Query::parse(&text).get("a");
            let _ = decode(&text);
        }
    }
}
