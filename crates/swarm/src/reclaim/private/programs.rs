//! The programs that a private engine needs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::process::all_processes;

/// Where the programs of a private engine are found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    pub(crate) dockerd: Option<PathBuf>,
    pub(super) path: OsString,
    pub(super) libraries: Option<OsString>,
}

impl Programs {
    /// The programs of the engine that runs in this network namespace, else those on PATH. The engine's PATH finds the
    /// containerd and runc that belong to it, and on some systems only that PATH finds any.
    pub(crate) fn find() -> Self {
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

    /// The programs that are not on [`Self::path`], by name.
    pub(crate) fn missing(&self) -> Vec<String> {
        let needed = ["containerd", "runc", "ip", "nsenter", "unshare", "setsid", "mount", "sh"];
        needed.into_iter().filter(|p| find(p, &self.path).is_none()).map(str::to_owned).collect()
    }
}

fn find(program: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|dir| dir.join(program))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0))
}

/// True iff the process is a dockerd in this process's network namespace. Nix wraps the program and names it
/// `.dockerd-wrapped`.
fn is_engine_here(pid: u32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    program.and_then(|p| p.file_name().map(|n| n == "dockerd" || n == ".dockerd-wrapped")).unwrap_or(false)
        && namespace(&pid.to_string()).is_some_and(|n| Some(n) == namespace("self"))
}

/// One variable of a process's environment; the others, which may be secrets, are dropped.
fn variable(pid: u32, name: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{name}=").into_bytes();
    let found = environment.split(|b| *b == 0).find(|v| v.starts_with(&prefix))?;
    Some(OsString::from_vec(found[prefix.len()..].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_executable_file_on_the_path_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, mode) in [("plain", 0o644), ("first", 0o755), ("second", 0o755)] {
            let file = dir.path().join(folder).join("tool");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(dir.path().join("folder/tool")).unwrap();
        let path =
            |folders: &[&str]| std::env::join_paths(folders.iter().map(|f| dir.path().join(f))).unwrap();
        let all = path(&["absent", "folder", "plain", "first", "second"]);
        assert_eq!(find("tool", &all), Some(dir.path().join("first/tool")));
        assert_eq!(find("tool", &path(&["folder", "plain"])), None);
    }

    #[test]
    fn every_missing_program_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let programs = Programs { path: empty.path().into(), ..Programs::default() };
        let all = ["containerd", "runc", "ip", "nsenter", "unshare", "setsid", "mount", "sh"];
        assert_eq!(programs.missing(), all);
        std::os::unix::fs::symlink("/bin/sh", empty.path().join("sh")).unwrap();
        assert_eq!(programs.missing(), all[..7]);
    }
}
