//! `handover`: the leader is demoted among three or more managers, and leads again at the end.

use std::time::Duration;

use pvcheck_audit::NodeId;
use tokio::time::sleep;

use super::collect::info;
use super::error::ReclaimError;
use super::late::Awaited;
use super::managers::{self, until};
use super::note::Note;
use super::step::Step;
use super::work::{CHANGE, ELECTION, Work};
use crate::engine::{Engine, wire};

/// Longest time for a demoted node to report to the new leader. It needs 5 s to see that its own manager has ended.
const REPORTS: Duration = Duration::from_secs(20);
/// How long to wait after that for the node's certificate as a worker; 0.4 s were measured.
const CERTIFICATE: Duration = Duration::from_secs(2);
/// How often the leadership is moved on, for each manager, until it is back where it was. One of the other managers takes
/// over by chance; were each as likely, all rounds would miss in one handover of 4,000 with 3 managers, of 160 with 7.
const ROUNDS_PER_MANAGER: usize = 4;

impl Work<'_> {
    /// Demotes the leader; another manager leads afterwards.
    pub(super) async fn hand_over(&mut self) -> Result<(), ReclaimError> {
        let leader = self.log.record.leader.clone();
        // First, since a manager that is promoted again has to catch up with the raft log before it answers.
        let since = self.log.begun(Step::Compact)?;
        self.compact(self.op.engine).await?;
        self.log.done(Step::Compact, since)?;
        self.be_patient().await?;
        let since = self.log.begun(Step::HandOver)?;
        self.say("demoting the leader");
        self.demote(&leader).await?;
        self.log.done(Step::HandOver, since)
    }

    /// Promotes every former manager again, and gives the leadership back to the former leader if other managers can be
    /// reached from here.
    pub(super) async fn promote_all(&mut self) -> Result<(), ReclaimError> {
        let since = self.log.begun(Step::Promote)?;
        let engine = self.speaking().await?;
        let demoted = until(engine, Awaited::ListOfNodes, CHANGE, |nodes| Some(self.demoted(nodes))).await?;
        for id in &demoted {
            self.say("promoting a manager again");
            self.promote(id).await?;
        }
        self.log.done(Step::Promote, since)?;
        let since = self.log.begun(Step::GiveBack)?;
        self.give_back().await?;
        self.log.done(Step::GiveBack, since)?;
        self.restore_heartbeat().await?;
        if self.log.has_begun(Step::Compact) {
            let engine = self.speaking().await?;
            self.restore_raft_log(engine).await?;
        }
        Ok(())
    }

    /// Former managers that are workers now.
    fn demoted(&self, nodes: &[wire::Node]) -> Vec<NodeId> {
        let was = &self.log.record.managers;
        was.iter()
            .filter(|id| managers::node(nodes, id).is_some_and(|n| n.spec.role != "manager"))
            .cloned()
            .collect()
    }

    /// Demotes and promotes the leader of the moment until the former leader leads again.
    ///
    /// Which manager takes over from a demoted leader is chance: swarmkit means the peer that has been connected for
    /// longest, but never keeps the time that it compares with, so it takes the first of a Go map
    /// (`manager/state/raft/transport/transport.go`, `longestActive`).
    async fn give_back(&mut self) -> Result<(), ReclaimError> {
        let wanted = self.log.record.leader.clone();
        let rounds = ROUNDS_PER_MANAGER * self.log.record.managers.len();
        for round in 1..=rounds {
            let engine = self.speaking().await?;
            let leads = until(engine, Awaited::Leader, ELECTION, managers::leader).await?;
            if leads == wanted {
                return Ok(());
            }
            if self.answering_except(&leads).await.is_none() {
                self.notes.push(Note::LeadershipStays);
                return Ok(());
            }
            self.say(format!("giving the leadership back, round {round} of at most {rounds}"));
            self.demote(&leads).await?;
            self.promote(&leads).await?;
        }
        let engine = self.speaking().await?;
        if until(engine, Awaited::Leader, ELECTION, managers::leader).await? != wanted {
            self.notes.push(Note::LeadershipWentRound);
        }
        Ok(())
    }

    /// A manager other than this one that answers for the Swarm now.
    async fn answering_except(&self, id: &NodeId) -> Option<&Engine> {
        for engine in std::iter::once(self.op.engine).chain(self.others) {
            let own = info(engine).await.map(|i| i.swarm.node_id).unwrap_or_default();
            let speaks =
                until(engine, Awaited::ManagerAnswers, Duration::ZERO, managers::leader).await.is_ok();
            if own != id.as_str() && !own.is_empty() && speaks {
                return Some(engine);
            }
        }
        None
    }

    /// Makes a manager a worker; returns once another one leads and this one is not a member any more.
    async fn demote(&self, id: &NodeId) -> Result<(), ReclaimError> {
        let engine =
            self.answering_except(id).await.ok_or_else(|| ReclaimError::OnlyItself { node: id.clone() })?;
        self.writer(engine).set_role(id, "worker", CHANGE).await?;
        let gone = |nodes: &[wire::Node]| {
            let member = managers::node(nodes, id).is_some_and(|n| n.manager_status.is_some());
            managers::leader(nodes).filter(|leads| leads != id && !member).map(drop)
        };
        Ok(until(engine, Awaited::Demoted(id.clone()), ELECTION, gone).await?)
    }

    /// Waits until a demoted node has reported to the new leader and has had time for a worker's certificate. Promoted
    /// before that, it first waits for that certificate in vain, twice 16 s (swarmkit `node/node.go`,
    /// `superviseManager`). No API shows which certificate it has, hence the fixed pause. Only the duration depends on it.
    async fn let_it_settle(&self, engine: &Engine, id: &NodeId) {
        let ready =
            |nodes: &[wire::Node]| managers::node(nodes, id).filter(|n| n.status.state == "ready").map(drop);
        if until(engine, Awaited::Reports, REPORTS, ready).await.is_ok() {
            sleep(CERTIFICATE).await;
        }
    }

    /// Makes a worker a manager; returns once the leader reaches it and, if it can be reached from here, it answers itself.
    async fn promote(&self, id: &NodeId) -> Result<(), ReclaimError> {
        let engine = self.speaking().await?;
        self.let_it_settle(engine, id).await;
        self.writer(engine).set_role(id, "manager", CHANGE).await?;
        let there = |nodes: &[wire::Node]| managers::is_reachable_manager(nodes, id).then_some(());
        until(engine, Awaited::Promoted(id.clone()), CHANGE, there).await?;
        for other in std::iter::once(self.op.engine).chain(self.others) {
            let own = info(other).await.map(|i| i.swarm.node_id).unwrap_or_default();
            if own == id.as_str() {
                // Until then it answers "Manager is being prepared", and the next step may have to talk to it.
                until(other, Awaited::PromotedAnswers, CHANGE, there).await?;
            }
        }
        Ok(())
    }
}
