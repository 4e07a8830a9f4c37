//! What a probe saw.

use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::challenge::Challenge;
use crate::conditions::Conditions;
use crate::default_page::{DefaultPage, page_or_flag};
use crate::observe::{BodySeen, HeaderSeen};
use crate::origin::Origin;
use crate::phase::Phase;
use crate::request::Method;
use crate::spec::HttpVersion;
use crate::status::Expected;
use crate::text::printable;

/// Everything one probe saw of one route. What was not seen is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteFact {
    /// The route's name in its spec.
    pub name: String,
    /// What was asked for, without its query.
    pub url: String,
    /// The method with which it was asked.
    #[serde(default)]
    pub method: Method,
    /// When the probe began, by the caller's clock; certificates are judged at this time.
    pub at: Timestamp,
    /// The address that answered, or the last one tried.
    pub address: Option<SocketAddr>,
    /// True iff `address` was pinned by the spec rather than looked up.
    pub pinned: bool,
    /// The addresses that were tried before it and gave no answer, in their order.
    #[serde(default)]
    pub refused: Vec<SocketAddr>,
    /// The HTTP version that was spoken.
    pub http: Option<HttpVersion>,
    /// The status of the answer, 100 to 999 as sent.
    pub status: Option<u16>,
    /// The statuses that the spec expects.
    pub expected: Vec<Expected>,
    /// What else the spec asks of the answer.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub conditions: Conditions,
    /// What each condition on a header found, in their order; empty while no head came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers_seen: Vec<HeaderSeen>,
    /// What each condition on the body found, in their order; empty while no head came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_seen: Vec<BodySeen>,
    /// What TLS showed; `None` over plain HTTP, and when no handshake finished.
    pub tls: Option<TlsFact>,
    /// How long each phase took.
    pub timing_ms: TimingMs,
    /// What of the body was read.
    pub body: Option<BodyFact>,
    /// Where a redirect points, without its query. It is never followed.
    pub location: Option<String>,
    /// When to ask again, as the answer says: seconds or a date (`Retry-After`).
    #[serde(default)]
    pub retry_after: Option<String>,
    /// What the server calls itself (`Server`).
    #[serde(default)]
    pub server: Option<String>,
    /// How it wants to be authenticated to (`WWW-Authenticate`): schemes and realms alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub www_authenticate: Vec<Challenge>,
    /// Who sent it; `None` for other statuses than 502 to 504.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// True iff an answer without a body is as good as one with a body, by the spec.
    #[serde(default)]
    pub allow_empty: bool,
    /// True iff the head was to suffice, by the spec, so that no body was read.
    #[serde(default)]
    pub headers_suffice: bool,
    /// True iff a page that a router or web server sends of itself is fine, by the spec.
    #[serde(default)]
    pub allow_default: bool,
    /// True iff the server asked for a client certificate. Probes send that of the spec, or none.
    #[serde(default)]
    pub client_certificate: bool,
    /// Why the answer is missing or incomplete; `None` if it is complete.
    pub failure: Option<Failure>,
    /// The same request for curl, to be repeated by anyone; credentials and query are named, not shown.
    #[serde(default)]
    pub curl: Option<String>,
    /// How often it could be asked, by the spec.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub of_attempts: u32,
    /// What was seen before, in order, each time not as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Self>,
}

/// Which time it was that a route was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The most that the spec allows.
    pub of: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} of {}", self.number, self.of)
    }
}

