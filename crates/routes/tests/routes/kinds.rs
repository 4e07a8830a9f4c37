//! Answers that were once taken for what they are not, each as a server on loopback gives it.

use std::time::Duration;

use http::Response;
use http_body_util::Full;
use pvcheck_routes::{HttpVersion, Origin, Phase, RouteFact, RouteSpec, Verdict, VerifyErrorKind, judge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::support::{Answer, Ca, HOST, http, now, raw, spec, status};

/// Probes a server that reads the request and sends these bytes; it stalls afterwards if `stall`.
async fn sent(bytes: Vec<u8>, stall: bool, change: impl FnOnce(&mut RouteSpec)) -> RouteFact {
    let server = raw(move |mut tcp| {
        let bytes = bytes.clone();
        async move {
            let mut request = [0; 4096];
            drop(tcp.read(&mut request).await);
            drop(tcp.write_all(&bytes).await);
            if stall {
                drop(tcp.read_to_end(&mut Vec::new()).await);
            }
        }
    })
    .await;
    let mut spec = spec("http", "/", server);
    change(&mut spec);
    Ca::new("CA").prober().probe(&spec, now()).await
}

async fn answered(answer: fn() -> Answer) -> RouteFact {
    let server = http(None, move |_| answer()).await;
    Ca::new("CA").prober().probe(&spec("http", "/", server), now()).await
}

async fn over_tls(ca: &Ca, acceptor: TlsAcceptor) -> RouteFact {
    let server = http(Some(acceptor), |_| status(200)).await;
    ca.prober().probe(&spec("https", "/", server), now()).await
}

fn assert_said(fact: &RouteFact, verdict: Verdict, words: &[&str]) {
    let judged = judge(fact);
    assert_eq!(judged.verdict, verdict, "{fact:?}");
    let reason = judged.reason.to_string();
    for word in words {
        assert!(reason.contains(word), "{word} in: {reason}");
    }
    for library in
        ["hyper", "h2 ", "http2 error", "docs.rs", "Other(", "AlertDescription", "received fatal alert"]
    {
        assert!(!reason.contains(library), "a library's words: {reason}");
    }
}

#[tokio::test]
async fn an_empty_200_proves_nothing_unless_it_is_asked_for() {
    let empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    assert_said(&sent(empty.clone(), false, |_| ()).await, Verdict::Fail, &["0 bytes", "allow_empty"]);
    assert_said(
        &sent(empty, false, |spec| spec.allow_empty = true).await,
        Verdict::Pass,
        &["200 as expected"],
    );
    let none = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    assert_said(&sent(none, false, |spec| spec.expected = vec![204.into()]).await, Verdict::Pass, &["204"]);
}

#[tokio::test]
async fn a_503_of_the_service_itself_is_told_from_the_routers() {
    let service =
        || Response::builder().status(503).header("retry-after", "120").body(Full::from("later")).unwrap();
    let fact = answered(service).await;
    assert_said(&fact, Verdict::Fail, &["the service itself", "ask again: 120"]);
    assert_eq!((fact.origin, fact.retry_after.as_deref()), (Some(Origin::Service), Some("120")));
    let router = || Response::builder().status(503).body(Full::from("no available server\n")).unwrap();
    assert_said(
        &answered(router).await,
        Verdict::Fail,
        &["the router answers, the service behind it does not"],
    );
    let either = || Response::builder().status(503).body(Full::from("down")).unwrap();
    assert_said(&answered(either).await, Verdict::Fail, &["nothing in the answer says which"]);
}

#[tokio::test]
async fn of_an_endless_stream_the_beginning_suffices() {
    let events =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let fact = sent(events, true, |_| ()).await;
    assert_said(&fact, Verdict::Pass, &["200 as expected", "stream"]);
    assert!(fact.timing_ms.total < 20_000, "it waits for no event: {:?}", fact.timing_ms);
    let log = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nline\n\r\n".to_vec();
    let fact = sent(log, true, |spec| spec.deadline = Duration::from_millis(300)).await;
    assert_said(&fact, Verdict::Pass, &["stream"]);
    let silent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let fact = sent(silent, true, |spec| spec.deadline = Duration::from_millis(300)).await;
    assert_said(&fact, Verdict::Fail, &["no whole answer"]);
}

#[tokio::test]
async fn many_headers_are_no_fault_of_the_route() {
    let cookies: String = (0..120).map(|n| format!("set-cookie: c{n}={}\r\n", "x".repeat(300))).collect();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{cookies}\r\nok");
    assert_said(&sent(head.into_bytes(), false, |_| ()).await, Verdict::Pass, &["200 as expected"]);
    let many: String = (0..600).map(|n| format!("x-{n}: y\r\n")).collect();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{many}\r\nok");
    let fact = sent(head.into_bytes(), false, |_| ()).await;
    assert_said(&fact, Verdict::Unknown, &["larger than this program reads"]);
}

#[tokio::test]
async fn an_end_without_close_notify_matters_only_where_no_length_is_declared() {
    let ca = Ca::new("CA");
    for (head, verdict, words) in [
        ("content-length: 2\r\n", Verdict::Pass, "200 as expected"),
        ("connection: close\r\n", Verdict::Unknown, "close_notify"),
        ("content-length: 9\r\n", Verdict::Fail, "closed the connection"),
    ] {
        let acceptor = ca.leaf(&[HOST]).offering(&["http/1.1"]);
        let server = raw(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\nok").as_bytes()).await);
                drop(stream.flush().await);
                // The TCP connection ends, and TLS is not told.
                drop(stream.get_mut().0.shutdown().await);
            }
        })
        .await;
        let fact = ca.prober().probe(&spec("https", "/", server), now()).await;
        assert_said(&fact, verdict, &[words]);
        assert_eq!(fact.status, Some(200));
    }
}

