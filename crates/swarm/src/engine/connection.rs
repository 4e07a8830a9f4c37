//! One dialer for every call, read or write: one deadline over connecting, headers and body, and no answer without bound.
//!
//! bollard's clients are not used: they drop the API version from the path (its `Url::join` with an absolute path), their
//! time-out ends with the headers, and they read a body to its end however long it is. Its models are, for what is written.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use pvcheck_audit::without_values;
use tokio::net::UnixStream;
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::error::{CallError, CallErrorKind};
use super::host::Host;
use super::ledger::Ledger;
use super::whole::Whole;

/// The most that is read of the answer to a write: an id and warnings.
const WRITE_BYTES: usize = 1 << 20;
/// The most that is read of an error's text; what follows is dropped.
const ERROR_BYTES: usize = 64 << 10;

/// A way to one engine: its address, the API version spoken, and the deadline of every call.
#[derive(Clone, Debug)]
pub struct Connection {
    host: Host,
    /// Such as `1.41`; without it paths go unversioned, which is only right for `/_ping`.
    api: Option<String>,
    deadline: Duration,
    /// Held for reading by every write under way, also by those whose caller has gone.
    writes: Arc<RwLock<()>>,
    ledger: Ledger,
}

/// An answer of the engine, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// A connection without an API version yet; nothing is dialled.
    pub(crate) fn new(host: Host, deadline: Duration) -> Self {
        Self { host, api: None, deadline, writes: Arc::default(), ledger: Ledger::default() }
    }

    /// The same connection, speaking this API version from now on.
    pub(crate) fn with_api(mut self, api: String) -> Self {
        self.api = Some(api);
        self
    }

    /// The same way to the same engine with another deadline per call.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The deadline of every call.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The engine's address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What was created through this connection and its clones, and is not known to be gone.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// `GET path`, decoded, and whole.
    ///
    /// # Errors
    /// If the engine cannot be reached, refuses, is late, or answers with something else; something else is also an answer
    /// that lacks what every engine's has, or that is longer than any of its kind.
    pub async fn get<T: Whole>(&self, path: &str) -> Result<T, CallError> {
        let answer = self.call(Method::GET, path, None, T::MOST_BYTES).await?;
        self.decode(&Method::GET, path, &answer)
    }

    /// Reads the answer of any call.
    pub(crate) fn decode<T: Whole>(
        &self,
        method: &Method,
        path: &str,
        answer: &Answer,
    ) -> Result<T, CallError> {
        let decoded: T = serde_json::from_slice(&answer.body)
            .map_err(|error| self.error(method, path, CallErrorKind::Decode(error)))?;
        match decoded.missing() {
            None => Ok(decoded),
            Some(missing) => Err(self.error(method, path, CallErrorKind::Incomplete(missing))),
        }
    }

    /// Any call with an optional JSON body; the body of the answer is read to its end within the deadline, and must not be
    /// longer than `most_bytes`.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        most_bytes: usize,
    ) -> Result<Answer, CallError> {
        let attempt = self.attempt(method.clone(), path, body, most_bytes);
        let outcome = match timeout(self.deadline, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallErrorKind::Deadline(self.deadline)),
        };
        outcome.map_err(|kind| self.error(&method, path, kind))
    }

    /// A call that changes something.
    ///
    /// It is a task of its own: if its caller is dropped half-way, it still comes to its end, and
    /// [`Connection::settled`] waits for it. So nothing can be made behind the back of a sweep.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let under_way = Arc::clone(&self.writes).read_owned().await;
        let (connection, called, to) = (self.clone(), method.clone(), path.to_owned());
        let task = tokio::spawn(async move {
            let outcome = connection.call(called, &to, body, WRITE_BYTES).await;
            drop(under_way);
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(self.error(&method, path, transport(error))),
        }
    }

    /// Waits until no write is under way any more, abandoned ones included; at most one deadline long.
    pub(crate) async fn settled(&self) {
        drop(self.writes.write().await);
    }

    async fn attempt(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        most_bytes: usize,
    ) -> Result<Answer, CallErrorKind> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.versioned(path))
            .header(header::HOST, "docker")
            // One call, one connection: the engine closes it, and no pool can hand us a stale one.
            .header(header::CONNECTION, "close");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(transport)?;
        let response = self.dial().await?.send_request(request).await.map_err(transport)?;
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            // An error's text is for people: its beginning is enough.
            let text = read_up_to(body, ERROR_BYTES).await?;
            let message = engine_message(text.get(..ERROR_BYTES).unwrap_or(&text));
            return Err(CallErrorKind::Refused { status: parts.status.as_u16(), message });
        }
        let body = read_up_to(body, most_bytes).await?;
        if most_bytes < body.len() {
            return Err(CallErrorKind::TooLarge { most_bytes });
        }
        Ok(Answer { headers: parts.headers, body })
    }

    pub(super) async fn dial<B>(&self) -> Result<SendRequest<B>, CallErrorKind>
    where
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = UnixStream::connect(self.host.socket()).await.map_err(CallErrorKind::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(transport)?;
        // The task ends with the connection, which the sender's drop closes.
        tokio::spawn(connection);
        Ok(sender)
    }

    pub(super) fn versioned(&self, path: &str) -> String {
        match &self.api {
            // A newer bollard may add the version itself.
            Some(api) if !path.starts_with("/v1.") => format!("/v{api}{path}"),
            _ => path.to_owned(),
        }
    }

    /// An error of a call through this connection.
    pub(crate) fn error(&self, method: &Method, path: &str, kind: CallErrorKind) -> CallError {
        CallError { host: self.host.to_string(), method: method.clone(), path: path.to_owned(), kind }
    }
}

pub(super) fn transport(error: impl std::fmt::Display) -> CallErrorKind {
    CallErrorKind::Transport(error.to_string())
}

/// Bytes for which room is made before they come, at most: about what 200,000 tasks take.
const AT_ONCE: usize = 256 * 1024 * 1024;

/// Reads a body to its end, or until it is longer than `most` bytes.
///
/// One buffer, and no list of frames: a long list would else be in memory twice when it is put together. Room is made at once
/// for what the headers announce, within reason: they may announce anything.
async fn read_up_to(mut body: Incoming, most: usize) -> Result<Vec<u8>, CallErrorKind> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut read = Vec::with_capacity(announced.min(most).min(AT_ONCE));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(transport)?.into_data() {
            read.extend_from_slice(&data);
        }
        if most < read.len() {
            break;
        }
    }
    Ok(read)
}

/// The `message` of an error answer; the body itself (shortened) where it has none.
fn engine_message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let message = serde_json::from_slice::<Message>(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().chars().take(300).collect(),
        |m| m.message.trim().to_owned(),
    );
    without_values(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_put_in_front_once() {
        let plain = Connection::new(Host::default_socket(), Duration::from_secs(1));
        assert_eq!(plain.versioned("/info"), "/info");
        let versioned = plain.with_api("1.41".into());
        assert_eq!(versioned.versioned("/info"), "/v1.41/info");
        assert_eq!(versioned.versioned("/v1.41/info"), "/v1.41/info");
    }

    #[test]
    fn an_error_body_is_read_with_or_without_json() {
        assert_eq!(engine_message(br#"{"message":"network x not found\n"}"#), "network x not found");
        assert_eq!(engine_message(b"plain words\n"), "plain words");
        assert_eq!(engine_message(&[0xff; 2000]).chars().count(), 300);
    }
}
