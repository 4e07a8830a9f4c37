//! What a fact means. Pure: the same fact always has the same verdict.

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::default_page::DefaultPage;
use crate::fact::{Failure, RouteFact, TlsFact, VerifyError, VerifyErrorKind};
use crate::phase::Phase;
use crate::reason::RouteReason;
use crate::request::Method;
use crate::unmet::unmet;

/// Below this many days a certificate's end is mentioned, though it does not fail the route. Automatic renewal
/// usually happens with 30 days left, so 14 means that it has been failing for two weeks.
const DAYS_WORTH_A_WORD: i64 = 14;

/// The judgement of a route, or of anything else that was observed. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It answers as expected.
    Pass,
    /// It could not be observed. Never as good as a pass.
    Unknown,
    /// It does not answer, or not as expected.
    Fail,
}

impl Verdict {
    /// The worst of many; none at all are unknown.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Unknown => "UNKNOWN",
            Self::Fail => "FAIL",
        })
    }
}

/// A verdict and why. In JSON `verdict`, `kind` and `reason`, the last as text, and `reasons`: each that keeps it from passing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written"))]
pub struct RouteVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: RouteReason,
}

impl Serialize for RouteVerdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let each = self.reason.each().iter().filter(|_| self.verdict != Verdict::Pass);
        let reasons = each.map(|one| OneReason { kind: one.kind(), reason: one.to_string() }).collect();
        let (verdict, kind, reason) = (self.verdict, self.reason.kind(), self.reason.to_string());
        Written { verdict, kind, reason, reasons }.serialize(serializer)
    }
}

/// [`RouteVerdict`] as JSON has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Written {
    verdict: Verdict,
    kind: &'static str,
    reason: String,
    reasons: Vec<OneReason>,
}

/// One of several reasons, as JSON has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct OneReason {
    kind: &'static str,
    reason: String,
}

/// Passes a route whose status is an expected one, whose body came, whose certificate verified and whose conditions are met.
/// Everything that keeps it from passing is named, what fails it before what leaves it unknown.
///
/// A route that does not answer always fails: no list of statuses makes silence healthy, and neither does an empty 200
/// unless the spec allows it. Unknown is only what is no evidence about the route: no resolver, a limit of this
/// program's own (a head too large, TLS that it refuses), a body that may lack its end, or a fact without the parts that a
/// verdict needs.
pub fn judge(fact: &RouteFact) -> RouteVerdict {
    let mut found = findings(fact);
    found.sort_by_key(|(verdict, _)| Reverse(*verdict));
    let verdict = found.first().map_or(Verdict::Pass, |(worst, _)| *worst);
    let mut reasons: Vec<RouteReason> = found.into_iter().map(|(_, reason)| reason).collect();
    let reason = match reasons.len() {
        0 => as_expected(fact),
        1 => reasons.remove(0),
        _ => RouteReason::Several(reasons),
    };
    RouteVerdict { verdict, reason }
}

type Finding = (Verdict, RouteReason);

/// All that keeps the route from passing, in the order in which a request meets it.
fn findings(fact: &RouteFact) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(tls) = fact.tls.as_ref().filter(|tls| !tls.verified) {
        found.push((Verdict::Fail, bad_certificate(&host(&fact.url), tls)));
    }
    if let Some(failure) = &fact.failure {
        // What was not sent because of a bad certificate is no fault of its own.
        if found.is_empty() || fact.status.is_some() {
            let Failure { phase, text, .. } = failure.clone();
            let reason = RouteReason::NoAnswer { phase, text, status: fact.status };
            found.push((failure_verdict(failure), reason));
        }
    }
    match fact.status {
        Some(status) => found.extend(of_answer(status, fact)),
        None if found.is_empty() => found.push((Verdict::Unknown, RouteReason::NothingRecorded)),
        None => {}
    }
    found.extend(unmet(fact).into_iter().map(|unmet| {
        let verdict = if unmet.is_unknown() { Verdict::Unknown } else { Verdict::Fail };
        (verdict, RouteReason::Unmet(unmet))
    }));
    found
}

/// What is wrong with the answer itself.
fn of_answer(status: u16, fact: &RouteFact) -> Option<Finding> {
    // A fact may come from a file: without this, one that lost its TLS part would pass unverified.
    if fact.tls.is_none() && fact.url.starts_with("https:") {
        return Some((Verdict::Unknown, RouteReason::NoCertificateRecorded));
    }
    // Nothing declared is no reason to pass: unknown is never a pass.
    if fact.expected.is_empty() {
        return Some((Verdict::Unknown, RouteReason::NothingExpected { status }));
    }
    if !fact.expected.iter().any(|expected| expected.matches(status)) {
        let reason = RouteReason::OtherStatus {
            status,
            expected: fact.expected.clone(),
            location: fact.location.clone(),
            origin: fact.origin,
            page: page(fact),
            retry_after: fact.retry_after.clone(),
            asks: fact.www_authenticate.clone(),
        };
        return Some((Verdict::Fail, reason));
    }
    // A body that did not come whole is said by the failure.
    if fact.failure.is_some() { None } else { of_body(status, fact) }
}

