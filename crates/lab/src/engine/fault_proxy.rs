//! A socket proxy that puts faults into the calls to an engine. Which calls have which, and what is then answered, is
//! decided where the embedded engine decides it too (`pvcheck_sim::fault`).

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use pvcheck_sim::fault::{Body, Faults, is_stream, spoil, spoil_stream};
use pvcheck_sim::{Fault, FaultRule};
use tokio::net::{UnixListener, UnixStream};

/// The API version of an answer that no engine gave, so that a broken pong is broken by its body alone.
const API: HeaderValue = HeaderValue::from_static("1.41");

/// A proxy with faults in front of an engine's socket. It listens until the process ends; its socket goes with its
/// folder.
///
/// What takes a connection over, such as `docker exec`, goes through as it is.
#[derive(Debug)]
pub struct FaultProxy {
    socket: PathBuf,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    engine: PathBuf,
    faults: Mutex<Faults>,
    calls: Mutex<usize>,
}

impl FaultProxy {
    /// Listens on `socket` for calls to the engine behind `engine`.
    ///
    /// # Errors
    /// If it cannot listen there, or its thread cannot be started.
    pub fn start(socket: &Path, engine: &Path, rules: Vec<FaultRule>) -> io::Result<Self> {
        let listener = StdListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let shared = Shared {
            engine: engine.to_owned(),
            faults: Mutex::new(Faults::new(rules)),
            calls: Mutex::new(0),
        };
        let shared = Arc::new(shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new().name("fault-proxy".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serve(served, listener)))?;
        Ok(Self { socket: socket.to_owned(), shared, thread })
    }

    /// Where to connect to.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Puts these rules in the place of all, and counts calls anew from 0.
    pub fn arm(&self, rules: Vec<FaultRule>) {
        *lock(&self.shared.faults) = Faults::new(rules);
        *lock(&self.shared.calls) = 0;
    }

    /// How many calls there were since [`FaultProxy::arm`].
    pub fn calls(&self) -> usize {
        *lock(&self.shared.calls)
    }

    /// Serves until the process ends.
    pub fn serve(self) {
        // It ends by a panic only, which was printed there.
        let _ = self.thread.join();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(shared: Arc<Shared>, listener: StdListener) {
    // It fails only outside of a runtime, and this future runs on one.
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(Arc::clone(&shared), stream));
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: UnixStream) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, request).await }
    });
    let server = hyper::server::conn::http1::Builder::new();
    // An error means that one side went away, or that a fault ends the connection: the other side sees it.
    let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// An error ends the connection without an answer.
async fn answer(shared: &Shared, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let method = request.method().as_str().to_owned();
    let target = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    *lock(&shared.calls) += 1;
    let fault = decide(shared, &method, &target)?;
    if fault.is_some_and(|fault| !fault.is_carried_out()) {
        let _ = request.into_body().collect().await;
        return spoil(fault, made_up()).await;
    }
    let mut answer = forward(shared, request).await?;
    tidy(answer.headers_mut(), fault);
    if fault.is_none() || is_stream(&method, &target) {
        return spoil_stream(fault, answer).await;
    }
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    spoil(fault, Response::from_parts(parts, body.to_vec())).await
}

fn decide(shared: &Shared, method: &str, target: &str) -> io::Result<Option<Fault>> {
    let (mut faults, now) = (lock(&shared.faults), Instant::now());
    if faults.is_down(now) {
        return Err(io::Error::other("the engine is down"));
    }
    Ok(faults.take(method, target, now))
}

/// One call on a connection of its own to the engine. If the engine hands the connection over, both are joined.
async fn forward(shared: &Shared, mut request: Request<Incoming>) -> io::Result<Response<Incoming>> {
    let stream = UnixStream::connect(&shared.engine).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, driver) = handshake.map_err(io::Error::other)?;
    tokio::spawn(driver.with_upgrades());
    let client = hyper::upgrade::on(&mut request);
    let mut answer = sender.send_request(request).await.map_err(io::Error::other)?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let engine = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            if let (Ok(client), Ok(engine)) = (client.await, engine.await) {
                let (mut client, mut engine) = (TokioIo::new(client), TokioIo::new(engine));
                // It ends when both sides have said all, or one goes away.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
            }
        });
    }
    Ok(answer)
}

