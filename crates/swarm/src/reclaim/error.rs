//! Why addresses were not taken back.

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

/// Why addresses were not taken back.
#[derive(Debug, Error)]
pub enum ReclaimError {
    /// No strategy is possible; nothing was touched.
    #[error("no way to reclaim: {}", plan.reasons())]
    Refused {
        /// All reasons.
        plan: Box<ReclaimPlan>,
    },
    /// An earlier run was not ended; nothing was touched.
    #[error("an earlier reclaim was begun and not ended ({}); run `pvcheck reclaim --resume` first", file.display())]
    Unfinished {
        /// Its journal.
        file: PathBuf,
    },
    /// There is nothing to resume.
    #[error("there is no unfinished reclaim in {}; name its folder with --state DIR", dir.display())]
    NothingToResume {
        /// The state folder.
        dir: PathBuf,
    },
    /// The journal is that of another Swarm's manager.
    #[error(
        "the unfinished reclaim is one of manager {asked} at {host}; run it against that one with --host"
    )]
    OtherSwarm {
        /// The manager's node.
        asked: NodeId,
        /// Its engine's address then.
        host: String,
    },
    /// Somebody else holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A census failed.
    #[error(transparent)]
    Census(#[from] CensusError),
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
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal is not one that this version understands; nothing was touched.
    #[error("{}: no journal that this version understands ({why}); resume with the version that began it, or by hand as docs/reclaim.md says", file.display())]
    StepLog {
        /// The journal.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No copy of the raft folder is there to be put back; nothing was touched.
    #[error("there is no complete copy of a raft folder in {}; only an unfinished borrow has one", dir.display())]
    NoCopy {
        /// Where it would be.
        dir: PathBuf,
    },
    /// The engine runs, and would write into the folder that is to be replaced; nothing was touched.
    #[error("the engine at {host} runs; stop it first, and start it when the copy is back")]
    EngineRuns {
        /// Its address.
        host: String,
    },
    /// A program, or the private engine, did not do what it should.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The Swarm did not get where it should in time.
    #[error(transparent)]
    Late(#[from] Late),
    /// No manager that can be asked answers for the Swarm.
    #[error("{0}; name the Swarm's other managers with --helper URL")]
    NoManagerAnswers(Late),
    /// Only the manager that is to be demoted answers.
    #[error("no manager but {node} answers, and it cannot be demoted from itself")]
    OnlyItself {
        /// That manager's node.
        node: NodeId,
    },
    /// The manager kept the leadership without a quorum.
    #[error("the manager did not step down within {} s", limit.as_secs())]
    DoesNotStepDown {
        /// How long it was given.
        limit: Duration,
    },
    /// It failed, and everything is as it was.
    #[error("not reclaimed: {0}; the Swarm is as it was")]
    NotDone(Box<Self>),
    /// It failed, and something is left to be undone.
    #[error("{why}; and then {then}; run `pvcheck reclaim --resume`")]
    Stranded {
        /// What failed first.
        why: String,
        /// What failed while it was undone.
        then: Box<Self>,
    },
    /// The only manager is alone in a raft group of two.
    #[error(
        "the Swarm has no quorum and the private engine cannot be started again ({why}); `pvcheck reclaim --resume --force-new-cluster` makes this manager the only one again: nothing is lost, but its tasks restart"
    )]
    QuorumLost {
        /// Why the private engine is no help.
        why: String,
    },
}
