//! How a route is asked: methods, headers, credentials that show nowhere, authorities and client certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Response};
use http_body_util::Full;
use pvcheck_routes::{
    HttpVersion, Method, Phase, Request, RouteFact, RouteSpec, RoutesReport, Verdict, judge,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{Ca, HOST, file, http, now, raw, serve, spec, status};

/// Planted as password, token and header value; it must show nowhere.
const CANARY: &str = "c4n4ry-In-The-Mine";

fn request(json: &Value) -> Request {
    serde_json::from_value(json.clone()).expect("sound")
}

async fn probe(ca: &Ca, spec: &RouteSpec) -> RouteFact {
    ca.prober_for(std::slice::from_ref(spec)).expect("sound").probe(spec, now()).await
}

#[tokio::test]
async fn method_headers_and_credentials_reach_the_server_in_both_versions() {
    let (secret, ca) = (file(&format!("{CANARY}\n")), Ca::new("CA"));
    let source = json!({ "file": secret.path() });
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        for (asked, sent) in [
            (
                json!({ "basic": { "user": "probe", "password": source } }),
                "Basic cHJvYmU6YzRuNHJ5LUluLVRoZS1NaW5l",
            ),
            (json!({ "bearer": source, "method": "POST" }), "Bearer c4n4ry-In-The-Mine"),
            (json!({ "method": "OPTIONS", "headers": { "Authorization": source } }), CANARY),
        ] {
            let (saw, mut seen) = mpsc::channel(1);
            let server = raw(move |tcp| {
                let saw = saw.clone();
                serve(tcp, version == HttpVersion::Http2, move |request| {
                    saw.try_send((request.method().to_string(), request.headers().clone())).unwrap();
                    status(200)
                })
            })
            .await;
            let mut spec = spec("http", "/", server);
            (spec.http, spec.request) = (Some(version), request(&asked));
            spec.request.headers.insert("X-Probe".into(), pvcheck_routes::SentValue::Text("pv".into()));
            assert_eq!(spec.check(), Ok(()));
            let fact = probe(&ca, &spec).await;
            assert_eq!((judge(&fact).verdict, fact.method), (Verdict::Pass, spec.request.method), "{fact:?}");
            let (method, headers): (String, HeaderMap) = seen.recv().await.unwrap();
            assert_eq!(method, spec.request.method.as_str());
            assert_eq!(
                (headers["authorization"].as_bytes(), headers["x-probe"].as_bytes()),
                (sent.as_bytes(), &b"pv"[..])
            );
        }
    }
}

