//! Routes over TLS: what is seen of a certificate, and what it is worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pvcheck_routes::{HttpVersion, Phase, RouteFact, Verdict, VerifyErrorKind, judge};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::support::{Ca, HOST, http, now, raw, spec, status};

const BOTH: &[&str] = &["h2", "http/1.1"];

/// Probes a server that always answers 200 with this certificate.
async fn fact(ca: &Ca, acceptor: TlsAcceptor, http_version: Option<HttpVersion>) -> RouteFact {
    let server = http(Some(acceptor), |_| status(200)).await;
    let mut spec = spec("https", "/", server);
    spec.http = http_version;
    ca.prober().probe(&spec, now()).await
}

fn assert_verdict(fact: &RouteFact, verdict: Verdict, parts: &[&str]) {
    let judged = judge(fact);
    assert_eq!(judged.verdict, verdict, "{fact:?}");
    for part in parts {
        assert!(judged.reason.to_string().contains(part), "{part} in: {}", judged.reason);
    }
}

#[tokio::test]
async fn a_good_certificate_passes_in_either_version() {
    let ca = Ca::new("CA");
    let leaf = ca.leaf(&[HOST, "*.ci.example.net"]);
    for (offered, forced, spoken, alpn) in [
        (BOTH, None, HttpVersion::Http2, Some("h2")),
        (BOTH, Some(HttpVersion::Http1), HttpVersion::Http1, Some("http/1.1")),
        (BOTH, Some(HttpVersion::Http2), HttpVersion::Http2, Some("h2")),
        (&["http/1.1"], None, HttpVersion::Http1, Some("http/1.1")),
        (&[], None, HttpVersion::Http1, None),
    ] {
        let fact = fact(&ca, leaf.offering(offered), forced).await;
        assert_verdict(&fact, Verdict::Pass, &["200 as expected"]);
        assert_eq!((fact.http, fact.status, &fact.failure), (Some(spoken), Some(200), &None));
        let body = fact.body.as_ref().unwrap();
        assert!(body.complete && body.bytes == 2 && body.default_page.is_none(), "{body:?}");
        let tls = fact.tls.unwrap();
        assert_eq!((tls.alpn.as_deref(), tls.version.as_deref()), (alpn, Some("1.3")));
        assert_eq!(tls.sans, [HOST, "*.ci.example.net"]);
        assert_eq!((tls.subject.as_deref(), tls.issuer.as_deref()), (Some("CN=leaf"), Some("CN=CA")));
        assert_eq!((tls.days_left, tls.verified, tls.verify_error), (Some(60), true, None));
        let times = fact.timing_ms;
        assert!(times.resolve.is_none() && times.connect.is_some(), "{times:?}");
        assert!(times.tls.is_some() && times.first_byte.is_some(), "{times:?}");
    }
}

#[tokio::test]
async fn tls_1_2_is_seen_and_verified_too() {
    let ca = Ca::new("CA");
    let acceptor = ca.leaf(&[HOST]).with_versions(BOTH, &[&rustls::version::TLS12]);
    let fact = fact(&ca, acceptor, None).await;
    assert_verdict(&fact, Verdict::Pass, &[]);
    assert_eq!(fact.tls.unwrap().version.as_deref(), Some("1.2"));
}

#[tokio::test]
async fn a_wrong_name_is_told_with_the_names_offered() {
    let ca = Ca::new("CA");
    let acceptor = ca.leaf(&["other.example", "drone.ci.example.net"]).offering(BOTH);
    let fact = fact(&ca, acceptor, None).await;
    assert_verdict(
        &fact,
        Verdict::Fail,
        &["not for ci.example.net", "other.example, drone.ci.example.net", "add ci.example.net"],
    );
    let error = fact.tls.unwrap().verify_error.unwrap();
    assert_eq!(error.kind, VerifyErrorKind::WrongName);
    assert_eq!(fact.status, Some(200), "the handshake goes on, so the rest is known too");
}

