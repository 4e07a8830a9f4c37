//! Connections and requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::certificates::H2;
use super::table::{Decision, decide};
use crate::server::Sim;

/// Connections at a time; more wait.
const MOST_CONNECTIONS: usize = 256;

/// The longest that a connection may last.
const LONGEST: Duration = Duration::from_mins(1);

/// Between two tries where the system has no file for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopped` becomes true; open connections end with the runtime.
pub(super) async fn serve(
    sim: Arc<Sim>,
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    mut stopped: watch::Receiver<bool>,
) {
    // It fails only outside of a runtime, and this future runs on one.
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (sim, tls) = (Arc::clone(&sim), tls.clone());
            tokio::spawn(async move {
                // A client that goes away or trusts another authority is no concern of the server.
                let _ = tokio::time::timeout(LONGEST, connection(sim, stream, tls)).await;
                drop(place);
            });
        }
    };
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => {}
        () = accept => {}
    }
}

async fn connection(sim: Arc<Sim>, stream: TcpStream, tls: TlsAcceptor) -> io::Result<()> {
    // The world's port belongs to the router's task: without one the system would refuse the connection. This port is
    // bound all the time, so the nearest is to end it at once.
    if sim.with_model(|model| decide(model, "", "/")) == Decision::Nobody {
        return Ok(());
    }
    let stream = tls.accept(stream).await?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&sim, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let io = TokioIo::new(stream);
    if is_h2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, service).await.map_err(io::Error::other)
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(io, service).await.map_err(io::Error::other)
    }
}

fn answer(sim: &Sim, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    // HTTP/2 has the host in the target, HTTP/1.1 in a header.
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = without_port(authority.or(header).unwrap_or_default());
    let path = request.uri().path();
    respond(&sim.with_model(|model| decide(model, host, path)), path)
}

/// The texts of the router are Traefik's own (its `pkg/server`, and Go's `http.NotFound`), so that a client can tell them from
/// a service's.
fn respond(decision: &Decision, path: &str) -> Response<Full<Bytes>> {
    match decision {
        // The router went away between this connection's beginning and its request.
        Decision::Nobody | Decision::Unreachable => plain(504, "Gateway Timeout"),
        Decision::NoServer => plain(503, "no available server\n"),
        Decision::Api if path == "/api/version" => plain(200, "{\"Version\":\"embedded\"}\n"),
        Decision::Api | Decision::NoRule => plain(404, "404 page not found\n"),
        Decision::Answer { status, task } => {
            let mut response = plain(*status, &format!("{task} of the embedded engine\n"));
            if (300..400).contains(status) {
                response.headers_mut().insert(LOCATION, HeaderValue::from_static("/login"));
            }
            response
        }
    }
}

fn plain(status: u16, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_the_host() {
        for (authority, host) in
            [("a.test:443", "a.test"), ("a.test", "a.test"), ("[::1]:8443", "[::1]"), ("", "")]
        {
            assert_eq!(without_port(authority), host);
        }
    }

    #[test]
    fn a_status_that_is_none_is_an_error_of_the_server() {
        let answer =
            |status| respond(&Decision::Answer { status, task: "web.1.x".into() }, "/").status().as_u16();
        assert_eq!([answer(303), answer(404), answer(7)], [303, 404, 500]);
    }

    #[test]
    fn only_a_redirect_has_a_location() {
        for (status, has) in [(200, false), (303, true), (404, false)] {
            let response = respond(&Decision::Answer { status, task: "web.1.x".into() }, "/");
            assert_eq!(response.headers().contains_key(LOCATION), has, "{status}");
        }
    }
}
