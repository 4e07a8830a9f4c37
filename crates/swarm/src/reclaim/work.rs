//! The state of a running reclaim.

use std::time::{Duration, Instant};

use super::error::ReclaimError;
use super::late::{Awaited, Late};
use super::managers::{leader, until};
use super::note::Note;
use super::report::ReclaimOptions;
use super::step_log::StepLog;
use crate::engine::{Engine, wait_until};
use crate::lock::LockRequest;
use crate::operation::Operation;
use crate::write::Writer;

/// Longest time for an election: two time-outs of up to 20 s each, and connections that have to be made again.
pub(super) const ELECTION: Duration = Duration::from_secs(90);

/// Longest time for a node to take its new role.
pub(super) const CHANGE: Duration = Duration::from_mins(1);

/// When the lock of a reclaim that was killed expires: after all limits of one strategy together.
pub(super) const LOCKED: Duration = Duration::from_mins(20);

/// A running reclaim.
pub(super) struct Work<'a> {
    pub(super) op: Operation<'a>,
    pub(super) others: &'a [Engine],
    pub(super) options: &'a ReclaimOptions<'a>,
    pub(super) log: StepLog<'a>,
    pub(super) notes: Vec<Note>,
}

impl Work<'_> {
    pub(super) fn say(&self, text: impl Into<String>) {
        self.op.say(format!("reclaim: {}", text.into()));
    }

    pub(super) fn writer<'e>(&self, engine: &'e Engine) -> Writer<'e> {
        Writer::new(engine.connection(), self.op.permit)
    }

    pub(super) fn lock_request(&self) -> LockRequest {
        LockRequest {
            run: self.log.record.run.clone(),
            holder: self.options.holder.clone(),
            purpose: "reclaim".to_owned(),
            lasts: LOCKED,
            break_held: self.options.break_lock.clone(),
            resumable: true,
        }
    }

    /// The first of the named managers that answers for the Swarm, this process's own first; waits through an election.
    pub(super) async fn speaking(&self) -> Result<&Engine, ReclaimError> {
        let mut late = None;
        let speaking = wait_until!(ELECTION, async {
            for engine in std::iter::once(self.op.engine).chain(self.others) {
                match until(engine, Awaited::ManagerAnswers, Duration::ZERO, leader).await {
                    Ok(_) => return Some(engine),
                    Err(error) => late = Some(error),
                }
            }
            None
        });
        // The reason is the last engine's, the time that of the whole wait.
        let why = late.map(|late| late.why).unwrap_or_default();
        let late = || Late { what: Awaited::ManagerAnswers, limit: ELECTION, why };
        speaking.ok_or_else(|| ReclaimError::NoManagerAnswers(late()))
    }
}

pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
