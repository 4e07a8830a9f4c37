//! Compacting the raft log, so that a manager that joins has little to copy.

use std::path::Path;
use std::time::Duration;

use super::error::ReclaimError;
use super::work::Work;
use crate::engine::{Engine, wait_until};

/// Longest time to wait for a snapshot. Without one the next steps only take longer.
const SNAPSHOT: Duration = Duration::from_secs(5);
/// How long to wait for a snapshot whose folder cannot be read, so that its end does not show.
const UNSEEN: Duration = Duration::from_millis(500);

impl Work<'_> {
    /// Makes the managers write a snapshot and drop the log before it. A new member receives the log at 50 to 100 KB a second
    /// (one message per heartbeat; measured on 20.10.24: 6 to 20 s after a census), and answers no call until it has all of
    /// it. A snapshot is sent at once.
    pub(super) async fn compact(&self, engine: &Engine) -> Result<(), ReclaimError> {
        let folder = self.log.record.raft.as_ref().map(|raft| raft.join("raft"));
        let before = folder.as_deref().map(newest_snapshot);
        let writer = self.writer(engine);
        writer.set_raft_log(1, 1).await?;
        // A manager checks whether a snapshot is due only when it applies an entry, so one more entry is needed.
        writer.touch(&self.log.record.run).await?;
        let limit = if before.is_some() { SNAPSHOT } else { UNSEEN };
        // The outcome does not matter: without a snapshot the join is slower, and nothing else changes.
        let _ =
            wait_until!(limit, async { (folder.as_deref().map(newest_snapshot) != before).then_some(()) });
        self.restore_raft_log(engine).await
    }

    /// Sets interval and kept entries to their former values, also after an earlier attempt that was interrupted.
    pub(super) async fn restore_raft_log(&self, engine: &Engine) -> Result<(), ReclaimError> {
        let (between, kept) = self.log.record.raft_log;
        Ok(self.writer(engine).set_raft_log(between, kept).await?)
    }
}

/// The file name of the newest snapshot. Names are term and index in hexadecimal of fixed width, so the greatest is newest.
fn newest_snapshot(raft: &Path) -> Option<std::ffi::OsString> {
    let folder = raft.join("snap-v3-encrypted");
    std::fs::read_dir(folder).ok()?.flatten().map(|e| e.file_name()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_has_the_greatest_term_and_index() {
        let raft = tempfile::tempdir().unwrap();
        assert_eq!(newest_snapshot(raft.path()), None, "there is no folder yet");
        let folder = raft.path().join("snap-v3-encrypted");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(newest_snapshot(raft.path()), None, "there is no snapshot yet");
        for name in ["0000000000000002-0000000000000009.snap", "000000000000000a-0000000000000001.snap"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let newest = newest_snapshot(raft.path()).unwrap();
        assert_eq!(newest, "000000000000000a-0000000000000001.snap");
    }
}
