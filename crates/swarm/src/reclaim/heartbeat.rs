//! Keeping a Swarm patient while its leadership moves.
//!
//! A new leader takes every node for unknown until it registers, and for down if it does not within six periods of
//! heartbeats; a registered node is down after three (swarmkit `manager/dispatcher/nodes.go`). The tasks of a node that is
//! down are replaced. With the usual 5 s these are 30 s and 15 s. Seen on 20.10.24 at a load of 20 on two cores: the demoted
//! manager's node registered with the new leader within 0.1 s, by the socket of the manager in its own engine, lost that
//! session when that manager ended, and was not back within 15 s.
//!
//! The leader reads the period from the cluster's spec when it is elected (swarmkit `manager/manager.go`, `becomeLeader`,
//! since February 2021; it is in 20.10.4 and later), so it has to be raised before.

use std::time::Duration;

use super::error::ReclaimError;
use super::late::Awaited;
use super::managers::{node, until};
use super::step::Step;
use super::work::Work;
use crate::engine::wire;

/// The period while the leadership moves: an unknown node has three minutes, and a registered one a minute and a half.
const PATIENT: Duration = Duration::from_secs(30);

/// swarmkit's own period, where the spec has none (`manager/dispatcher/dispatcher.go`).
const USUAL: Duration = Duration::from_secs(5);

/// How long all managers may take to report to the leader before the period is put back all the same.
const SETTLES: Duration = Duration::from_secs(20);

impl Work<'_> {
    /// Raises the period of heartbeats. One that is as long already is left alone.
    pub(super) async fn be_patient(&mut self) -> Result<(), ReclaimError> {
        let since = self.log.begun(Step::Patience)?;
        if self.usual_heartbeat() < PATIENT {
            self.say("letting the Swarm wait longer for heartbeats");
            self.writer(self.op.engine).set_heartbeat(PATIENT).await?;
        }
        self.log.done(Step::Patience, since)
    }

    /// Puts the period back, if it may have been raised.
    ///
    /// Nodes that beat with the long period until they hear of the short one are safe: the time that a node has is set by
    /// the answer to its own last heartbeat.
    pub(super) async fn restore_heartbeat(&mut self) -> Result<(), ReclaimError> {
        if !self.log.has_begun(Step::Patience) {
            return Ok(());
        }
        let since = self.log.begun(Step::Heartbeat)?;
        if self.usual_heartbeat() < PATIENT {
            let engine = self.speaking().await?;
            // A manager that was promoted last may be about to lose its session once more.
            let managers = &self.log.record.managers;
            let is_ready =
                |nodes: &[wire::Node], id| node(nodes, id).is_some_and(|n| n.status.state == "ready");
            let all_ready =
                |nodes: &[wire::Node]| managers.iter().all(|id| is_ready(nodes, id)).then_some(());
            // One that is down was so before, or is none of this reclaim's to wait for any longer.
            let _ = until(engine, Awaited::Reports, SETTLES, all_ready).await;
            self.writer(engine).set_heartbeat(self.usual_heartbeat()).await?;
        }
        self.log.done(Step::Heartbeat, since)
    }

    fn usual_heartbeat(&self) -> Duration {
        match self.log.record.heartbeat_ns {
            0 => USUAL,
            given => Duration::from_nanos(given),
        }
    }
}
