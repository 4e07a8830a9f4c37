//! What a fact means. Pure: the same fact always has the same verdict.

use std::cmp::Reverse;
use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::fact::{Failure, Phase, RouteFact, TlsFact, VerifyError, VerifyErrorKind};
use crate::reason::RouteReason;
use crate::request::Method;
use crate::unmet::unmet;

/// Below this many days a certificate's end is mentioned, though it does not fail the route. Automatic renewal
/// usually happens with 30 days left, so 14 means that it has been failing for two weeks.
const DAYS_WORTH_A_WORD: i64 = 14;

/// The judgement of a route, or of anything else that was observed. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
pub struct RouteVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: RouteReason,
}

impl Serialize for RouteVerdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("RouteVerdict", 4)?;
        object.serialize_field("verdict", &self.verdict)?;
        object.serialize_field("kind", self.reason.kind())?;
        object.serialize_field("reason", &self.reason.to_string())?;
        let each = self.reason.each().iter().filter(|_| self.verdict != Verdict::Pass);
        let reasons: Vec<_> =
            each.map(|one| OneReason { kind: one.kind(), reason: one.to_string() }).collect();
        object.serialize_field("reasons", &reasons)?;
        object.end()
    }
}

/// One of several reasons, as JSON has it.
#[derive(Serialize)]
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
        let (expected, location) = (fact.expected.clone(), fact.location.clone());
        let (origin, retry_after) = (fact.origin, fact.retry_after.clone());
        let reason = RouteReason::OtherStatus { status, expected, location, origin, retry_after };
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
        _ => None,
    }
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
    let router_body = status == 404 && fact.body.as_ref().is_some_and(|body| body.go_not_found);
    let days = fact.tls.as_ref().and_then(|tls| tls.days_left);
    let days_left = days.filter(|days| *days < DAYS_WORTH_A_WORD);
    let stream = fact.body.as_ref().is_some_and(|body| body.stream) && !fact.headers_suffice;
    RouteReason::AsExpected { status, head_alone: fact.headers_suffice, router_body, stream, days_left }
}

