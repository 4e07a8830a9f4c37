//! Routes that answer well, badly, slowly, too much or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use pvcheck_routes::{BODY_LIMIT, HttpVersion, Phase, Prober, RouteFact, RoutesReport, Verdict, judge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{Answer, Ca, HOST, http, now, raw, serve, spec, status};

fn prober() -> Prober {
    Ca::new("CA").prober()
}

async fn answered(answer: fn() -> Answer, expected: &[u16]) -> RouteFact {
    let server = http(None, move |_| answer()).await;
    let mut spec = spec("http", "/", server);
    spec.expected = expected.iter().copied().map(Into::into).collect();
    prober().probe(&spec, now()).await
}

/// Probes a server that reads the request, sends these bytes and then does what `after` says.
async fn sent(bytes: &'static [u8], after: After, deadline: Duration) -> RouteFact {
    let server = raw(move |mut tcp| async move {
        let mut request = [0; 4096];
        drop(tcp.read(&mut request).await);
        drop(tcp.write_all(bytes).await);
        if let After::Stall = after {
            hold(tcp).await;
        }
    })
    .await;
    let mut spec = spec("http", "/", server);
    spec.deadline = deadline;
    prober().probe(&spec, now()).await
}

#[derive(Clone, Copy)]
enum After {
    Close,
    Stall,
}

/// Keeps a connection open and silent until the other side closes it.
async fn hold(mut tcp: TcpStream) {
    let mut rest = Vec::new();
    drop(tcp.read_to_end(&mut rest).await);
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn redirect() -> Answer {
    let location = "https://login.example/authorize?state=s3cret#x";
    Response::builder().status(303).header("location", location).body(Full::default()).unwrap()
}

fn go_not_found() -> Answer {
    Response::builder().status(404).body(Full::from("404 page not found\n")).unwrap()
}

#[tokio::test]
async fn the_status_decides() {
    for (answer, expected, verdict, words) in [
        (redirect as fn() -> Answer, &[303][..], Verdict::Pass, "303 as expected"),
        (
            redirect,
            &[200],
            Verdict::Fail,
            "303 (redirects to https://login.example/authorize?[redacted]) instead of 200",
        ),
        (|| status(404), &[404], Verdict::Pass, "404 as expected"),
        (
            || status(404),
            &[200, 303],
            Verdict::Fail,
            "404 instead of 200 or 303: the router answers, but no rule",
        ),
        (|| status(502), &[200], Verdict::Fail, "the service behind it does not"),
        (go_not_found, &[404], Verdict::Unknown, "Traefik sends where no router takes the request"),
    ] {
        let fact = answered(answer, expected).await;
        let judged = judge(&fact);
        assert_eq!(judged.verdict, verdict, "{fact:?}");
        assert!(judged.reason.to_string().contains(words), "{}", judged.reason);
        assert!(!serde_json::to_string(&fact).unwrap().contains("s3cret"));
    }
}

#[tokio::test]
async fn the_router_sees_the_name_of_the_url_in_both_versions() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (saw, mut seen) = mpsc::channel(1);
        let server = raw(move |tcp| {
            let saw = saw.clone();
            serve(tcp, version == HttpVersion::Http2, move |request| {
                let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
                let authority = request.uri().authority().map(ToString::to_string);
                saw.try_send((host.or(authority), request.uri().path().to_owned())).unwrap();
                status(200)
            })
        })
        .await;
        let mut spec = spec("http", "/api/version", server);
        spec.http = Some(version);
        let fact = prober().probe(&spec, now()).await;
        assert_eq!((judge(&fact).verdict, fact.http), (Verdict::Pass, Some(version)), "{fact:?}");
        let (name, path) = seen.recv().await.unwrap();
        assert_eq!((name.as_deref(), path.as_str()), (Some(HOST), "/api/version"));
    }
}

#[tokio::test]
async fn a_refused_connection_fails_whatever_is_expected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut spec = spec("http", "/", address);
    spec.expected = vec![200.into(), 404.into(), 502.into()];
    let fact = prober().probe(&spec, now()).await;
    assert_eq!(judge(&fact).verdict, Verdict::Fail);
    assert_eq!((fact.failure.as_ref().unwrap().phase, fact.status), (Phase::Connect, None));
    assert!(
        judge(&fact).reason.to_string().contains(&format!("{address} refuses the connection")),
        "{:?}",
        judge(&fact)
    );
}

#[tokio::test]
async fn a_connection_that_ends_early_is_no_answer() {
    let partial = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!";
    for (bytes, status) in [(&b""[..], None), (b"HTTP/1.1 200", None), (partial, Some(200))] {
        let fact = sent(bytes, After::Close, LONG).await;
        assert_eq!(judge(&fact).verdict, Verdict::Fail, "{fact:?}");
        assert_eq!((fact.failure.unwrap().phase, fact.status), (Phase::Http, status));
    }
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    let fact = sent(b"SSH-2.0-OpenSSH_9.2\r\n", After::Close, LONG).await;
    assert_eq!((judge(&fact).verdict, fact.failure.unwrap().phase), (Verdict::Fail, Phase::Http));
}

#[tokio::test]
async fn a_stalled_answer_ends_at_the_deadline_and_keeps_what_was_seen() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!";
    for (bytes, status) in [(&head[..], Some(200)), (b"HTTP/1.1 200 OK\r\n", None), (b"", None)] {
        let fact = sent(bytes, After::Stall, SHORT).await;
        assert_eq!(judge(&fact).verdict, Verdict::Fail);
        let failure = fact.failure.as_ref().unwrap();
        assert_eq!((failure.phase, failure.during), (Phase::Deadline, Some(Phase::Http)));
        assert_eq!(fact.status, status);
        assert_eq!(fact.body.as_ref().map(|body| body.bytes), status.map(|_| 5));
        assert!((200..5000).contains(&fact.timing_ms.total), "{}", fact.timing_ms.total);
    }
}

