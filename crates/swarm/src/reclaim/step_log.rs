//! The step log: one file, written before and after every step, from which another process can finish what this one began.
//!
//! A file, not an object in the Swarm, because it is needed most while the Swarm has no quorum.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use pvcheck_audit::NodeId;
use serde::{Deserialize, Serialize};

use super::count::LeakCount;
use super::error::ReclaimError;
use super::private::{PrivateEngine, make_private};
use super::step::{Moment, Step, StepPoint, StepTime};
use super::strategy::Strategy;
use super::unchanged::Inventory;
use crate::run::RunId;

/// The contents of the file. It never has a token or a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Record {
    /// Always `pvcheck/v1`.
    pub(super) schema: String,
    pub(super) run: RunId,
    pub(super) strategy: Strategy,
    pub(super) begun: Timestamp,
    /// The connected manager, and its engine's address.
    pub(super) asked: NodeId,
    pub(super) host: String,
    /// The former leader.
    pub(super) leader: NodeId,
    /// All former managers.
    pub(super) managers: Vec<NodeId>,
    /// `ADDRESS:PORT` of the leader's raft member.
    pub(super) address: String,
    /// The body of the call that makes the only manager the only one again by force.
    pub(super) renewal: serde_json::Value,
    /// The former raft settings: entries between two snapshots, and entries kept after one.
    pub(super) raft_log: (u64, u64),
    /// The period of heartbeats in nanoseconds; 0 for swarmkit's own.
    #[serde(default)]
    pub(super) heartbeat_ns: u64,
    /// Named `standing` in the files of earlier versions, which a resume still has to read.
    #[serde(rename = "standing")]
    pub(super) inventory: Inventory,
    pub(super) counts: Vec<LeakCount>,
    /// The manager's raft folder.
    pub(super) raft: Option<PathBuf>,
    pub(super) private: Option<PrivateEngine>,
    /// The private engine's node, once it is known.
    pub(super) guest: Option<NodeId>,
    pub(super) marks: Vec<Mark>,
}

/// One entry of the step log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Mark {
    pub(super) step: Step,
    pub(super) moment: Moment,
    pub(super) at: Timestamp,
}

/// The step log of one run, and the hook that is called at each point of it.
pub(super) struct StepLog<'a> {
    pub(super) record: Record,
    dir: PathBuf,
    hook: &'a (dyn Fn(StepPoint) + Send + Sync),
    pub(super) times: Vec<StepTime>,
}

/// The version of the file's format.
pub(super) const SCHEMA: &str = "pvcheck/v1";
/// The file's name in the state folder.
const FILE: &str = "reclaim.json";

impl<'a> StepLog<'a> {
    /// Begins a new step log.
    ///
    /// # Errors
    /// If an unfinished one is in the folder, or the file cannot be written.
    pub(super) fn begin(
        dir: &Path,
        record: Record,
        hook: &'a (dyn Fn(StepPoint) + Send + Sync),
    ) -> Result<Self, ReclaimError> {
        make_private(dir)?;
        if dir.join(FILE).exists() {
            return Err(ReclaimError::Unfinished { file: dir.join(FILE) });
        }
        let journal = Self { record, dir: dir.to_owned(), hook, times: Vec::new() };
        journal.save()?;
        Ok(journal)
    }

