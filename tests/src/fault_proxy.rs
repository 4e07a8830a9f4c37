//! A socket proxy in front of an engine that breaks one call, or every call from one on.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How a call is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The call is carried out, and this is answered with 200.
    Say(&'static str),
    /// The call is not carried out, and this is answered with 200.
    Pretend(&'static str),
    /// The call is not carried out, and this status is answered.
    Refuse(u16),
    /// The call is carried out, and this status is answered.
    Fail(u16),
    /// The call is carried out, and nothing is answered.
    Cut,
    /// The call is carried out, and half of its answer comes.
    Half,
    /// This status, and a body that never ends. The call is carried out.
    Endless(u16),
    /// From this call on, no call reaches the engine and none is answered.
    Dead,
}

/// The call to break, and how many there were.
#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    broken: Option<(usize, Break)>,
}

/// The proxy. It listens until the process ends; its socket goes with its folder.
#[derive(Debug)]
pub struct FaultProxy {
    socket: PathBuf,
    plan: Arc<Mutex<Plan>>,
}

impl FaultProxy {
    /// Listens on `socket` for calls to the engine behind `engine`.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn start(socket: &Path, engine: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let proxy = Self { socket: socket.to_owned(), plan: Arc::default() };
        let (plan, engine) = (Arc::clone(&proxy.plan), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (plan, engine) = (Arc::clone(&plan), engine.clone());
                thread::spawn(move || {
                    let broken = next(&mut lock(&plan));
                    // An error means that one side went away, which the other side sees.
                    let _ = serve(client, &engine, broken);
                });
            }
        });
        Ok(proxy)
    }

    /// Where to connect to.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Counts calls anew from 0, and breaks one of them.
    pub fn arm(&self, broken: Option<(usize, Break)>) {
        *lock(&self.plan) = Plan { calls: 0, broken };
    }

    /// How many calls there were since [`FaultProxy::arm`].
    pub fn calls(&self) -> usize {
        lock(&self.plan).calls
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the next call is broken; it counts.
fn next(plan: &mut Plan) -> Option<Break> {
    let at = plan.calls;
    plan.calls += 1;
    match plan.broken {
        Some((nth, Break::Dead)) if nth <= at => Some(Break::Dead),
        Some((nth, broken)) if nth == at => Some(broken),
        _ => None,
    }
}

/// One call: clients of this workspace make one on each connection.
fn serve(mut client: UnixStream, engine: &Path, broken: Option<Break>) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_mins(1)))?;
    let request = read_request(&mut client)?;
    match broken {
        Some(Break::Dead) => return Ok(()),
        Some(Break::Pretend(body)) => return answer(&mut client, 200, body),
        Some(Break::Refuse(status)) => {
            return answer(&mut client, status, r#"{"message":"put in by a test"}"#);
        }
        _ => {}
    }
    let mut upstream = UnixStream::connect(engine)?;
    upstream.write_all(&request)?;
    if broken.is_none() {
        return io::copy(&mut upstream, &mut client).map(drop);
    }
    let mut whole = Vec::new();
    if is_stream(&request) {
        // It never ends by itself: its head and what it says at once are the answer that is broken.
        upstream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let _ = upstream.read_to_end(&mut whole);
    } else {
        upstream.read_to_end(&mut whole)?;
    }
    match broken {
        Some(Break::Say(body)) => answer(&mut client, 200, body),
        Some(Break::Fail(status)) => answer(&mut client, status, r#"{"message":"put in by a test"}"#),
        Some(Break::Half) => client.write_all(&whole[..whole.len() / 2]),
        Some(Break::Endless(status)) => endless(&mut client, status),
        None | Some(Break::Cut | Break::Dead | Break::Pretend(_) | Break::Refuse(_)) => Ok(()),
    }
}

/// True iff the request is for the engine's events.
fn is_stream(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).contains("/events")
}

/// A pong's header is added to every answer, so that a broken pong is broken by its body alone.
fn answer(client: &mut UnixStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status} Put In\r\nApi-Version: 1.41\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Writes until the client has had enough.
fn endless(client: &mut UnixStream, status: u16) -> io::Result<()> {
    write!(client, "HTTP/1.1 {status} Put In\r\nApi-Version: 1.41\r\nConnection: close\r\n\r\n")?;
    let part = vec![b'['; 64 << 10];
    loop {
        client.write_all(&part)?;
    }
}

/// Head and body of a request.
fn read_request(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.and_then(|l| l.trim().parse().ok()).unwrap_or(0)];
    client.read_exact(&mut body)?;
    request.extend(body);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_broken_or_all_from_one_on() {
        let broken = |how| {
            let mut plan = Plan { calls: 0, broken: Some((1, how)) };
            (0..4).map(|_| next(&mut plan).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(broken(Break::Cut), [false, true, false, false]);
        assert_eq!(broken(Break::Dead), [false, true, true, true]);
    }

    #[test]
    fn a_request_is_carried_out_or_not_and_answered_as_planned() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (front, back) = (folder.path().join("front"), folder.path().join("back"));
        let listener = UnixListener::bind(&back)?;
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if read_request(&mut stream).is_ok() {
                    *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal");
                }
            }
        });
        let proxy = FaultProxy::start(&front, &back)?;
        let ask = || -> io::Result<String> {
            let mut stream = UnixStream::connect(&front)?;
            stream.write_all(b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")?;
            let mut told = String::new();
            stream.read_to_string(&mut told)?;
            Ok(told)
        };
        for (how, end, carried_out) in [
            (None, "real", 1),
            (Some(Break::Say("{}")), "{}", 1),
            (Some(Break::Pretend("null")), "null", 0),
            (Some(Break::Refuse(404)), "test\"}", 0),
            (Some(Break::Fail(500)), "test\"}", 1),
            (Some(Break::Cut), "", 1),
            (Some(Break::Dead), "", 0),
        ] {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = 0;
            proxy.arm(how.map(|how| (0, how)));
            let told = ask()?;
            assert!(told.ends_with(end) && (told.is_empty() == end.is_empty()), "{how:?}: {told}");
            assert_eq!(
                (*seen.lock().unwrap_or_else(PoisonError::into_inner), proxy.calls()),
                (carried_out, 1),
                "{how:?}"
            );
        }
        Ok(())
    }
}
