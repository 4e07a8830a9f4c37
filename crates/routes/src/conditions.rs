//! What must hold of an answer besides its status.

use std::fmt;
use std::num::NonZeroU64;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pattern::Pattern;

/// What must hold of a route's answer besides its status: `[route.conditions]`. All of them are judged, and each that is
/// not met is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Of its headers.
    pub headers: Vec<HeaderCondition>,
    /// Of its body.
    pub body: Vec<BodyCondition>,
    /// Where it redirects to: a URL, or a path of the route's own host. Queries and fragments are not compared.
    pub redirect: Option<Target>,
    /// Of the TLS session and the server's certificate.
    pub tls: TlsConditions,
    /// The most milliseconds from the first connection to the end of the answer; a name look-up does not count.
    pub within_ms: Option<NonZeroU64>,
}

impl Conditions {
    /// True iff nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A header that must be there: `{ name = "content-type", contains = "json" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "HeaderForm", into = "HeaderForm")]
pub struct HeaderCondition {
    /// Its name, in lower case.
    pub name: String,
    /// What its value must be. A header that is there several times meets it with any of its values.
    pub test: HeaderTest,
}

/// What a header's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderTest {
    /// It holds this text.
    Contains(String),
    /// It is this text.
    Equals(String),
    /// Anything.
    Present,
}

impl HeaderTest {
    /// True iff the value meets it.
    pub(crate) fn holds(&self, value: &str) -> bool {
        match self {
            Self::Contains(part) => value.contains(part.as_str()),
            Self::Equals(whole) => value == whole,
            Self::Present => true,
        }
    }
}

impl fmt::Display for HeaderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(part) => write!(f, "something with {part:?}"),
            Self::Equals(whole) => write!(f, "{whole:?}"),
            Self::Present => f.write_str("any value"),
        }
    }
}

/// What a body must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "BodyForm", into = "BodyForm")]
pub enum BodyCondition {
    /// This text: `{ contains = "ok" }`.
    Contains(String),
    /// A text that this expression matches: `{ regex = '"version": *"2\.' }`.
    Matches(Pattern),
    /// It is JSON, and at this place (RFC 6901) it has this value: `{ pointer = "/status", equals = "up" }`.
    Pointer {
        /// The place; empty for the whole.
        pointer: String,
        /// The value.
        equals: Value,
    },
}

impl fmt::Display for BodyCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(part) => write!(f, "{part:?}"),
            Self::Matches(pattern) => write!(f, "a match of `{pattern}`"),
            Self::Pointer { pointer, equals } => write!(f, "{equals} at `{pointer}` of its JSON"),
        }
    }
}

/// What must hold of the TLS session and the server's certificate, beside that the certificate verifies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TlsConditions {
    /// The oldest version that is fine.
    pub min_version: Option<TlsVersion>,
    /// The fewest whole days until the certificate ends.
    pub min_days_left: Option<u32>,
    /// A part of the issuer's name.
    pub issuer: Option<String>,
    /// Names that the certificate must be for; a wildcard of it covers one label.
    pub names: Vec<String>,
}

impl TlsConditions {
    /// True iff nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A version of TLS that probes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// `1.2` or `1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// Where a redirect must lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

impl Target {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains(['?', '#', '@']) {
            return Err(
                "a redirect target has no query, fragment or user: they are not compared; leave them out"
                    .into(),
            );
        }
        let fine = text.starts_with('/') && !text.starts_with("//")
            || ::url::Url::parse(&text)
                .is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        if fine {
            Ok(Self(text))
        } else {
            Err(format!(
                "{text:?} is no redirect target: write a URL with http:// or https://, or a path that begins with /"
            ))
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A header condition as a file has it.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct HeaderForm {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
}

impl TryFrom<HeaderForm> for HeaderCondition {
    type Error = String;

    fn try_from(form: HeaderForm) -> Result<Self, String> {
        let name =
            HeaderName::try_from(&form.name).map_err(|_| format!("{:?} is no header name", form.name))?;
        let test = match (form.equals, form.contains) {
            (Some(whole), None) => HeaderTest::Equals(whole),
            (None, Some(part)) => HeaderTest::Contains(part),
            (None, None) => HeaderTest::Present,
            (Some(_), Some(_)) => {
                return Err(format!("header {name} has both `equals` and `contains`; keep one"));
            }
        };
        Ok(Self { name: name.as_str().to_owned(), test })
    }
}

impl From<HeaderCondition> for HeaderForm {
    fn from(condition: HeaderCondition) -> Self {
        let (equals, contains) = match condition.test {
            HeaderTest::Contains(part) => (None, Some(part)),
            HeaderTest::Equals(whole) => (Some(whole), None),
            HeaderTest::Present => (None, None),
        };
        Self { name: condition.name, equals, contains }
    }
}

/// A body condition as a file has it.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
struct BodyForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<Pattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    equals: Option<Value>,
}

impl TryFrom<BodyForm> for BodyCondition {
    type Error = &'static str;

