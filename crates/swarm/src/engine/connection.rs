//! One dialer for everything: own reads, and bollard for typed writes.
//!
//! bollard's own clients drop the API version from the path (its `Url::join` with an absolute path) and their time-out
//! ends with the headers; its custom transport leaves both to us. Every call here has one deadline over connecting,
//! headers and body.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use pvcheck_audit::without_values;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::error::{CallError, CallErrorKind};
use super::host::Host;

/// The largest answer that is read. 100,000 tasks come to about 150 MB.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// A way to one engine: its address, the API version spoken, and the deadline of every call.
#[derive(Clone, Debug)]
pub struct Connection {
    host: Host,
    /// Such as `1.41`; without it paths go unversioned, which is only right for `/_ping`.
    api: Option<String>,
    deadline: Duration,
    /// Held for reading by every write under way, also by those whose caller has gone.
    writes: Arc<RwLock<()>>,
}

/// An answer of the engine, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    /// A connection without an API version yet; nothing is dialled.
    pub(crate) fn new(host: Host, deadline: Duration) -> Self {
        Self { host, api: None, deadline, writes: Arc::default() }
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

    /// `GET path`, decoded.
    ///
    /// # Errors
    /// When the engine cannot be reached, refuses, is late, or answers with something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        let answer = self.call(Method::GET, path, None).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.error(&Method::GET, path, CallErrorKind::Decode(error)))
    }

    /// Any call with an optional JSON body; the body of the answer is read to its end within the deadline.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let attempt = self.attempt(method.clone(), path, body);
        let outcome = match timeout(self.deadline, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallErrorKind::Deadline(self.deadline)),
        };
        outcome.map_err(|kind| self.error(&method, path, kind))
    }

    /// A call with a JSON body of our own that changes something. As with [`Connection::typed`], it comes to its end even if
    /// its caller is dropped half-way.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let under_way = Arc::clone(&self.writes).read_owned().await;
        let (connection, called, to) = (self.clone(), method.clone(), path.to_owned());
        let task = tokio::spawn(async move {
            let outcome = connection.call(called, &to, body).await;
            drop(under_way);
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(self.error(&method, path, transport(error))),
        }
    }

    /// bollard over this dialer. Every call through it must be wrapped by [`Connection::typed`].
    pub(crate) fn docker(&self) -> Result<bollard::Docker, bollard::errors::Error> {
        let connection = self.clone();
        bollard::Docker::connect_with_custom_transport(
            move |request: bollard::BollardRequest| {
                let connection = connection.clone();
                Box::pin(async move { connection.forward(request).await })
            },
            Some("http://docker"),
            self.deadline.as_secs().max(1),
            bollard::API_DEFAULT_VERSION,
        )
    }

    /// Waits for a call of bollard's under this connection's deadline and turns its error into ours.
    ///
    /// The call is a task of its own: if its caller is dropped half-way, it still comes to its end, and
    /// [`Connection::settled`] waits for it. So nothing can be made behind the back of a sweep.
    pub(crate) async fn typed<T: Send + 'static>(
        &self,
        method: Method,
        path: &str,
        call: impl Future<Output = Result<T, bollard::errors::Error>> + Send + 'static,
    ) -> Result<T, CallError> {
        let under_way = Arc::clone(&self.writes).read_owned().await;
        let deadline = self.deadline;
        let task = tokio::spawn(async move {
            // bollard's futures are tens of kilobytes each; boxed they do not swell the task.
            let outcome = timeout(deadline, Box::pin(call)).await;
            drop(under_way);
            outcome
        });
        let outcome = match task.await {
            Ok(Ok(outcome)) => outcome.map_err(from_bollard),
            Ok(Err(_)) => Err(CallErrorKind::Deadline(deadline)),
            Err(error) => Err(transport(error)),
        };
        outcome.map_err(|kind| self.error(&method, path, kind))
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
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(transport)?.to_bytes();
        if parts.status.is_success() {
            return Ok(Answer { headers: parts.headers, body });
        }
        Err(CallErrorKind::Refused { status: parts.status.as_u16(), message: engine_message(&body) })
    }

    async fn forward(
        &self,
        request: bollard::BollardRequest,
    ) -> Result<Response<Incoming>, bollard::errors::Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        parts.uri = self.versioned(path).parse().map_err(io::Error::other)?;
        parts.headers.insert(header::HOST, header::HeaderValue::from_static("docker"));
        parts.headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        let mut sender: SendRequest<_> = self.dial().await.map_err(io::Error::other)?;
        sender.send_request(Request::from_parts(parts, body)).await.map_err(|e| io::Error::other(e).into())
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

    pub(super) fn error(&self, method: &Method, path: &str, kind: CallErrorKind) -> CallError {
        CallError { host: self.host.to_string(), method: method.clone(), path: path.to_owned(), kind }
    }
}

pub(super) fn transport(error: impl std::fmt::Display) -> CallErrorKind {
    CallErrorKind::Transport(error.to_string())
}

fn from_bollard(error: bollard::errors::Error) -> CallErrorKind {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, message } => {
            CallErrorKind::Refused { status: status_code, message: without_values(&message) }
        }
        other => transport(other),
    }
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
