//! A private engine: a dockerd of its own in network, mount, host-name and process namespaces of its own.
//!
//! Its first process is dockerd itself. When it is killed, the kernel ends whatever else runs in its process namespace
//! (containerd) and drops its mounts (pid_namespaces(7)). Its folder survives it, so that it can be started again with
//! the raft state that it had.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use super::ReclaimError;
use super::journal::make_private;
use crate::engine::Engine;
use crate::host::Host;
use crate::hostfacts::HostFacts;
use crate::ids::RunId;
use crate::snapshot::Snapshot;
use crate::stack::poll;
use crate::writes::RUN_LABEL;

/// Longest time for a helper program, and for the engine to come up or go.
const LIMIT: Duration = Duration::from_secs(30);

/// After this long a frozen engine wakes, whatever became of the process that froze it.
const WAKES_AFTER_SECS: u32 = 40;

/// What dockerd writes to /run and /etc (sockets, key.json) stays in the mount namespace. `$0` is its folder.
const FIRST: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /run || exit 1
mkdir -p /run/pv/up /run/pv/work || exit 1
mount -t overlay -o lowerdir=/etc,upperdir=/run/pv/up,workdir=/run/pv/work overlay /etc || exit 1
hostname "$1"
exec "$2" --config-file "$0/daemon.json" >>"$0/dockerd.log" 2>&1
"#;

/// The engine's configuration in its folder; its process is known by this word.
const CONFIG: &str = "daemon.json";
/// The word by which the alarm of a frozen engine is known; no such file is made.
const ALARM: &str = "alarm";

/// A process for good: its id and its start time, since ids are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    start: u64,
}

impl Process {
    fn of(pid: u32) -> Option<Self> {
        let (state, start, _) = stat(pid)?;
        (state != 'Z').then_some(Self { pid, start })
    }

    fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It may end in between, which is as good.
            let _ = kill_process(pid, signal);
        }
    }
}

/// State, start time and parent of a process: proc_pid_stat(5). Its name may hold anything, so it is counted from the
/// last parenthesis.
fn stat(pid: u32) -> Option<(char, u64, u32)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<(char, u64, u32)> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?, fields.get(1)?.parse().ok()?))
}

/// The words of a process's command line; none for one that has ended.
fn command_line(pid: u32) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|b| *b == 0).map(|word| OsString::from_vec(word.to_vec()).into()).collect()
}

fn all_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The programs that a private engine needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    pub(super) dockerd: Option<PathBuf>,
    path: OsString,
    libraries: Option<OsString>,
}

impl Programs {
    /// Those of the engine that runs in this network namespace, else of PATH. Its PATH finds the same containerd and
    /// runc, and on some systems only it does.
    pub(super) fn find() -> Self {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let Some(pid) = all_processes().into_iter().find(|pid| is_engine_here(*pid)) else {
            let dockerd = find("dockerd", &own);
            return Self { dockerd, path: own, libraries: std::env::var_os("LD_LIBRARY_PATH") };
        };
        let mut path = variable(pid, "PATH").unwrap_or_default();
        path.push(":");
        path.push(&own);
        let running = fs::read_link(format!("/proc/{pid}/exe")).ok().filter(|p| p.is_file());
        let dockerd = running.or_else(|| find("dockerd", &path));
        Self { dockerd, path, libraries: variable(pid, "LD_LIBRARY_PATH") }
    }

    pub(super) fn missing(&self) -> Vec<String> {
        let needed = ["containerd", "runc", "ip", "nsenter", "unshare", "setsid", "mount", "sh"];
        needed.into_iter().filter(|p| find(p, &self.path).is_none()).map(str::to_owned).collect()
    }
}

fn find(program: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|dir| dir.join(program))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0))
}

fn is_engine_here(pid: u32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    program.and_then(|p| p.file_name().map(|n| n == "dockerd" || n == ".dockerd-wrapped")).unwrap_or(false)
        && namespace(&pid.to_string()).is_some_and(|n| Some(n) == namespace("self"))
}

/// One variable of a process's environment; no other is kept.
fn variable(pid: u32, name: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{name}=").into_bytes();
    let found = environment.split(|b| *b == 0).find(|v| v.starts_with(&prefix))?;
    Some(OsString::from_vec(found[prefix.len()..].to_vec()))
}