    fn try_from(form: BodyForm) -> Result<Self, &'static str> {
        match (form.contains, form.regex, form.pointer, form.equals) {
            (Some(part), None, None, None) if !part.is_empty() => Ok(Self::Contains(part)),
            (None, Some(pattern), None, None) => Ok(Self::Matches(pattern)),
            (None, None, Some(pointer), Some(equals)) if pointer.is_empty() || pointer.starts_with('/') => {
                Ok(Self::Pointer { pointer, equals })
            }
            (None, None, Some(_), Some(_)) => Err("a JSON pointer begins with /, such as \"/status\""),
            _ => Err(
                "a body condition is one of { contains = \"…\" }, { regex = '…' }, { pointer = \"/…\", equals = … }",
            ),
        }
    }
}

impl From<BodyCondition> for BodyForm {
    fn from(condition: BodyCondition) -> Self {
        match condition {
            BodyCondition::Contains(part) => Self { contains: Some(part), ..Self::default() },
            BodyCondition::Matches(pattern) => Self { regex: Some(pattern), ..Self::default() },
            BodyCondition::Pointer { pointer, equals } => {
                Self { pointer: Some(pointer), equals: Some(equals), ..Self::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"headers":[{"name":"content-type","contains":"json"},{"name":"x-frame-options"}],
        "body":[{"contains":"ok"},{"regex":"v2\\."},{"pointer":"/status","equals":"up"}],"redirect":"/login",
        "tls":{"min_version":"1.3","min_days_left":21,"issuer":"Encrypt","names":["a.example"]},"within_ms":800}"#;

    fn read(json: &str) -> Result<Conditions, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_read_back_as_they_were_written() {
        let whole = read(WHOLE).unwrap();
        assert!(!whole.is_empty() && Conditions::default().is_empty());
        assert_eq!(read(&serde_json::to_string(&whole).unwrap()), Ok(whole));
        assert_eq!(read("{}"), Ok(Conditions::default()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_to_write_it() {
        for (json, part) in [
            (r#"{"header":[]}"#, "unknown field"),
            (r#"{"headers":[{"name":"a b"}]}"#, "no header name"),
            (r#"{"headers":[{"name":"a","equals":"x","contains":"y"}]}"#, "keep one"),
            (r#"{"body":[{}]}"#, "a body condition is one of"),
            (r#"{"body":[{"contains":""}]}"#, "a body condition is one of"),
            (r#"{"body":[{"pointer":"/a"}]}"#, "a body condition is one of"),
            (r#"{"body":[{"pointer":"a","equals":1}]}"#, "begins with /"),
            (r#"{"body":[{"regex":"("}]}"#, "not a regular expression"),
            (r#"{"redirect":"login"}"#, "a path that begins with /"),
            (r#"{"redirect":"//h/"}"#, "a path that begins with /"),
            (r#"{"redirect":"ftp://h/"}"#, "http:// or https://"),
            (r#"{"redirect":"/login?next=/"}"#, "leave them out"),
            (r#"{"tls":{"min_version":"1.1"}}"#, "1.1"),
            (r#"{"within_ms":0}"#, "nonzero"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