/// Takes away what is about the connection to the engine, and the length where the body may become another.
fn tidy(headers: &mut HeaderMap, fault: Option<Fault>) {
    headers.remove(header::TRANSFER_ENCODING);
    if !headers.contains_key(header::UPGRADE) {
        headers.remove(header::CONNECTION);
    }
    if fault.is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// The head of an answer that no engine gave.
fn made_up() -> Response<Vec<u8>> {
    let mut answer = Response::new(Vec::new());
    answer.headers_mut().insert("Api-Version", API);
    answer
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream as StdStream;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An engine that answers every call with a list of four, and counts them.
    fn engine(socket: &Path) -> io::Result<Arc<Mutex<usize>>> {
        let listener = StdListener::bind(socket)?;
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\nabc") && stream.read(&mut byte).is_ok_and(|n| 0 < n) {
                    head.push(byte[0]);
                }
                *lock(&count) += 1;
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\n[1,2,3,4]\r\n0\r\n\r\n",
                );
            }
        });
        Ok(seen)
    }

    /// What is told until the end, or until nothing has come for so long.
    fn ask(socket: &Path, patience: Duration) -> io::Result<String> {
        let mut stream = StdStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream
            .write_all(b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")?;
        let mut told = Vec::new();
        // A stall ends by the time-out, and what came before it is there.
        let _ = stream.read_to_end(&mut told);
        Ok(String::from_utf8_lossy(&told).into_owned())
    }

    #[test]
    fn a_call_is_carried_out_or_not_and_answered_as_the_rule_says() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (front, back) = (folder.path().join("front"), folder.path().join("back"));
        let seen = engine(&back)?;
        let proxy = FaultProxy::start(&front, &back, Vec::new())?;
        for (rule, part, carried_out) in [
            (None, "[1,2,3,4]", 1),
            (Some("GET: reset"), "[1,2,3,4]", 1),
            (Some("POST /x: answer null"), "null", 1),
            (Some("any: pretend {}"), "{}", 0),
            (Some("any: status 404"), " 404 ", 0),
            (Some("any: status-after 500"), " 500 ", 1),
            (Some("any: no-leader"), "does not have a leader", 0),
            (Some("any: partial"), "[1,2]", 1),
            (Some("any: cut-body 3"), "[1,", 1),
            (Some("any: reset-after"), "", 1),
            (Some("any: reset"), "", 0),
            (Some("any: stall"), "", 1),
        ] {
            *lock(&seen) = 0;
            proxy.arm(rule.map(|rule| rule.parse().expect("a rule")).into_iter().collect());
            let stalls = rule == Some("any: stall");
            let told = ask(&front, if stalls { Duration::from_secs(2) } else { PATIENCE })?;
            assert!(told.contains(part) && told.is_empty() == part.is_empty(), "{rule:?}: {told}");
            assert_eq!((*lock(&seen), proxy.calls()), (carried_out, 1), "{rule:?}");
        }
        Ok(())
    }

    #[test]
    fn an_engine_that_restarts_answers_nothing_for_its_time() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (front, back) = (folder.path().join("front"), folder.path().join("back"));
        let _seen = engine(&back)?;
        let rule = "any: restart 100ms, times 1".parse().expect("a rule");
        let proxy = FaultProxy::start(&front, &back, vec![rule])?;
        assert_eq!(proxy.host(), format!("unix://{}", front.display()));
        assert_eq!(ask(&front, PATIENCE)?, "");
        let since = Instant::now();
        while ask(&front, PATIENCE)?.is_empty() {
            assert!(since.elapsed() < PATIENCE, "it is never up again");
        }
        Ok(())
    }
}