/// A server that sends back what it was sent, wherever an answer has room for it.
#[tokio::test]
async fn a_credential_that_the_server_echoes_shows_nowhere() {
    let (secret, ca) = (file(CANARY), Ca::new("CA"));
    let source = json!({ "file": secret.path() });
    for asked in [
        json!({ "basic": { "user": "probe", "password": source }, "headers": { "x-echo": source } }),
        json!({ "bearer": source }),
        json!({ "headers": { "x-api-key": source } }),
    ] {
        let server = http(None, |request| {
            let sent: Vec<String> =
                request.headers().values().map(|value| value.to_str().unwrap().to_owned()).collect();
            let echo = sent.join(" ");
            Response::builder()
                .status(401)
                .header("location", format!("/{echo}?code={echo}"))
                .header("retry-after", &echo)
                .header("server", &echo)
                .header("www-authenticate", format!("Basic realm=\"{echo}\""))
                .header("x-seen", &echo)
                .body(Full::from(json!({ "echo": echo }).to_string()))
                .unwrap()
        })
        .await;
        let mut spec = spec("http", "/", server);
        spec.request = request(&asked);
        spec.expected = vec![303.into()];
        spec.conditions = serde_json::from_value(json!({
            "headers": [{ "name": "x-seen", "equals": "x" }],
            "body": [{ "pointer": "/echo", "equals": "x" }],
            "redirect": "/login",
        }))
        .unwrap();
        let prober = ca.prober_for(std::slice::from_ref(&spec)).unwrap();
        let fact = prober.probe(&spec, now()).await;
        assert_eq!(fact.status, Some(401), "{fact:?}");
        let report = RoutesReport::new([fact.clone()]);
        let judged = judge(&fact);
        assert_eq!(judged.reason.each().len(), 4, "{}", judged.reason);
        for shown in [
            serde_json::to_string(&report).unwrap(),
            judged.reason.to_string(),
            format!("{fact:?} {spec:?} {prober:?} {report:?} {judged:?}"),
        ] {
            // The second is the canary as basic authentication sends it, without its beginning, which the user is part of.
            for secret in [CANARY, "YzRuNHJ5LUluLVRoZS1NaW5l"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert!(judged.reason.to_string().contains("[redacted]"), "the echo was there: {}", judged.reason);
    }
}

#[tokio::test]
async fn credentials_are_not_sent_where_the_certificate_is_bad() {
    let (secret, trusted, other) = (file(CANARY), Ca::new("CA"), Ca::new("Other CA"));
    for (ca, verdict, requests) in [(&trusted, Verdict::Pass, 1), (&other, Verdict::Fail, 0)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let server = http(Some(ca.leaf(&[HOST]).offering(&["h2"])), move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            status(200)
        })
        .await;
        let mut spec = spec("https", "/", server);
        spec.request = request(&json!({ "bearer": { "file": secret.path() } }));
        let fact = probe(&trusted, &spec).await;
        assert_eq!((judge(&fact).verdict, seen.load(Ordering::SeqCst)), (verdict, requests), "{fact:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_found_before_the_first_request() {
    let (ca, none) = (Ca::new("CA"), "127.0.0.1:1".parse().unwrap());
    let (two, junk) = (file("two\nlines"), file("no PEM"));
    for (asked, part) in [
        (json!({ "bearer": { "env": "PVCHECK_NO_SUCH_VARIABLE" } }), "PVCHECK_NO_SUCH_VARIABLE is not set"),
        (json!({ "bearer": { "file": "/nonexistent/token" } }), "credential file /nonexistent/token"),
        (json!({ "bearer": { "file": two.path() } }), "one line of ASCII"),
        (json!({ "ca": junk.path() }), "holds no certificate"),
        (
            json!({ "client_certificate": { "certificate": junk.path(), "key": junk.path() } }),
            "BEGIN CERTIFICATE",
        ),
    ] {
        let mut spec = spec("https", "/", none);
        spec.request = request(&asked);
        let error = ca.prober_for(std::slice::from_ref(&spec)).unwrap_err().to_string();
        assert!(error.starts_with("route `route`: ") && error.contains(part), "{error}");
        // A prober that was not told of the route finds it then, and blames the route for nothing.
        let fact = ca.prober().probe(&spec, now()).await;
        assert_eq!((judge(&fact).verdict, fact.failure.unwrap().phase), (Verdict::Unknown, Phase::Local));
    }
}

#[tokio::test]
async fn a_route_trusts_its_own_authority_beside_the_others() {
    let (all, own) = (Ca::new("CA"), Ca::new("Own CA"));
    let pem = file(&own.pem);
    for (ca, asked, verdict) in [
        (&own, json!({}), Verdict::Fail),
        (&own, json!({ "ca": pem.path() }), Verdict::Pass),
        (&all, json!({ "ca": pem.path() }), Verdict::Pass),
    ] {
        let server = http(Some(ca.leaf(&[HOST]).offering(&["http/1.1"])), |_| status(200)).await;
        let mut spec = spec("https", "/", server);
        spec.request = request(&asked);
        let fact = probe(&all, &spec).await;
        assert_eq!(judge(&fact).verdict, verdict, "{asked}: {fact:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks_and_its_refusal_is_named() {
    let (ca, stranger) = (Ca::new("CA"), Ca::new("Stranger"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = http(Some(ca.leaf(&[HOST]).wanting_a_certificate(&ca, version)), |_| status(200)).await;
        for (of, verdict, words) in [
            (&ca, Verdict::Pass, "200 as expected"),
            (&stranger, Verdict::Fail, "refuses the client certificate"),
        ] {
            // The server judges it by the real time.
            let leaf = of.leaf_until(&["client.example"], (2999, 1, 1));
            let (certificate, key) = (file(&leaf.pem), file(&leaf.key_pem));
            let mut spec = spec("https", "/", server);
            spec.request = request(&json!({
                "client_certificate": { "certificate": certificate.path(), "key": key.path() },
            }));
            let fact = probe(&ca, &spec).await;
            let judged = judge(&fact);
            assert_eq!((judged.verdict, fact.client_certificate), (verdict, true), "{fact:?}");
            assert!(judged.reason.to_string().contains(words), "{}", judged.reason);
        }
    }
    let (leaf, other) = (ca.leaf(&["a"]), ca.leaf(&["b"]));
    let (certificate, key) = (file(&leaf.pem), file(&other.key_pem));
    let mut spec = spec("https", "/", "127.0.0.1:1".parse().unwrap());
    spec.request =
        request(&json!({ "client_certificate": { "certificate": certificate.path(), "key": key.path() } }));
    let error = ca.prober_for(&[spec]).unwrap_err().to_string();
    assert!(error.contains("do not belong together"), "{error}");
}

/// A server that sends a head and then nothing, with a body announced.
async fn head_only() -> std::net::SocketAddr {
    raw(|mut tcp| async move {
        drop(tcp.read(&mut [0; 4096]).await);
        drop(tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await);
        drop(tcp.read_to_end(&mut Vec::new()).await);
    })
    .await
}

#[tokio::test]
async fn where_the_head_suffices_nothing_more_is_waited_for() {
    let server = head_only().await;
    let mut spec = spec("http", "/", server);
    spec.deadline = Duration::from_millis(300);
    let fact = probe(&Ca::new("CA"), &spec).await;
    assert_eq!(judge(&fact).verdict, Verdict::Fail, "its body never came");
    for (headers_suffice, method) in [(true, Method::Get), (false, Method::Head)] {
        (spec.headers_suffice, spec.request.method) = (headers_suffice, method);
        let fact = probe(&Ca::new("CA"), &spec).await;
        assert_eq!(judge(&fact).verdict, Verdict::Pass, "{fact:?}");
        assert_eq!(fact.body.and_then(|body| body.length), Some(10));
        spec.conditions = serde_json::from_str(r#"{"body":[{"contains":"x"}]}"#).unwrap();
        assert!(spec.check().unwrap_err().to_string().contains("does not read"));
        spec.conditions = pvcheck_routes::Conditions::default();
    }
}

#[tokio::test]
async fn a_post_is_sent_once_and_a_get_to_the_next_address() {
    for (method, verdict) in [(Method::Post, Verdict::Fail), (Method::Get, Verdict::Pass)] {
        let stopping = raw(|mut tcp| async move { drop(tcp.read(&mut [0; 4096]).await) }).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let good = http(None, move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            status(200)
        })
        .await;
        let mut spec = spec("http", "/", stopping);
        spec.address = [stopping, good].into_iter().collect();
        spec.request.method = method;
        let fact = probe(&Ca::new("CA"), &spec).await;
        assert_eq!(judge(&fact).verdict, verdict, "{fact:?}");
        assert_eq!(asked.load(Ordering::SeqCst), usize::from(method == Method::Get));
    }
}
