//! The real engine, or three managers: one connection to one of them, kept open.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use pvcheck_lab::Lab;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use crate::log;
use crate::side::{Answer, Result, Side};

/// How long an answer may take, and an engine to be ready after a restart.
const PATIENCE: Duration = Duration::from_mins(3);

/// A manager of the lab.
struct Manager {
    socket: PathBuf,
    log: PathBuf,
    /// Bytes of the log that were read.
    read: u64,
    node: String,
}

/// The engines of a lab, of which one is asked.
pub(crate) struct Real {
    lab: Lab,
    runtime: Runtime,
    managers: Vec<Manager>,
    /// Which of them is asked.
    asked: usize,
    version: String,
    connection: Option<SendRequest<Full<Bytes>>>,
    pub(crate) tasks_left: usize,
    /// What they have said since the last time that their lines were asked for.
    said: Vec<String>,
}

impl Real {
    pub(crate) fn new(lab: Lab) -> Result<Self> {
        let info = lab.info();
        let manager = |(host, log): (&String, &PathBuf)| {
            let socket = PathBuf::from(host.strip_prefix("unix://").ok_or("no unix socket")?);
            Ok::<_, String>(Manager { socket, log: log.clone(), read: 0, node: String::new() })
        };
        let managers = info.hosts.iter().zip(&info.log).map(manager).collect::<Result<Vec<_>>>()?;
        let version = info.engine.api.clone().ok_or("no API version")?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let (connection, said) = (None, Vec::new());
        let mut real = Self { lab, runtime, managers, asked: 0, version, connection, tasks_left: 0, said };
        for index in (0..real.managers.len()).rev() {
            real.ask(index);
            let info = real.try_call("GET", "/info", None)?.value;
            info["Swarm"]["NodeID"].as_str().unwrap_or_default().clone_into(&mut real.managers[index].node);
        }
        real.new_lines()?;
        Ok(real)
    }

    /// Asks this manager from now on.
    fn ask(&mut self, manager: usize) {
        self.asked = manager;
        self.connection = None;
    }

    /// Which manager leads.
    fn leader(&mut self) -> Result<usize> {
        let nodes = self.try_call("GET", "/nodes", None)?.value;
        let mut nodes = nodes.as_array().into_iter().flatten();
        let leader = nodes.find(|node| node["ManagerStatus"]["Leader"] == true).ok_or("no leader")?;
        let is = |manager: &Manager| leader["ID"] == manager.node.as_str();
        self.managers.iter().position(is).ok_or_else(|| "the leader is of another lab".to_owned())
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) -> Result<()> {
        let since = Instant::now();
        while !is_so(self) {
            self.connection = None;
            if PATIENCE < since.elapsed() {
                return Err(format!("{what} does not come"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn answers(&mut self) -> bool {
        self.try_call("GET", "/services", None).is_ok_and(|answer| answer.status == 200)
    }

    fn all_managers_are_there(&mut self) -> bool {
        let Ok(nodes) = self.try_call("GET", "/nodes", None) else { return false };
        let there = |node: &&Value| node["ManagerStatus"]["Reachability"] == "reachable";
        nodes.value.as_array().into_iter().flatten().filter(there).count() == self.managers.len()
    }

    pub(crate) fn down(self) -> Result<()> {
        self.lab.down().map_err(|error| error.to_string())
    }

    /// The signatures in what was logged since the last time.
    pub(crate) fn signatures(&mut self) -> Result<BTreeSet<String>> {
        let lines = self.new_lines()?;
        self.said.extend(lines.lines().map(str::to_owned));
        Ok(log::signatures(lines.lines()))
    }

    /// The lines that [`Self::signatures`] has read since the last call of this function.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Whole lines only; the beginning of a line waits for its end.
    fn new_lines(&mut self) -> Result<String> {
        self.managers.iter_mut().map(Manager::new_lines).collect()
    }

    fn try_call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/v{}{path}", self.version))
            .header("Host", "docker")
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let (socket, old) = (self.managers[self.asked].socket.clone(), self.connection.take());
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, exchange(old, socket, request)).await });
        let (answer, connection) = outcome.map_err(|_| format!("{method} {path}: no answer"))??;
        self.connection = Some(connection);
        Ok(answer)
    }
}

impl Manager {
    fn new_lines(&mut self) -> Result<String> {
        let mut file = File::open(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        file.seek(SeekFrom::Start(self.read)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
        self.read += whole as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

async fn exchange(
    old: Option<SendRequest<Full<Bytes>>>,
    socket: PathBuf,
    request: Request<Full<Bytes>>,
) -> Result<(Answer, SendRequest<Full<Bytes>>)> {
    let mut connection = if let Some(old) = old.filter(|old| !old.is_closed()) {
        old
    } else {
        let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // It ends with its sender.
        tokio::spawn(connection);
        sender
    };
    connection.ready().await.map_err(|error| error.to_string())?;
    let response = connection.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok((Answer { status, value }, connection))
}

impl Side for Real {
    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.try_call(method, path, body)
    }

    fn restart(&mut self) -> Result<()> {
        let leader = self.leader()?;
        self.connection = None;
        self.lab.stop_engine(leader).map_err(|error| error.to_string())?;
        if 1 < self.managers.len() {
            self.ask((leader + 1) % self.managers.len());
            self.until("a new leader", Self::answers)?;
        }
        self.lab.start_engine(leader).map_err(|error| error.to_string())?;
        self.until("a leader", Self::answers)?;
        self.until("the manager that was stopped", Self::all_managers_are_there)
    }

    fn lags(&self) -> bool {
        true
    }

    fn until_scheduled(&mut self, service: &str) -> Result<()> {
        let filters = format!("%7B%22service%22:%5B%22{service}%22%5D%7D");
        let since = Instant::now();
        // A task that a node may run is not pending for long.
        while since.elapsed() < Duration::from_secs(5) {
            let tasks = self.call("GET", &format!("/tasks?filters={filters}"), None)?.value;
            let mut tasks = tasks.as_array().into_iter().flatten();
            let waits = |task: &Value| {
                task["Status"]["State"] == "pending"
                    && task["Status"]["Err"].as_str().unwrap_or_default().is_empty()
            };
            if !tasks.any(waits) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn until_allocated(&mut self, network: &str) -> Result<()> {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(5) {
            let shown = self.call("GET", &format!("/networks/{network}"), None)?.value;
            if shown["Options"]["com.docker.network.driver.overlay.vxlanid_list"].is_string() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn note_tasks_left(&mut self, count: usize) {
        self.tasks_left = count;
    }
}
