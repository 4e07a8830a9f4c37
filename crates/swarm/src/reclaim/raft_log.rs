//! Cutting the raft log short, so that a manager that joins is told little.

use std::path::Path;
use std::time::Duration;

use super::error::ReclaimError;
use super::work::Work;
use crate::engine::{Engine, wait_until};

/// Longest time for a snapshot: it is a matter of speed alone, and without it what follows only takes longer.
const SNAPSHOT: Duration = Duration::from_secs(5);
/// How long a snapshot is given where its folder cannot be looked into.
const UNSEEN: Duration = Duration::from_millis(500);

impl Work<'_> {
    /// Has the managers write a snapshot and forget the log before it. A new member is sent the log at 50 to 100 KB a
    /// second (one message per heartbeat, measured on 20.10.24: 6 to 20 s after a census), and until it has all of it it
    /// answers nothing; a snapshot is sent at once.
    pub(super) async fn compact(&self, engine: &Engine) -> Result<(), ReclaimError> {
        let folder = self.log.record.raft.as_ref().map(|raft| raft.join("raft"));
        let before = folder.as_deref().map(newest_snapshot);
        let writer = self.writer(engine);
        writer.set_raft_log(1, 1).await?;
        // The next entry of the log is what makes them write one.
        writer.touch(&self.log.record.run).await?;
        let limit = if before.is_some() { SNAPSHOT } else { UNSEEN };
        // Without one, what follows only takes longer.
        let _ =
            wait_until!(limit, async { (folder.as_deref().map(newest_snapshot) != before).then_some(()) });
        self.restore_raft_log(engine).await
    }

    pub(super) async fn restore_raft_log(&self, engine: &Engine) -> Result<(), ReclaimError> {
        let (between, kept) = self.log.record.raft_log;
        Ok(self.writer(engine).set_raft_log(between, kept).await?)
    }
}

/// The newest snapshot's file name; snapshots are named by term and index.
fn newest_snapshot(raft: &Path) -> Option<std::ffi::OsString> {
    let folder = raft.join("snap-v3-encrypted");
    std::fs::read_dir(folder).ok()?.flatten().map(|e| e.file_name()).max()
}
