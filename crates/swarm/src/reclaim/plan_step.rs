//! The steps of each strategy.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::step::Step;
use super::strategy::Strategy;

/// A step of a plan. Its JSON has the text too, as `what`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written<'static>"))]
pub struct PlanStep {
    /// The step.
    pub step: Step,
    /// The strategy that it belongs to: the text of some steps depends on it.
    pub strategy: Strategy,
    /// The leader's host name.
    pub leader: String,
}

/// The steps of a strategy, in order. Each is undone by a later step of the same strategy, or by a resume.
pub(super) fn steps(strategy: Strategy) -> &'static [Step] {
    match strategy {
        Strategy::Handover => &[
            Step::Lock,
            Step::Compact,
            Step::Patience,
            Step::HandOver,
            Step::Promote,
            Step::GiveBack,
            Step::Heartbeat,
            Step::Unlock,
        ],
        // Compact before Join: a new member gets a snapshot at once, but the log entry by entry (`raft_log.rs`). Leave
        // before Remove: a node that is not listed is not let in again. Tokens last: until then a resume may need them.
        Strategy::Borrow => &[
            Step::Lock,
            Step::Safeguard,
            Step::Namespace,
            Step::Engine,
            Step::Compact,
            Step::Patience,
            Step::Join,
            Step::Freeze,
            Step::Thaw,
            Step::Demote,
            Step::Leave,
            Step::Heartbeat,
            Step::Remove,
            Step::Tokens,
            Step::Unlock,
        ],
        Strategy::Restart => &[Step::Lock, Step::Restart, Step::Unlock],
    }
}

impl fmt::Display for PlanStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leader = &self.leader;
        match self.step {
            Step::Lock => f.write_str("take the Swarm's lock"),
            Step::HandOver => {
                write!(f, "demote {leader}; another manager leads and rebuilds the allocator")
            }
            Step::Promote => write!(f, "promote {leader} again and wait until it is reachable"),
            Step::GiveBack => {
                write!(f, "demote and promote the other managers in turn until {leader} leads again")
            }
            Step::Patience => f.write_str(
                "let the Swarm wait longer for heartbeats, so that a busy node is not taken for down and its tasks are not replaced",
            ),
            Step::Heartbeat => f.write_str("put the period of heartbeats back"),
            Step::Safeguard => f.write_str("copy the manager's raft folder"),
            Step::Namespace => f.write_str("make a network namespace with a link to this host"),
            Step::Engine => f.write_str("start a private engine in it"),
            Step::Compact if self.strategy == Strategy::Handover => f.write_str(
                "let the managers write a snapshot and cut their raft logs, so that little has to be copied",
            ),
            Step::Compact => f.write_str(
                "let the manager write a snapshot and cut its raft log, so that little has to be copied",
            ),
            Step::Join => f.write_str("let it join as a drained manager"),
            Step::Freeze => {
                write!(f, "freeze it until {leader}, which has no quorum then, steps down (12 to 17 s)")
            }
            Step::Thaw => {
                f.write_str("wake it; one of the two is elected and rebuilds the allocator (10 to 20 s)")
            }
            Step::Demote => write!(f, "demote it; {leader} leads"),
            Step::Leave => f.write_str("take it off the list of nodes"),
            Step::Remove => f.write_str("stop it and remove its namespace, link and folder"),
            Step::Tokens => f.write_str("rotate both join tokens"),
            Step::Restart => {
                write!(f, "restart the engine of {leader} and wait until its services run")
            }
            Step::PutBack => f.write_str("put the copy of the raft folder back"),
            Step::Unlock => f.write_str("release the lock"),
        }
    }
}

impl Serialize for PlanStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { step, strategy, leader } = self;
        Written { step, strategy: *strategy, leader, what: self.to_string() }.serialize(serializer)
    }
}

/// [`PlanStep`] as JSON has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Written<'a> {
    step: &'a Step,
    strategy: Strategy,
    leader: &'a str,
    what: String,
}
