//! What to probe, and which answers are expected.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::addresses::Addresses;
use crate::url::RouteUrl;

/// An HTTP version that a route can be asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.1, written `1.1`.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2, written `2`; over plain HTTP with prior knowledge (RFC 9113, section 3.3).
    #[serde(rename = "2")]
    Http2,
}

impl HttpVersion {
    /// `1.1` or `2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// One route: where to send the request, and which answers are expected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// What the route is called in reports.
    pub name: String,
    /// What is asked for.
    pub url: RouteUrl,
    /// Where to connect to instead of what the name resolves to.
    #[serde(default)]
    pub address: Addresses,
    /// The statuses that are expected, 100 to 599. A login redirect (303) or a 404 can be as healthy as a 200.
    #[serde(default = "only_ok")]
    pub expected: Vec<u16>,
    /// The HTTP version to insist on; without it both are offered and the server chooses (ALPN).
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// True iff a 2xx answer without a body is fine. An empty 200 is what some routers send for a name that no rule
    /// matches (Caddy), so it proves nothing unless the service is known to answer so.
    #[serde(default)]
    pub allow_empty: bool,
    /// The time for everything from the name look-up to the last byte of the body.
    #[serde(default = "ten_seconds", rename = "deadline_ms", deserialize_with = "millis")]
    pub deadline: Duration,
}

impl RouteSpec {
    /// A spec that expects a 200 within ten seconds, at the address that the name resolves to.
    pub fn new(name: impl Into<String>, url: RouteUrl) -> Self {
        Self {
            name: name.into(),
            url,
            address: Addresses::default(),
            expected: only_ok(),
            http: None,
            allow_empty: false,
            deadline: ten_seconds(),
        }
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// If no status is expected, if one is outside 100 to 599, or if there is no time at all.
    pub fn check(&self) -> Result<(), SpecError> {
        let fault = |kind| Err(SpecError { route: self.name.clone(), kind });
        if self.expected.is_empty() {
            return fault(SpecErrorKind::NothingExpected);
        }
        if let Some(status) = self.expected.iter().find(|status| !(100..=599).contains(*status)) {
            return fault(SpecErrorKind::NoSuchStatus(*status));
        }
        if self.deadline.is_zero() {
            return fault(SpecErrorKind::NoTime);
        }
        Ok(())
    }
}

/// A route that is declared in a way that no answer could satisfy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("route `{route}` {kind}")]
pub struct SpecError {
    route: String,
    kind: SpecErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum SpecErrorKind {
    #[error("expects no status: list at least one, such as 200")]
    NothingExpected,
    #[error(
        "expects the status {0}: statuses are 100 to 599, and a route that does not answer is never fine"
    )]
    NoSuchStatus(u16),
    #[error("has a deadline of 0: give it some time")]
    NoTime,
}

fn only_ok() -> Vec<u16> {
    vec![200]
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn millis<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    u64::deserialize(input).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_spec_reads_from_json_with_defaults() {
        let spec: RouteSpec = serde_json::from_str(r#"{"name":"d","url":"https://h/"}"#).unwrap();
        assert_eq!(spec, RouteSpec::new("d", RouteUrl::parse("https://h/").unwrap()));
        let text = r#"{"name":"d","url":"https://h/","address":"127.0.0.1:443","expected":[303],"http":"2",
            "deadline_ms":1500}"#;
        let spec: RouteSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec.address, Addresses::from(SocketAddr::from(([127, 0, 0, 1], 443))));
        assert_eq!((spec.http, spec.deadline), (Some(HttpVersion::Http2), Duration::from_millis(1500)));
    }

    #[test]
    fn impossible_specs_are_refused_by_name() {
        let spec = RouteSpec::new("drone", RouteUrl::parse("https://h/").unwrap());
        assert_eq!(spec.check(), Ok(()));
        for (broken, part) in [
            (RouteSpec { expected: vec![], ..spec.clone() }, "expects no status"),
            (RouteSpec { expected: vec![200, 0], ..spec.clone() }, "never fine"),
            (RouteSpec { deadline: Duration::ZERO, ..spec }, "deadline of 0"),
        ] {
            let error = broken.check().unwrap_err().to_string();
            assert!(error.starts_with("route `drone` ") && error.contains(part), "{error}");
        }
    }
}
