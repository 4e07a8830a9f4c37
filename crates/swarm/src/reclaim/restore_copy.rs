//! Putting the copy of the raft folder back, should the manager's own be lost while it is in use by two.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ReclaimError;
use super::private::copy;
use super::step::Step;
use super::step_log::{Record, StepLog};

/// What was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPutBack {
    /// The manager's state, as it was before the first step.
    pub restored: PathBuf,
    /// What was in its place; `None` if nothing was.
    pub set_aside: Option<PathBuf>,
}

/// Puts the copy that a borrow made of the manager's raft folder in the place of that folder, which is set aside beside it.
/// The engine must be stopped and is to be started afterwards; then [`super::resume_reclaim`] takes away what is left.
///
/// In the copy the manager is alone in its Swarm, so it leads without anybody else. What was decided after the copy was
/// made is not in it: it is for a manager's own folder that is lost or damaged, and for nothing else.
///
/// # Errors
/// When there is no unfinished borrow with a complete copy, when the engine runs, or when files cannot be moved.
pub async fn put_copy_back(state: &Path) -> Result<CopyPutBack, ReclaimError> {
    let told = |_| ();
    let Some(mut log) = StepLog::load(state, &told)? else {
        return Err(ReclaimError::NothingToResume { dir: state.to_owned() });
    };
    let copied = log.folder().join("swarm");
    let Record { raft: Some(raft), host, run, .. } = log.record.clone() else {
        return Err(ReclaimError::NoCopy { dir: copied });
    };
    if !log.is_done(Step::Safeguard) || !copied.join("raft").is_dir() {
        return Err(ReclaimError::NoCopy { dir: copied });
    }
    let socket = host.strip_prefix("unix://").unwrap_or(&host);
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(ReclaimError::EngineRuns { host });
    }
    // With the manager as it was before, the private engine is a member of nothing.
    if let Some(private) = log.record.private.clone() {
        private.remove().await?;
    }
    let since = log.begun(Step::PutBack)?;
    let name = raft.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = |what: &str| raft.with_file_name(format!("{name}.{what}-{run}"));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ReclaimError::State { path, source }
    };
    // Complete beside it first, so that a process that ends half-way leaves the one or the other.
    let new = beside("new");
    if new.exists() {
        fs::remove_dir_all(&new).map_err(io(&new))?;
    }
    copy(&copied, &new).map_err(io(&new))?;
    let old = beside("before");
    let set_aside = raft.exists().then(|| old.clone());
    if set_aside.is_some() {
        fs::rename(&raft, &old).map_err(io(&old))?;
    }
    fs::rename(&new, &raft).map_err(io(&raft))?;
    log.done(Step::PutBack, since)?;
    Ok(CopyPutBack { restored: raft, set_aside })
}