/// The first network of four addresses that nothing here uses: its two hosts. The candidates are of 198.18.0.0/15, which
/// RFC 2544 keeps for measurements between two devices.
pub(super) fn free_link(host: &HostFacts, snapshot: &Snapshot) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let mut taken: Vec<IpNet> = host.routes.iter().map(|r| r.destination).collect();
    taken.extend(host.addresses.iter().filter_map(|a| IpNet::new(a.address, a.prefix).ok()));
    let pools = snapshot.networks.iter().flat_map(crate::snapshot::Network::subnets);
    taken.extend(pools.filter_map(|s| s.to_string().parse::<IpNet>().ok()));
    (0..=u8::MAX).find_map(|n| {
        let link: IpNet = format!("198.18.{n}.0/30").parse().ok()?;
        let free = taken
            .iter()
            .filter(|t| 0 < t.prefix_len())
            .all(|t| !t.contains(&link.network()) && !link.contains(&t.network()));
        free.then_some((Ipv4Addr::new(198, 18, n, 1), Ipv4Addr::new(198, 18, n, 2)))
    })
}

/// A private engine as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PrivateEngine {
    /// Name of its network namespace and of its link on this side; its host name too.
    name: String,
    dir: PathBuf,
    /// This side's address, and its own.
    link: (Ipv4Addr, Ipv4Addr),
    dockerd: PathBuf,
    path: String,
    libraries: Option<String>,
}

impl PrivateEngine {
    pub(super) fn plan(folder: &Path, run: &RunId, link: (Ipv4Addr, Ipv4Addr)) -> Result<Self, ReclaimError> {
        let programs = Programs::find();
        let dockerd = programs.dockerd.ok_or_else(|| ReclaimError::Helper("there is no dockerd".into()))?;
        let word = |text: OsString| text.to_string_lossy().into_owned();
        Ok(Self {
            // Names of links have at most 15 characters.
            name: format!("pvb{run}").chars().take(15).collect(),
            dir: folder.join("engine"),
            link,
            dockerd,
            path: word(programs.path),
            libraries: programs.libraries.map(word),
        })
    }

