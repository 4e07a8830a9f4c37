//! A private engine: a second dockerd in network, mount, UTS and PID namespaces of its own.
//!
//! The first process of its PID namespace is dockerd itself. When it is killed, the kernel ends every other process of the
//! namespace (containerd) and drops its mounts (pid_namespaces(7)). Its folder survives, so that it can be started again
//! with its raft state.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pvcheck_audit::without_values;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;

use super::exec::{LIMIT, run};
use super::folder::make_private;
use super::process::{Process, all_processes, command_line, stat};
use super::programs::Programs;
use crate::engine::{ConnectError, Engine, Host, retry_while, wait_until};
use crate::labels::RUN_LABEL;
use crate::reclaim::error::ReclaimError;
use crate::reclaim::helper_error::HelperError;
use crate::run::RunId;

/// After this long a frozen engine wakes even if the process that froze it was killed. More than `STEPS_DOWN` of the borrow,
/// so that it never wakes too early.
const WAKES_AFTER_SECS: u32 = 40;

/// The first script in the namespaces. What dockerd writes to /run and /etc (sockets, key.json) stays in the mount
/// namespace, where it cannot meet the host engine's. `$0` is its folder, `$1` its host name, `$2` dockerd.
const FIRST: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /run || exit 1
mkdir -p /run/pv/up /run/pv/work || exit 1
mount -t overlay -o lowerdir=/etc,upperdir=/run/pv/up,workdir=/run/pv/work overlay /etc || exit 1
hostname "$1"
exec "$2" --config-file "$0/daemon.json" >>"$0/dockerd.log" 2>&1
"#;

/// The engine's configuration in its folder; its process is recognised by this path in its command line.
const CONFIG: &str = "daemon.json";
/// The path by which the alarm of a frozen engine is recognised in its command line; no such file exists.
const ALARM: &str = "alarm";

/// A private engine, as the step log records it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct PrivateEngine {
    /// The name of its network namespace, of the link on this side, and its host name.
    name: String,
    dir: PathBuf,
    /// The address of this side of the link, and of the engine's.
    link: (Ipv4Addr, Ipv4Addr),
    dockerd: PathBuf,
    path: String,
    libraries: Option<String>,
}

impl PrivateEngine {
    pub(crate) fn plan(folder: &Path, run: &RunId, link: (Ipv4Addr, Ipv4Addr)) -> Result<Self, ReclaimError> {
        let programs = Programs::find();
        let dockerd = programs.dockerd.ok_or(HelperError::NoDockerd)?;
        let word = |text: OsString| text.to_string_lossy().into_owned();
        Ok(Self {
            // The kernel's limit for the name of a link is 15 characters (IFNAMSIZ).
            name: format!("pvb{run}").chars().take(15).collect(),
            dir: folder.join("engine"),
            link,
            dockerd,
            path: word(programs.path),
            libraries: programs.libraries.map(word),
        })
    }