#[tokio::test]
async fn protocols_that_do_not_fit_are_named() {
    let http1 = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    let fact = sent(http1, false, |spec| spec.http = Some(HttpVersion::Http2)).await;
    assert_said(&fact, Verdict::Fail, &["answers in HTTP/1.1, not in HTTP/2"]);
    let settings = b"\0\0\0\x04\0\0\0\0\0".to_vec();
    assert_said(&sent(settings.clone(), false, |_| ()).await, Verdict::Fail, &["HTTP/2 only"]);
    let alert = b"\x15\x03\x01\0\x02\x02\x0a".to_vec();
    assert_said(&sent(alert, false, |_| ()).await, Verdict::Fail, &["the port speaks TLS"]);
    let mut goaway = settings;
    goaway.extend(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b");
    let fact = sent(goaway, true, |spec| spec.http = Some(HttpVersion::Http2)).await;
    assert_said(&fact, Verdict::Fail, &["GOAWAY", "ENHANCE_YOUR_CALM"]);
}

#[tokio::test]
async fn a_client_certificate_that_is_wanted_is_one_reason_every_time() {
    let ca = Ca::new("CA");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for _ in 0..9 {
            let fact = over_tls(&ca, ca.leaf(&[HOST]).wanting_a_certificate(&ca, version)).await;
            assert_said(&fact, Verdict::Fail, &["wants a client certificate, and probes send none"]);
            assert!(fact.client_certificate);
            assert_eq!(fact.failure.unwrap().phase, Phase::Tls);
        }
    }
}

#[tokio::test]
async fn a_self_signed_ca_certificate_given_as_ca_is_trusted() {
    let own = Ca::named(HOST);
    let acceptor = own.as_leaf().offering(&["http/1.1"]);
    assert_said(&over_tls(&own, acceptor.clone()).await, Verdict::Pass, &["200 as expected"]);
    assert_said(&over_tls(&Ca::new("CA"), acceptor).await, Verdict::Fail, &["a CA's own certificate"]);
    let other = Ca::named("other.example");
    let fact = over_tls(&other, other.as_leaf().offering(&["http/1.1"])).await;
    assert_said(&fact, Verdict::Fail, &["not for ci.example.net", "other.example"]);
}