impl RouteFact {
    /// Which attempt it is; `None` for the first one.
    pub fn attempt(&self) -> Option<Attempt> {
        let earlier = u32::try_from(self.earlier.len()).unwrap_or(u32::MAX);
        (0 < earlier).then(|| Attempt { number: earlier.saturating_add(1), of: self.of_attempts })
    }
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_once(attempts: &u32) -> bool {
    *attempts == 1
}

/// What a TLS handshake showed of the server. It is recorded before the certificate is judged, so bad ones have it
/// too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TlsFact {
    /// `1.2` or `1.3`.
    pub version: Option<String>,
    /// What ALPN settled on, such as `h2`.
    pub alpn: Option<String>,
    /// The subject of the server's certificate.
    pub subject: Option<String>,
    /// The names that the certificate is for, the first [`TlsFact::SANS_LIMIT`] of them.
    pub sans: Vec<String>,
    /// Who issued it.
    pub issuer: Option<String>,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// Whole days from [`RouteFact::at`] to `not_after`, rounded down; negative once it has ended.
    pub days_left: Option<i64>,
    /// True iff the chain, the time and the name are all right.
    pub verified: bool,
    /// Why not: the first fault.
    pub verify_error: Option<VerifyError>,
    /// What else is wrong with the certificate.
    #[serde(default)]
    pub also_wrong: Vec<VerifyError>,
}

impl TlsFact {
    /// The most names that are kept: a shared certificate may have thousands.
    pub const SANS_LIMIT: usize = 100;
}

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyError {
    /// The kind of fault, which decides the remedy.
    pub kind: VerifyErrorKind,
    /// What is wrong, for kinds without a text of their own.
    pub text: String,
}

/// The faults of certificates that have a remedy of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerifyErrorKind {
    /// Its time is over.
    Expired,
    /// Its time has not begun: a wrong clock, as a rule.
    NotYetValid,
    /// Anything else.
    Other,
    /// It vouches for itself alone, and is not trusted.
    SelfSigned,
    /// No chain leads to a known CA.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName,
}

/// The length of each phase in milliseconds; `None` for a phase that was not needed or not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimingMs {
    /// The name look-up.
    pub resolve: Option<u64>,
    /// The TCP connection.
    pub connect: Option<u64>,
    /// The TLS handshake.
    pub tls: Option<u64>,
    /// From sending the request to the head of the answer.
    pub first_byte: Option<u64>,
    /// Everything, the body included, whether it ended well or not.
    pub total: u64,
}

/// What of an answer's body was read before it was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BodyFact {
    /// Bytes read.
    pub bytes: u64,
    /// True iff that was all of it.
    pub complete: bool,
    /// The length that the answer declares; `None` if it declares none.
    #[serde(default)]
    pub length: Option<u64>,
    /// True iff the body is a stream without an end, so that its beginning is all there is to see.
    #[serde(default)]
    pub stream: bool,
    /// True iff the server closed the connection without TLS's own end, so that a body without a declared length may
    /// lack its last part.
    #[serde(default)]
    pub cut: bool,
    /// Whose own page it is, where it is one that a router or web server sends of itself. In facts of earlier versions
    /// `go_not_found`, which knew one page alone.
    #[serde(default, alias = "go_not_found", deserialize_with = "page_or_flag")]
    pub default_page: Option<DefaultPage>,
}

/// Why a probe has no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// Where it ended.
    pub phase: Phase,
    /// For [`Phase::Deadline`]: what was being done when the time was up.
    pub during: Option<Phase>,
    /// What happened; `None` in facts of earlier versions.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// What happened, in the words of the protocol: the cause's.
    pub text: String,
    /// What the system or a library said of it, where either did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Failure {
    pub(crate) fn because(cause: Cause) -> Self {
        let during = match &cause {
            Cause::TimedOut { during, .. } => Some(*during),
            _ => None,
        };
        let text = printable(&cause.to_string(), 500);
        Self { phase: cause.phase(), during, cause: Some(cause), text, evidence: None }
    }

    pub(crate) fn with_evidence(self, said: &str) -> Self {
        Self { evidence: Some(printable(said, 200)), ..self }
    }

    /// As earlier versions recorded one.
    #[cfg(test)]
    pub(crate) fn recorded(phase: Phase, text: &str) -> Self {
        Self { phase, during: None, cause: None, text: text.to_owned(), evidence: None }
    }
}
