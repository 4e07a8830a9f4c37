//! One engine: its namespaces, its first process, and its start and stop.
//!
//! The first process of a new process and mount namespace (the anchor) is a small shell loop that starts
//! dockerd and starts it again when it ends, as systemd does. When the anchor dies, the kernel ends whatever
//! else is in the namespace and drops every mount of it, so that nothing can stay behind.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::engine::api::Api;
use crate::engine::network::{RESOLVER_ADDRESS, namespace_file};
use crate::engine::process::{ProcessId, children_of, tail};
use crate::engine::tools::{Tools, join};
use crate::progress::{Context, Wait};
use crate::{LabError, LabName};

/// Time for an engine to come up or to stop.
const LIMIT: Duration = Duration::from_mins(1);

/// The anchor's work. `$BB` is busybox. What the engine writes to /run, /etc and /opt (sockets, key.json,
/// containerd's folder for plugins) stays in the mount namespace.
const ANCHOR: &str = r#"
hide() {
    up=/run/over/$1.up; work=/run/over/$1.work
    "$BB" mkdir -p "$up" "$work"
    "$BB" mount -t overlay -o "lowerdir=/$1,upperdir=$up,workdir=$work" overlay "/$1" && return
    "$BB" cp -a "/$1/." "$up/" && "$BB" mount -o bind "$up" "/$1"
}
"$BB" hostname "$LAB_HOST"
"$BB" mount -t tmpfs -o mode=755 tmpfs /run || exit 1
"$BB" mkdir -p /run/lock
hide etc || exit 1
if [ -d /opt ]; then hide opt || exit 1; fi
"$BB" rm -f /etc/resolv.conf
echo "nameserver $LAB_RESOLVER" >/etc/resolv.conf
perl "$PWD/resolver" "$LAB_RESOLVER" &
engine=
quit=
trap 'quit=1; [ -z "$engine" ] || kill -TERM "$engine"' TERM
trap '[ -z "$engine" ] || kill -TERM "$engine"' USR1
while [ -z "$quit" ]; do
    if [ -e halt ]; then "$BB" sleep 0.05; continue; fi
    dockerd --config-file "$PWD/daemon.json" >>dockerd.log 2>&1 &
    engine=$!
    while kill -0 "$engine" 2>/dev/null; do wait "$engine"; done
    engine=
    echo ended >>ended
    "$BB" sleep 0.1
done
"#;

/// Answers every question with NXDOMAIN (RFC 1035, section 4.1.1), at once. Without it a name that Swarm does
/// not know, such as `tasks.SERVICE` of a service at 0 replicas, is asked of a name server that does not exist,
/// and for ten seconds, since old engines do not answer while their upstream does not. Perl is part of every
/// Debian.
pub(crate) const RESOLVER: &str = r#"
use strict;
use Socket;
socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die "socket: $!";
bind($socket, sockaddr_in(53, inet_aton($ARGV[0]))) or die "bind: $!";
while (1) {
    my $peer = recv($socket, my $message, 4096, 0);
    next unless defined $peer and length $message > 16;
    # Header and question only: what comes after the name, its type and its class is cut off.
    my $end = 12;
    $end += 1 + ord(substr $message, $end, 1) while $end < length $message and ord(substr $message, $end, 1);
    next if length $message < $end + 5;
    my $question = substr $message, 12, $end + 5 - 12;
    send($socket, substr($message, 0, 2) . pack("n5", 0x8183, 1, 0, 0, 0) . $question, 0, $peer);
}
"#;

/// One engine of a lab: its folder and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) index: usize,
    dir: PathBuf,
}

impl Host {
    pub(crate) fn new(lab: &Path, index: usize) -> Self {
        Self { index, dir: lab.join(format!("m{index}")) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("dockerd.log")
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.socket())
    }

    /// Starts the anchor and gives back its watcher (a child of this process) and itself.
    pub(crate) fn start(
        &self,
        context: Context<'_>,
        name: &LabName,
        namespace: &str,
        tools: &Tools,
        cgroup: &str,
    ) -> Result<Started, LabError> {
        self.prepare(cgroup)?;
        let mut watcher = self
            .anchor_command(name, namespace, tools)?
            .spawn()
            .map_err(LabError::io("start an engine in", &self.dir))?;
        match self.find_anchor(context, &mut watcher) {
            Ok(anchor) => Ok(Started { watcher, anchor }),
            Err(error) => {
                // It takes its child with it (unshare --kill-child).
                let _ = watcher.kill();
                let _ = watcher.wait();
                Err(error)
            }
        }
    }

