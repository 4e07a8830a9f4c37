//! What becomes of an answer.

use std::convert::Infallible;
use std::error::Error;
use std::io;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as HttpBody;
use serde_json::Value;

use super::body::{Body, End, Flow, Spoilt, Stream, cut};
use super::kind::Fault;

/// What a manager answers when no leader can be reached (swarmkit `manager/state/raft/raft.go`, `lostQuorumMessage`).
const NO_LEADER: &str = "rpc error: code = Unavailable desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";
/// What a manager answers for an update of what has changed meanwhile; a 500, because gRPC calls it unknown (swarmkit
/// `manager/state/store/memory.go`, `ErrSequenceConflict`; moby `api/server/httpstatus/status.go`).
const OUT_OF_SEQUENCE: &str = "rpc error: code = Unknown desc = update out of sequence";

/// What is answered instead of `answer`. For a fault with which the call is not carried out ([`Fault::is_carried_out`]),
/// `answer` gives its headers only.
///
/// # Errors
/// If the connection is to end without an answer.
pub async fn spoil(fault: Option<Fault>, mut answer: Response<Vec<u8>>) -> io::Result<Response<Body>> {
    let Some(fault) = fault else { return Ok(shown(answer, usize::MAX, End::Proper)) };
    match fault {
        Fault::Cut | Fault::Reset | Fault::Restart { .. } => return Err(cut()),
        Fault::StallHeaders => match std::future::pending::<Infallible>().await {},
        Fault::CutBody { after_bytes } => return Ok(shown(answer, after_bytes, End::Cut)),
        Fault::StallBody { after_bytes } => return Ok(shown(answer, after_bytes, End::Stall)),
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Lie => {
            let half = answer.body().len() / 2;
            answer.body_mut().truncate(half);
        }
        Fault::WrongLength { announced } => {
            answer.headers_mut().insert(header::CONTENT_LENGTH, announced.into());
            return Ok(shown(answer, usize::MAX, End::Untold));
        }
        Fault::Partial => halve(answer.body_mut()),
        Fault::Endless { status } => {
            say(&mut answer, status, "application/json", vec![b'['; 64 << 10]);
            return Ok(shown(answer, usize::MAX, End::Never));
        }
        Fault::Answer { body } | Fault::Pretend { body } => say(&mut answer, 200, "text/html", body),
        Fault::Fail { status } | Fault::FailAfter { status } => {
            refuse(&mut answer, status, "injected failure");
        }
        Fault::NoLeader => refuse(&mut answer, 503, NO_LEADER),
        Fault::OutOfSequence => refuse(&mut answer, 500, OUT_OF_SEQUENCE),
        // There are none to lose.
        Fault::LoseEvents => {}
    }
    Ok(shown(answer, usize::MAX, End::Proper))
}

/// As [`spoil`], for an answer without an end of its own.
///
/// # Errors
/// If the connection is to end without an answer.
pub async fn spoil_stream<B>(fault: Option<Fault>, mut answer: Response<B>) -> io::Result<Response<Body>>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let flow = match fault {
        None => Flow::Whole,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Flow::Whole
        }
        Some(Fault::CutBody { after_bytes }) => Flow::Until(after_bytes, End::Cut),
        Some(Fault::StallBody { after_bytes }) => Flow::Until(after_bytes, End::Stall),
        Some(Fault::Lie) => Flow::Half,
        Some(Fault::Partial) => Flow::EveryOther(true),
        Some(Fault::LoseEvents) => Flow::Silent,
        Some(Fault::WrongLength { announced }) => {
            answer.headers_mut().insert(header::CONTENT_LENGTH, announced.into());
            Flow::Whole
        }
        Some(_) => {
            let (parts, _) = answer.into_parts();
            return spoil(fault, Response::from_parts(parts, Vec::new())).await;
        }
    };
    Ok(answer.map(|inner| Stream { inner, flow, flushed: false }.boxed_unsync()))
}

fn shown(answer: Response<Vec<u8>>, bytes: usize, end: End) -> Response<Body> {
    answer.map(|body| Spoilt::new(body, bytes, end).boxed_unsync())
}

fn refuse(answer: &mut Response<Vec<u8>>, status: u16, message: &str) {
    let text = serde_json::json!({"message": message}).to_string();
    say(answer, status, "application/json", text);
}

fn say(answer: &mut Response<Vec<u8>>, status: u16, kind: &'static str, body: impl Into<Vec<u8>>) {
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    *answer.body_mut() = body.into();
}

/// Takes the second half of a list's items away; anything else stays as it is.
fn halve(body: &mut Vec<u8>) {
    if let Ok(Value::Array(mut items)) = serde_json::from_slice(body) {
        items.truncate(items.len() / 2);
        *body = Value::Array(items).to_string().into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Status and body, or the error that ends the connection; `None` if nothing comes.
    async fn told(fault: Fault) -> Option<Result<(u16, Option<String>), io::Error>> {
        let answer = Response::new(b"[1,2,3,4]".to_vec());
        let told = async {
            let answer = spoil(Some(fault), answer).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await;
            Ok((status, body.ok().map(|b| String::from_utf8_lossy(&b.to_bytes()).into_owned())))
        };
        tokio::time::timeout(Duration::from_millis(50), told).await.ok()
    }

    #[tokio::test]
    async fn each_fault_spoils_the_answer_in_its_way() {
        let whole = |status: u16, body: &str| (status, Some(body.to_owned()));
        for (fault, expected) in [
            (Fault::Lie, whole(200, "[1,2")),
            (Fault::Partial, whole(200, "[1,2]")),
            (Fault::Delay(Duration::from_millis(1)), whole(200, "[1,2,3,4]")),
            (Fault::LoseEvents, whole(200, "[1,2,3,4]")),
            (Fault::WrongLength { announced: 2 }, whole(200, "[1,2,3,4]")),
            (Fault::Fail { status: 404 }, whole(404, r#"{"message":"injected failure"}"#)),
            (Fault::FailAfter { status: 1 }, whole(500, r#"{"message":"injected failure"}"#)),
            (Fault::Answer { body: "{}" }, whole(200, "{}")),
            (Fault::Pretend { body: "" }, whole(200, "")),
            (Fault::CutBody { after_bytes: 2 }, (200, None)),
        ] {
            assert_eq!(told(fault).await.expect("it ends").expect("an answer"), expected, "{fault:?}");
        }
        for (fault, status, words) in
            [(Fault::NoLeader, 503, "not have a leader"), (Fault::OutOfSequence, 500, "out of sequence")]
        {
            let (code, body) = told(fault).await.expect("it ends").expect("an answer");
            assert!(code == status && body.is_some_and(|body| body.contains(words)), "{fault:?}");
        }
        for fault in [Fault::Cut, Fault::Reset, Fault::Restart { down: Duration::ZERO }] {
            assert!(told(fault).await.expect("it ends").is_err(), "{fault:?}");
        }
        for fault in [Fault::StallHeaders, Fault::StallBody { after_bytes: 2 }] {
            assert!(told(fault).await.is_none(), "{fault:?}");
        }
    }
}
