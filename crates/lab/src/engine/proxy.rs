//! A socket proxy that lets GET through and nothing else, and writes down every call.

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
    /// When it cannot listen there.
    pub fn start(socket: &Path, engine: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let proxy = Self { socket: socket.to_owned(), calls: Arc::default() };
        let (calls, engine) = (Arc::clone(&proxy.calls), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (calls, engine) = (Arc::clone(&calls), engine.clone());
                thread::spawn(move || {
                    // A client that goes away half-way is its own affair; what it asked for is written down.
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

/// One request, or as many as the client sends: each head is read and judged before anything of it goes on.
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