    /// Its host name among the nodes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address that it advertises.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.link.1
    }

    /// True iff its data folder is there: only then can it be started again with its raft state.
    pub(crate) fn has_folder(&self) -> bool {
        self.dir.join("data").is_dir()
    }

    /// The pid of its dockerd, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.engine_process().map(|p| p.pid)
    }

    /// Every process of it, by its folder in the command line, which no other run has. They are searched for, not recorded, so
    /// that none is lost between its start and the record of it.
    fn processes(&self) -> Vec<(Process, Vec<PathBuf>)> {
        let words = [self.dir.clone(), self.dir.join(CONFIG), self.dir.join(ALARM)];
        let ours = |line: &[PathBuf]| line.iter().any(|word| words.contains(word));
        let found =
            all_processes().into_iter().filter_map(|pid| Some((Process::of(pid)?, command_line(pid))));
        found.filter(|(_, words)| ours(words)).collect()
    }

    fn with_word(&self, name: &str) -> Option<Process> {
        let word = self.dir.join(name);
        self.processes().into_iter().find(|(_, words)| words.contains(&word)).map(|(process, _)| process)
    }

    /// The dockerd, once it runs in its namespaces.
    fn engine_process(&self) -> Option<Process> {
        self.with_word(CONFIG)
    }

    fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Creates the namespace and the link, or the part of them that is missing.
    pub(crate) async fn connect(&self) -> Result<(), ReclaimError> {
        let name = self.name.as_str();
        if !self.namespace_file().exists() {
            self.ip(&["netns", "add", name]).await?;
            self.ip(&["-n", name, "link", "set", "lo", "up"]).await?;
        }
        if self.ip(&["link", "show", "dev", name]).await.is_err() {
            let ours = format!("{}/30", self.link.0);
            let its = format!("{}/30", self.link.1);
            let gateway = self.link.0.to_string();
            self.ip(&["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name]).await?;
            self.ip(&["address", "add", &ours, "dev", name]).await?;
            self.ip(&["link", "set", name, "up"]).await?;
            self.ip(&["-n", name, "address", "add", &its, "dev", "eth0"]).await?;
            self.ip(&["-n", name, "link", "set", "eth0", "up"]).await?;
            // The manager advertises an address outside of the link's network.
            self.ip(&["-n", name, "route", "add", "default", "via", &gateway]).await?;
        }
        Ok(())
    }

    async fn ip(&self, words: &[&str]) -> Result<(), ReclaimError> {
        let mut command = Command::new("ip");
        command.args(words).env("PATH", &self.path);
        Ok(run(command).await.map(drop)?)
    }

    /// Starts the engine, unless it runs, and waits until it answers.
    pub(crate) async fn start(&self, run: &RunId) -> Result<Engine, ReclaimError> {
        if self.processes().is_empty() {
            self.spawn(run)?;
        }
        self.wake();
        let host = Host::Unix(self.dir.join("docker.sock"));
        let runs = |_: &ConnectError| !self.processes().is_empty();
        retry_while!(LIMIT, runs, Engine::reach(&host, LIMIT))
            .map_err(|error| HelperError::Silent { source: Box::new(error), log: self.last_words() }.into())
    }

    fn spawn(&self, run: &RunId) -> Result<(), ReclaimError> {
        make_private(&self.dir)?;
        for stale in ["dockerd.pid", "docker.sock"] {
            // A killed engine leaves both. In a new PID namespace the pid in the first is likely in use, and dockerd would
            // refuse to start.
            let _ = fs::remove_file(self.dir.join(stale));
        }
        // The same with containerd's pid file; nothing else in that folder is needed after its processes have ended.
        let _ = fs::remove_dir_all(self.dir.join("exec"));
        let config = json!({
            "data-root": self.dir.join("data"),
            "exec-root": self.dir.join("exec"),
            "pidfile": self.dir.join("dockerd.pid"),
            "hosts": [format!("unix://{}", self.dir.join("docker.sock").display())],
            "labels": [format!("{RUN_LABEL}={run}")],
            // It runs no container, so it must not touch the host's firewall or forwarding.
            "bridge": "none",
            "iptables": false,
            "ip-forward": false,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
        });
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ReclaimError::State { path, source }
        };
        let file = self.dir.join(CONFIG);
        fs::write(&file, config.to_string()).map_err(io(&file))?;
        let output = self.dir.join("start.log");
        let output = fs::File::create(&output).map_err(io(&output))?;
        let errors = output.try_clone().map_err(io(&self.dir))?;
        let mut command = Command::new("setsid");
        command
            .arg("nsenter")
            .arg(format!("--net={}", self.namespace_file().display()))
            .args(["--", "unshare", "--mount", "--propagation", "slave", "--uts", "--pid", "--mount-proc"])
            .args(["--fork", "--kill-child", "sh", "-c", FIRST])
            .args([&self.dir, Path::new(&self.name), &self.dockerd])
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &self.dir)
            .env("TMPDIR", &self.dir)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        // Not killed with this process: it is half of the quorum until it has been demoted.
        command.spawn().map(drop).map_err(io(Path::new("setsid")))
    }

    fn last_words(&self) -> String {
        let log = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let text = log("start.log") + &log("dockerd.log");
        let tail: Vec<&str> = text.lines().rev().take(2).collect();
        without_values(&tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
    }

    /// Freezes the engine with SIGSTOP, and starts an alarm that wakes it if this process is killed meanwhile.
    pub(crate) fn freeze(&self) -> Result<(), ReclaimError> {
        let engine = self.engine_process().ok_or(HelperError::Ended)?;
        // Field 22 is the start time: the pid may have been reused by then (proc_pid_stat(5)).
        let script = format!(
            "sleep {WAKES_AFTER_SECS}; [ \"$(cut -d' ' -f22 /proc/{0}/stat)\" = {1} ] && kill -CONT {0}",
            engine.pid, engine.start
        );
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", &script]).arg(self.dir.join(ALARM)).env("PATH", &self.path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // The alarm before the freeze: a process that is killed between the two leaves no frozen engine.
        command.spawn().map_err(|source| ReclaimError::State { path: "setsid".into(), source })?;
        engine.signal(Signal::STOP);
        Ok(())
    }

    /// Wakes a frozen engine and ends its alarm; does nothing for an engine that is awake or gone.
    pub(crate) fn wake(&self) {
        if let Some(engine) = self.engine_process() {
            engine.signal(Signal::CONT);
        }
        if let Some(alarm) = self.with_word(ALARM) {
            for pid in all_processes().into_iter().filter(|p| stat(*p).is_some_and(|s| s.2 == alarm.pid)) {
                // The `sleep` of the alarm's script, which would outlive it.
                if let Some(child) = Process::of(pid) {
                    child.signal(Signal::KILL);
                }
            }
            alarm.signal(Signal::KILL);
        }
    }

    /// Kills the engine and removes its link, namespace and folder. Repeating it is not an error.
    pub(crate) async fn remove(&self) -> Result<(), ReclaimError> {
        // The alarm must not outlive the engine.
        self.wake();
        let mut left = None;
        let ended = wait_until!(LIMIT, async {
            let processes = self.processes();
            left = processes.first().map(|(first, _)| first.pid);
            // Killed in each round: a process that was just being started was not in the list of the round before.
            for (process, _) in &processes {
                process.signal(Signal::KILL);
            }
            processes.is_empty().then_some(())
        });
        if let (None, Some(pid)) = (ended, left) {
            return Err(HelperError::DoesNotEnd { pid }.into());
        }
        if self.ip(&["link", "show", "dev", &self.name]).await.is_ok() {
            self.ip(&["link", "delete", "dev", &self.name]).await?;
        }
        if self.namespace_file().exists() {
            self.ip(&["netns", "delete", &self.name]).await?;
        }
        // The kernel drops the mounts of a killed namespace after its last process has ended; until then they are busy.
        let busy = |error: &std::io::Error| error.kind() != std::io::ErrorKind::NotFound;
        match retry_while!(LIMIT, busy, async { fs::remove_dir_all(&self.dir) }) {
            Err(source) if busy(&source) => Err(ReclaimError::State { path: self.dir.clone(), source }),
            _ => Ok(()),
        }
    }
}
