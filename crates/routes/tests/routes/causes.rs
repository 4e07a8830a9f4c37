//! Why there is no answer: each cause by its kind, in the same words every time, and no library's.

use std::net::SocketAddr;
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use pvcheck_routes::{HttpVersion, RouteSpec, RouteUrl, Verdict, judge};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Ca, HOST, http, now, raw, self_signed, spec, status};

/// How often each is asked: a race in a library must not change the words.
const TIMES: usize = 5;

async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound")
}

/// A server that reads the request, sends these bytes, and ends with a reset or the ordinary way.
async fn sends(bytes: &'static [u8], reset: bool) -> SocketAddr {
    raw(move |mut tcp| async move {
        drop(tcp.read(&mut [0; 4096]).await);
        drop(tcp.write_all(bytes).await);
        if reset {
            tcp.set_zero_linger().expect("its own socket");
        }
    })
    .await
}

async fn cause_of(spec: &RouteSpec, verdict: Verdict) -> Value {
    let prober = Ca::new("CA").prober();
    let mut all = Vec::new();
    for _ in 0..TIMES {
        let fact = prober.probe(spec, now()).await;
        let judged = judge(&fact);
        assert_eq!(judged.verdict, verdict, "{fact:?}");
        let failure = fact.failure.expect("it failed");
        for library in ["os error", "hyper", "h2", "rustls", "IncompleteMessage", "Alert", "docs.rs"] {
            assert!(!judged.reason.to_string().contains(library), "{library} in: {}", judged.reason);
        }
        all.push((
            serde_json::to_value(failure.cause.expect("it has one")).expect("plain data"),
            judged.reason.to_string(),
        ));
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    all.remove(0).0
}

#[tokio::test]
async fn each_end_of_a_connection_has_its_kind() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!";
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n";
    for (bytes, reset, expected) in [
        (&b""[..], false, json!({ "kind": "broken_off_before_head", "end": "closed" })),
        (b"", true, json!({ "kind": "broken_off_before_head", "end": "reset" })),
        (b"HTTP/1.1 200", false, json!({ "kind": "broken_off_before_head", "end": "closed" })),
        (half, false, json!({ "kind": "body_broken_off", "end": "closed" })),
        (chunk, false, json!({ "kind": "body_malformed" })),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false, json!({ "kind": "not_http" })),
        (b"\x15\x03\x01\0\x02\x02\x0a", false, json!({ "kind": "speaks_tls" })),
        (b"\0\0\0\x04\0\0\0\0\0", false, json!({ "kind": "http2_only" })),
    ] {
        let spec = spec("http", "/", sends(bytes, reset).await);
        assert_eq!(cause_of(&spec, Verdict::Fail).await, expected, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_made_has_its_kind() {
    let address = closed().await;
    let refused = json!({ "kind": "refused", "address": address.to_string() });
    assert_eq!(cause_of(&spec("http", "/", address), Verdict::Fail).await, refused);
    let mut both = spec("http", "/", address);
    both.address = [address, address].into_iter().collect();
    let several = json!({ "kind": "several", "causes": [refused, refused] });
    assert_eq!(cause_of(&both, Verdict::Fail).await, several);

    let stalled = raw(|mut tcp| async move { drop(tcp.read_to_end(&mut Vec::new()).await) }).await;
    for (scheme, during) in [("http", "http"), ("https", "tls")] {
        let mut late = spec(scheme, "/", stalled);
        late.deadline = Duration::from_millis(100);
        let expected = json!({ "kind": "timed_out", "during": during, "limit_ms": 100 });
        assert_eq!(cause_of(&late, Verdict::Fail).await, expected);
    }
    let speaks_http = spec("https", "/", http(None, |_| status(200)).await);
    assert_eq!(cause_of(&speaks_http, Verdict::Fail).await["kind"], "not_tls");
    let mut http2 = spec("http", "/", sends(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await);
    http2.http = Some(HttpVersion::Http2);
    assert_eq!(cause_of(&http2, Verdict::Fail).await["kind"], "http1_only");
}

/// `.invalid` never resolves (RFC 6761); without a resolver that is not known.
#[tokio::test]
async fn a_name_that_is_not_found_is_named() {
    let url = RouteUrl::parse("http://no.such.name.invalid/").unwrap();
    let fact = Ca::new("CA").prober().probe(&RouteSpec::new("r", url), now()).await;
    let (judged, failure) = (judge(&fact), fact.failure.expect("it failed"));
    let kind = serde_json::to_value(failure.cause.expect("it has one")).expect("plain data")["kind"].clone();
    let expected = if judged.verdict == Verdict::Fail { "name_not_found" } else { "no_resolver" };
    assert_eq!(kind, expected, "{}", judged.reason);
    assert!(failure.evidence.is_some(), "the resolver's own words are kept beside it");
}

#[tokio::test]
async fn a_self_signed_certificate_is_told_from_one_of_an_unknown_ca() {
    let (ca, other) = (Ca::new("CA"), Ca::new("Other CA"));
    for (acceptor, kind) in [
        (self_signed(HOST).offering(&["http/1.1"]), "self_signed"),
        (other.leaf(&[HOST]).offering(&["http/1.1"]), "unknown_issuer"),
    ] {
        let server = http(Some(acceptor), |_| status(200)).await;
        let judged = judge(&ca.prober().probe(&spec("https", "/", server), now()).await);
        assert_eq!((judged.verdict, judged.reason.kind()), (Verdict::Fail, kind), "{}", judged.reason);
    }
}

#[tokio::test]
async fn an_answer_says_who_sent_it_and_what_it_wants() {
    let server = http(None, |_| {
        Response::builder()
            .status(401)
            .header("server", "Caddy")
            .header("www-authenticate", "Basic realm=\"the shop\", nonce=\"n0nce\"")
            .body(Full::from("no"))
            .unwrap()
    })
    .await;
    let fact = Ca::new("CA").prober().probe(&spec("http", "/", server), now()).await;
    assert_eq!(fact.server.as_deref(), Some("Caddy"));
    let reason = judge(&fact).reason.to_string();
    assert!(reason.contains("it wants authentication: Basic (the shop)"), "{reason}");
    assert!(!serde_json::to_string(&fact).unwrap().contains("n0nce"), "{fact:?}");
    let curl = fact.curl.unwrap();
    let pin = format!("--connect-to {HOST}:80:{server} http://{HOST}/");
    assert!(curl.starts_with("curl -q -sS -i ") && curl.ends_with(&pin), "{curl}");
}
