//! The journal of a running renewal: one config object of the Swarm, and a copy in a file.
//!
//! In the Swarm, since it has to be found from any machine that reaches a manager. One object, not one for each step: the
//! record of what was there never changes, so it is the config's data; where the renewal stands is a label, which the
//! engine replaces only for a writer that names the version it has read. So of two processes that go on with the same
//! renewal, each of which believes that the other has gone, only one can record a step, and the other learns of it before
//! it does anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::ConfigId;

use super::error::RenewalError;
use super::record::{NAME, Record, STANDS, Stands, find};
use super::saved::{Ended, SavedRenewal};
use super::step::{Direction, Phase};
use crate::engine::{CallError, Pace, retry_while, wire};
use crate::labels::RENEWAL_LABEL;
use crate::operation::Operation;
use crate::run::RunId;

/// How long a moment may take to be recorded: an election, and some calls.
const WRITTEN: Duration = Duration::from_secs(30);
/// The largest record: swarmkit takes 500 KiB of a config (`manager/controlapi/config.go`, `MaxConfigSize`), later ones twice that.
pub(super) const MOST_BYTES: usize = 500 * 1024;

/// The journal, held by one process.
pub(super) struct Journal<'a> {
    op: Operation<'a>,
    id: ConfigId,
    version: u64,
    pub(super) record: Record,
    pub(super) stands: Stands,
    file: PathBuf,
}

impl<'a> Journal<'a> {
    /// Begins a new renewal. `op.run` is this process' own run.
    ///
    /// # Errors
    /// If there is one already, the record is too large, or it cannot be written.
    pub(super) async fn begin(op: Operation<'a>, record: Record, state: &Path) -> Result<Self, RenewalError> {
        let stands = stands(op.run, Direction::Forward, 0, "", Phase::Begun);
        let data = serde_json::to_vec(&record).unwrap_or_default();
        if MOST_BYTES < data.len() {
            return Err(RenewalError::TooLarge { services: record.members.len(), bytes: data.len() });
        }
        let file = SavedRenewal::file(state, &record.network);
        let journal = Self { op, id: ConfigId::new(""), version: 0, record, stands, file };
        journal.save(None)?;
        let labels = [(RENEWAL_LABEL, journal.record.network.clone()), (STANDS, journal.label())];
        let made = op.writer().create_config(NAME, &journal.record.run, &labels, &data).await;
        // Its answer may be what failed, and not the creation.
        let found = retry_while!(WRITTEN, |error: &CallError| !error.is_refusal(), find(op.engine));
        let found = match (found, &made) {
            (Err(_), Err(error)) if error.is_refusal() => None,
            (Err(error), _) => return Err(RenewalError::Held(Box::new(error.into()))),
            (Ok(found), _) => found,
        };
        match (found, made) {
            (Some(found), _) if found.stands == journal.stands => {
                Ok(Self { id: found.id, version: found.version, ..journal })
            }
            (Some(_), _) => Err(RenewalError::Begun),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Err(RenewalError::Lost),
        }
    }

    /// Takes an unfinished renewal over; `None` if there is none. The process that had it can record nothing more.
    ///
    /// # Errors
    /// If a call fails, or another process takes it at the same time.
    pub(super) async fn take_over(op: Operation<'a>, state: &Path) -> Result<Option<Self>, RenewalError> {
        let Some(found) = find(op.engine).await? else { return Ok(None) };
        let file = SavedRenewal::file(state, &found.record.network);
        let mut journal = Self {
            op,
            id: found.id,
            version: found.version,
            record: found.record,
            stands: found.stands,
            file,
        };
        let Stands { direction, at, step, phase, .. } = journal.stands.clone();
        journal.write(stands(op.run, direction, at, &step, phase)).await?;
        Ok(Some(journal))
    }

    /// Records a moment of a step.
    ///
    /// # Errors
    /// If another process has the renewal now, or a call fails.
    pub(super) async fn mark(
        &mut self,
        direction: Direction,
        at: usize,
        step: &str,
        phase: Phase,
    ) -> Result<(), RenewalError> {
        self.write(stands(self.op.run, direction, at, step, phase)).await
    }

    async fn write(&mut self, stands: Stands) -> Result<(), RenewalError> {
        let before = std::mem::replace(&mut self.stands, stands);
        let pace = Pace::new(WRITTEN);
        loop {
            let labels = [(STANDS, self.label())];
            let written = self.op.writer().relabel_config(&self.id, self.version, &labels).await;
            // Looked up in any case: a write whose answer failed may have been carried out, and the next one needs the version.
            let failed = match find(self.op.engine).await {
                Ok(Some(found)) if found.id == self.id && found.stands == self.stands => {
                    self.version = found.version;
                    break;
                }
                // As this process left it, or as it found it: the version may be newer than the one that it knows.
                Ok(Some(found))
                    if found.id == self.id
                        && (found.stands.writer == *self.op.run || found.stands == before) =>
                {
                    self.version = found.version;
                    written.err()
                }
                Ok(_) => return Err(RenewalError::Lost),
                Err(error) => Some(error),
            };
            if !pace.goes_on().await {
                return Err(failed.map_or(RenewalError::Lost, RenewalError::from));
            }
        }
        if let Err(error) = self.save(None) {
            // The Swarm's own copy counts.
            self.op.say(error.to_string());
        }
        Ok(())
    }

    /// Errs iff another process has the renewal now: called right before each change that is not its own fence.
    pub(super) async fn still_ours(&self) -> Result<(), RenewalError> {
        let found: Result<wire::Versioned, CallError> =
            self.op.engine.connection().get(&format!("/configs/{}", self.id)).await;
        match found {
            Ok(found) if found.version.index == Some(self.version) => Ok(()),
            Ok(_) => Err(RenewalError::Lost),
            Err(error) if error.is_not_found() => Err(RenewalError::Lost),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the renewal. The file stays: it says what was there before, and how it ended.
    pub(super) async fn end(&self, ended: Ended) -> Result<(), RenewalError> {
        self.op.writer().remove_config(&self.id).await?;
        if let Err(error) = self.save(Some(ended)) {
            // It is done all the same; what rests on the file will say that it does not know.
            self.op.say(error.to_string());
        }
        Ok(())
    }

    fn label(&self) -> String {
        serde_json::to_string(&self.stands).unwrap_or_default()
    }

    fn save(&self, ended: Option<Ended>) -> Result<(), RenewalError> {
        let saved = SavedRenewal { record: self.record.clone(), stands: self.stands.clone(), ended };
        saved.save(&self.file).map_err(|source| RenewalError::State { path: self.file.clone(), source })
    }
}

fn stands(writer: &RunId, direction: Direction, at: usize, step: &str, phase: Phase) -> Stands {
    Stands { writer: writer.clone(), direction, at, step: step.to_owned(), phase, since: Timestamp::now() }
}