    /// Loads the step log of an earlier process; `None` if there is none.
    ///
    /// # Errors
    /// If the file cannot be read, or this version does not understand it.
    pub(super) fn load(
        dir: &Path,
        hook: &'a (dyn Fn(StepPoint) + Send + Sync),
    ) -> Result<Option<Self>, ReclaimError> {
        let file = dir.join(FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReclaimError::State { path: file, source }),
        };
        let record = parse(&text).map_err(|why| ReclaimError::StepLog { file, why })?;
        Ok(Some(Self { record, dir: dir.to_owned(), hook, times: Vec::new() }))
    }

    /// The folder of this run's private files.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.join(format!("reclaim-{}", self.record.run))
    }

    /// True iff the step was begun, by this process or an earlier one.
    pub(super) fn has_begun(&self, step: Step) -> bool {
        self.record.marks.iter().any(|m| m.step == step)
    }

    /// True iff the step was done, by this process or an earlier one.
    pub(super) fn is_done(&self, step: Step) -> bool {
        self.record.marks.iter().any(|m| m.step == step && m.moment == Moment::Done)
    }

    /// Records that a step begins.
    pub(super) fn begun(&mut self, step: Step) -> Result<Instant, ReclaimError> {
        self.mark(step, Moment::Begun)?;
        Ok(Instant::now())
    }

    /// Records that a step is done.
    pub(super) fn done(&mut self, step: Step, since: Instant) -> Result<(), ReclaimError> {
        self.tell(step, Moment::Acted);
        let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.times.push(StepTime { step, elapsed_ms });
        self.mark(step, Moment::Done)
    }

    fn mark(&mut self, step: Step, moment: Moment) -> Result<(), ReclaimError> {
        self.record.marks.push(Mark { step, moment, at: Timestamp::now() });
        self.save()?;
        self.tell(step, moment);
        Ok(())
    }

    fn tell(&self, step: Step, moment: Moment) {
        let engine = self.record.private.as_ref().and_then(PrivateEngine::pid);
        (self.hook)(StepPoint { step, moment, engine });
    }

    /// Replaces the file: a new one is written, synced and renamed over the old one. The folder is synced too, since a
    /// rename that is not on the disk is undone by a power failure (fsync(2)).
    pub(super) fn save(&self) -> Result<(), ReclaimError> {
        let (file, new) = (self.dir.join(FILE), self.dir.join("reclaim.json.new"));
        let write = || {
            let text = serde_json::to_vec_pretty(&self.record)?;
            let mut to =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            to.write_all(&text)?;
            to.sync_all()?;
            fs::rename(&new, &file)?;
            fs::File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source: std::io::Error| ReclaimError::State { path: file.clone(), source })
    }

    /// Removes the private folder, and then the file: in this order, a process that is killed in between can still resume.
    pub(super) fn end(self) -> Result<Vec<StepTime>, ReclaimError> {
        let folder = self.folder();
        let gone = |outcome: std::io::Result<()>, path: PathBuf| match outcome {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ReclaimError::State { path, source })
            }
            _ => Ok(()),
        };
        gone(fs::remove_dir_all(&folder), folder)?;
        let file = self.dir.join(FILE);
        gone(fs::remove_file(&file), file)?;
        Ok(self.times)
    }
}

/// Parses the file; the error says why this version does not understand it.
fn parse(text: &[u8]) -> Result<Record, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let Schema { schema } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if schema != SCHEMA {
        return Err(format!("its schema is `{schema}`, and this version knows `{SCHEMA}`"));
    }
    serde_json::from_slice(text).map_err(|e| e.to_string())
}

/// The step log of an unfinished reclaim in this state folder; `None` if there is none.
pub fn unfinished_reclaim(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(FILE)).filter(|file| file.exists())
}

