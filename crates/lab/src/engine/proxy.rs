//! A socket proxy that forwards GET requests only, and records every call.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The longest head of a request that is read.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A proxy in front of an engine's socket. It listens until the process ends; its socket goes with its folder.
#[derive(Debug)]
pub struct ReadOnlyProxy {
    socket: PathBuf,
    calls: Arc<Mutex<Vec<String>>>,
}

impl ReadOnlyProxy {
    /// Listens on `socket` for calls to the engine behind `engine`.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn start(socket: &Path, engine: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let proxy = Self { socket: socket.to_owned(), calls: Arc::default() };
        let (calls, engine) = (Arc::clone(&proxy.calls), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (calls, engine) = (Arc::clone(&calls), engine.clone());
                thread::spawn(move || {
                    // An error means that the client went away; its call is recorded already.
                    let _ = serve(client, &engine, &calls);
                });
            }
        });
        Ok(proxy)
    }

    /// Where to connect to.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// `METHOD PATH` of every call since the last time.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request, or as many as the client sends: each head is read and checked before it is forwarded.
fn serve(mut client: UnixStream, engine: &Path, calls: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_mins(1)))?;
    while let Some(head) = read_head(&mut client)? {
        let line = head.lines().next().unwrap_or_default();
        let call = line.rsplit_once(' ').map_or(line, |(call, _)| call).to_owned();
        let reads = call.starts_with("GET ");
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if !reads {
            return client.write_all(
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 23\r\nConnection: close\r\n\r\n{\"message\":\"read only\"}",
            );
        }
        // One call per connection to the engine, so that its answer ends where the connection does.
        let mut upstream = UnixStream::connect(engine)?;
        upstream.write_all(closing(&head).as_bytes())?;
        io::copy(&mut upstream, &mut client)?;
        client.shutdown(Shutdown::Write)?;
    }
    Ok(())
}

/// The head of the next request; `None` at the end.
fn read_head(client: &mut UnixStream) -> io::Result<Option<String>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if MAX_HEAD_BYTES < head.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a head that does not end"));
        }
    }
    String::from_utf8(head).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The same head, with the connection to be closed after the answer.
fn closing(head: &str) -> String {
    let other = |line: &&str| !line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<_> = head.trim_end().split("\r\n").filter(other).collect();
    format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An engine that answers every connection with `answer` and gives the heads that it got.
    fn engine(socket: &Path, answer: &'static str) -> mpsc::Receiver<String> {
        let listener = UnixListener::bind(socket).unwrap();
        let (sender, heads) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let head = read_head(&mut stream).unwrap().unwrap_or_default();
                sender.send(head).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        heads
    }

    fn ask(proxy: &ReadOnlyProxy, request: &str) -> String {
        let mut stream = UnixStream::connect(&proxy.socket).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn reads_go_through_and_writes_never_reach_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let (front, back) = (dir.path().join("front"), dir.path().join("back"));
        let heads = engine(&back, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        let proxy = ReadOnlyProxy::start(&front, &back).unwrap();
        assert_eq!(proxy.host(), format!("unix://{}", front.display()));

        let answer = ask(&proxy, "GET /v1.41/tasks HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\nOK"), "{answer}");
        let head = heads.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(head.contains("Connection: close") && !head.contains("keep-alive"), "{head}");

        for method in ["POST", "DELETE", "PUT", "HEAD", "GETX"] {
            let answer = ask(&proxy, &format!("{method} /services/create HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("{\"message\":\"read only\"}"));
        }
        assert!(heads.try_recv().is_err(), "the engine saw one call");
        let calls = proxy.take_calls();
        assert_eq!((calls.len(), calls[0].as_str()), (6, "GET /v1.41/tasks"));
        assert!(proxy.take_calls().is_empty(), "taken once");
    }

    #[test]
    fn a_socket_that_is_taken_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _first = ReadOnlyProxy::start(&socket, Path::new("/none")).unwrap();
        assert!(ReadOnlyProxy::start(&socket, Path::new("/none")).is_err());
    }

    #[test]
    fn a_head_ends_at_the_empty_line_and_what_follows_is_left() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"GET / HTTP/1.1\r\n\r\nbody").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_head(&mut ours).unwrap().as_deref(), Some("GET / HTTP/1.1\r\n\r\n"));
        assert_eq!(read_head(&mut ours).unwrap(), None, "cut off within a head");
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let writer = thread::spawn(move || theirs.write_all(&vec![b'a'; MAX_HEAD_BYTES + 2]));
        assert!(read_head(&mut ours).is_err());
        drop(ours);
        let _ = writer.join().unwrap();
    }

    #[test]
    fn closing_replaces_the_header_whatever_its_case() {
        assert_eq!(
            closing("GET / HTTP/1.1\r\nCONNECTION: upgrade\r\nHost: x\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
    }
}