#[tokio::test]
async fn an_ended_certificate_is_told_with_its_end() {
    let ca = Ca::new("CA");
    let fact = fact(&ca, ca.leaf_until(&[HOST], (2026, 6, 1)).offering(BOTH), None).await;
    assert_verdict(&fact, Verdict::Fail, &["ended at 2026-06-01T00:00:00Z, 13 days ago", "renew it"]);
    let tls = fact.tls.unwrap();
    assert_eq!((tls.days_left, tls.verified), (Some(-13), false));
    assert_eq!(tls.verify_error.unwrap().kind, VerifyErrorKind::Expired);
}

#[tokio::test]
async fn certificates_are_judged_at_the_callers_time() {
    let ca = Ca::new("CA");
    let server = http(Some(ca.leaf(&[HOST]).offering(BOTH)), |_| status(200)).await;
    let (prober, spec) = (ca.prober(), spec("https", "/", server));
    for (at, kind) in [
        ("2025-12-31T23:59:59Z", VerifyErrorKind::NotYetValid),
        ("2026-08-13T00:00:01Z", VerifyErrorKind::Expired),
        ("1960-01-01T00:00:00Z", VerifyErrorKind::NotYetValid),
    ] {
        let fact = prober.probe(&spec, at.parse().unwrap()).await;
        assert_verdict(&fact, Verdict::Fail, &[]);
        assert_eq!(fact.tls.unwrap().verify_error.unwrap().kind, kind, "{at}");
    }
}

#[tokio::test]
async fn an_unknown_ca_is_told_by_its_name() {
    let (trusted, other) = (Ca::new("CA"), Ca::new("Other CA"));
    let fact = fact(&trusted, other.leaf(&[HOST]).offering(BOTH), None).await;
    assert_verdict(&fact, Verdict::Fail, &["issued by CN=Other CA", "CA file"]);
    let tls = fact.tls.unwrap();
    assert_eq!(tls.verify_error.unwrap().kind, VerifyErrorKind::UnknownIssuer);
    assert_eq!(tls.sans, [HOST]);
}

#[tokio::test]
async fn a_query_is_not_sent_where_the_certificate_is_bad() {
    let (trusted, other) = (Ca::new("CA"), Ca::new("Other CA"));
    for (ca, verdict, requests) in [(&trusted, Verdict::Pass, 1), (&other, Verdict::Fail, 0)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let server = http(Some(ca.leaf(&[HOST]).offering(BOTH)), move |request| {
            assert_eq!(request.uri().query(), Some("token=s3cret"));
            counter.fetch_add(1, Ordering::SeqCst);
            status(200)
        })
        .await;
        let fact = trusted.prober().probe(&spec("https", "/hook?token=s3cret", server), now()).await;
        assert_verdict(&fact, verdict, &[]);
        assert_eq!(seen.load(Ordering::SeqCst), requests);
        assert!(!serde_json::to_string(&fact).unwrap().contains("s3cret"));
        assert_eq!(fact.url, "https://ci.example.net/hook?[redacted]");
    }
}

#[tokio::test]
async fn a_version_that_the_server_does_not_speak_fails_the_route() {
    let ca = Ca::new("CA");
    for (offered, words) in
        [(&["http/1.1"][..], "does not speak HTTP/2"), (&[][..], "did not agree to HTTP/2")]
    {
        let fact = fact(&ca, ca.leaf(&[HOST]).offering(offered), Some(HttpVersion::Http2)).await;
        assert_verdict(&fact, Verdict::Fail, &[words]);
        assert_eq!((fact.failure.unwrap().phase, fact.status), (Phase::Tls, None));
    }
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let server = raw(|mut tcp| async move {
        drop(tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    })
    .await;
    let fact = Ca::new("CA").prober().probe(&spec("https", "/", server), now()).await;
    assert_verdict(&fact, Verdict::Fail, &["no TLS session", "does not speak TLS"]);
    assert_eq!((fact.failure.unwrap().phase, fact.tls), (Phase::Tls, None));
}