/// The run of the unfinished reclaim in this state folder; `None` if there is none. One whose step log cannot be understood has
/// an empty name, which is no run's: it is unfinished all the same.
pub fn unfinished_run(dir: &Path) -> Option<RunId> {
    #[derive(Deserialize)]
    struct Begun {
        run: RunId,
    }
    let file = unfinished_reclaim(dir)?;
    let begun = fs::read(file).ok().and_then(|text| serde_json::from_slice::<Begun>(&text).ok());
    Some(begun.map_or_else(|| RunId::from_label(""), |begun| begun.run))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A borrow of which nothing is done.
    pub(in crate::reclaim) fn record() -> Record {
        let at = Timestamp::UNIX_EPOCH;
        Record {
            schema: SCHEMA.into(),
            run: RunId::from_label("r1"),
            strategy: Strategy::Borrow,
            begun: at,
            asked: NodeId::new("n1"),
            host: "unix:///run/docker.sock".into(),
            leader: NodeId::new("n1"),
            managers: vec![NodeId::new("n1")],
            address: "192.0.2.1:2377".into(),
            renewal: serde_json::Value::Null,
            raft_log: (10_000, 500),
            heartbeat_ns: 5_000_000_000,
            inventory: Inventory::default(),
            counts: Vec::new(),
            raft: None,
            private: None,
            guest: None,
            marks: Vec::new(),
        }
    }

    #[test]
    fn another_process_continues_where_this_one_ended() {
        let (dir, hook) = (tempfile::tempdir().unwrap(), |_| ());
        assert!(StepLog::load(dir.path(), &hook).unwrap().is_none());
        let mut journal = StepLog::begin(dir.path(), record(), &hook).unwrap();
        let since = journal.begun(Step::Lock).unwrap();
        journal.done(Step::Lock, since).unwrap();
        journal.begun(Step::Join).unwrap();
        drop(journal);
        assert_eq!(unfinished_run(dir.path()), Some(RunId::from_label("r1")));
        assert!(matches!(StepLog::begin(dir.path(), record(), &hook), Err(ReclaimError::Unfinished { .. })));
        let journal = StepLog::load(dir.path(), &hook).unwrap().unwrap();
        assert!(journal.is_done(Step::Lock) && journal.has_begun(Step::Join) && !journal.is_done(Step::Join));
        assert!(!journal.has_begun(Step::Freeze));
        assert_eq!(journal.end().unwrap(), []);
        assert_eq!((unfinished_reclaim(dir.path()), unfinished_run(dir.path())), (None, None));
    }

    /// A new file that was not finished is ignored: the old one is still in its place.
    #[test]
    fn a_torn_new_file_is_ignored() {
        let (dir, hook) = (tempfile::tempdir().unwrap(), |_| ());
        drop(StepLog::begin(dir.path(), record(), &hook).unwrap());
        fs::write(dir.path().join("reclaim.json.new"), "{\"schema\": \"pvch").unwrap();
        assert!(StepLog::load(dir.path(), &hook).unwrap().is_some());
    }

    #[test]
    fn what_this_version_does_not_understand_is_an_error_with_a_way_out() {
        let (dir, hook) = (tempfile::tempdir().unwrap(), |_| ());
        let whole = serde_json::to_value(record()).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut changed = whole.clone();
            changed[key] = value;
            changed.to_string()
        };
        let mark = serde_json::json!([{"step": "levitate", "moment": "begun", "at": "2026-01-01T00:00:00Z"}]);
        let torn = whole.to_string();
        let cases = [
            (String::new(), "EOF"),
            (torn[..torn.len() / 2].to_owned(), "EOF"),
            ("[]".to_owned(), "invalid"),
            (with("schema", "pvcheck/v9".into()), "`pvcheck/v9`"),
            (with("marks", mark), "unknown variant `levitate`"),
            (with("strategy", "hypnosis".into()), "unknown variant `hypnosis`"),
        ];
        for (text, reason) in cases {
            fs::write(dir.path().join(FILE), &text).unwrap();
            let Err(error) = StepLog::load(dir.path(), &hook) else { panic!("{text} was understood") };
            let said = error.to_string();
            assert!(matches!(error, ReclaimError::StepLog { .. }) && said.contains(reason), "{said}");
            assert!(said.contains("docs/reclaim.md"), "{said}");
        }
    }

    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, hook) = (tempfile::tempdir().unwrap(), |_| ());
        let state = dir.path().join("state");
        drop(StepLog::begin(&state, record(), &hook).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn every_step_is_written_by_its_name() {
        for step in [Step::Lock, Step::HandOver, Step::GiveBack, Step::Safeguard, Step::PutBack, Step::Unlock]
        {
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,200}") {
            proptest::prop_assert!(parse(text.as_bytes()).is_err());
        }
    }
}
