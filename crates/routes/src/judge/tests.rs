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
        server: None,
        www_authenticate: Vec::new(),
        origin: None,
        allow_empty: false,
        headers_suffice: false,
        allow_default: false,
        client_certificate: false,
        failure: None,
        curl: None,
        of_attempts: 1,
        earlier: Vec::new(),
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
        assert_eq!(with(|f| (f.status, f.expected) = (Some(status), vec![status.into()])).0, Verdict::Pass);
        assert_eq!(with(|f| f.status = Some(status)).0, Verdict::Fail);
    }
}

#[test]
fn silence_is_never_acceptable() {
    for phase in [Phase::Connect, Phase::Tls, Phase::Http, Phase::Deadline, Phase::Resolve] {
        let silent = |f: &mut RouteFact| {
            f.status = None;
            f.expected = vec![0.into(), 200.into()];
            f.failure = Some(Failure::recorded(phase, "refused"));
        };
        let (verdict, reason) = with(silent);
        assert_eq!(verdict, Verdict::Fail, "{phase:?}");
        assert!(reason.ends_with("refused"), "{reason}");
    }
}

#[test]
fn an_expected_status_with_a_body_that_never_came_fails() {
    let (verdict, reason) = with(|f| f.failure = Some(Failure::recorded(Phase::Deadline, "time was up")));
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.contains("status 200 was seen"), "{reason}");
}

#[test]
fn what_says_nothing_about_the_route_is_unknown() {
    let local = |f: &mut RouteFact| f.failure = Some(Failure::recorded(Phase::Local, "no resolver"));
    let slow_resolver = |f: &mut RouteFact| {
        f.failure =
            Some(Failure { during: Some(Phase::Resolve), ..Failure::recorded(Phase::Deadline, "up") });
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
    assert!(reason.contains("3 days ago") && reason.contains("; and the certificate is not for"), "{reason}");
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
fn a_page_of_the_routers_own_passes_only_where_it_is_asked_for() {
    let not_found = |f: &mut RouteFact| {
        (f.status, f.expected) = (Some(404), vec![404.into()]);
        f.body.as_mut().unwrap().default_page = Some(DefaultPage::TraefikNotFound);
    };
    let (verdict, reason) = with(not_found);
    assert_eq!(verdict, Verdict::Unknown);
    assert!(reason.contains("Traefik sends where no router") && reason.contains("allow_default"), "{reason}");
    let (verdict, reason) = with(|f| {
        not_found(f);
        f.allow_default = true;
    });
    assert_eq!(verdict, Verdict::Pass);
    assert!(reason.contains("Traefik sends where no router"), "it does not pass silently: {reason}");
    let asked = asking(r#"{"body":[{"contains":"404 page"}]}"#, |f| {
        not_found(f);
        f.body_seen = vec![BodySeen::Met];
    });
    assert_eq!(asked.0, Verdict::Pass);
    let unasked = with(|f| {
        not_found(f);
        f.expected = vec![200.into()];
    });
    assert_eq!(unasked.0, Verdict::Fail);
    assert!(unasked.1.contains("404 instead of 200: it is the page that Traefik sends"), "{}", unasked.1);
}

/// Facts of earlier versions say `go_not_found`.
#[test]
fn an_older_fact_keeps_what_it_knew_of_the_page() {
    let mut fact = healthy();
    (fact.status, fact.expected) = (Some(404), vec![404.into()]);
    let mut json = serde_json::to_value(&fact).unwrap();
    for (flag, page) in [(true, Some(DefaultPage::TraefikNotFound)), (false, None)] {
        let body = json["body"].as_object_mut().unwrap();
        body.remove("default_page");
        body.insert("go_not_found".to_owned(), flag.into());
        let back: RouteFact = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(back.body.unwrap().default_page, page);
    }
}

#[test]
fn an_end_that_is_near_is_said() {
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

/// What is changed of an answer that passes.
type Change = Box<dyn Fn(&mut RouteFact)>;

#[test]
fn every_condition_fails_where_it_is_not_met_and_is_unknown_where_nothing_was_seen() {
    let (pass, fail, unknown) = (Verdict::Pass, Verdict::Fail, Verdict::Unknown);
    let tls = |change: fn(&mut TlsFact)| move |f: &mut RouteFact| change(f.tls.as_mut().unwrap());
    let header = r#"{"headers":[{"name":"vary","equals":"a"}]}"#;
    let body = r#"{"body":[{"contains":"ok"}]}"#;
    let names = r#"{"tls":{"names":["b.example"]}}"#;
    let cases: Vec<(&str, Change, Verdict, &str)> = vec![
        (header, Box::new(|f| f.headers_seen = vec![HeaderSeen::Met]), pass, ""),
        (header, Box::new(|f| f.headers_seen = vec![HeaderSeen::Absent]), fail, "there is no header vary"),
        (
            header,
            Box::new(|f| f.headers_seen = vec![HeaderSeen::Other { value: "b".into() }]),
            fail,
            "vary is \"b\"",
        ),
        (header, Box::new(|_| ()), unknown, "head was not seen"),
        (body, Box::new(|f| f.body_seen = vec![BodySeen::Met]), pass, ""),
        (body, Box::new(|f| f.body_seen = vec![BodySeen::Missing]), fail, "does not have \"ok\""),
        (body, Box::new(|f| f.body_seen = vec![BodySeen::Beyond { read: 9 }]), unknown, "the first 9 bytes"),
        (body, Box::new(|_| ()), unknown, "body was not seen"),
        (r#"{"tls":{"min_version":"1.2"}}"#, Box::new(|_| ()), pass, ""),
        (
            r#"{"tls":{"min_version":"1.3"}}"#,
            Box::new(tls(|t| t.version = Some("1.2".into()))),
            fail,
            "TLS 1.2 was",
        ),
        (r#"{"tls":{"min_version":"1.3"}}"#, Box::new(tls(|t| t.version = None)), unknown, "version of TLS"),
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
        (r#"{"tls":{"issuer":"CA"}}"#, Box::new(tls(|t| t.issuer = None)), unknown, "certificate's issuer"),
        (names, Box::new(tls(|t| t.sans.push("*.example".into()))), pass, ""),
        (names, Box::new(|_| ()), fail, "not for b.example, but for ci.example.net"),
        (names, Box::new(tls(|t| t.sans = vec!["x".into(); TlsFact::SANS_LIMIT])), unknown, "whole list"),
        (names, Box::new(|f| (f.tls, f.url) = (None, "http://h/".into())), unknown, "TLS session was not"),
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
    let (verdict, reason) = asking(r#"{"body":[{"contains":"ok"}],"tls":{"min_days_left":90}}"#, |fact| {
        fact.status = None;
        fact.failure = Some(Failure::recorded(Phase::Http, "broken off"));
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
