//! What an answer shows of the headers and the body that a route's conditions are about.
//!
//! A fact does not keep an answer's body, nor headers that nothing is asked of: they may hold secrets. It keeps what each
//! condition found.

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conditions::{BodyCondition, HeaderCondition};
use crate::request::carries_secrets;
use crate::text::{printable, redact};

/// How much of a value that was not wanted is kept, in characters.
const SHOWN: usize = 80;

/// What a header condition found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum HeaderSeen {
    /// There is no such header.
    Absent,
    /// It is as it must be.
    Met,
    /// It has another value.
    Other {
        /// The value, shortened; of a header that carries credentials its place alone.
        value: String,
    },
}

/// What a body condition found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum BodySeen {
    /// Not in what was read, and more was not read.
    Beyond {
        /// Bytes read.
        read: u64,
    },
    /// The body is compressed, which probes do not ask for and do not undo.
    Encoded {
        /// How, by its `Content-Encoding`.
        encoding: String,
    },
    /// It is as it must be.
    Met,
    /// The whole body has no such text, or its JSON no such place.
    Missing,
    /// The whole body is not JSON.
    NotJson,
    /// Another value stands there.
    Other {
        /// The value, shortened; of a list or an object only what it is.
        value: String,
    },
}

/// What each of the conditions found, in their order.
pub(crate) fn headers(conditions: &[HeaderCondition], headers: &HeaderMap) -> Vec<HeaderSeen> {
    conditions.iter().map(|condition| header(condition, headers)).collect()
}

