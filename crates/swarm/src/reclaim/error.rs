//! Errors of a reclaim.

use std::path::PathBuf;
use std::time::Duration;

use pvcheck_audit::NodeId;
use thiserror::Error;

use super::helper_error::HelperError;
use super::late::Late;
use super::plan::ReclaimPlan;
use crate::census::CensusError;
use crate::engine::{CallError, ConnectError};
use crate::lock::LockError;

/// Why addresses were not freed. Each text says what to do next.
#[derive(Debug, Error)]
pub enum ReclaimError {
    /// No strategy is possible; nothing was changed.
    #[error("no way to reclaim: {}", plan.reasons())]
    Refused {
        /// The plan, which has the obstacle of each strategy.
        plan: Box<ReclaimPlan>,
    },
    /// An earlier reclaim is unfinished; nothing was changed.
    #[error("an earlier reclaim is unfinished ({}); run `pvcheck reclaim --resume` first", file.display())]
    Unfinished {
        /// Its step log.
        file: PathBuf,
    },
    /// There is nothing to resume.
    #[error("there is no unfinished reclaim in {}; name its folder with --state DIR", dir.display())]
    NothingToResume {
        /// The state folder.
        dir: PathBuf,
    },
    /// The step log belongs to another Swarm.
    #[error(
        "the unfinished reclaim belongs to manager {asked} at {host}; run it against that one with --host"
    )]
    OtherSwarm {
        /// The node of the manager that the reclaim was run against.
        asked: NodeId,
        /// Its engine's address at that time.
        host: String,
    },
    /// Another run holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The census before the first step failed; nothing was changed.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// The addresses were taken back, and the census after it failed; [`crate::resume_reclaim`] counts again.
    #[error(
        "the addresses were taken back, and could not be counted again: {0}; run `pvcheck reclaim --resume`"
    )]
    NotCounted(CensusError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An engine could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A file or program of this host failed.
    #[error("{}: {source}", path.display())]
    State {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// This version does not understand the step log; nothing was changed.
    #[error("{}: not a step log that this version understands ({why}); resume with the version that began the reclaim, or by hand as docs/reclaim.md says", file.display())]
    StepLog {
        /// The step log.
        file: PathBuf,
        /// What is wrong with its contents.
        why: String,
    },
    /// There is no complete copy of the raft folder to put back; nothing was changed.
    #[error("there is no complete copy of a raft folder in {}; only an unfinished borrow has one", dir.display())]
    NoCopy {
        /// The path of the copy.
        dir: PathBuf,
    },
    /// The engine runs, and would write into the folder that is to be replaced; nothing was changed.
    #[error("the engine at {host} runs; stop it first, and start it when the copy is back")]
    EngineRuns {
        /// The engine's address.
        host: String,
    },
    /// A program of this host, or the private engine, failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The Swarm did not reach a state within its limit.
    #[error(transparent)]
    Late(#[from] Late),
    /// None of the managers that were named answers for the Swarm.
    #[error("{0}; name the Swarm's other managers with --helper URL")]
    NoManagerAnswers(Late),
    /// Only the manager that is to be demoted answers; a demoted manager could not promote itself again.
    #[error(
        "no manager but {node} answers, and it cannot be demoted through itself; name another one with --helper URL"
    )]
    OnlyItself {
        /// That manager's node.
        node: NodeId,
    },
    /// The manager did not give up the leadership although it has no quorum.
    #[error("the manager did not step down within {} s", limit.as_secs())]
    DoesNotStepDown {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The reclaim failed, and the Swarm is as it was.
    #[error("not reclaimed: {0}; the Swarm is as it was")]
    NotDone(Box<Self>),
    /// The reclaim failed, and so did the restoration; [`crate::resume_reclaim`] continues it.
    #[error("{why}; and then {then}; run `pvcheck reclaim --resume`")]
    Stranded {
        /// What failed first.
        why: String,
        /// What failed during the restoration.
        then: Box<Self>,
    },
    /// The only manager is alone in a raft group of two.
    #[error(
        "the Swarm has no quorum and the private engine cannot be started again ({why}); `pvcheck reclaim --resume --force-new-cluster` makes this manager the only one again: nothing is lost, but its tasks restart"
    )]
    QuorumLost {
        /// Why the private engine cannot restore the quorum.
        why: String,
    },
}
