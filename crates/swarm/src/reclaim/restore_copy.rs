//! Putting the copy of the raft folder back, if the manager's own is lost during a borrow.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ReclaimError;
use super::private::copy;
use super::step::Step;
use super::step_log::{Record, StepLog};

/// The folder that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopyPutBack {
    /// The manager's raft folder, which is now as it was before the first step.
    pub restored: PathBuf,
    /// The folder that was in its place before; `None` if there was none.
    pub set_aside: Option<PathBuf>,
}

/// Replaces the manager's raft folder with the copy that a borrow made of it; the folder itself is renamed, not deleted. The
/// engine must be stopped before and started afterwards; then [`super::resume_reclaim`] removes what is left of the borrow.
///
/// In the copy the manager is the only one of its Swarm, so it leads without a vote of others. Nothing that was decided after
/// the copy is in it: use it only for a raft folder that is lost or damaged.
///
/// # Errors
/// If there is no unfinished borrow with a complete copy, the engine runs, or a file cannot be copied or renamed.
pub async fn put_copy_back(state: &Path) -> Result<CopyPutBack, ReclaimError> {
    let no_hook = |_| ();
    let Some(mut log) = StepLog::load(state, &no_hook)? else {
        return Err(ReclaimError::NothingToResume { dir: state.to_owned() });
    };
    let copied = log.folder().join("swarm");
    let Record { raft: Some(raft), host, run, .. } = log.record.clone() else {
        return Err(ReclaimError::NoCopy { dir: copied });
    };
    // A step that is begun but not done may have copied half of the folder.
    if !log.is_done(Step::Safeguard) || !copied.join("raft").is_dir() {
        return Err(ReclaimError::NoCopy { dir: copied });
    }
    let socket = host.strip_prefix("unix://").unwrap_or(&host);
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(ReclaimError::EngineRuns { host });
    }
    // In the copy the private engine is not a member, so nothing depends on it any more.
    if let Some(private) = log.record.private.clone() {
        private.remove().await?;
    }
    let since = log.begun(Step::PutBack)?;
    let name = raft.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sibling = |what: &str| raft.with_file_name(format!("{name}.{what}-{run}"));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ReclaimError::State { path, source }
    };
    // Copied in full first and renamed then, so that a process that ends in between leaves one complete folder or the
    // other. A leftover of such a process may be incomplete, and is copied again.
    let new = sibling("new");
    if new.exists() {
        fs::remove_dir_all(&new).map_err(io(&new))?;
    }
    copy(&copied, &new).map_err(io(&new))?;
    let old = sibling("before");
    let set_aside = raft.exists().then(|| old.clone());
    if set_aside.is_some() {
        fs::rename(&raft, &old).map_err(io(&old))?;
    }
    fs::rename(&new, &raft).map_err(io(&raft))?;
    log.done(Step::PutBack, since)?;
    Ok(CopyPutBack { restored: raft, set_aside })
}

#[cfg(test)]
mod tests;
