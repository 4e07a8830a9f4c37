//! Taking a lab down: processes, mounts, namespaces, cgroups, folder, in this order; then it is checked what is
//! left.
//!
//! Nothing is stopped gently, because nothing of a lab is kept: killing the anchors ends every process of the
//! engines, containers included (pid_namespaces(7)), and with the last one go their mounts and networks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::Signal;

use crate::LabError;
use crate::engine::mounts;
use crate::engine::network::namespace_file;
use crate::engine::process::{self, ProcessId, namespace_id};
use crate::state::State;

/// Time for killed processes to be reaped and for the kernel to release what they held.
const LIMIT: Duration = Duration::from_secs(20);

/// Where cgroup hierarchies are mounted (cgroups(7)).
const CGROUPS: &str = "/sys/fs/cgroup";

/// Removes everything of a lab; doing it twice is fine.
pub(crate) fn remove(state: &State) -> Result<(), LabError> {
    remove_at(state, &state.dir()?)
}

fn remove_at(state: &State, dir: &Path) -> Result<(), LabError> {
    let mut left = Vec::new();
    kill(state, &mut left);
    unmount(dir, &mut left);
    // After the processes: a namespace lives as long as one process is in it.
    for namespace in &state.namespaces {
        delete_namespace(namespace, &mut left);
    }
    remove_cgroups(&state.cgroup, &mut left);
    if left.is_empty() {
        // The folder goes last: as long as it is there, the lab can be found and taken down again.
        remove_folder(dir, &mut left);
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(LabError::LeftBehind { name: state.info.name.to_string(), left })
    }
}

fn kill(state: &State, left: &mut Vec<String>) {
    let ids: Vec<(u64, u64)> =
        state.namespaces.iter().filter_map(|namespace| namespace_id(&namespace_file(namespace))).collect();
    // A shell inside the lab may take the lab down; neither it nor this process is killed.
    let spared = process::own_ancestry();
    // Asked for anew in every round: a process may have forked between the listing and its end.
    let targets = || -> Vec<ProcessId> {
        let mut all: Vec<ProcessId> =
            state.anchors.iter().copied().filter(|anchor| anchor.is_alive()).collect();
        all.extend(state.proxy.filter(|proxy| proxy.is_alive()));
        all.extend(process::in_namespaces(&ids).into_iter().filter(|found| found.is_alive()));
        all.extend(process::in_cgroup(&state.cgroup));
        all.retain(|target| !spared.contains(&target.pid));
        all
    };
    let gone = until(|| {
        let now = targets();
        for target in &now {
            target.signal(Signal::KILL);
        }
        now.is_empty()
    });
    if !gone {
        left.extend(targets().iter().map(|target| format!("process {}", target.pid)));
    }
}

/// Asks until `done` or the time is over.
fn until(mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if done() {
            return true;
        }
        if LIMIT <= begun.elapsed() {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The engines' mounts are in namespaces of their own, so there is something here only if another program
/// mounted it.
fn unmount(dir: &Path, left: &mut Vec<String>) {
    for point in mounts::mount_points_below(dir) {
        // A failure shows below: the mount is still listed.
        let _ = Command::new("umount").arg(&point).output();
    }
    left.extend(mounts::mount_points_below(dir).iter().map(|point| format!("mount {}", point.display())));
}

fn delete_namespace(namespace: &str, left: &mut Vec<String>) {
    let file = namespace_file(namespace);
    if file.symlink_metadata().is_ok() {
        let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        // A file without a mount is left when `ip netns add` was killed half way.
        let _ = fs::remove_file(&file);
    }
    if file.symlink_metadata().is_ok() {
        left.push(format!("network namespace {namespace}"));
    }
}

fn remove_cgroups(cgroup: &str, left: &mut Vec<String>) {
    let dirs = cgroup_dirs(Path::new(CGROUPS), cgroup);
    let removed = until(|| {
        for dir in &dirs {
            remove_tree_of_cgroups(dir);
        }
        dirs.iter().all(|dir| !dir.exists())
    });
    if !removed {
        left.extend(dirs.iter().filter(|dir| dir.exists()).map(|dir| format!("cgroup {}", dir.display())));
    }
    for parent in dirs.iter().filter_map(|dir| dir.parent()) {
        // Another lab may be in there; then it stays.
        let _ = fs::remove_dir(parent);
    }
}

/// The cgroup's folder in each hierarchy: version 2 has one, version 1 one per controller.
fn cgroup_dirs(hierarchies: &Path, cgroup: &str) -> Vec<PathBuf> {
    let inside = cgroup.trim_start_matches('/');
    let mut roots = vec![hierarchies.to_owned()];
    if let Ok(entries) = fs::read_dir(hierarchies) {
        roots.extend(
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()),
        );
    }
    roots.into_iter().map(|root| root.join(inside)).filter(|dir| dir.is_dir()).collect()
}

/// A cgroup is removed by rmdir, its children first; its files are no obstacle.
fn remove_tree_of_cgroups(dir: &Path) {
    if let Ok(entries) = fs::read_dir(dir) {
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            remove_tree_of_cgroups(&entry.path());
        }
    }
    // Busy for as long as a killed process is not reaped; the caller asks again.
    let _ = fs::remove_dir(dir);
}

fn remove_folder(dir: &Path, left: &mut Vec<String>) {
    let mut reason = String::new();
    let removed = until(|| match fs::remove_dir_all(dir) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            reason = error.to_string();
            false
        }
    });
    if !removed {
        left.push(format!("folder {} ({reason})", dir.display()));
    } else if let Some(parent) = dir.parent() {
        // Only the last lab's parent is empty.
        let _ = fs::remove_dir(parent);
    }
}

#[cfg(test)]
mod tests;
