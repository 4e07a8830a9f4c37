//! Connections and requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Either, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::body::{End, SimBody};
use super::events::EventBody;
use super::fault::Fault;
use super::{RequestRecord, Shared, TICK, lock};
use crate::api::Response;

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
async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<hyper::Response<Either<SimBody, EventBody>>, io::Error> {
    let method = request.method().as_str().to_owned();
    let target = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    lock(&shared.requests).push(RequestRecord { method: method.clone(), target: target.clone() });
    let fault = lock(&shared.faults).iter_mut().find_map(|rule| rule.take(&method, &target));
    let body = Limited::new(request.into_body(), MOST_BODY_BYTES)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    if let Some(Fault::Fail { status }) = fault {
        let text = serde_json::json!({"message": "injected failure"}).to_string();
        let response = Response { status, content_type: Some("application/json"), body: text.into_bytes() };
        return Ok(whole(shared, response).map(Either::Left));
    }
    if method == "GET" && fault.is_none() && is_events(&target) {
        let body = Either::Right(EventBody::new(Arc::clone(shared)));
        return hyper::Response::builder()
            .header("Content-Type", "application/json")
            .body(body)
            .map_err(io::Error::other);
    }
    if let Some(Fault::Pretend { body }) = fault {
        return Ok(whole(shared, text(body)).map(Either::Left));
    }
    // The lock is not held while the answer is sent: a stalled client must not stop the model.
    let response = {
        let mut running = lock(&shared.engine);
        running.catch_up();
        let response = running.model.respond(&method, &target, &body);
        running.write_log();
        response
    };
    Ok(spoil(shared, response, fault).await?.map(Either::Left))
}

/// True for `/events`, with a version before it or a query behind it.
fn is_events(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.rsplit('/').next() == Some("events") && path.matches('/').count() <= 2
}

async fn spoil(
    shared: &Shared,
    mut response: Response,
    fault: Option<Fault>,
) -> Result<hyper::Response<SimBody>, io::Error> {
    match fault {
        Some(Fault::Cut) => Err(io::Error::other("cut by an injected fault")),
        Some(Fault::CutBody { after_bytes }) => Ok(partial(shared, response, after_bytes, End::Cut)),
        Some(Fault::StallBody { after_bytes }) => Ok(partial(shared, response, after_bytes, End::Stall)),
        Some(Fault::StallHeaders) => match std::future::pending::<Infallible>().await {},
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Ok(whole(shared, response))
        }
        Some(Fault::Lie) => {
            let half = response.body.len() / 2;
            response.body.truncate(half);
            Ok(whole(shared, response))
        }
        Some(Fault::Answer { body }) => Ok(whole(shared, text(body))),
        Some(Fault::Endless { status }) => {
            let part =
                Response { status, content_type: Some("application/json"), body: vec![b'['; 64 << 10] };
            Ok(partial(shared, part, usize::MAX, End::Never))
        }
        Some(Fault::Fail { .. } | Fault::Pretend { .. }) | None => Ok(whole(shared, response)),
    }
}

/// What something that is no engine answers.
fn text(body: &str) -> Response {
    Response { status: 200, content_type: Some("text/html"), body: body.as_bytes().to_vec() }
}

fn whole(shared: &Shared, response: Response) -> hyper::Response<SimBody> {
    partial(shared, response, usize::MAX, End::Proper)
}

fn partial(shared: &Shared, response: Response, shown: usize, end: End) -> hyper::Response<SimBody> {
    let engine = lock(&shared.engine).model.settings().engine;
    let mut builder = hyper::Response::builder()
        .status(StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("Api-Version", format!("1.{}", engine.api_minor))
        .header("Docker-Experimental", "false")
        .header("Ostype", "linux")
        .header("Server", format!("Docker/{} (linux)", engine.version));
    if let Some(kind) = response.content_type {
        builder = builder.header("Content-Type", kind);
    }
    let body = SimBody::new(response.body, shown, end);
    builder.body(body).unwrap_or_else(|_| hyper::Response::new(SimBody::new(Vec::new(), 0, End::Proper)))
}