fn header(condition: &HeaderCondition, headers: &HeaderMap) -> HeaderSeen {
    let values: Vec<String> = headers
        .get_all(&condition.name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
        .collect();
    if values.is_empty() {
        return HeaderSeen::Absent;
    }
    if values.iter().any(|value| condition.test.holds(value)) {
        return HeaderSeen::Met;
    }
    HeaderSeen::Other { value: shown(&condition.name, &values.join(", ")) }
}

/// A value as a fact may keep it.
fn shown(name: &str, value: &str) -> String {
    match name {
        _ if carries_secrets(name) => "[redacted]".to_owned(),
        "location" | "content-location" | "link" | "refresh" => redact(value),
        _ => printable(value, SHOWN),
    }
}

/// What each of the conditions found in a body, or in the beginning of it that was read.
pub(crate) fn body(
    conditions: &[BodyCondition],
    headers: &HeaderMap,
    read: &[u8],
    whole: bool,
) -> Vec<BodySeen> {
    let encoding =
        headers.get(header::CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let seen = BodySeen::Encoded { encoding: printable(&encoding, SHOWN) };
        return vec![seen; conditions.len()];
    }
    conditions.iter().map(|condition| in_body(condition, read, whole)).collect()
}

fn in_body(condition: &BodyCondition, read: &[u8], whole: bool) -> BodySeen {
    let beyond = BodySeen::Beyond { read: read.len() as u64 };
    let found = match condition {
        BodyCondition::Contains(part) => holds(read, part.as_bytes()),
        // A match that ends where reading did may rest on `$` or `\b`, which the rest of the body could undo.
        BodyCondition::Matches(pattern) => {
            pattern.earliest_end(read).is_some_and(|end| whole || end < read.len())
        }
        BodyCondition::Pointer { .. } if !whole => return beyond,
        BodyCondition::Pointer { pointer, equals } => return at(pointer, equals, read),
    };
    match found {
        true => BodySeen::Met,
        false if whole => BodySeen::Missing,
        false => beyond,
    }
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    // `windows` takes no 0; a file with an empty text is refused.
    !part.is_empty() && body.windows(part.len()).any(|window| window == part)
}

fn at(pointer: &str, equals: &Value, body: &[u8]) -> BodySeen {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return BodySeen::NotJson };
    match json.pointer(pointer) {
        None => BodySeen::Missing,
        Some(value) if value == equals => BodySeen::Met,
        Some(value) => BodySeen::Other { value: described(value) },
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        simple => printable(&simple.to_string(), SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition(json: &str) -> BodyCondition {
        serde_json::from_str(json).unwrap()
    }

    fn found(json: &str, read: &str, whole: bool) -> BodySeen {
        body(&[condition(json)], &HeaderMap::new(), read.as_bytes(), whole).remove(0)
    }

    #[test]
    fn what_was_not_read_is_neither_there_nor_missing() {
        let beyond = |read| BodySeen::Beyond { read };
        for (json, read, whole, seen) in [
            (r#"{"contains":"ok"}"#, "all ok", true, BodySeen::Met),
            (r#"{"contains":"ok"}"#, "all ok", false, BodySeen::Met),
            (r#"{"contains":"ok"}"#, "down", true, BodySeen::Missing),
            (r#"{"contains":"ok"}"#, "down", false, beyond(4)),
            (r#"{"regex":"^a.*k$"}"#, "all ok", true, BodySeen::Met),
            (r#"{"regex":"^a.*k$"}"#, "all ok", false, beyond(6)),
            (r#"{"regex":"ok\\b"}"#, "all ok", false, beyond(6)),
            (r#"{"regex":"^al"}"#, "all ok", false, BodySeen::Met),
            (r#"{"regex":"no"}"#, "all ok", true, BodySeen::Missing),
            (r#"{"pointer":"/a","equals":1}"#, "{\"a\":1}", true, BodySeen::Met),
            (r#"{"pointer":"/a","equals":1}"#, "{\"a\":1}", false, beyond(7)),
            (r#"{"pointer":"/b","equals":1}"#, "{\"a\":1}", true, BodySeen::Missing),
            (r#"{"pointer":"/a","equals":1}"#, "<html>", true, BodySeen::NotJson),
            (
                r#"{"pointer":"/a","equals":1}"#,
                "{\"a\":[1]}",
                true,
                BodySeen::Other { value: "a list".into() },
            ),
            (
                r#"{"pointer":"/a/1","equals":"up"}"#,
                "{\"a\":[0,\"no\"]}",
                true,
                BodySeen::Other { value: "\"no\"".into() },
            ),
        ] {
            assert_eq!(found(json, read, whole), seen, "{json} in {read}, whole: {whole}");
        }
    }

    #[test]
    fn a_compressed_body_is_not_looked_into() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        let seen = body(&[condition(r#"{"contains":"ok"}"#)], &headers, b"ok", true);
        assert_eq!(seen, [BodySeen::Encoded { encoding: "gzip".into() }]);
        headers.insert(header::CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(body(&[condition(r#"{"contains":"ok"}"#)], &headers, b"ok", true), [BodySeen::Met]);
    }

    #[test]
    fn of_a_header_that_is_there_twice_one_value_suffices_and_secrets_are_not_kept() {
        let mut all = HeaderMap::new();
        all.append("vary", "origin".parse().unwrap());
        all.append("vary", "accept".parse().unwrap());
        all.append("set-cookie", "id=s3cret".parse().unwrap());
        all.append("location", "https://h/?code=s3cret".parse().unwrap());
        let seen = |json: &str| header(&serde_json::from_str(json).unwrap(), &all);
        let other = |value: &str| HeaderSeen::Other { value: value.to_owned() };
        assert_eq!(seen(r#"{"name":"Vary","equals":"accept"}"#), HeaderSeen::Met);
        assert_eq!(seen(r#"{"name":"vary","equals":"x"}"#), other("origin, accept"));
        assert_eq!(seen(r#"{"name":"vary"}"#), HeaderSeen::Met);
        assert_eq!(seen(r#"{"name":"etag"}"#), HeaderSeen::Absent);
        assert_eq!(seen(r#"{"name":"set-cookie","contains":"Secure"}"#), other("[redacted]"));
        assert_eq!(seen(r#"{"name":"location","contains":"login"}"#), other("https://h/?[redacted]"));
    }

    proptest! {
        #[test]
        fn never_panics(read in any::<Vec<u8>>(), whole in any::<bool>(), part in "[a-z]{1,3}") {
            for json in [format!(r#"{{"contains":"{part}"}}"#), format!(r#"{{"regex":"{part}"}}"#),
                format!(r#"{{"pointer":"/{part}","equals":1}}"#)] {
                let seen = body(&[condition(&json)], &HeaderMap::new(), &read, whole);
                prop_assert_eq!(seen.len(), 1);
                prop_assert!(whole || !matches!(seen[0], BodySeen::Missing), "a part proves nothing missing");
            }
        }
    }
}
