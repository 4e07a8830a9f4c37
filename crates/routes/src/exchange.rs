//! One request and its answer, over an open connection.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use crate::fact::{BodyFact, Failure, Phase, RouteFact};
use crate::spec::HttpVersion;
use crate::text::{millis_since, redact};
use crate::url::RouteUrl;

/// How much of an answer's body is read, in bytes, give or take one network buffer.
pub const BODY_LIMIT: u64 = 64 * 1024;

/// The most that the head of an answer may take, in bytes.
const HEAD_LIMIT_BYTES: u32 = 64 * 1024;

/// What Go's `http.NotFound` writes (net/http, server.go); Traefik uses it when no rule matches a request.
const GO_NOT_FOUND: &[u8] = b"404 page not found\n";

const USER_AGENT: &str = concat!("pvcheck/", env!("CARGO_PKG_VERSION"));

/// Sends one GET and records the answer in the fact piece by piece, so that a deadline loses nothing seen so far.
pub(crate) async fn exchange<T>(
    io: T,
    version: HttpVersion,
    url: &RouteUrl,
    fact: &mut RouteFact,
) -> Result<(), Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Dropped last: it aborts the connection's tasks, whatever state they are in.
    let tasks = Tasks::default();
    let sent = Instant::now();
    let answer = match version {
        HttpVersion::Http1 => send_http1(io, url, &tasks.0).await,
        HttpVersion::Http2 => send_http2(io, url, &tasks.0).await,
    };
    let answer = answer.map_err(|error| failure(&error))?;
    fact.timing_ms.first_byte = Some(millis_since(sent));
    fact.http = Some(version);
    fact.status = Some(answer.status().as_u16());
    fact.location = location(answer.headers());
    read_body(answer, &mut fact.body).await.map_err(|error| failure(&error))
}

async fn send_http1<T>(io: T, url: &RouteUrl, tasks: &Spawner) -> hyper::Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    // hyper's own limit is several times as large; a head of this size already is a fault.
    builder.max_buf_size(HEAD_LIMIT_BYTES as usize);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tasks.execute(async move { drop(connection.await) });
    let mut request = request(url.target());
    if let Ok(host) = url.authority().parse() {
        request.headers_mut().insert(header::HOST, host);
    }
    sender.send_request(request).await
}

async fn send_http2<T>(io: T, url: &RouteUrl, tasks: &Spawner) -> hyper::Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(tasks.clone());
    builder.max_header_list_size(HEAD_LIMIT_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tasks.execute(async move { drop(connection.await) });
    // HTTP/2 takes scheme and authority from the URI; a Host header as well could contradict them (RFC 9113,
    // section 8.3.1).
    let whole = format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.target());
    sender.send_request(request(&whole)).await
}

fn request(uri: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    // `RouteUrl` has checked host, port and target, so this always parses; `/` would be asked for otherwise.
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("*/*"));
    request
}

fn location(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::LOCATION)?;
    Some(redact(&String::from_utf8_lossy(value.as_bytes())))
}

async fn read_body(answer: Response<Incoming>, seen: &mut Option<BodyFact>) -> hyper::Result<()> {
    let mut body = answer.into_body();
    let mut head = Vec::new();
    let fact = seen.insert(BodyFact { bytes: 0, complete: false, go_not_found: false });
    while fact.bytes < BODY_LIMIT {
        let Some(frame) = body.frame().await else {
            fact.complete = true;
            // Only a whole body is compared: the beginning of a longer one proves nothing.
            fact.go_not_found = head == GO_NOT_FOUND;
            return Ok(());
        };
        if let Some(data) = frame?.data_ref() {
            fact.bytes += data.len() as u64;
            let room = (GO_NOT_FOUND.len() + 1).saturating_sub(head.len());
            head.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(())
}

/// hyper's own text says what failed, its source why; both are needed and neither repeats the other.
fn failure(error: &hyper::Error) -> Failure {
    let text = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Failure::new(Phase::Http, text)
}

/// Owns the tasks of one connection. Dropping it aborts them, so that a peer that never finishes holds nothing.
#[derive(Default)]
struct Tasks(Spawner);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.handles().iter().for_each(AbortHandle::abort);
    }
}

/// Spawns a connection's tasks and keeps a handle on each.
///
/// Handles rather than a `JoinSet`: hyper's tasks keep a clone of their executor, and a set that owns the tasks
/// that own the set would never be dropped.
#[derive(Clone, Default)]
struct Spawner(Arc<Mutex<Vec<AbortHandle>>>);

impl Spawner {
    fn handles(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let handle = tokio::spawn(future).abort_handle();
        self.handles().push(handle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dropping_the_owner_ends_tasks_that_never_would() {
        let tasks = Tasks::default();
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.0.execute(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        drop(tasks);
        // The task's end drops its side of the channel; without it this would wait until the timeout.
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await;
        assert!(waited.is_ok_and(|received| received.is_err()));
    }
}
