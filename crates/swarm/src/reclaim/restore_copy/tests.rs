use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::reclaim::step::Moment;
use crate::reclaim::step_log::tests::record;

/// A state folder with the step log of a borrow, and a manager's raft folder, below one temporary folder.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// The borrow has made its copy, `copy`; the manager's own folder has `own`.
    fn with_copy() -> Self {
        let world = Self::before_copy();
        world.log_step(true);
        write(&world.copy().join("raft/wal"), "copy");
        world
    }

    /// The borrow has not made a copy yet.
    fn before_copy() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        write(&world.raft().join("raft/wal"), "own");
        let host = format!("unix://{}", world.socket().display());
        let record = Record { raft: Some(world.raft()), host, ..record() };
        drop(StepLog::begin(&world.state(), record, &|_| ()).unwrap());
        world
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn raft(&self) -> PathBuf {
        self.dir.path().join("docker/swarm")
    }

    fn copy(&self) -> PathBuf {
        self.state().join("reclaim-r1/swarm")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// A folder next to the manager's own: `new` or `before`.
    fn sibling(&self, what: &str) -> PathBuf {
        self.dir.path().join(format!("docker/swarm.{what}-r1"))
    }

    fn log_step(&self, done: bool) {
        let mut log = StepLog::load(&self.state(), &|_| ()).unwrap().unwrap();
        let since = log.begun(Step::Safeguard).unwrap();
        if done {
            log.done(Step::Safeguard, since).unwrap();
        }
    }

    async fn refused(&self) -> ReclaimError {
        let error = put_copy_back(&self.state()).await.unwrap_err();
        assert_eq!(read(&self.raft().join("raft/wal")), "own", "refused, and changed: {error}");
        assert!(!self.sibling("before").exists(), "{error}");
        error
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn the_copy_takes_the_place_of_the_folder_which_is_kept() {
    let world = World::with_copy();
    let key = world.copy().join("certificates/swarm-node.key");
    write(&key, "key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let done = put_copy_back(&world.state()).await.unwrap();
    assert_eq!(done, CopyPutBack { restored: world.raft(), set_aside: Some(world.sibling("before")) });
    assert_eq!(read(&world.raft().join("raft/wal")), "copy");
    assert_eq!(read(&world.sibling("before").join("raft/wal")), "own");
    assert!(!world.sibling("new").exists());
    let mode = |path: &str| fs::metadata(world.raft().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("raft"), mode("certificates/swarm-node.key")), (0o700, 0o700, 0o600));
    assert_eq!(read(&world.copy().join("raft/wal")), "copy", "a resume removes the copy, not this");
    let log = StepLog::load(&world.state(), &|_| ()).unwrap().unwrap();
    assert!(log.record.marks.iter().any(|m| m.step == Step::PutBack && m.moment == Moment::Done));
}

#[tokio::test]
async fn a_folder_that_is_lost_is_replaced_and_nothing_is_set_aside() {
    let world = World::with_copy();
    fs::remove_dir_all(world.raft()).unwrap();
    assert_eq!(put_copy_back(&world.state()).await.unwrap().set_aside, None);
    assert_eq!(read(&world.raft().join("raft/wal")), "copy");
}

#[tokio::test]
async fn what_an_interrupted_attempt_has_left_is_copied_again() {
    let world = World::with_copy();
    write(&world.sibling("new").join("raft/half"), "torn");
    put_copy_back(&world.state()).await.unwrap();
    assert!(!world.raft().join("raft/half").exists());
    assert_eq!(read(&world.raft().join("raft/wal")), "copy");
}

#[tokio::test]
async fn the_folder_that_was_set_aside_is_never_overwritten() {
    let world = World::with_copy();
    put_copy_back(&world.state()).await.unwrap();
    write(&world.raft().join("raft/wal"), "later");
    let error = put_copy_back(&world.state()).await.unwrap_err();
    assert!(
        matches!(&error, ReclaimError::State { path, .. } if *path == world.sibling("before")),
        "{error}"
    );
    assert_eq!(read(&world.sibling("before").join("raft/wal")), "own");
    assert_eq!(read(&world.raft().join("raft/wal")), "later");
}

#[tokio::test]
async fn without_a_complete_copy_nothing_is_changed() {
    let world = World::before_copy();
    assert!(matches!(world.refused().await, ReclaimError::NoCopy { dir } if dir == world.copy()));
    // Half a copy: the step has begun, and some files are there.
    write(&world.copy().join("raft/wal"), "half");
    world.log_step(false);
    assert!(matches!(world.refused().await, ReclaimError::NoCopy { .. }));
    // Recorded as done, but its raft state was deleted.
    let world = World::with_copy();
    fs::remove_dir_all(world.copy().join("raft")).unwrap();
    assert!(matches!(world.refused().await, ReclaimError::NoCopy { .. }));
}

#[tokio::test]
async fn an_engine_that_runs_keeps_its_folder() {
    let world = World::with_copy();
    let listens = std::os::unix::net::UnixListener::bind(world.socket()).unwrap();
    let error = world.refused().await;
    assert!(matches!(&error, ReclaimError::EngineRuns { host } if host.ends_with("docker.sock")), "{error}");
    // The file of a socket that no process listens on does not count as an engine.
    drop(listens);
    put_copy_back(&world.state()).await.unwrap();
}

#[tokio::test]
async fn without_a_borrow_there_is_nothing_to_put_back() {
    let state = tempfile::tempdir().unwrap();
    let error = put_copy_back(state.path()).await.unwrap_err();
    assert!(matches!(&error, ReclaimError::NothingToResume { dir } if dir == state.path()), "{error}");
    // A handover has no raft folder in its log.
    drop(StepLog::begin(state.path(), record(), &|_| ()).unwrap());
    assert!(matches!(put_copy_back(state.path()).await.unwrap_err(), ReclaimError::NoCopy { .. }));
}
