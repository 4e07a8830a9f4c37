//! A booted host: its namespaces, its first process, and how it is started, stopped and entered.
//!
//! As with an engine of a lab, a small shell loop is the first process of a process and mount namespace (the anchor). It
//! mounts the host's root, boots it with systemd-nspawn, and boots it again when the host asks for that. When the anchor
//! dies, the kernel ends whatever is in the namespace, the host included, and drops every mount of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::engine::host::{RESOLVER, Started, search_path};
use crate::engine::network::{RESOLVER_ADDRESS, namespace_file};
use crate::engine::process::{ProcessId, children_of, namespace_id, run_any, tail};
use crate::progress::{Context, Wait};
use crate::systemd::cgroups;
use crate::systemd::files::RootFile;
use crate::systemd::units::IMAGES;
use crate::{LabError, LabName, SystemState};

/// Time for the host's first process to come up, or for the host to shut down.
const LIMIT: Duration = Duration::from_mins(2);

/// The anchor's work; its arguments are systemd-nspawn and its options. `$BB` is busybox. A /run of its own, because
/// systemd-nspawn leaves locks there. Without overlayfs the root is copied.
const ANCHOR: &str = r#"
root() {
    "$BB" mount -t overlay -o "lowerdir=$LAB_ROOT,upperdir=$PWD/upper,workdir=$PWD/work" overlay root && return
    "$BB" cp -a "$LAB_ROOT/." root/ && "$BB" cp -a upper/. root/
}
"$BB" mount -t tmpfs -o mode=755 tmpfs /run || exit 1
perl "$PWD/resolver" "$LAB_RESOLVER" &
while :; do
    if [ -e halt ]; then "$BB" sleep 0.05; continue; fi
    code=1
    if [ -d root/usr ] || root; then
        "$BB" sh -c "$LAB_ENTER" sh "$@" >>console.log 2>&1
        code=$?
    fi
    "$BB" umount root 2>/dev/null
    # A machine that starts has no interfaces of the engine's.
    for link in docker0 docker_gwbridge; do "$BB" ip link delete "$link" 2>/dev/null; done
    # 133 asks for a new start (systemd-nspawn, EXIT_FORCE_RESTART).
    [ "$code" = 133 ] || { : >halt; echo "$code" >ended; }
done
"#;

/// What every command inside of the host finds its programs by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Hierarchies of version 1 are read-only in the host, apart from systemd's own, and its engine makes cgroups in them.
const CGROUPS_WRITABLE: &str = "[Service]\nExecStartPre=/bin/sh -c 'for dir in /sys/fs/cgroup/*/; do \
    case $$dir in */systemd/|*/unified/) ;; *) mount -o remount,bind,rw $$dir || exit 1 ;; esac; done'\n";

/// What a host is booted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boot<'a> {
    pub(crate) name: &'a LabName,
    pub(crate) namespace: &'a str,
    pub(crate) cgroup: &'a str,
    /// The root in the cache.
    pub(crate) root: &'a Path,
    /// A folder with the images.
    pub(crate) images: &'a Path,
    /// The `pvcheck` of the host.
    pub(crate) pvcheck: Option<&'a Path>,
    pub(crate) busybox: &'a Path,
}

/// A host of a lab: its folder and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    dir: PathBuf,
}

impl Machine {
    pub(crate) fn new(lab: &Path) -> Self {
        Self { dir: lab.join("m0") }
    }

    /// A folder that has the same path in the host and outside of it.
    pub(crate) fn shared(&self) -> PathBuf {
        self.dir.join("shared")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.shared().join("docker.sock")
    }

    /// Starts the anchor, which boots the host, and gives back its watcher (a child of this process) and itself.
    pub(crate) fn start(
        &self,
        context: Context<'_>,
        boot: Boot<'_>,
        files: &[RootFile],
    ) -> Result<Started, LabError> {
        fs::create_dir_all(self.shared()).map_err(LabError::io("make", &self.dir))?;
        self.fresh_root(boot.name, files)?;
        for (name, text) in [("resolver", RESOLVER), ("anchor", ANCHOR)] {
            let file = self.dir.join(name);
            fs::write(&file, text).map_err(LabError::io("write", &file))?;
        }
        let mut watcher = self.anchor(boot)?.spawn().map_err(LabError::io("boot a host in", &self.dir))?;
        let found = context.wait("the host's anchor runs", LIMIT, || {
            if let Ok(Some(_)) = watcher.try_wait() {
                return Err(self.ended().into());
            }
            let child = children_of(watcher.id()).into_iter().next();
            child.and_then(ProcessId::of).ok_or_else(|| Wait::NotYet("nothing".to_owned()))
        });
        match found {
            Ok(anchor) => Ok(Started { watcher, anchor }),
            Err(error) => {
                // It takes its child with it (unshare --kill-child).
                let _ = watcher.kill();
                let _ = watcher.wait();
                Err(error)
            }
        }
    }