#[tokio::test]
async fn a_stalled_handshake_ends_at_the_deadline() {
    let server = raw(hold).await;
    let mut spec = spec("https", "/", server);
    spec.deadline = SHORT;
    let fact = prober().probe(&spec, now()).await;
    assert_eq!(judge(&fact).verdict, Verdict::Fail);
    let failure = fact.failure.unwrap();
    assert_eq!((failure.phase, failure.during), (Phase::Deadline, Some(Phase::Tls)));
    assert!(fact.timing_ms.connect.is_some() && fact.timing_ms.tls.is_none());
}

#[tokio::test]
async fn a_probe_that_is_over_lets_go_of_its_connection() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (closed, mut seen) = mpsc::channel(1);
        let server = raw(move |tcp| {
            let closed = closed.clone();
            async move {
                hold(tcp).await;
                closed.send(()).await.unwrap();
            }
        })
        .await;
        let mut spec = spec("http", "/", server);
        spec.http = Some(version);
        spec.deadline = SHORT;
        let fact = prober().probe(&spec, now()).await;
        assert_eq!(fact.failure.unwrap().phase, Phase::Deadline);
        let noticed = tokio::time::timeout(LONG, seen.recv()).await;
        assert_eq!(noticed, Ok(Some(())), "{version:?}: the connection is still held");
    }
}

#[tokio::test]
async fn a_huge_body_is_cut_off() {
    let server = raw(|mut tcp| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
        let mut sent = tcp.write_all(head).await;
        while sent.is_ok() {
            sent = tcp.write_all(&[b'x'; 16 * 1024]).await;
        }
    })
    .await;
    let fact = prober().probe(&spec("http", "/", server), now()).await;
    assert_eq!(judge(&fact).verdict, Verdict::Pass, "{fact:?}");
    let body = fact.body.unwrap();
    assert!((BODY_LIMIT..4 * BODY_LIMIT).contains(&body.bytes) && !body.complete, "{body:?}");
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let server = raw(|mut tcp| async move {
        let mut sent = tcp.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while sent.is_ok() {
            sent = tcp.write_all(b"x-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await;
        }
    })
    .await;
    let fact = prober().probe(&spec("http", "/", server), now()).await;
    assert_eq!(judge(&fact).verdict, Verdict::Unknown, "the limit is this program's own");
    assert!(judge(&fact).reason.to_string().contains("larger than this program reads"), "{fact:?}");
    assert_eq!((fact.failure.unwrap().phase, fact.status), (Phase::Local, None));
}

#[tokio::test]
async fn a_name_is_looked_up_where_nothing_is_pinned() {
    let server = http(None, |_| status(200)).await;
    let url = pvcheck_routes::RouteUrl::parse(&format!("http://localhost:{}/", server.port())).unwrap();
    // Where localhost is ::1 first, the refusal there must not hide the server on 127.0.0.1.
    let fact = prober().probe(&pvcheck_routes::RouteSpec::new("local", url), now()).await;
    assert_eq!(judge(&fact).verdict, Verdict::Pass, "{fact:?}");
    assert!(fact.timing_ms.resolve.is_some() && !fact.pinned);
    assert_eq!(fact.address, Some(server));
}

#[tokio::test]
async fn many_routes_are_probed_in_order_and_within_bounds() {
    let (now_open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, peak) = (Arc::clone(&now_open), Arc::clone(&most));
    let server = raw(move |mut tcp| {
        let (open, peak) = (Arc::clone(&open), Arc::clone(&peak));
        async move {
            peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let mut request = [0; 4096];
            drop(tcp.read(&mut request).await);
            // Give the other probes a chance to be here at the same time.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
            drop(tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
        }
    })
    .await;
    let mut specs = vec![spec("http", "/", server); 20];
    for (number, spec) in specs.iter_mut().enumerate() {
        spec.name = number.to_string();
    }
    let facts = prober().probe_all(&specs, now(), 3.try_into().unwrap()).await;
    let names: Vec<_> = facts.iter().map(|fact| fact.name.parse::<usize>().unwrap()).collect();
    assert_eq!(names, (0..20).collect::<Vec<_>>());
    assert!(facts.iter().all(|fact| judge(fact).verdict == Verdict::Pass));
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
}

#[tokio::test]
async fn the_report_has_the_promised_shape() {
    let facts = [answered(|| status(200), &[200]).await, answered(|| status(502), &[200]).await];
    let report = RoutesReport::new(facts);
    assert_eq!(report.verdict(), Verdict::Fail);
    let json = serde_json::to_value(&report).unwrap();
    let row = &json["routes"][1];
    for field in
        ["name", "url", "address", "http", "status", "expected", "tls", "timing_ms", "verdict", "reason"]
    {
        assert!(row.get(field).is_some(), "{field} is missing in {row}");
    }
    assert_eq!((&row["verdict"], &row["http"], &row["status"]), (&"FAIL".into(), &"1.1".into(), &502.into()));
    let kinds: Vec<_> = json["routes"].as_array().unwrap().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["as_expected", "other_status"]);
    assert!(row["tls"].is_null() && row["timing_ms"]["resolve"].is_null());
    assert_eq!(serde_json::from_value::<RoutesReport>(json).unwrap(), report);
    assert_eq!(RoutesReport::new([]).verdict(), Verdict::Unknown);
}