    /// Its host name among the nodes.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The address that it advertises.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.link.1
    }

    /// True iff its folder is still there.
    pub(super) fn has_folder(&self) -> bool {
        self.dir.join("data").is_dir()
    }

    /// The engine's first process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.engine_process().map(|p| p.pid)
    }

    /// Every process of it: those that were started with its folder as a word, which no other run has. They are looked for and not written down, so
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

    /// The engine itself, once it has been started in its namespaces.
    fn engine_process(&self) -> Option<Process> {
        self.with_word(CONFIG)
    }

    fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Makes the namespace and the link, or what of them is missing.
    pub(super) async fn connect(&self) -> Result<(), ReclaimError> {
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
            // The manager's own address is not in the link's network.
            self.ip(&["-n", name, "route", "add", "default", "via", &gateway]).await?;
        }
        Ok(())
    }

    async fn ip(&self, words: &[&str]) -> Result<(), ReclaimError> {
        let mut command = Command::new("ip");
        command.args(words).env("PATH", &self.path);
        run(command).await.map(drop)
    }

    /// Starts the engine, unless it runs, and waits until it answers.
    pub(super) async fn start(&self, run: &RunId) -> Result<Engine, ReclaimError> {
        if self.processes().is_empty() {
            self.spawn(run)?;
        }
        self.wake();
        let host = Host::Unix(self.dir.join("docker.sock"));
        let since = Instant::now();
        loop {
            match Engine::reach(&host, LIMIT).await {
                Ok(engine) => return Ok(engine),
                Err(error) if LIMIT < since.elapsed() || self.processes().is_empty() => {
                    return Err(ReclaimError::Helper(format!(
                        "the private engine does not answer: {error}; its log ends with: {}",
                        self.last_words()
                    )));
                }
                Err(_) => poll().await,
            }
        }
    }

    fn spawn(&self, run: &RunId) -> Result<(), ReclaimError> {
        make_private(&self.dir)?;
        for stale in ["dockerd.pid", "docker.sock"] {
            // A killed engine leaves them; a new one would take the id in the first for somebody else's.
            let _ = fs::remove_file(self.dir.join(stale));
        }
        // So does its containerd, whose id is as small and as likely taken in the new process namespace; nothing in that
        // folder outlives its processes.
        let _ = fs::remove_dir_all(self.dir.join("exec"));
        let config = json!({
            "data-root": self.dir.join("data"),
            "exec-root": self.dir.join("exec"),
            "pidfile": self.dir.join("dockerd.pid"),
            "hosts": [format!("unix://{}", self.dir.join("docker.sock").display())],
            "labels": [format!("{RUN_LABEL}={run}")],
            // It runs no container: nothing of the kernel's tables is its business.
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
        // Not killed with this process: as a member of the Swarm it is needed until it has been taken out of it.
        command.spawn().map(drop).map_err(io(Path::new("setsid")))
    }

    fn last_words(&self) -> String {
        let log = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let text = log("start.log") + &log("dockerd.log");
        let tail: Vec<&str> = text.lines().rev().take(2).collect();
        crate::connection::without_values(&tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
    }

    /// Stops the engine's clock, with an alarm that wakes it should nobody else.
    pub(super) fn freeze(&self) -> Result<(), ReclaimError> {
        let engine = self
            .engine_process()
            .ok_or_else(|| ReclaimError::Helper("the private engine has ended".into()))?;
        let script = format!(
            "sleep {WAKES_AFTER_SECS}; [ \"$(cut -d' ' -f22 /proc/{0}/stat)\" = {1} ] && kill -CONT {0}",
            engine.pid, engine.start
        );
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", &script]).arg(self.dir.join(ALARM)).env("PATH", &self.path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|source| ReclaimError::State { path: "setsid".into(), source })?;
        engine.signal(Signal::STOP);
        Ok(())
    }

    /// Wakes a frozen engine; one that is awake or gone is left as it is.
    pub(super) fn wake(&self) {
        if let Some(engine) = self.engine_process() {
            engine.signal(Signal::CONT);
        }
        if let Some(alarm) = self.with_word(ALARM) {
            for pid in all_processes().into_iter().filter(|p| stat(*p).is_some_and(|s| s.2 == alarm.pid)) {
                // Its `sleep`.
                if let Some(child) = Process::of(pid) {
                    child.signal(Signal::KILL);
                }
            }
            alarm.signal(Signal::KILL);
        }
    }

    /// Ends the engine and removes everything of it. Doing it twice is no error.
    pub(super) async fn remove(&self) -> Result<(), ReclaimError> {
        self.wake();
        let since = Instant::now();
        loop {
            let left = self.processes();
            let Some((first, _)) = left.first() else { break };
            if LIMIT < since.elapsed() {
                return Err(ReclaimError::Helper(format!("process {} does not end", first.pid)));
            }
            for (process, _) in &left {
                process.signal(Signal::KILL);
            }
            poll().await;
        }
        if self.ip(&["link", "show", "dev", &self.name]).await.is_ok() {
            self.ip(&["link", "delete", "dev", &self.name]).await?;
        }
        if self.namespace_file().exists() {
            self.ip(&["netns", "delete", &self.name]).await?;
        }
        let since = Instant::now();
        loop {
            match fs::remove_dir_all(&self.dir) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(source) if LIMIT < since.elapsed() => {
                    return Err(ReclaimError::State { path: self.dir.clone(), source });
                }
                _ => poll().await,
            }
        }
    }
}

async fn run(command: Command) -> Result<Output, ReclaimError> {
    run_within(command, LIMIT).await
}

/// Runs a program to its end, or ends it when the time is up.
pub(super) async fn run_within(mut command: Command, limit: Duration) -> Result<Output, ReclaimError> {
    let named = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(limit, command.output()).await;
    let output = match ended {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(ReclaimError::Helper(format!("{named} cannot be run: {error}"))),
        Err(_) => return Err(ReclaimError::Helper(format!("{named} took more than {} s", limit.as_secs()))),
    };
    if output.status.success() {
        return Ok(output);
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect::<String>();
    Err(ReclaimError::Helper(format!("{named} ended with {}: {words}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        assert_eq!(
            parse_stat("42 (a) R (b) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0"),
            Some(('S', 12345, 7))
        );
        assert_eq!(parse_stat("42 (a"), None);
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start: own.start + 1, ..own }.is_alive());
    }

    #[test]
    fn a_link_avoids_what_is_in_use() {
        let snapshot: Snapshot = serde_json::from_value(json!({
            "engine": {"version": "", "api": "", "at": "2026-01-01T00:00:00Z", "node": "n", "cluster": "c", "default_pools": [], "default_prefix": null},
            "nodes": [], "networks": [], "services": [], "tasks": []
        }))
        .unwrap();
        let mut host = HostFacts::default();
        assert_eq!(free_link(&host, &snapshot).unwrap().1, Ipv4Addr::new(198, 18, 0, 2));
        let address = |net: &str| crate::hostfacts::HostAddress {
            interface: "x".into(),
            address: net.parse().unwrap(),
            prefix: 29,
            peer: None,
        };
        host.addresses.push(address("198.18.0.5"));
        assert_eq!(free_link(&host, &snapshot).unwrap().0, Ipv4Addr::new(198, 18, 1, 1));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = parse_stat(&text);
        }
    }
}