    /// What is laid over the cached root: nothing but these files, as on a host that was just installed. Only while the host
    /// is down.
    fn fresh_root(&self, name: &LabName, files: &[RootFile]) -> Result<(), LabError> {
        for folder in ["root", "upper", "work", "data"] {
            let folder = self.dir.join(folder);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LabError::Io { action: "remove", path: folder, source: error });
                }
                _ => fs::create_dir_all(&folder).map_err(LabError::io("make", &folder))?,
            }
        }
        let upper = self.dir.join("upper");
        // The root of a file system is open to all; the umask of the caller may say otherwise.
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755))
            .map_err(LabError::io("open", &upper))?;
        self.own_files(name).iter().chain(files).try_for_each(|file| file.write(&upper))
    }

    /// What makes a host of the root that all hosts share.
    fn own_files(&self, name: &LabName) -> Vec<RootFile> {
        let mut files = vec![
            RootFile::text("etc/hostname", format!("{}\n", hostname(name))),
            // Without one, the first boot would enable every unit there is (systemd, ConditionFirstBoot).
            RootFile::text("etc/machine-id", format!("{}\n", uuid::Uuid::now_v7().simple())),
            RootFile::text("etc/resolv.conf", format!("nameserver {RESOLVER_ADDRESS}\n")),
            RootFile::text(
                "etc/default/docker",
                format!("DOCKER_OPTS=\"-H unix://{}\"\n", self.socket().display()),
            ),
            RootFile::text(
                "etc/docker/daemon.json",
                // A third of the default for its shutdown, since nothing in a lab has data to save.
                format!("{{\"dns\": [\"{RESOLVER_ADDRESS}\"], \"shutdown-timeout\": 5}}\n"),
            ),
        ];
        // On cgroups of version 1 nobody tells a container's systemd that a unit's last process has gone: when it misses the end
        // of one, it waits for this long (systemd, `cg_install_release_agent`; 90 s by default).
        let patience = "[Manager]\nDefaultTimeoutStopSec=5s\n";
        files.push(RootFile::text("etc/systemd/system.conf.d/lab.conf", patience));
        // They ask package sources, which a lab does not reach.
        for timer in ["apt-daily", "apt-daily-upgrade"] {
            files.push(RootFile::link(format!("etc/systemd/system/{timer}.timer"), "/dev/null"));
        }
        if !cgroups::is_unified() {
            files.push(RootFile::text("etc/systemd/system/docker.service.d/lab.conf", CGROUPS_WRITABLE));
        }
        files
    }

    fn anchor(&self, boot: Boot<'_>) -> Result<Command, LabError> {
        let output = self.dir.join("anchor.log");
        let output = File::create(&output).map_err(LabError::io("write", &output))?;
        let errors = output.try_clone().map_err(LabError::io("write", &self.dir))?;
        let mut net = OsString::from("--net=");
        net.push(namespace_file(boot.namespace));
        let mut command = Command::new("setsid");
        command
            .arg("nsenter")
            .arg(net)
            .args(["--", "unshare", "--mount", "--propagation", "slave", "--pid", "--mount-proc"])
            .args(["--fork", "--kill-child"])
            .arg(boot.busybox)
            .arg("sh")
            .arg(self.dir.join("anchor"))
            .args(self.nspawn(boot))
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", search_path(&[]))
            .env("BB", boot.busybox)
            .env("LAB_ROOT", boot.root)
            .env("LAB_RESOLVER", RESOLVER_ADDRESS)
            .env("LAB_ENTER", cgroups::ENTER)
            .env(cgroups::VARIABLE, cgroups::make(&format!("{}/m0", boot.cgroup))?)
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", if cgroups::is_unified() { "1" } else { "0" })
            // Swarm writes to /proc/sys, for its bridges and its sandboxes.
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        Ok(command)
    }

    fn nspawn(&self, boot: Boot<'_>) -> Vec<OsString> {
        let mut words: Vec<OsString> = [
            "systemd-nspawn",
            "--boot",
            "--quiet",
            // A machine manager is not needed, and not there on every machine.
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            // The anchor is in the lab's namespace already.
            "--network-namespace-path=/proc/self/ns/net",
            // An engine mounts, makes namespaces and loads filters.
            "--capability=all",
            "--system-call-filter=@keyring bpf",
        ]
        .map(OsString::from)
        .to_vec();
        let mut option = |name: &str, value: OsString| {
            let mut word = OsString::from(name);
            word.push(value);
            words.push(word);
        };
        let pair = |outside: &Path, inside: &Path| {
            let mut pair = outside.to_owned().into_os_string();
            pair.push(":");
            pair.push(inside);
            pair
        };
        option("--directory=", self.dir.join("root").into());
        option("--machine=", format!("pvl-{}", boot.name).into());
        option("--hostname=", hostname(boot.name).into());
        option("--bind=", self.shared().into());
        // An overlay on an overlay is refused (overlayfs), and the root may be one.
        option("--bind=", pair(&self.dir.join("data"), Path::new("/var/lib/docker")));
        option("--bind-ro=", pair(boot.images, Path::new(IMAGES)));
        if let Some(program) = boot.pvcheck {
            option("--bind-ro=", pair(program, Path::new("/usr/local/bin/pvcheck")));
        }
        words
    }

    /// The host's first process, which is systemd: the one below the anchor with a process namespace of its own.
    pub(crate) fn leader(anchor: ProcessId) -> Option<ProcessId> {
        let space = |pid: u32| namespace_id(Path::new(&format!("/proc/{pid}/ns/pid")));
        let own = space(anchor.pid)?;
        let grandchildren = children_of(anchor.pid).into_iter().flat_map(children_of);
        grandchildren.filter(|pid| space(*pid).is_some_and(|other| other != own)).find_map(ProcessId::of)
    }

    /// A command inside of the host. The process is the program itself: nsenter replaces itself with it.
    pub(crate) fn command(anchor: Option<ProcessId>, program: impl AsRef<std::ffi::OsStr>) -> Command {
        // No process has this id: nsenter says that it is not there.
        let leader = anchor.and_then(Self::leader).map_or(i32::MAX.unsigned_abs(), |leader| leader.pid);
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &leader.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"])
            .arg(program)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root");
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        command
    }

    /// Waits until systemd takes commands.
    pub(crate) fn wait_up(&self, context: Context<'_>, anchor: ProcessId) -> Result<(), LabError> {
        context.wait("systemd answers", LIMIT, || {
            if self.dir.join("ended").exists() || !anchor.is_alive() {
                return Err(self.ended().into());
            }
            if Self::leader(anchor).is_none() {
                return Err(Wait::NotYet("the host's first process is not there".to_owned()));
            }
            let state = system_state(context, anchor, &[], LIMIT)?;
            match state.as_str() {
                "initializing" | "starting" | "running" | "degraded" => Ok(()),
                other => Err(Wait::NotYet(format!("it is {other:?}"))),
            }
        })
    }

    /// Waits until nothing is left to start, and tells whether a unit has failed.
    pub(crate) fn wait_booted(
        context: Context<'_>,
        anchor: ProcessId,
        limit: Duration,
    ) -> Result<SystemState, LabError> {
        let state = system_state(context, anchor, &["--wait"], limit)?;
        let known =
            [SystemState::Running, SystemState::Degraded].into_iter().find(|s| s.to_string() == state);
        known.ok_or_else(|| LabError::Timeout {
            what: "the host has booted".to_owned(),
            after: limit,
            seen: format!("it is {state:?}"),
        })
    }

    /// Shuts the host down, unless it is down.
    pub(crate) fn power_off(&self, context: Context<'_>, anchor: ProcessId) -> Result<(), LabError> {
        if Self::leader(anchor).is_some() {
            // Its own end ends it, so its status tells nothing.
            run_any(
                context,
                Self::command(Some(anchor), "systemctl").args(["--no-block", "poweroff"]),
                LIMIT,
            )?;
        }
        context.wait("the host is down", LIMIT, || {
            if !anchor.is_alive() {
                return Err(self.ended().into());
            }
            let down = self.dir.join("ended").exists() && Self::leader(anchor).is_none();
            if down { Ok(()) } else { Err(Wait::NotYet("it still runs".to_owned())) }
        })
    }

    /// Makes a host that is down a fresh one with these files, and boots it.
    pub(crate) fn install(&self, name: &LabName, files: &[RootFile]) -> Result<(), LabError> {
        self.fresh_root(name, files)?;
        for file in ["ended", "halt"].map(|name| self.dir.join(name)) {
            fs::remove_file(&file).map_err(LabError::io("remove", &file))?;
        }
        Ok(())
    }

    /// Has the host boot again, as it is: the anchor starts it once more, with what is on its disks. Returns when the old one
    /// is gone and a new first process is there.
    pub(crate) fn reboot(&self, context: Context<'_>, anchor: ProcessId) -> Result<(), LabError> {
        let before = Self::leader(anchor);
        // Its own end ends it, so its status tells nothing.
        run_any(context, Self::command(Some(anchor), "systemctl").args(["--no-block", "reboot"]), LIMIT)?;
        context.wait("the host boots again", LIMIT, || {
            if self.dir.join("ended").exists() || !anchor.is_alive() {
                return Err(self.ended().into());
            }
            match Self::leader(anchor) {
                Some(leader) if Some(leader) != before => Ok(()),
                Some(_) => Err(Wait::NotYet("the old one still runs".to_owned())),
                None => Err(Wait::NotYet("its first process is not there".to_owned())),
            }
        })
    }

    fn ended(&self) -> LabError {
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let text = format!("{}\n{}", read("anchor.log"), read("console.log"));
        LabError::EngineEnded { manager: 0, log_tail: tail(text.trim(), 600).to_owned() }
    }
}

