//! What to probe, and which answers are expected.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::addresses::Addresses;
use crate::conditions::Conditions;
use crate::request::{Method, Request, RequestFault};
use crate::status::Expected;
use crate::url::{RouteUrl, Scheme};

/// An HTTP version that a route can be asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// How it is asked.
    #[serde(default)]
    pub request: Request,
    /// The statuses that are expected, 100 to 599, and classes of them. A login redirect (303) or a 404 can be as healthy as a 200.
    #[serde(default = "only_ok")]
    pub expected: Vec<Expected>,
    /// What else must hold of the answer.
    #[serde(default)]
    pub conditions: Conditions,
    /// The HTTP version to insist on; without it both are offered and the server chooses (ALPN).
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// True iff a 2xx answer without a body is fine. An empty 200 is what some routers send for a name that no rule
    /// matches (Caddy), so it proves nothing unless the service is known to answer so.
    #[serde(default)]
    pub allow_empty: bool,
    /// True iff the head of the answer is enough, as of a stream that sends nothing for hours: its body is not read.
    #[serde(default)]
    pub headers_suffice: bool,
    /// True iff a page that a router or web server sends of itself is fine (see [`DefaultPage`](crate::DefaultPage)).
    #[serde(default)]
    pub allow_default: bool,
    /// The time for everything from the name look-up to the last byte of the body.
    #[serde(default = "ten_seconds", rename = "deadline_ms", deserialize_with = "millis")]
    pub deadline: Duration,
    /// How often it may be asked until it answers as expected, 1 to [`RouteSpec::MOST_ATTEMPTS`]; see
    /// [`Prober::ask`](crate::Prober::ask).
    #[serde(default = "once")]
    pub attempts: u32,
}

impl RouteSpec {
    /// The most attempts: what needs more of them is down for a while.
    pub const MOST_ATTEMPTS: u32 = 5;

    /// A spec that expects a 200 within ten seconds, at the address that the name resolves to.
    pub fn new(name: impl Into<String>, url: RouteUrl) -> Self {
        Self {
            name: name.into(),
            url,
            address: Addresses::default(),
            request: Request::default(),
            expected: only_ok(),
            conditions: Conditions::default(),
            http: None,
            allow_empty: false,
            headers_suffice: false,
            allow_default: false,
            deadline: ten_seconds(),
            attempts: once(),
        }
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// If no status is expected, if one is outside 100 to 599, if there is no time at all, or if a condition contradicts the
    /// rest.
    pub fn check(&self) -> Result<(), SpecError> {
        let fault = |kind| Err(SpecError { route: self.name.clone(), kind });
        if self.expected.is_empty() {
            return fault(SpecErrorKind::NothingExpected);
        }
        let impossible = self.expected.iter().find_map(|expected| match expected {
            Expected::Status(status) if !(100..=599).contains(status) => Some(*status),
            Expected::Status(_) | Expected::Class(_) => None,
        });
        if let Some(status) = impossible {
            return fault(SpecErrorKind::NoSuchStatus(status));
        }
        if self.deadline.is_zero() {
            return fault(SpecErrorKind::NoTime);
        }
        if !(1..=Self::MOST_ATTEMPTS).contains(&self.attempts) {
            return fault(SpecErrorKind::Attempts(self.attempts));
        }
        if 1 < self.attempts && !self.request.method.is_idempotent() {
            return fault(SpecErrorKind::AskedAgain(self.request.method));
        }
        self.request.check().or_else(|found| fault(SpecErrorKind::Request(found)))?;
        if self.request.needs_tls() && self.url.scheme() == Scheme::Http {
            return fault(SpecErrorKind::CertificatesWithoutTls);
        }
        if !self.conditions.body.is_empty() && (self.headers_suffice || self.request.method == Method::Head) {
            return fault(SpecErrorKind::BodyNotRead);
        }
        if !self.conditions.tls.is_empty() && self.url.scheme() == Scheme::Http {
            return fault(SpecErrorKind::NoTls);
        }
        // A redirect that no expected status could carry would fail every answer.
        if self.conditions.redirect.is_some() && !self.expected.iter().any(|expected| redirects(*expected)) {
            return fault(SpecErrorKind::NoRedirectExpected);
        }
        let within = self.conditions.within_ms.map(|ms| Duration::from_millis(ms.get()));
        if within.is_some_and(|within| self.deadline <= within) {
            return fault(SpecErrorKind::DeadlineFirst);
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
    #[error(transparent)]
    Request(RequestFault),
    #[error(
        "has a CA or a client certificate and a URL with http://: write it with https://, or remove them"
    )]
    CertificatesWithoutTls,
    #[error(
        "has conditions on a body that it does not read (method HEAD, or headers_suffice): remove one of the two"
    )]
    BodyNotRead,
    #[error("has attempts = {0}: give 1 to {most}", most = RouteSpec::MOST_ATTEMPTS)]
    Attempts(u32),
    #[error("has attempts and method {}: a second request may do its work twice; remove one of the two", .0.as_str())]
    AskedAgain(Method),
    #[error("has a deadline of 0: give it some time")]
    NoTime,
    #[error("has conditions on TLS and a URL with http://: write it with https://, or remove conditions.tls")]
    NoTls,
    #[error(
        "has a condition on its redirect and expects no status from 300 to 399: add one to expect, such as 303"
    )]
    NoRedirectExpected,
    #[error(
        "has a within_ms that its deadline_ms cuts off: give a longer deadline_ms, or a shorter within_ms"
    )]
    DeadlineFirst,
}

fn redirects(expected: Expected) -> bool {
    match expected {
        Expected::Class(digit) => digit == 3,
        Expected::Status(status) => (300..400).contains(&status),
    }
}

fn only_ok() -> Vec<Expected> {
    vec![Expected::Status(200)]
}

fn once() -> u32 {
    1
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

    fn posting() -> Request {
        Request { method: Method::Post, ..Request::default() }
    }

    #[test]
    fn impossible_specs_are_refused_by_name() {
        let spec = RouteSpec::new("drone", RouteUrl::parse("https://h/").unwrap());
        assert_eq!(spec.check(), Ok(()));
        for (broken, part) in [
            (RouteSpec { expected: vec![], ..spec.clone() }, "expects no status"),
            (RouteSpec { expected: vec![200.into(), 0.into()], ..spec.clone() }, "never fine"),
            (RouteSpec { deadline: Duration::ZERO, ..spec.clone() }, "deadline of 0"),
            (RouteSpec { attempts: 0, ..spec.clone() }, "attempts = 0: give 1 to 5"),
            (RouteSpec { attempts: 6, ..spec.clone() }, "attempts = 6: give 1 to 5"),
            (RouteSpec { attempts: 2, request: posting(), ..spec }, "attempts and method POST"),
        ] {
            let error = broken.check().unwrap_err().to_string();
            assert!(error.starts_with("route `drone` ") && error.contains(part), "{error}");
        }
    }
}