    fn prepare(&self, cgroup: &str) -> Result<(), LabError> {
        let tmp = self.dir.join("tmp");
        fs::create_dir_all(&tmp).map_err(LabError::io("make", &tmp))?;
        let config = json!({
            "data-root": self.dir.join("data"),
            "exec-root": self.dir.join("exec"),
            "pidfile": self.dir.join("dockerd.pid"),
            // The second is where programs in containers look for it; /run is the engine's own.
            "hosts": [self.url(), "unix:///run/docker.sock"],
            // Containers are found and killed by this cgroup even if their engine is gone.
            "cgroup-parent": format!("{cgroup}/m{}", self.index),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "dns": [RESOLVER_ADDRESS],
            // A third of the default, since nothing in a lab has data to save.
            "shutdown-timeout": 5,
        });
        let file = self.dir.join("daemon.json");
        fs::write(&file, config.to_string()).map_err(LabError::io("write", &file))?;
        let resolver = self.dir.join("resolver");
        fs::write(&resolver, RESOLVER).map_err(LabError::io("write", &resolver))?;
        let script = self.dir.join("anchor");
        fs::write(&script, ANCHOR).map_err(LabError::io("write", &script))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&script, mode).map_err(LabError::io("make executable", &script))
    }

    fn anchor_command(&self, name: &LabName, namespace: &str, tools: &Tools) -> Result<Command, LabError> {
        let output = self.dir.join("anchor.log");
        let output = File::create(&output).map_err(LabError::io("write", &output))?;
        let errors = output.try_clone().map_err(LabError::io("write", &self.dir))?;
        let mut net = OsString::from("--net=");
        net.push(namespace_file(namespace));
        let mut command = Command::new("setsid");
        command
            .arg("nsenter")
            .arg(net)
            // `slave`: later mounts of the host, such as a USB disk, appear in the lab, and none of the lab's
            // on the host.
            .args(["--", "unshare", "--mount", "--propagation", "slave", "--uts", "--pid", "--mount-proc"])
            .args(["--fork", "--kill-child"])
            .arg(&tools.busybox)
            .arg("sh")
            .arg(self.dir.join("anchor"))
            .current_dir(&self.dir)
            // DOCKER_ variables, proxies and LD_PRELOAD of the caller must not reach an engine.
            .env_clear()
            .env("PATH", search_path(&tools.programs))
            .env("LD_LIBRARY_PATH", join(&tools.libraries))
            .env("BB", &tools.busybox)
            .env("HOME", &self.dir)
            .env("TMPDIR", self.dir.join("tmp"))
            .env("LAB_RESOLVER", RESOLVER_ADDRESS)
            .env("LAB_HOST", format!("{name}-m{}", self.index))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        if let Some(extensions) =
            tools.libraries.iter().map(|dir| dir.join("xtables")).find(|dir| dir.is_dir())
        {
            command.env("XTABLES_LIBDIR", extensions);
        }
        Ok(command)
    }

    fn find_anchor(&self, context: Context<'_>, watcher: &mut Child) -> Result<ProcessId, LabError> {
        context.wait("the engine's first process runs", LIMIT, || {
            if let Ok(Some(_)) = watcher.try_wait() {
                return Err(self.ended("anchor.log").into());
            }
            let child = children_of(watcher.id()).into_iter().next();
            child.and_then(ProcessId::of).ok_or_else(|| Wait::NotYet("nothing".to_owned()))
        })
    }

    /// Waits until the engine answers.
    pub(crate) fn wait_up(&self, context: Context<'_>) -> Result<(), LabError> {
        context.wait(&format!("the engine of m{} answers", self.index), LIMIT, || {
            if self.dir.join("ended").exists() {
                return Err(self.ended("dockerd.log").into());
            }
            self.api().ping().map_err(|error| Wait::NotYet(error.to_string()))
        })
    }

    /// Stops the engine as `systemctl stop` would; it stays down until [`Host::resume`].
    pub(crate) fn halt(&self, context: Context<'_>, anchor: ProcessId) -> Result<(), LabError> {
        let halt = self.dir.join("halt");
        File::create(&halt).map_err(LabError::io("write", &halt))?;
        // A loop that was just about to start dockerd has not seen the file: the signal is repeated.
        context.wait(&format!("the engine of m{} has stopped", self.index), LIMIT, || {
            if self.dir.join("ended").exists() {
                return Ok(());
            }
            anchor.signal(Signal::USR1);
            Err(Wait::NotYet("it still runs".to_owned()))
        })
    }

    /// Starts the engine again and waits until it answers.
    pub(crate) fn resume(&self, context: Context<'_>) -> Result<(), LabError> {
        for name in ["ended", "halt"] {
            // Missing is as good: then it was not halted.
            let _ = fs::remove_file(self.dir.join(name));
        }
        self.wait_up(context)
    }

    fn ended(&self, log: &str) -> LabError {
        let text = fs::read_to_string(self.dir.join(log)).unwrap_or_default();
        LabError::EngineEnded { manager: self.index, log_tail: tail(text.trim(), 600).to_owned() }
    }
}

/// What [`Host::start`] gives back.
#[derive(Debug)]
pub(crate) struct Started {
    /// Our child, which waits for the anchor.
    pub(crate) watcher: Child,
    /// The first process of the engine's process namespace.
    pub(crate) anchor: ProcessId,
}

/// The engine's programs, this program's own folder, what the caller has, and where helpers such as modprobe are.
pub(crate) fn search_path(programs: &[PathBuf]) -> OsString {
    let mut dirs = programs.to_vec();
    dirs.extend(env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)));
    if let Some(path) = env::var_os("PATH") {
        dirs.extend(env::split_paths(&path));
    }
    dirs.extend(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from));
    join(&dirs)
}

#[cfg(test)]
mod tests;
