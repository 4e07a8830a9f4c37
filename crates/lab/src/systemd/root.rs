//! The root of a host: Debian in a folder, made by debootstrap once and kept in the cache.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::engine::apt;
use crate::engine::process::{on_path, run_any, tail};
use crate::engine::sources;
use crate::engine::tools::Cache;
use crate::progress::Context;
use crate::systemd::cgroups;
use crate::{LabError, Suite};

/// What the host is. Its engine is that of Debian 12, the same as in a lab of engines.
pub(crate) const SUITE: Suite = Suite::Bookworm;

/// What it has besides the essential packages.
const PACKAGES: [&str; 8] =
    ["systemd", "systemd-sysv", "dbus", "docker.io", "busybox-static", "iproute2", "curl", "iptables"];

/// What debootstrap takes over of this machine, or leaves, and no host needs: its name, where its packages come from, and
/// the packages themselves.
const LEFTOVERS: [&str; 7] = [
    "debootstrap",
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "var/log/bootstrap.log",
];

/// Time for some 150 packages over a slow line.
const LIMIT: Duration = Duration::from_mins(30);

/// Programs that a booted host needs, and their packages.
const PROGRAMS: [(&str, &str); 2] = [("systemd-nspawn", "systemd-container"), ("debootstrap", "debootstrap")];

/// Checks that this machine can make and boot a root.
pub(crate) fn check_system() -> Result<(), LabError> {
    match PROGRAMS.into_iter().find(|(program, _)| on_path(program).is_none()) {
        Some((program, package)) => Err(LabError::MissingTool { program, package }),
        None => Ok(()),
    }
}

/// The root in the cache, made by a process of the lab's cgroup where it is not there yet; that is reported first.
pub(crate) fn find(context: Context<'_>, cgroup: &str) -> Result<PathBuf, LabError> {
    // A part of its own: what takes minutes must not keep labs of engines waiting.
    Cache::open_part(context, "roots")?.entry(&key(), |root| make(context, cgroup, root))
}

/// Another recipe is another entry of the cache.
fn key() -> String {
    let mut hasher = DefaultHasher::new();
    (SUITE.as_str(), PACKAGES, LEFTOVERS).hash(&mut hasher);
    format!("root-{SUITE}-{}-{:016x}", env::consts::ARCH, hasher.finish())
}

fn make(context: Context<'_>, cgroup: &str, root: &Path) -> Result<(), LabError> {
    let none = |reason: String| LabError::NoRoot { suite: SUITE.to_string(), reason };
    let own = apt::own_suite().ok_or_else(|| none("this machine's own suite is unknown".to_owned()))?;
    let archive = sources::main_archive(&sources::of_machine(), &own)
        .ok_or_else(|| none("no package source of this machine has the component main".to_owned()))?;
    context.report(format!("making a root of {SUITE} with debootstrap; this takes minutes, and is kept"));
    let (status, said, errors) = run_any(context, &mut debootstrap(cgroup, root, &archive)?, LIMIT)?;
    if !status.success() {
        // It complains on either stream; the last line is the one that says why.
        let lines = [said.trim(), errors.trim()].map(|text| text.lines().last().unwrap_or_default());
        return Err(none(format!("debootstrap ended with {status}: {}", tail(lines.join(" ").trim(), 300))));
    }
    LEFTOVERS.iter().try_for_each(|left| remove(&root.join(left)))
}

/// Debootstrap in process and mount namespaces of its own: it runs programs inside of the root and mounts there, and all of
/// that ends with its first process. In the lab's cgroup, so that taking the lab down ends it even if this program was
/// killed.
fn debootstrap(cgroup: &str, root: &Path, archive: &str) -> Result<Command, LabError> {
    let mut command = Command::new("sh");
    command
        .args(["-c", cgroups::ENTER, "sh"])
        .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["debootstrap", "--variant=minbase"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(SUITE.as_str())
        .arg(root)
        .arg(archive)
        .env(cgroups::VARIABLE, cgroups::make(cgroup)?)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    Ok(command)
}

fn remove(path: &Path) -> Result<(), LabError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    let removed = if meta.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(LabError::io("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_suite_and_architecture_and_stays_the_same() {
        assert_eq!(key(), key());
        assert!(key().starts_with(&format!("root-bookworm-{}-", env::consts::ARCH)), "{}", key());
    }

    #[test]
    fn leftovers_go_whatever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("lists/partial")).unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("resolv.conf")).unwrap();
        for name in ["lists", "resolv.conf", "none"] {
            remove(&dir.path().join(name)).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