#[tokio::test]
async fn expired_and_for_another_name_are_both_said() {
    let ca = Ca::new("CA");
    let acceptor = ca.leaf_until(&["other.example"], (2026, 6, 1)).offering(&["http/1.1"]);
    let fact = over_tls(&ca, acceptor.clone()).await;
    assert_said(&fact, Verdict::Fail, &["13 days ago", "not for ci.example.net"]);
    let fact = over_tls(&Ca::new("Other CA"), acceptor).await;
    let tls = fact.tls.as_ref().unwrap();
    let kinds: Vec<_> = tls.verify_error.iter().chain(&tls.also_wrong).map(|error| error.kind).collect();
    assert_said(&fact, Verdict::Fail, &["no trusted CA", "13 days ago", "not for"]);
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(kinds.contains(&VerifyErrorKind::UnknownIssuer));
}

/// OpenSSL says so in TLS 1.2 with the alert that also means that nothing was offered that the server has.
#[tokio::test]
async fn a_client_certificate_is_not_taken_for_old_tls() {
    let ca = Ca::new("CA");
    let acceptor = ca.leaf(&[HOST]).wanting_a_certificate(&ca, &rustls::version::TLS12);
    let server = raw(move |tcp| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(tcp).await) }
    })
    .await;
    let relay = raw(move |mut client| async move {
        let Ok(mut upstream) = tokio::net::TcpStream::connect(server).await else { return };
        let (mut from, mut to) = client.split();
        let (mut up_from, mut up_to) = upstream.split();
        let forth = tokio::io::copy(&mut from, &mut up_to);
        let back = async {
            let mut bytes = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = up_from.read(&mut bytes).await {
                // The alert's record is 7 bytes: type, version, length, level, description.
                if read == 7 && bytes[0] == 21 {
                    bytes[6] = 40;
                }
                drop(to.write_all(&bytes[..read]).await);
            }
            drop(to.shutdown().await);
        };
        tokio::select! { _ = forth => {}, () = back => {} }
    })
    .await;
    let fact = ca.prober().probe(&spec("https", "/", relay), now()).await;
    assert_said(&fact, Verdict::Fail, &["wants a client certificate"]);
}

/// A server that refuses every hello without one suite, and chooses that suite where it is offered.
async fn only(suite: [u8; 2], alert: u8) -> std::net::SocketAddr {
    raw(move |mut tcp| async move {
        let mut hello = vec![0; 8192];
        let read = tcp.read(&mut hello).await.unwrap_or(0);
        // The suites follow the session id (RFC 5246, section 7.4.1.2).
        let at = 44 + usize::from(hello[43]);
        let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        let offered = hello[..read].get(at + 2..at + 2 + length).unwrap_or_default();
        let answer = if offered.chunks(2).any(|pair| pair == suite) {
            let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
            hello.extend([0; 33]);
            hello.extend([suite[0], suite[1], 0]);
            hello[4] = 42;
            hello
        } else {
            vec![21, 3, 3, 0, 2, 2, alert]
        };
        drop(tcp.write_all(&answer).await);
        drop(tcp.read_to_end(&mut Vec::new()).await);
    })
    .await
}

#[tokio::test]
async fn a_server_that_offers_only_what_rustls_refuses_is_not_broken() {
    for (suite, name) in
        [([0, 0x2f], "TLS_RSA_WITH_AES_128_CBC_SHA"), ([0xc0, 0x13], "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")]
    {
        let server = only(suite, 40).await;
        let fact = Ca::new("CA").prober().probe(&spec("https", "/", server), now()).await;
        assert_said(&fact, Verdict::Unknown, &["TLS 1.2 with", name]);
    }
}

#[tokio::test]
async fn alerts_are_said_in_words() {
    for (alert, words) in [
        (40, "refuses every TLS version, cipher suite and curve"),
        (70, "refuses TLS 1.2 and 1.3"),
        (80, "no certificate for ci.example.net"),
        (112, "no certificate for ci.example.net"),
        (120, "neither HTTP/1.1 nor HTTP/2"),
        (49, "alert 49"),
    ] {
        let server = only([0xff, 0xff], alert).await;
        let fact = Ca::new("CA").prober().probe(&spec("https", "/", server), now()).await;
        assert_said(&fact, Verdict::Fail, &[words]);
    }
}
