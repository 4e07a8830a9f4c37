//! The state file: what a lab is made of, written before the first thing is made, so that any other process can
//! find it, use it and take it down.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::engine::process::ProcessId;
use crate::{LabError, LabInfo, LabName};

const FILE: &str = "lab.json";

/// Longest path of a unix socket (unix(7): 108 bytes with the final zero).
const SOCKET_PATH_MAX: usize = 107;

/// The longest socket path below a lab's folder that an engine makes.
const DEEPEST_SOCKET: &str = "m0/exec/containerd/containerd-debug.sock.ttrpc";

/// Everything needed to take a lab down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) info: LabInfo,
    /// The process that takes the lab down when it is done with it.
    pub(crate) owner: Option<ProcessId>,
    /// True iff its owner keeps it beyond its own end.
    pub(crate) kept: bool,
    /// True iff it came up completely.
    pub(crate) ready: bool,
    /// Every network namespace, the bridge's included.
    pub(crate) namespaces: Vec<String>,
    /// The first process of each engine's process namespace: when it dies, the kernel ends all others in it.
    pub(crate) anchors: Vec<ProcessId>,
    /// The proxy in front of the first manager, if there is one.
    #[serde(default)]
    pub(crate) proxy: Option<ProcessId>,
    /// Cgroup path of all containers, below each hierarchy's root.
    pub(crate) cgroup: String,
    /// Folders that come before PATH.
    pub(crate) programs: Vec<PathBuf>,
}

impl State {
    pub(crate) fn dir(&self) -> Result<PathBuf, LabError> {
        Ok(labs_dir()?.join(self.info.name.as_str()))
    }

    /// Writes the file in one step: a reader sees the old or the new one.
    pub(crate) fn save(&self) -> Result<(), LabError> {
        self.save_in(&self.dir()?)
    }

    fn save_in(&self, dir: &Path) -> Result<(), LabError> {
        let file = dir.join(FILE);
        // A rename is atomic within a folder; a write is not.
        let fresh = file.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| LabError::State { path: file.clone(), source })?;
        fs::write(&fresh, text).map_err(LabError::io("write", &fresh))?;
        fs::rename(&fresh, &file).map_err(LabError::io("write", &file))
    }

    /// The state of the lab of this name. A file that names another lab is refused: taking down what it lists
    /// would take down the other one.
    pub(crate) fn load(name: &LabName) -> Result<Self, LabError> {
        Self::load_from(&labs_dir()?, name)
    }

    fn load_from(labs: &Path, name: &LabName) -> Result<Self, LabError> {
        let file = labs.join(name.as_str()).join(FILE);
        match fs::read(&file) {
            Ok(text) => Self::parse(&text, name).map_err(|source| LabError::State { path: file, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(LabError::NotFound { name: name.to_string() })
            }
            Err(source) => Err(LabError::Io { action: "read", path: file, source }),
        }
    }

    fn parse(text: &[u8], name: &LabName) -> serde_json::Result<Self> {
        let state: Self = serde_json::from_slice(text)?;
        if state.info.name == *name {
            Ok(state)
        } else {
            Err(serde::de::Error::custom(format!("it is the state of lab {}", state.info.name)))
        }
    }

    /// True iff no process will take this lab down: its owner is gone and did not keep it, or its engines are
    /// gone.
    pub(crate) fn is_stale(&self) -> bool {
        let owned = self.owner.is_some_and(ProcessId::is_alive);
        let running = self.anchors.iter().any(|anchor| anchor.is_alive());
        !(owned || self.kept && running)
    }
}

/// Names of all labs that have a folder, also of those whose state cannot be read.
pub(crate) fn names() -> Result<Vec<LabName>, LabError> {
    names_in(&labs_dir()?)
}

fn names_in(labs: &Path) -> Result<Vec<LabName>, LabError> {
    let entries = match fs::read_dir(labs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LabError::Io { action: "list", path: labs.to_owned(), source }),
    };
    let mut names: Vec<LabName> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    names.sort();
    Ok(names)
}

/// The folder that holds one folder per lab: PVCHECK_LAB_DIR, else /var/tmp/pvcheck-lab.
pub(crate) fn labs_dir() -> Result<PathBuf, LabError> {
    let labs = chosen_labs_dir(env::var_os("PVCHECK_LAB_DIR"));
    check_labs_dir(&labs)?;
    Ok(labs)
}

fn chosen_labs_dir(set: Option<OsString>) -> PathBuf {
    let set = set.filter(|dir| !dir.is_empty());
    set.map_or_else(|| PathBuf::from("/var/tmp/pvcheck-lab"), PathBuf::from)
}

fn check_labs_dir(labs: &Path) -> Result<(), LabError> {
    let fault = |reason| Err(LabError::LabsDir { path: labs.to_owned(), reason });
    let deepest = labs.join("abcdefghijk").join(DEEPEST_SOCKET);
    if !labs.is_absolute() {
        fault("is not absolute")
    } else if labs.starts_with("/run") || labs.starts_with("/var/run") {
        // The engines see a /run of their own.
        fault("is below /run")
    } else if SOCKET_PATH_MAX < deepest.as_os_str().len() {
        fault("is too long for unix sockets below it")
    } else {
        Ok(())
    }
}

/// Makes the folder of a new lab.
pub(crate) fn claim(name: &LabName) -> Result<PathBuf, LabError> {
    claim_in(&labs_dir()?, name)
}

fn claim_in(labs: &Path, name: &LabName) -> Result<PathBuf, LabError> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(labs).map_err(LabError::io("make", labs))?;
    let meta = fs::symlink_metadata(labs).map_err(LabError::io("look at", labs))?;
    // /var/tmp is writable for all users: a folder or link that another user put there is not used.
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(LabError::LabsDir { path: labs.to_owned(), reason: "is not a folder of root's" });
    }
    let dir = labs.join(name.as_str());
    match fs::DirBuilder::new().mode(0o755).create(&dir) {
        Ok(()) => Ok(dir),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(LabError::NameTaken { name: name.to_string() })
        }
        Err(source) => Err(LabError::Io { action: "make", path: dir, source }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
