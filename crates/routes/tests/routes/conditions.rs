//! Conditions on what a server on loopback answers.

use http::Response;
use http_body_util::Full;
use pvcheck_routes::{BODY_LIMIT, Expected, RouteFact, Verdict, judge};

use crate::support::{Answer, Ca, HOST, http, now, spec, status};

async fn asked(answer: fn() -> Answer, conditions: &str) -> RouteFact {
    let server = http(None, move |_| answer()).await;
    let mut spec = spec("http", "/", server);
    spec.expected = vec![Expected::Class(2), Expected::Class(3)];
    spec.conditions = serde_json::from_str(conditions).expect("sound");
    assert_eq!(spec.check(), Ok(()));
    Ca::new("CA").prober().probe(&spec, now()).await
}

fn json() -> Answer {
    Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("set-cookie", "id=s3cret")
        .body(Full::from(r#"{"status":"up","checks":[{"token":"s3cret"}]}"#))
        .expect("sound")
}

fn login() -> Answer {
    Response::builder()
        .status(303)
        .header("location", "/login?state=s3cret")
        .body(Full::default())
        .expect("sound")
}

/// More than is read, with the word at its very end.
fn long() -> Answer {
    let mut body = vec![b'x'; usize::try_from(BODY_LIMIT).expect("it fits") * 8];
    body.extend(b"ready");
    Response::new(Full::from(body))
}

fn compressed() -> Answer {
    Response::builder().header("content-encoding", "gzip").body(Full::from("ready")).expect("sound")
}

#[tokio::test]
async fn each_condition_decides_and_no_secret_gets_into_the_fact() {
    let (pass, fail, unknown) = (Verdict::Pass, Verdict::Fail, Verdict::Unknown);
    for (answer, conditions, verdict, words) in [
        (json as fn() -> Answer, r#"{"headers":[{"name":"Content-Type","contains":"json"}]}"#, pass, ""),
        (json, r#"{"headers":[{"name":"content-type","equals":"text/html"}]}"#, fail, "content-type is"),
        (json, r#"{"headers":[{"name":"set-cookie","contains":"Secure"}]}"#, fail, "[redacted]"),
        (json, r#"{"headers":[{"name":"strict-transport-security"}]}"#, fail, "there is no header"),
        (json, r#"{"body":[{"pointer":"/status","equals":"up"},{"contains":"checks"}]}"#, pass, ""),
        (json, r#"{"body":[{"pointer":"/status","equals":"down"}]}"#, fail, "\"up\" instead of \"down\""),
        (json, r#"{"body":[{"pointer":"/checks/0","equals":{}}]}"#, fail, "an object instead of"),
        (json, r#"{"body":[{"pointer":"/none","equals":1}]}"#, fail, "does not have 1 at `/none`"),
        (json, r#"{"body":[{"regex":"^up$"}]}"#, fail, "a match of `^up$`"),
        (login, r#"{"redirect":"/login"}"#, pass, ""),
        (login, r#"{"redirect":"http://ci.example.net/login"}"#, pass, ""),
        (
            login,
            r#"{"redirect":"https://ci.example.net/login"}"#,
            fail,
            "http://ci.example.net/login instead of",
        ),
        (json, r#"{"redirect":"/login"}"#, fail, "redirects nowhere"),
        (long, r#"{"body":[{"contains":"xxx"}]}"#, pass, ""),
        (long, r#"{"body":[{"contains":"ready"}]}"#, unknown, "no more were read"),
        (long, r#"{"body":[{"regex":"^x*$"}]}"#, unknown, "no more were read"),
        (long, r#"{"within_ms":19999}"#, unknown, "rest of the body"),
        (compressed, r#"{"body":[{"contains":"ready"}]}"#, unknown, "compressed (gzip)"),
    ] {
        let fact = asked(answer, conditions).await;
        let judged = judge(&fact);
        assert_eq!(judged.verdict, verdict, "{conditions}: {fact:?}");
        assert!(judged.reason.to_string().contains(words), "{conditions}: {}", judged.reason);
        let text = serde_json::to_string(&fact).unwrap();
        assert!(!text.contains("s3cret") && !judged.reason.to_string().contains("s3cret"), "{text}");
        let back: RouteFact = serde_json::from_str(&text).unwrap();
        assert_eq!((judge(&back), &back), (judged, &fact), "{conditions}");
    }
}

#[tokio::test]
async fn all_conditions_that_are_not_met_are_named_at_once() {
    let conditions = r#"{"headers":[{"name":"etag"},{"name":"content-type","equals":"x"}],"redirect":"/login",
        "body":[{"contains":"up"},{"contains":"nowhere"}]}"#;
    let reason = judge(&asked(json, conditions).await).reason;
    assert_eq!(reason.each().len(), 4, "{reason}");
    for part in ["etag", "content-type", "\"nowhere\"", "redirects nowhere"] {
        assert!(reason.to_string().contains(part), "{part} in: {reason}");
    }
}

#[tokio::test]
async fn tls_is_judged_by_version_days_issuer_and_names() {
    let ca = Ca::new("CA");
    let acceptor = ca.leaf(&[HOST]).with_versions(&["http/1.1"], &[&rustls::version::TLS12]);
    let server = http(Some(acceptor), |_| status(200)).await;
    for (conditions, words) in [
        (
            r#"{"tls":{"min_version":"1.2","min_days_left":60,"issuer":"CA","names":["ci.example.net"]}}"#,
            None,
        ),
        (r#"{"tls":{"min_version":"1.3"}}"#, Some("TLS 1.2 was spoken")),
        (r#"{"tls":{"min_days_left":61}}"#, Some("ends in 60 days")),
        (r#"{"tls":{"issuer":"R11"}}"#, Some("issuer is CN=CA")),
        (r#"{"tls":{"names":["ci.example.net","www.example.net"]}}"#, Some("not for www.example.net")),
    ] {
        let mut spec = spec("https", "/", server);
        spec.conditions = serde_json::from_str(conditions).unwrap();
        let judged = judge(&ca.prober().probe(&spec, now()).await);
        let expected = if words.is_some() { Verdict::Fail } else { Verdict::Pass };
        assert_eq!(judged.verdict, expected, "{conditions}: {}", judged.reason);
        assert!(judged.reason.to_string().contains(words.unwrap_or_default()), "{}", judged.reason);
    }
}
