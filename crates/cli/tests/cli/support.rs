//! A folder, an embedded engine behind a socket, and the command beside them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use pvcheck_sim::{Membership, Model, NetworkDraft, ServiceDraft, Sim, SimOptions, Timings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far more than any command takes here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Model time in which everything settles.
pub(crate) const SETTLE: Duration = Duration::from_secs(10);

/// What an engine logs at its start; without it a log does not reach back far enough.
const STARTED: &str = "time=\"2026-06-13T05:30:00.000000000Z\" level=info msg=\"Starting up\"\n\
    time=\"2026-06-13T05:30:01.000000000Z\" level=info msg=\"Daemon has completed initialization\"\n\
    time=\"2026-06-13T05:30:01.100000000Z\" level=info msg=\"API listen on /var/run/docker.sock\"\n";

pub(crate) fn quick() -> Timings {
    Timings {
        schedule: Duration::from_millis(2),
        start: Duration::from_millis(10),
        stop: Duration::from_millis(20),
        reap: Duration::from_millis(10),
        ..Timings::default()
    }
}

/// The CI host in small, with quick times from now on.
pub(crate) fn cc_ci() -> Model {
    let mut model = pvcheck_sim::world::cc_ci().expect("the model takes its own drafts");
    model.settings_mut().timings = quick();
    model
}

/// That host with a service that waits for an address on a network `full`.
pub(crate) fn waiting() -> Model {
    let mut model = cc_ci();
    overlay(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("late").on("full"));
    model
}

pub(crate) fn overlay(model: &mut Model, name: &str, subnet: &str) {
    model.create_network(&NetworkDraft::overlay(name).subnet(subnet).json()).expect("a fresh name");
    model.advance(SETTLE);
}

pub(crate) fn service(model: &mut Model, draft: ServiceDraft) {
    model.create_service(draft.json()).expect("a fresh name");
    model.advance(SETTLE);
}

/// Loses `k` addresses of `shared`, in the way that `docker stack rm` does.
pub(crate) fn leak(model: &mut Model, shared: &str, k: u64) {
    for n in 0..k {
        let name = format!("gone-{n}");
        model.create_network(&NetworkDraft::overlay(&name).json()).expect("a fresh name");
        service(model, ServiceDraft::new(&name).on(&name).on(shared));
        model.remove_service(&name).expect("there");
        model.remove_network(&name).expect("no wanted task is on it");
        model.advance(SETTLE);
    }
}

/// A folder to run in, and an engine.
pub(crate) struct Rig {
    pub(crate) sim: Sim,
    pub(crate) dir: TempDir,
}

impl Rig {
    pub(crate) fn new(model: Model) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("engine.log");
        std::fs::write(&log, STARTED).expect("a fresh file");
        let options = SimOptions { log_file: Some(log), ..SimOptions::default() };
        Self { sim: Sim::start(model, options).expect("a temporary socket"), dir }
    }

    pub(crate) fn with(membership: Membership) -> Self {
        let mut model = cc_ci();
        model.set_membership(membership);
        Self::new(model)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a folder of the test");
    }

    /// The configuration that is true of the CI host, with one route of its own, and what it needs beside it.
    pub(crate) fn configured(self) -> Self {
        let authority =
            rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).expect("a certificate");
        self.file("ca.pem", &authority.cert.pem());
        let route = web_server();
        let text = format!(
            r#"[overlay]
name = "proxy"
subnet = "10.10.0.0/24"
[tls]
ca = "ca.pem"
[journal]
file = "engine.log"
[[service]]
name = "ccci-dashboard_app"
overlay = true
[[route]]
name = "dashboard"
url = "http://dashboard.test/"
address = "{route}"
[canary]
image = "sim/busybox:1"
url = "http://{{stack}}.test/"
address = "{route}"
[churn]
image = "sim/busybox:1"
stacks = 1
"#
        );
        self.file("pvcheck.toml", &text);
        self
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let path = self.path("pvcheck.toml");
        let text = std::fs::read_to_string(&path).expect("configured");
        assert!(text.contains(old), "`{old}` is in the configuration");
        self.file("pvcheck.toml", &text.replacen(old, new, 1));
    }

    /// The command in the folder, with this engine.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(self.dir.path(), args);
        command.arg("--host").arg(self.sim.host());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args))
    }

    /// Every request that may change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.sim.requests().into_iter().filter(|r| r.method != "GET");
        requests.map(|r| format!("{} {}", r.method, r.target)).collect()
    }

    /// Everything in the Swarm's store that has a name: ours (labelled), and that of others.
    pub(crate) fn objects(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
        for kind in ["networks", "services", "secrets", "configs"] {
            let listed = self.sim.with_model(|model| model.respond("GET", &format!("/{kind}"), b"").value());
            for object in listed.as_array().expect("a list") {
                let spec = if kind == "networks" { object } else { &object["Spec"] };
                let mine = spec["Labels"]["org.pvcheck.run"].is_string();
                let side = if mine { &mut ours } else { &mut others };
                side.insert(format!("{kind} {}", spec["Name"].as_str().expect("a name")));
            }
        }
        (ours, others)
    }
}

/// The command in a folder, with nothing of this process's environment that would lead it elsewhere.
pub(crate) fn bare(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvcheck"));
    command.current_dir(folder).args(args);
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "NO_COLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(command: Command) -> Self {
        let mut command = assert_cmd::Command::from_std(command);
        command.timeout(PATIENCE);
        command.output().expect("the command was built").into()
    }

    /// Exactly one JSON value on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is no JSON ({e}): {self:?}"))
    }

    /// Refused: this exit code, nothing on stdout, one line on stderr that holds all of these words.
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "not one line on stderr: {self:?}");
        for word in words {
            assert!(lines[0].contains(word), "`{word}` is missing: {}", lines[0]);
        }
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Answers 200 to everything, for as long as the test runs.
pub(crate) fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            // A client that has gone away needs no answer.
            let _ =
                (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    address
}

/// Sends a signal to a command that runs.
pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// How a command has ended.
pub(crate) fn ended(mut child: Child) -> Done {
    until("the command has ended", || child.try_wait().expect("a child of ours").is_some());
    child.wait_with_output().expect("ended").into()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}