fn host(url: &str) -> String {
    crate::url::RouteUrl::parse(url).map_or_else(|_| url.to_owned(), |url| url.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Conditions;
    use crate::fact::{BodyFact, TimingMs};
    use crate::observe::{BodySeen, HeaderSeen};
    use crate::request::Method;
    use crate::spec::HttpVersion;
    use crate::status::Expected;

    fn healthy() -> RouteFact {
        RouteFact {
            name: "dashboard".to_owned(),
            url: "https://ci.example.net/".to_owned(),
            method: Method::Get,
            at: "2026-06-13T05:38:02Z".parse().unwrap(),
            address: Some("127.0.0.1:443".parse().unwrap()),
            pinned: true,
            refused: Vec::new(),
            http: Some(HttpVersion::Http2),
            status: Some(200),
            expected: vec![200.into()],
            conditions: Conditions::default(),
            headers_seen: Vec::new(),
            body_seen: Vec::new(),
            tls: Some(TlsFact {
                version: Some("1.3".to_owned()),
                alpn: Some("h2".to_owned()),
                subject: Some("CN=ci.example.net".to_owned()),
                sans: vec!["ci.example.net".to_owned()],
                issuer: Some("CN=CA".to_owned()),
                not_after: Some("2026-08-13T00:00:00Z".parse().unwrap()),
                days_left: Some(60),
                verified: true,
                verify_error: None,
                also_wrong: vec![],
            }),
            timing_ms: TimingMs::default(),
            body: Some(BodyFact { bytes: 2, complete: true, ..BodyFact::default() }),
            location: None,
            retry_after: None,
            origin: None,
            allow_empty: false,
            headers_suffice: false,
            client_certificate: false,
            failure: None,
        }
    }

    /// The healthy fact with one thing changed.
    fn with(change: impl FnOnce(&mut RouteFact)) -> (Verdict, String) {
        let mut fact = healthy();
        change(&mut fact);
        let verdict = judge(&fact);
        (verdict.verdict, verdict.reason.to_string())
    }

    fn with_bad_certificate(kind: VerifyErrorKind, change: impl FnOnce(&mut TlsFact)) -> (Verdict, String) {
        with(|fact| {
            let tls = fact.tls.as_mut().unwrap();
            tls.verified = false;
            tls.verify_error = Some(VerifyError { kind, text: "the verifier's words".to_owned() });
            change(tls);
        })
    }

    #[test]
    fn the_healthy_fact_passes() {
        assert_eq!(with(|_| ()), (Verdict::Pass, "200 as expected".to_owned()));
    }

    #[test]
    fn the_statuses_of_the_mission_are_fine_where_expected_only() {
        for status in [303, 404] {
            assert_eq!(
                with(|f| (f.status, f.expected) = (Some(status), vec![status.into()])).0,
                Verdict::Pass
            );
            assert_eq!(with(|f| f.status = Some(status)).0, Verdict::Fail);
        }
    }

    #[test]
    fn silence_is_never_acceptable() {
        for phase in [Phase::Connect, Phase::Tls, Phase::Http, Phase::Deadline, Phase::Resolve] {
            let silent = |f: &mut RouteFact| {
                f.status = None;
                f.expected = vec![0.into(), 200.into()];
                f.failure = Some(Failure::new(phase, "refused"));
            };
            let (verdict, reason) = with(silent);
            assert_eq!(verdict, Verdict::Fail, "{phase:?}");
            assert!(reason.ends_with("refused"), "{reason}");
        }
    }

    #[test]
    fn an_expected_status_with_a_body_that_never_came_fails() {
        let (verdict, reason) = with(|f| f.failure = Some(Failure::new(Phase::Deadline, "time was up")));
        assert_eq!(verdict, Verdict::Fail);
        assert!(reason.contains("status 200 was seen"), "{reason}");
    }

    #[test]
    fn what_says_nothing_about_the_route_is_unknown() {
        let local = |f: &mut RouteFact| f.failure = Some(Failure::new(Phase::Local, "no resolver"));
        let slow_resolver = |f: &mut RouteFact| {
            f.failure = Some(Failure { during: Some(Phase::Resolve), ..Failure::new(Phase::Deadline, "up") });
        };
        assert_eq!(with(local).0, Verdict::Unknown);
        assert_eq!(with(slow_resolver).0, Verdict::Unknown);
        assert_eq!(with(|f| f.status = None).0, Verdict::Unknown);
        assert_eq!(with(|f| f.tls = None).0, Verdict::Unknown);
        assert_eq!(with(|f| f.expected.clear()).0, Verdict::Unknown);
    }

    #[test]
    fn a_bad_certificate_fails_an_expected_status_and_names_the_remedy() {
        let wrong = with_bad_certificate(VerifyErrorKind::WrongName, |tls| {
            tls.sans = (0..10).map(|i| format!("n{i}.example")).collect();
        });
        assert_eq!(wrong.0, Verdict::Fail);
        for part in ["not for ci.example.net", "n0.example", "n7.example and 2 more", "add ci.example.net"] {
            assert!(wrong.1.contains(part), "{}", wrong.1);
        }
        let expired = with_bad_certificate(VerifyErrorKind::Expired, |tls| {
            tls.not_after = Some("2026-06-11T00:00:00Z".parse().unwrap());
            tls.days_left = Some(-3);
        });
        assert!(expired.1.contains("2026-06-11T00:00:00Z, 3 days ago: renew"), "{}", expired.1);
        let unknown = with_bad_certificate(VerifyErrorKind::UnknownIssuer, |_| ());
        assert!(unknown.1.contains("issued by CN=CA") && unknown.1.contains("CA file"), "{}", unknown.1);
        let young = with_bad_certificate(VerifyErrorKind::NotYetValid, |_| ());
        assert!(young.1.contains("clocks"), "{}", young.1);
        let other = with_bad_certificate(VerifyErrorKind::Other, |_| ());
        assert!(other.1.ends_with("the verifier's words"), "{}", other.1);
    }

    #[test]
    fn every_fault_of_a_certificate_is_named() {
        let (verdict, reason) = with_bad_certificate(VerifyErrorKind::Expired, |tls| {
            let text = "other names".to_owned();
            tls.also_wrong = vec![VerifyError { kind: VerifyErrorKind::WrongName, text }];
            tls.not_after = Some("2026-06-11T00:00:00Z".parse().unwrap());
            tls.days_left = Some(-3);
        });
        assert_eq!(verdict, Verdict::Fail);
        assert!(
            reason.contains("3 days ago") && reason.contains("; and the certificate is not for"),
            "{reason}"
        );
    }

    #[test]
    fn an_expected_status_needs_its_body() {
        let body = |change: fn(&mut BodyFact)| with(|f| change(f.body.as_mut().unwrap()));
        assert_eq!(body(|b| b.bytes = 0).0, Verdict::Fail);
        assert_eq!(with(|f| f.body = None).0, Verdict::Unknown);
        assert_eq!(body(|b| (b.cut, b.complete) = (true, false)).0, Verdict::Unknown);
        assert_eq!(body(|b| (b.stream, b.bytes, b.complete) = (true, 0, false)).0, Verdict::Pass);
        let empty = |f: &mut RouteFact| f.body.as_mut().unwrap().bytes = 0;
        assert_eq!(
            with(|f| {
                empty(f);
                f.allow_empty = true;
            })
            .0,
            Verdict::Pass
        );
        for status in [204, 303, 404] {
            assert_eq!(
                with(|f| {
                    empty(f);
                    (f.status, f.expected) = (Some(status), vec![status.into()]);
                })
                .0,
                Verdict::Pass
            );
        }
    }

    #[test]
    fn traefiks_own_certificate_is_recognised() {
        let (verdict, reason) = with_bad_certificate(VerifyErrorKind::UnknownIssuer, |tls| {
            tls.subject = Some("CN=TRAEFIK DEFAULT CERT".to_owned());
        });
        assert_eq!(verdict, Verdict::Fail);
        assert!(reason.contains("Traefik's built-in default certificate for ci.example.net"), "{reason}");
    }

    #[test]
    fn weak_passes_say_so() {
        let weak = with(|f| {
            (f.status, f.expected) = (Some(404), vec![404.into()]);
            f.body.as_mut().unwrap().go_not_found = true;
        });
        assert_eq!(weak.0, Verdict::Pass);
        assert!(weak.1.contains("router without a matching rule"), "{}", weak.1);
        let ending = with(|f| f.tls.as_mut().unwrap().days_left = Some(13));
        assert_eq!(ending, (Verdict::Pass, "200 as expected; the certificate ends in 13 days".to_owned()));
        assert_eq!(with(|f| f.tls.as_mut().unwrap().days_left = Some(14)).1, "200 as expected");
    }

    fn asking(conditions: &str, change: impl FnOnce(&mut RouteFact)) -> (Verdict, String) {
        with(|fact| {
            fact.conditions = serde_json::from_str(conditions).unwrap();
            change(fact);
        })
    }

    #[test]
    fn every_condition_fails_where_it_is_not_met_and_is_unknown_where_nothing_was_seen() {
        let (pass, fail, unknown) = (Verdict::Pass, Verdict::Fail, Verdict::Unknown);
        let tls = |change: fn(&mut TlsFact)| move |f: &mut RouteFact| change(f.tls.as_mut().unwrap());
        let header = r#"{"headers":[{"name":"vary","equals":"a"}]}"#;
        let body = r#"{"body":[{"contains":"ok"}]}"#;
        let names = r#"{"tls":{"names":["b.example"]}}"#;
        let cases: Vec<(&str, Box<dyn Fn(&mut RouteFact)>, Verdict, &str)> = vec![
            (header, Box::new(|f| f.headers_seen = vec![HeaderSeen::Met]), pass, ""),
            (
                header,
                Box::new(|f| f.headers_seen = vec![HeaderSeen::Absent]),
                fail,
                "there is no header vary",
            ),
            (
                header,
                Box::new(|f| f.headers_seen = vec![HeaderSeen::Other { value: "b".into() }]),
                fail,
                "vary is \"b\"",
            ),
            (header, Box::new(|_| ()), unknown, "head was not seen"),
            (body, Box::new(|f| f.body_seen = vec![BodySeen::Met]), pass, ""),
            (body, Box::new(|f| f.body_seen = vec![BodySeen::Missing]), fail, "does not have \"ok\""),
            (
                body,
                Box::new(|f| f.body_seen = vec![BodySeen::Beyond { read: 9 }]),
                unknown,
                "the first 9 bytes",
            ),
            (body, Box::new(|_| ()), unknown, "body was not seen"),
            (r#"{"tls":{"min_version":"1.2"}}"#, Box::new(|_| ()), pass, ""),
            (
                r#"{"tls":{"min_version":"1.3"}}"#,
                Box::new(tls(|t| t.version = Some("1.2".into()))),
                fail,
                "TLS 1.2 was",
            ),
            (
                r#"{"tls":{"min_version":"1.3"}}"#,
                Box::new(tls(|t| t.version = None)),
                unknown,
                "version of TLS",
            ),
            (r#"{"tls":{"min_days_left":60}}"#, Box::new(|_| ()), pass, ""),
            (r#"{"tls":{"min_days_left":61}}"#, Box::new(|_| ()), fail, "ends in 60 days, and 61"),
            (
                r#"{"tls":{"min_days_left":1}}"#,
                Box::new(tls(|t| t.days_left = None)),
                unknown,
                "certificate's end",
            ),
            (r#"{"tls":{"issuer":"CA"}}"#, Box::new(|_| ()), pass, ""),
            (r#"{"tls":{"issuer":"Encrypt"}}"#, Box::new(|_| ()), fail, "issuer is CN=CA"),
            (
                r#"{"tls":{"issuer":"CA"}}"#,
                Box::new(tls(|t| t.issuer = None)),
                unknown,
                "certificate's issuer",
            ),
            (names, Box::new(tls(|t| t.sans.push("*.example".into()))), pass, ""),
            (names, Box::new(|_| ()), fail, "not for b.example, but for ci.example.net"),
            (names, Box::new(tls(|t| t.sans = vec!["x".into(); TlsFact::SANS_LIMIT])), unknown, "whole list"),
            (
                names,
                Box::new(|f| (f.tls, f.url) = (None, "http://h/".into())),
                unknown,
                "TLS session was not",
            ),
            (r#"{"within_ms":100}"#, Box::new(|f| f.timing_ms.total = 100), pass, ""),
            (r#"{"within_ms":100}"#, Box::new(|f| f.timing_ms.total = 101), fail, "took 101 ms"),
            (
                r#"{"within_ms":100}"#,
                Box::new(|f| (f.timing_ms.total, f.timing_ms.resolve) = (900, Some(850))),
                pass,
                "",
            ),
            (
                r#"{"within_ms":100}"#,
                Box::new(|f| f.body.as_mut().unwrap().complete = false),
                unknown,
                "rest of the body",
            ),
        ];
        for (conditions, change, verdict, words) in cases {
            let (judged, reason) = asking(conditions, change);
            assert_eq!(judged, verdict, "{conditions}: {reason}");
            assert!(reason.contains(words), "{conditions}: {reason}");
        }
    }

    #[test]
    fn a_redirect_is_compared_as_a_client_would_follow_it() {
        for (wanted, location, verdict) in [
            ("/login", Some("/login?[redacted]"), Verdict::Pass),
            ("/login", Some("https://ci.example.net/login"), Verdict::Pass),
            ("https://ci.example.net/login", Some("login"), Verdict::Pass),
            ("https://ci.example.net:443/a/../login", Some("./login#x"), Verdict::Pass),
            ("/login", Some("http://ci.example.net/login"), Verdict::Fail),
            ("/login", Some("//other.example/login"), Verdict::Fail),
            ("/login", None, Verdict::Fail),
            ("/login", Some("/login…"), Verdict::Unknown),
        ] {
            let (judged, reason) = asking(&format!("{{\"redirect\":\"{wanted}\"}}"), |fact| {
                (fact.status, fact.expected) = (Some(303), vec![Expected::Class(3)]);
                fact.location = location.map(str::to_owned);
            });
            assert_eq!(judged, verdict, "{wanted} for {location:?}: {reason}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_and_what_fails_comes_first() {
        let mut fact = healthy();
        fact.conditions =
            serde_json::from_str(r#"{"body":[{"contains":"ok"}],"tls":{"min_days_left":90},"within_ms":5}"#)
                .unwrap();
        fact.body_seen = vec![BodySeen::Beyond { read: 9 }];
        (fact.status, fact.timing_ms.total) = (Some(500), 7);
        let judged = judge(&fact);
        assert_eq!((judged.verdict, judged.reason.kind()), (Verdict::Fail, "several"));
        let json = serde_json::to_value(&judged).unwrap();
        let kinds: Vec<_> = json["reasons"].as_array().unwrap().iter().map(|r| r["kind"].clone()).collect();
        assert_eq!(kinds, ["other_status", "tls_days_left", "time", "body"]);
        let text = judged.reason.to_string();
        for part in ["answered 500", "60 days", "took 7 ms", "first 9 bytes"] {
            assert!(text.contains(part), "{part} in: {text}");
        }
    }

    #[test]
    fn without_an_answer_only_what_was_seen_is_added_to_the_failure() {
        let (verdict, reason) =
            asking(r#"{"body":[{"contains":"ok"}],"tls":{"min_days_left":90}}"#, |fact| {
                fact.status = None;
                fact.failure = Some(Failure::new(Phase::Http, "broken off"));
            });
        assert_eq!(verdict, Verdict::Fail);
        assert!(
            reason.contains("broken off") && reason.contains("60 days") && !reason.contains("\"ok\""),
            "{reason}"
        );
    }

    #[test]
    fn a_verdict_replays_from_json() {
        let fact = healthy();
        let text = serde_json::to_string(&fact).unwrap();
        let back: RouteFact = serde_json::from_str(&text).unwrap();
        assert_eq!(back, fact);
        assert_eq!(judge(&back), judge(&fact));
    }
}