fn hostname(name: &LabName) -> String {
    format!("{name}-m0")
}

/// The state of the whole system, as `systemctl is-system-running` words it.
fn system_state(
    context: Context<'_>,
    anchor: ProcessId,
    options: &[&str],
    limit: Duration,
) -> Result<String, LabError> {
    let mut command = Machine::command(Some(anchor), "systemctl");
    let (_, said, _) = run_any(context, command.arg("is-system-running").args(options), limit)?;
    Ok(said.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine::new(Path::new("/l/t"))
    }

    fn words(pvcheck: Option<&Path>) -> Vec<String> {
        let name = "t".parse().unwrap();
        let boot = Boot {
            name: &name,
            namespace: "pvl-t-0",
            cgroup: "/pvcheck-lab/t",
            root: Path::new("/cache/root"),
            images: Path::new("/cache/images"),
            pvcheck,
            busybox: Path::new("/bin/busybox"),
        };
        machine().nspawn(boot).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_host_shares_a_folder_and_has_its_data_outside_of_its_root() {
        let words = words(Some(Path::new("/t/pvcheck")));
        for word in [
            "--directory=/l/t/m0/root",
            "--bind=/l/t/m0/shared",
            "--bind=/l/t/m0/data:/var/lib/docker",
            "--bind-ro=/cache/images:/var/lib/cc-ci/images",
            "--bind-ro=/t/pvcheck:/usr/local/bin/pvcheck",
            "--hostname=t-m0",
        ] {
            assert!(words.iter().any(|w| w == word), "{word} in {words:?}");
        }
    }

    #[test]
    fn a_fresh_root_has_nothing_of_the_one_before() {
        let lab = tempfile::tempdir().unwrap();
        let machine = Machine::new(lab.path());
        let name: LabName = "t".parse().unwrap();
        machine.fresh_root(&name, &[RootFile::text("etc/one", "1")]).unwrap();
        fs::write(lab.path().join("m0/data/volume"), "x").unwrap();
        machine.fresh_root(&name, &[RootFile::text("etc/two", "2")]).unwrap();
        let upper = lab.path().join("m0/upper/etc");
        assert!(upper.join("two").is_file() && !upper.join("one").exists());
        assert_eq!(fs::read_to_string(upper.join("hostname")).unwrap(), "t-m0\n");
        assert_eq!(fs::read_to_string(upper.join("machine-id")).unwrap().trim().len(), 32);
        assert_eq!(fs::read_dir(lab.path().join("m0/data")).unwrap().count(), 0);
    }

    #[test]
    fn a_process_without_a_host_has_no_leader() {
        let own = ProcessId::own().unwrap();
        assert_eq!(Machine::leader(own), None);
    }
}
