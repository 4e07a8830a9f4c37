//! Connections and requests.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::events::EventBody;
use super::{RequestRecord, Shared, TICK, lock};
use crate::api::Response;
use crate::fault::{Body, Fault, is_stream, spoil, spoil_stream};

/// Longest body that is read: far more than any specification.
const MOST_BODY_BYTES: usize = 16 << 20;

/// Serves until `stopped` becomes true; open connections end with the runtime.
pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: std::os::unix::net::UnixListener,
    mut stopped: watch::Receiver<bool>,
) {
    // It fails only outside of a runtime, and this future runs on one.
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => lock(&shared.engine).catch_up(),
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(connection(Arc::clone(&shared), stream));
                }
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: UnixStream) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, request).await }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away, or an injected cut, ends a connection with an error: no concern of the server.
    let _ = served.await;
}

/// An error ends the connection without an answer.
async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> io::Result<hyper::Response<Body>> {
    let method = request.method().as_str().to_owned();
    let target = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    lock(&shared.requests).push(RequestRecord { method: method.clone(), target: target.clone() });
    let fault = decide(shared, &method, &target)?;
    let body = Limited::new(request.into_body(), MOST_BODY_BYTES)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    if fault.is_some_and(|fault| !fault.is_carried_out()) {
        return spoil(fault, head(shared, 200, None, Vec::new())).await;
    }
    if is_stream(&method, &target) {
        let stream = EventBody::new(Arc::clone(shared));
        let answer = head(shared, 200, Some("application/json"), stream);
        return spoil_stream(fault, answer).await;
    }
    // The lock is not held while the answer is sent: a stalled client must not stop the model.
    let response = {
        let mut running = lock(&shared.engine);
        running.catch_up();
        let response = running.model.respond(&method, &target, &body);
        running.write_log();
        response
    };
    let Response { status, content_type, body } = response;
    spoil(fault, head(shared, status, content_type, body)).await
}

/// The fault of a call. A restart takes effect at once; while the engine is down, no call is answered.
fn decide(shared: &Shared, method: &str, target: &str) -> io::Result<Option<Fault>> {
    let fault = {
        let mut faults = lock(&shared.faults);
        let now = Instant::now();
        if faults.is_down(now) {
            return Err(io::Error::other("the engine is down"));
        }
        faults.take(method, target, now)
    };
    if let Some(Fault::Restart { .. }) = fault {
        let mut running = lock(&shared.engine);
        running.catch_up();
        running.model.restart_engine();
        running.write_log();
    }
    Ok(fault)
}

/// An answer with the headers of every answer.
fn head<B>(shared: &Shared, status: u16, kind: Option<&'static str>, body: B) -> hyper::Response<B> {
    let engine = lock(&shared.engine).model.settings().engine;
    let mut response = hyper::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let texts = [
        ("Api-Version", format!("1.{}", engine.api_minor)),
        ("Docker-Experimental", "false".to_owned()),
        ("Ostype", "linux".to_owned()),
        ("Server", format!("Docker/{} (linux)", engine.version)),
    ];
    let kind = kind.map(|kind| ("Content-Type", kind.to_owned()));
    for (name, text) in texts.into_iter().chain(kind) {
        // Every text here is one that a header can have.
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