/// The status alone is not enough: a router without a matching rule may send a 200 too, and then it is empty.
fn of_body(status: u16, fact: &RouteFact) -> Option<Finding> {
    // 204 and 205 have no body by their definition (RFC 9110, sections 15.3.5 and 15.3.6).
    let has_body =
        (200..300).contains(&status) && !matches!(status, 204 | 205) && fact.method != Method::Head;
    let wants_body = has_body && !fact.allow_empty && !fact.headers_suffice;
    match &fact.body {
        None if wants_body => Some((Verdict::Unknown, RouteReason::NoBodyRecorded { status })),
        Some(body) if wants_body && body.bytes == 0 && body.complete => {
            Some((Verdict::Fail, RouteReason::EmptyAnswer { status }))
        }
        Some(body) if body.cut => {
            Some((Verdict::Unknown, RouteReason::MaybeCut { status, bytes: body.bytes }))
        }
        _ => {
            let page = page(fact).filter(|_| !takes_default_page(fact))?;
            Some((Verdict::Unknown, RouteReason::DefaultPage { status, page }))
        }
    }
}

/// A page of a router's own proves nothing unless the spec says that it is fine, or asks for a body by itself.
fn takes_default_page(fact: &RouteFact) -> bool {
    fact.allow_default || !fact.conditions.body.is_empty()
}

fn page(fact: &RouteFact) -> Option<DefaultPage> {
    fact.body.as_ref().and_then(|body| body.default_page)
}

fn failure_verdict(failure: &Failure) -> Verdict {
    match (failure.phase, failure.during) {
        // A resolver that is too slow or a fault of this machine leaves open how the route is.
        (Phase::Local, _) | (Phase::Deadline, Some(Phase::Resolve)) => Verdict::Unknown,
        _ => Verdict::Fail,
    }
}

/// Every fault with its own remedy: a certificate that is renewed for the wrong name is still refused.
fn bad_certificate(host: &str, tls: &TlsFact) -> RouteReason {
    let text = tls.verify_error.as_ref().map(|error| error.text.clone());
    if is_traefik_default(tls) {
        return RouteReason::DefaultCertificate { host: host.to_owned(), text };
    }
    let faults = tls.verify_error.iter().chain(&tls.also_wrong);
    let mut reasons: Vec<RouteReason> = faults.map(|error| certificate_fault(host, tls, error)).collect();
    match reasons.len() {
        0 => RouteReason::CertificateRefused { text: None },
        1 => reasons.remove(0),
        _ => RouteReason::CertificateFaults(reasons),
    }
}

fn certificate_fault(host: &str, tls: &TlsFact, error: &VerifyError) -> RouteReason {
    match error.kind {
        VerifyErrorKind::WrongName => {
            RouteReason::WrongName { host: host.to_owned(), names: tls.sans.clone() }
        }
        VerifyErrorKind::Expired => {
            RouteReason::Expired { not_after: tls.not_after, days_left: tls.days_left }
        }
        VerifyErrorKind::SelfSigned => RouteReason::SelfSigned { subject: tls.subject.clone() },
        VerifyErrorKind::NotYetValid => RouteReason::NotYetValid { text: error.text.clone() },
        VerifyErrorKind::UnknownIssuer => RouteReason::UnknownIssuer { issuer: tls.issuer.clone() },
        VerifyErrorKind::Other => RouteReason::CertificateRefused { text: Some(error.text.clone()) },
    }
}

/// Traefik makes this certificate at its start and offers it where nothing better matches (Traefik documentation,
/// HTTPS & TLS, "Default Certificate"; the subject is set in its `pkg/tls/generate`).
fn is_traefik_default(tls: &TlsFact) -> bool {
    tls.subject.as_deref().is_some_and(|subject| subject.contains("TRAEFIK DEFAULT CERT"))
}

fn as_expected(fact: &RouteFact) -> RouteReason {
    // Without a status there is a finding, so this is never 0.
    let status = fact.status.unwrap_or_default();
    let days = fact.tls.as_ref().and_then(|tls| tls.days_left);
    let days_left = days.filter(|days| *days < DAYS_WORTH_A_WORD);
    let stream = fact.body.as_ref().is_some_and(|body| body.stream) && !fact.headers_suffice;
    RouteReason::AsExpected { status, head_alone: fact.headers_suffice, page: page(fact), stream, days_left }
}

fn host(url: &str) -> String {
    crate::url::RouteUrl::parse(url).map_or_else(|_| url.to_owned(), |url| url.host().to_owned())
}

#[cfg(test)]
mod tests;
