//! The cgroup that everything of a host is in, by which it is found and ended (cgroups(7)).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::LabError;
use crate::engine::tools::join;

/// Where the hierarchies are mounted.
const MOUNTED: &str = "/sys/fs/cgroup";

/// The variable that tells [`ENTER`] the folders.
pub(crate) const VARIABLE: &str = "LAB_CGROUPS";

/// A shell's work: it enters the cgroup in every hierarchy, then becomes the command that it was given.
pub(crate) const ENTER: &str = r#"IFS=:; for dir in $LAB_CGROUPS; do echo $$ >"$dir/cgroup.procs" || exit 1; done; unset IFS; exec "$@""#;

/// True iff this machine has the one hierarchy of version 2 rather than one per controller.
pub(crate) fn is_unified() -> bool {
    is_unified_at(Path::new(MOUNTED))
}

fn is_unified_at(mounted: &Path) -> bool {
    mounted.join("cgroup.controllers").is_file()
}

/// Makes a cgroup in every hierarchy, and returns its folders as the value of [`VARIABLE`].
pub(crate) fn make(cgroup: &str) -> Result<OsString, LabError> {
    make_at(Path::new(MOUNTED), cgroup)
}

fn make_at(mounted: &Path, cgroup: &str) -> Result<OsString, LabError> {
    let mut made = Vec::new();
    for root in roots(mounted) {
        let mut dir = root.clone();
        for part in cgroup.split('/').filter(|part| !part.is_empty()) {
            let above = dir.clone();
            dir.push(part);
            fs::create_dir_all(&dir).map_err(LabError::io("make", &dir))?;
            hand_down(&above, &dir);
        }
        made.push(dir);
    }
    Ok(join(&made))
}

fn roots(mounted: &Path) -> Vec<PathBuf> {
    if is_unified_at(mounted) {
        return vec![mounted.to_owned()];
    }
    let Ok(entries) = fs::read_dir(mounted) else { return Vec::new() };
    // Links are second names of joint controllers.
    let dirs = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink());
    dirs.collect()
}

/// A new cgroup of version 1 has no processor and no memory until it is told which, and takes no process; one of version 2
/// has the controllers that the one above it hands down. What fails here shows when a process enters.
fn hand_down(above: &Path, below: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(own) = fs::read_to_string(below.join(file))
            && own.trim().is_empty()
            && let Ok(given) = fs::read(above.join(file))
        {
            let _ = fs::write(below.join(file), given);
        }
    }
    if let Ok(controllers) = fs::read_to_string(above.join("cgroup.controllers")) {
        for controller in controllers.split_ascii_whitespace() {
            let _ = fs::write(above.join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_has_a_folder_in_each_hierarchy() {
        let mounted = tempfile::tempdir().unwrap();
        for hierarchy in ["cpu,cpuacct", "cpuset", "systemd"] {
            fs::create_dir(mounted.path().join(hierarchy)).unwrap();
        }
        std::os::unix::fs::symlink("cpu,cpuacct", mounted.path().join("cpu")).unwrap();
        let made = make_at(mounted.path(), "/pvcheck-lab/t/m0").unwrap();
        let mut dirs: Vec<PathBuf> = std::env::split_paths(&made).collect();
        dirs.sort();
        let expected =
            ["cpu,cpuacct", "cpuset", "systemd"].map(|h| mounted.path().join(h).join("pvcheck-lab/t/m0"));
        assert_eq!(dirs, expected);
        assert!(dirs.iter().all(|dir| dir.is_dir()) && !is_unified_at(mounted.path()));
    }

    #[test]
    fn version_2_has_one_folder() {
        let mounted = tempfile::tempdir().unwrap();
        fs::write(mounted.path().join("cgroup.controllers"), "cpu memory\n").unwrap();
        fs::create_dir(mounted.path().join("system.slice")).unwrap();
        assert!(is_unified_at(mounted.path()));
        let made = make_at(mounted.path(), "/pvcheck-lab/t").unwrap();
        assert_eq!(made, mounted.path().join("pvcheck-lab/t").into_os_string());
        let handed = fs::read_to_string(mounted.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(
            handed, "+memory",
            "one controller a write, so that one that cannot be had keeps back no other"
        );
    }

    #[test]
    fn an_empty_cpuset_gets_what_the_one_above_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("t");
        fs::create_dir(&below).unwrap();
        fs::write(dir.path().join("cpuset.cpus"), "0-1\n").unwrap();
        fs::write(below.join("cpuset.cpus"), "\n").unwrap();
        hand_down(dir.path(), &below);
        assert_eq!(fs::read_to_string(below.join("cpuset.cpus")).unwrap(), "0-1\n");
        fs::write(dir.path().join("cpuset.cpus"), "0-3\n").unwrap();
        hand_down(dir.path(), &below);
        assert_eq!(
            fs::read_to_string(below.join("cpuset.cpus")).unwrap(),
            "0-1\n",
            "one that has some keeps them"
        );
    }
}
