//! One request and its answer, over an open connection.

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

use crate::challenge;
use crate::default_page::{self, LOOKED_AT};
use crate::fact::{BodyFact, Failure, RouteFact};
use crate::material::Material;
use crate::origin;
use crate::request::Method;
use crate::sniff::Sniff;
use crate::spec::{HttpVersion, RouteSpec};
use crate::text::{millis_since, printable, redact};
use crate::words::Exchange;

/// How much of an answer's body is read, in bytes, give or take one network buffer.
pub const BODY_LIMIT: u64 = 64 * 1024;

/// The most that the head of an answer may take, in bytes. It also holds the beginning of the body, so that a head of
/// 64 KiB always fits.
const HEAD_LIMIT_BYTES: u32 = 128 * 1024;

/// The most headers of an answer; hyper takes 100 of itself, and 120 cookies are known from the field (hyper#3283).
const HEADERS_LIMIT: usize = 512;

const USER_AGENT: &str = concat!("pvcheck/", env!("CARGO_PKG_VERSION"));

/// What of an answer is needed until all of it is judged, and is then forgotten: it may hold secrets.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    /// The beginning of the body, as much of it as was asked for.
    pub(crate) beginning: Vec<u8>,
}

/// Sends one request and records the answer in the fact piece by piece, so that a deadline loses nothing seen so far. The whole of what
/// was read of the body is kept only where a condition is about it.
pub(crate) async fn exchange<T>(
    io: T,
    version: HttpVersion,
    spec: &RouteSpec,
    material: &Material,
    fact: &mut RouteFact,
    kept: &mut Answer,
) -> Result<(), Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Dropped last: it aborts the connection's tasks, whatever state they are in.
    let tasks = Tasks::default();
    let sent = Instant::now();
    let (io, seen) = Sniff::new(io);
    let answer = match version {
        HttpVersion::Http1 => send_http1(io, spec, material, &tasks.0).await,
        HttpVersion::Http2 => send_http2(io, spec, material, &tasks.0).await,
    };
    let failed = |error: &hyper::Error, has_head| {
        Exchange { host: spec.url.host(), version, start: seen.start(), has_head }.failure(error)
    };
    let answer = answer.map_err(|error| failed(&error, false))?;
    fact.timing_ms.first_byte = Some(millis_since(sent));
    fact.http = Some(version);
    let (parts, body) = answer.into_parts();
    let status = parts.status.as_u16();
    kept.headers = scrubbed(parts.headers, material);
    fact.status = Some(status);
    fact.location = location(&kept.headers);
    fact.retry_after = text_of(&kept.headers, &header::RETRY_AFTER);
    fact.server = text_of(&kept.headers, &header::SERVER);
    fact.www_authenticate = challenge::of(&kept.headers);
    fact.origin = origin::of(status, &kept.headers, b"");
    if spec.headers_suffice || spec.request.method == Method::Head {
        let complete = spec.request.method == Method::Head;
        let default_page = default_page::announced(status, &kept.headers);
        let length = length(&kept.headers);
        fact.body = Some(BodyFact { complete, length, default_page, ..BodyFact::default() });
        return Ok(());
    }
    let keep = if spec.conditions.body.is_empty() { LOOKED_AT } else { usize::MAX };
    let read = read_body(body, &mut fact.body, kept, keep).await;
    if let Some(scrubbed) = material.scrub(&kept.beginning) {
        kept.beginning = scrubbed;
    }
    fact.origin = origin::of(status, &kept.headers, &kept.beginning);
    // Only a whole body is compared: the beginning of a longer one proves nothing.
    if let Some(body) = fact.body.as_mut().filter(|body| body.complete) {
        body.default_page = default_page::of(status, &kept.beginning);
    }
    match (read, &mut fact.body) {
        (Ok(()), _) => Ok(()),
        // Without a declared length the end of the connection is the end of the body, and only TLS can say whether
        // all of it came (RFC 9112, section 9.8). That is for the judge to weigh.
        (Err(_), Some(body)) if body.length.is_none() && seen.cut() => {
            body.cut = true;
            Ok(())
        }
        (Err(error), _) => Err(failed(&error, true)),
    }
}

async fn send_http1<T>(
    io: T,
    spec: &RouteSpec,
    material: &Material,
    tasks: &Spawner,
) -> hyper::Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_LIMIT_BYTES as usize).max_headers(HEADERS_LIMIT);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tasks.execute(async move { drop(connection.await) });
    let mut request = request(spec.url.target(), spec.request.method, material);
    if let Ok(host) = spec.url.authority().parse() {
        request.headers_mut().insert(header::HOST, host);
    }
    sender.send_request(request).await
}

async fn send_http2<T>(
    io: T,
    spec: &RouteSpec,
    material: &Material,
    tasks: &Spawner,
) -> hyper::Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(tasks.clone());
    builder.max_header_list_size(HEAD_LIMIT_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tasks.execute(async move { drop(connection.await) });
    // HTTP/2 takes scheme and authority from the URI; a Host header as well could contradict them (RFC 9113,
    // section 8.3.1).
    let url = &spec.url;
    let whole = format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.target());
    sender.send_request(request(&whole, spec.request.method, material)).await
}

fn request(uri: &str, method: Method, material: &Material) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Options => http::Method::OPTIONS,
        Method::Post => http::Method::POST,
    };
    // `RouteUrl` has checked host, port and target, so this always parses; `/` would be asked for otherwise.
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("*/*"));
    for (name, value) in &material.headers {
        headers.insert(name, value.clone());
    }
    request
}

/// The headers without the route's credentials: a server may send back what it was sent.
fn scrubbed(mut headers: HeaderMap, material: &Material) -> HeaderMap {
    for value in headers.values_mut() {
        if let Some(scrubbed) =
            material.scrub(value.as_bytes()).and_then(|v| header::HeaderValue::from_bytes(&v).ok())
        {
            *value = scrubbed;
        }
    }
    headers
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text_of(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok())
}

fn location(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::LOCATION)?;
    Some(redact(&String::from_utf8_lossy(value.as_bytes())))
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| printable(&String::from_utf8_lossy(value.as_bytes()), 100))
}

/// Types whose bodies go on for as long as the client listens: server-sent events, cameras, subscriptions.
const STREAMS: [&str; 4] =
    ["application/grpc", "application/x-ndjson", "multipart/x-mixed-replace", "text/event-stream"];

async fn read_body(
    mut body: Incoming,
    seen: &mut Option<BodyFact>,
    kept: &mut Answer,
    keep: usize,
) -> hyper::Result<()> {
    let Answer { headers, beginning } = kept;
    let kind = text_of(headers, &header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let length = length(headers);
    let stream = length.is_none() && STREAMS.iter().any(|stream| kind.starts_with(stream));
    let fact = seen.insert(BodyFact { length, stream, ..BodyFact::default() });
    // The first event may be hours away: the head is all that a probe can ask for.
    while fact.bytes < BODY_LIMIT && !stream {
        let Some(frame) = body.frame().await else {
            fact.complete = true;
            return Ok(());
        };
        if let Some(data) = frame?.data_ref() {
            fact.bytes += data.len() as u64;
            let room = keep.saturating_sub(beginning.len());
            beginning.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(())
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
