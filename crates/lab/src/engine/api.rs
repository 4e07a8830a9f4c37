//! The few calls of the Engine API that a lab needs. A client of its own, so that the crates under test are not what
//! their tests stand on.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::LabError;

/// Longest silence of an engine within one call.
const SILENCE: Duration = Duration::from_mins(1);

/// One engine behind a unix socket. Requests are HTTP/1.0: one connection each, answered without chunks.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    socket: PathBuf,
}

impl Api {
    pub(crate) fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The engine's own version and the newest API version that it speaks.
    pub(crate) fn version(&self) -> Result<(String, String), LabError> {
        let version: Value = self.get("/version")?;
        let text = |key: &str| version[key].as_str().unwrap_or("unknown").to_owned();
        Ok((text("Version"), text("ApiVersion")))
    }

    pub(crate) fn ping(&self) -> Result<(), LabError> {
        self.call("GET", "/_ping", &[], None).map(drop)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LabError> {
        self.parse(path, &self.call("GET", path, &[], None)?)
    }

    /// Posts JSON. An empty answer comes back as null.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, LabError> {
        let body = body.to_string();
        let answer =
            self.call("POST", path, &[("Content-Type", "application/json")], Some(body.as_bytes()))?;
        if answer.is_empty() { Ok(Value::Null) } else { self.parse(path, &answer) }
    }

    /// Posts and gives back the `ID` of what was created.
    pub(crate) fn create(&self, path: &str, body: &Value) -> Result<String, LabError> {
        let answer = self.post(path, body)?;
        let id = answer["ID"].as_str().or_else(|| answer["Id"].as_str());
        id.map(str::to_owned).ok_or_else(|| self.fault("POST", path, 0, "the answer names no id"))
    }

    /// Imports a tar file as an image `repository:tag`.
    pub(crate) fn import(&self, tar: &Path, repository: &str, tag: &str) -> Result<(), LabError> {
        let path = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}");
        let file = File::open(tar).map_err(LabError::io("read", tar))?;
        let length = file.metadata().map_err(LabError::io("read", tar))?.len();
        let headers =
            [("Content-Type", "application/x-tar".to_owned()), ("Content-Length", length.to_string())];
        let answer = self.exchange("POST", &path, &headers, Some(Box::new(file)))?;
        // The status is sent before the import, so a failure stands in the body.
        let text = String::from_utf8_lossy(&answer);
        if text.contains("\"errorDetail\"") { Err(self.fault("POST", &path, 200, &text)) } else { Ok(()) }
    }

    fn parse<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, LabError> {
        serde_json::from_slice(body).map_err(|error| self.fault("parse", path, 0, &error.to_string()))
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Vec<u8>, LabError> {
        let mut owned: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if let Some(body) = body {
            owned.push(("Content-Length", body.len().to_string()));
        }
        self.exchange(method, path, &owned, body.map(|body| Box::new(body) as Box<dyn Read + '_>))
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<Box<dyn Read + '_>>,
    ) -> Result<Vec<u8>, LabError> {
        let raw = self.raw(method, path, headers, body).map_err(LabError::io("talk to", &self.socket))?;
        let (status, body) =
            split_response(&raw).ok_or_else(|| self.fault(method, path, 0, "the answer is not HTTP"))?;
        if (200..300).contains(&status) {
            return Ok(body.to_vec());
        }
        let text = String::from_utf8_lossy(body);
        let message = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|value| value["message"].as_str().map(str::to_owned))
            .unwrap_or_else(|| text.trim().to_owned());
        Err(self.fault(method, path, status, &message))
    }

    fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<Box<dyn Read + '_>>,
    ) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: lab\r\n");
        for (name, value) in headers {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        if let Some(mut body) = body {
            io::copy(&mut body, &mut stream)?;
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    #[expect(clippy::unused_self, reason = "reads as what it is: a fault of this engine")]
    fn fault(&self, method: &str, path: &str, status: u16, message: &str) -> LabError {
        LabError::Api {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            message: message.to_owned(),
        }
    }
}

/// Status and body of an HTTP/1 answer that was read to its end.
pub(crate) fn split_response(raw: &[u8]) -> Option<(u16, &[u8])> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((status_of(&raw[..end])?, &raw[end + 4..]))
}

/// The status in the first line of an HTTP/1 answer.
pub(crate) fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn responses() {
        assert_eq!(split_response(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody"), Some((200, &b"body"[..])));
        assert_eq!(split_response(b"HTTP/1.1 404 Not Found\r\n\r\n"), Some((404, &b""[..])));
        assert_eq!(split_response(b"HTTP/1.0 200 OK\r\nA: b\r\n"), None);
        assert_eq!(split_response(b"SSH-2.0 200 OK\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_response(&bytes);
        }
    }
}
