//! The few calls of the Engine API that a lab needs. A client of its own, so that tests do not
//! rest on the crates that they test.

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
        // HTTP/1.0: the answer ends where the connection does, and is never chunked.
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

    /// An engine that answers one call after the other, and the requests that it got.
    fn engine(
        answers: &'static [&'static str],
    ) -> (tempfile::TempDir, Api, std::thread::JoinHandle<Vec<String>>) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let served = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                requests.push(request(&mut stream));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            requests
        });
        (dir, Api::new(socket), served)
    }

    /// A head, and as much body as it announces.
    fn request(stream: &mut UnixStream) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            text.push(byte[0]);
        }
        let head = String::from_utf8(text).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        head + &String::from_utf8(body).unwrap()
    }

    #[test]
    fn json_goes_out_and_comes_back() {
        let (_dir, api, served) = engine(&[
            "HTTP/1.0 200 OK\r\n\r\n{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\"}",
            "HTTP/1.0 201 Created\r\n\r\n{\"ID\":\"abc\"}",
            "HTTP/1.0 201 Created\r\n\r\n{\"Id\":\"def\"}",
            "HTTP/1.0 200 OK\r\n\r\n",
        ]);
        assert_eq!(api.version().unwrap(), ("20.10.24".to_owned(), "1.41".to_owned()));
        assert_eq!(api.create("/services/create", &serde_json::json!({"Name": "x"})).unwrap(), "abc");
        assert_eq!(api.create("/networks/create", &Value::Null).unwrap(), "def", "networks spell it so");
        assert_eq!(api.post("/swarm/leave", &Value::Null).unwrap(), Value::Null);
        let requests = served.join().unwrap();
        assert!(requests[0].starts_with("GET /version HTTP/1.0\r\nHost: lab\r\n"));
        assert!(requests[1].contains("Content-Type: application/json\r\n"));
        assert!(requests[1].ends_with("\r\n\r\n{\"Name\":\"x\"}"), "{}", requests[1]);
    }

    #[test]
    fn refusals_keep_the_engines_words() {
        let (_dir, api, served) = engine(&[
            "HTTP/1.0 503 Unavailable\r\n\r\n{\"message\":\"not a manager\"}",
            "HTTP/1.0 500 Error\r\n\r\n plain words \n",
            "SSH-2.0 nonsense",
            "HTTP/1.0 201 Created\r\n\r\n{}",
            "HTTP/1.0 200 OK\r\n\r\nnot json",
        ]);
        let fault = |error: LabError| match error {
            LabError::Api { status, message, .. } => (status, message),
            other => panic!("{other:?}"),
        };
        assert_eq!(fault(api.ping().unwrap_err()), (503, "not a manager".to_owned()));
        assert_eq!(fault(api.ping().unwrap_err()), (500, "plain words".to_owned()));
        assert_eq!(fault(api.ping().unwrap_err()), (0, "the answer is not HTTP".to_owned()));
        let no_id = fault(api.create("/x", &Value::Null).unwrap_err());
        assert_eq!(no_id, (0, "the answer names no id".to_owned()));
        let (status, text) = fault(api.get::<Value>("/x").unwrap_err());
        assert!(status == 0 && text.contains("line 1"), "{text}");
        served.join().unwrap();
    }

    #[test]
    fn an_import_fails_in_its_body_though_its_status_is_fine() {
        let (dir, api, served) = engine(&[
            "HTTP/1.0 200 OK\r\n\r\n{\"status\":\"sha256:1\"}\n",
            "HTTP/1.0 200 OK\r\n\r\n{\"errorDetail\":{\"message\":\"no space\"}}\n",
        ]);
        let tar = dir.path().join("x.tar");
        std::fs::write(&tar, "tar").unwrap();
        assert!(api.import(&tar, "lab/x", "1").is_ok());
        let failed = api.import(&tar, "lab/x", "1").unwrap_err();
        assert!(failed.to_string().contains("no space"), "{failed}");
        let first = served.join().unwrap().remove(0);
        assert!(
            first.starts_with("POST /images/create?fromSrc=-&repo=lab/x&tag=1 ")
                && first.ends_with("\r\ntar")
        );
    }

    #[test]
    fn an_engine_that_is_not_there_is_named_by_its_socket() {
        let error = Api::new("/no/such/socket").ping().unwrap_err();
        assert_eq!(error.to_string(), "cannot talk to /no/such/socket");
    }
}
