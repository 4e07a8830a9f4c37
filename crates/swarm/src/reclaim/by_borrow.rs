//! `borrow`: a second manager for half a minute, for a Swarm that has only one.
//!
//! A private engine joins as a drained manager and is frozen. The first manager is then one of two, without a quorum, and
//! steps down. When the private engine wakes, one of the two is elected, and the new leader rebuilds its allocator.
//!
//! In a raft group of two both members must agree, so nothing is ever decided without the first manager. Its raft state is
//! never behind, and nothing is lost with the private engine. While there is no leader, no leader can declare the node down
//! and its tasks orphaned either. Both make this safer than to demote the only manager, or to lend it two managers that
//! could elect a leader without it.

use std::path::Path;
use std::time::Duration;

use pvcheck_audit::NodeId;

use super::collect::info;
use super::error::ReclaimError;
use super::helper_error::HelperError;
use super::late::Awaited;
use super::managers::{self, until};
use super::note::Note;
use super::private::{PrivateEngine, copy, make_private};
use super::step::Step;
use super::work::{CHANGE, ELECTION, Work};
use crate::engine::{CallError, CallErrorKind, Engine, retry_while, wait_until, wire};
use crate::write::Join;

/// Longest time until a leader without a quorum steps down: an election time-out, which is 10 ticks of 1 s and up to as
/// many again at random, and a call that was under way. 12 to 17 s were measured.
const STEPS_DOWN: Duration = Duration::from_secs(35);

/// How long to ask a manager that may have lost its quorum for the members. Short: without a quorum it does not answer.
const ANSWERS: Duration = Duration::from_secs(5);

impl Work<'_> {
    /// Everything from the copy of the raft folder to the election.
    pub(super) async fn borrow(
        &mut self,
        link: Option<(std::net::Ipv4Addr, std::net::Ipv4Addr)>,
    ) -> Result<(), ReclaimError> {
        let link = link.ok_or(HelperError::NoLinkNetwork)?;
        let folder = self.log.folder();
        let since = self.log.begun(Step::Safeguard)?;
        self.safeguard(&folder)?;
        self.log.done(Step::Safeguard, since)?;

        // Recorded before the first trace of it exists, so that a resume finds everything that was created.
        let private = PrivateEngine::plan(&folder, &self.log.record.run, link)?;
        self.log.record.private = Some(private.clone());
        let since = self.log.begun(Step::Namespace)?;
        private.connect().await?;
        self.log.done(Step::Namespace, since)?;

        let since = self.log.begun(Step::Engine)?;
        self.say("starting a private engine");
        let run = self.log.record.run.clone();
        let guest = private.start(&run).await?;
        self.log.done(Step::Engine, since)?;

        let since = self.log.begun(Step::Compact)?;
        self.compact(self.op.engine).await?;
        self.log.done(Step::Compact, since)?;

        // While there is no leader no node can report; the next leader has the period of before its election.
        self.be_patient().await?;
        let since = self.log.begun(Step::Join)?;
        self.join(&guest).await?;
        self.log.done(Step::Join, since)?;

        let since = self.log.begun(Step::Freeze)?;
        self.say("waiting until the manager steps down");
        private.freeze()?;
        leaderless(self.op.engine).await?;
        self.log.done(Step::Freeze, since)?;

        let since = self.log.begun(Step::Thaw)?;
        self.say("waiting for an election");
        private.wake();
        until(self.op.engine, Awaited::Leader, ELECTION, managers::leader).await?;
        self.log.done(Step::Thaw, since)
    }

    /// Copies the manager's raft folder, with its certificates and keys, to where only root can read it. The copy is removed
    /// at the end.
    fn safeguard(&self, folder: &Path) -> Result<(), ReclaimError> {
        let from = self.log.record.raft.as_deref();
        let from = from.ok_or(HelperError::NoRaftFolder)?;
        make_private(folder)?;
        let to = folder.join("swarm");
        copy(from, &to).map_err(|source| ReclaimError::State { path: to, source })
    }

    async fn join(&mut self, guest: &Engine) -> Result<(), ReclaimError> {
        let Some(private) = self.log.record.private.clone() else { return Ok(()) };
        let tokens: wire::SwarmTokens = self.op.engine.connection().get("/swarm").await?;
        let join = Join {
            advertise: private.address().to_string(),
            manager: &self.log.record.address,
            token: &tokens.join_tokens.manager,
        };
        self.say("it joins as a drained manager");
        match self.writer(guest).join(&join).await {
            Ok(()) => {}
            // The engine answers so after 20 s and goes on joining (moby `daemon/cluster/swarm.go`): a long raft log takes
            // longer than that to arrive.
            Err(error) if error.message().contains("continue in the background") => {}
            Err(error) => return Err(no_join(&private, &self.log.record.address, &error.to_string())),
        }
        let id = joined(guest).await.map_err(|why| no_join(&private, &self.log.record.address, &why))?;
        // Saved at once: from here on the node has to be demoted and removed, and its id is the safest way to find it.
        self.log.record.guest = Some(id.clone());
        self.log.save()?;
        let drained = |nodes: &[wire::Node]| {
            let drained = managers::node(nodes, &id).is_some_and(|n| n.spec.availability == "drain");
            (drained && managers::is_reachable_manager(nodes, &id)).then_some(())
        };
        Ok(until(self.op.engine, Awaited::GuestDrained, ELECTION, drained).await?)
    }

    /// Takes the borrowed manager out of the Swarm and its engine off this host, however far the borrow had come.
    pub(super) async fn dismiss(&mut self) -> Result<(), ReclaimError> {
        let Some(private) = self.log.record.private.clone() else { return Ok(()) };
        // Begun, not done: a process that was killed in the step may have sent the request.
        let joined = self.log.has_begun(Step::Join);
        if joined {
            let guest = if self.is_alone(&private).await { None } else { self.bring_back(&private).await? };
            self.part(guest.as_ref(), &private).await?;
        }
        self.restore_heartbeat().await?;
        if self.log.has_begun(Step::Compact) {
            self.restore_raft_log(self.op.engine).await?;
        }
        let since = self.log.begun(Step::Remove)?;
        self.say("removing the private engine");
        private.remove().await?;
        self.log.done(Step::Remove, since)?;
        // Last: until the private engine is gone, a resume may need the tokens as they are.
        if joined {
            let since = self.log.begun(Step::Tokens)?;
            self.writer(self.op.engine).rotate_tokens().await?;
            self.log.done(Step::Tokens, since)?;
        }
        Ok(())
    }

    /// True iff a leader reports that the borrowed manager is not a member of the raft group. A manager that was removed must
    /// not be started again: with its old certificate it would join once more (seen on 20.10.24), and ending it then would
    /// cost the quorum. For the same reason its node is removed before its engine is ended: no manager lets it in then.
    async fn is_alone(&self, private: &PrivateEngine) -> bool {
        if self.log.is_done(Step::Demote) {
            return true;
        }
        let known = self.log.record.guest.as_ref().map(NodeId::as_str);
        let without = |nodes: &[wire::Node]| {
            let member = |n: &wire::Node| n.manager_status.is_some() || n.spec.role == "manager";
            Some(!nodes.iter().any(|n| is_guest(n, known, private) && member(n)))
        };
        // A private engine that runs may be joining, and become a member at any moment: only one that has ended is out.
        private.pid().is_none()
            && until(self.op.engine, Awaited::Leader, ANSWERS, without).await.unwrap_or(false)
    }

    /// Gets the Swarm a leader: by waking the private engine, by starting it again, or by force without it.
    async fn bring_back(&mut self, private: &PrivateEngine) -> Result<Option<Engine>, ReclaimError> {
        let guest = self.revive(private).await;
        let why = match &guest {
            Ok(_) => "it runs, but no leader is elected".to_owned(),
            Err(error) => error.to_string(),
        };
        // Without the private engine no election can succeed, unless it was never a member; that shows at once.
        let limit = if guest.is_ok() { ELECTION } else { Duration::from_secs(20) };
        match until(self.op.engine, Awaited::Leader, limit, managers::leader).await {
            Ok(_) => Ok(guest.ok()),
            Err(_) if self.options.force_new_cluster => {
                self.say("making this manager the only one again; its tasks restart");
                private.wake();
                private.remove().await?;
                self.writer(self.op.engine).force_new_cluster(&self.log.record.renewal).await?;
                until(self.op.engine, Awaited::Leader, ELECTION, managers::leader).await?;
                self.notes.push(Note::ForcedNewCluster);
                Ok(None)
            }
            Err(_) => Err(ReclaimError::QuorumLost { why }),
        }
    }

    async fn revive(&self, private: &PrivateEngine) -> Result<Engine, ReclaimError> {
        private.wake();
        if !private.has_folder() {
            return Err(HelperError::FolderGone.into());
        }
        private.connect().await?;
        private.start(&self.log.record.run).await
    }

    /// Demotes the borrowed manager and removes its node.
    async fn part(&mut self, guest: Option<&Engine>, private: &PrivateEngine) -> Result<(), ReclaimError> {
        let leader = self.log.record.leader.clone();
        let known = match guest {
            Some(guest) => info(guest).await.ok().map(|i| i.swarm.node_id),
            None => None,
        };
        let known =
            known.filter(|id| !id.is_empty()).or(self.log.record.guest.as_ref().map(NodeId::to_string));
        let ours = |n: &wire::Node| is_guest(n, known.as_deref(), private) && n.id != leader.as_str();

        let since = self.log.begun(Step::Demote)?;
        self.say("demoting the borrowed manager");
        let guests: Vec<wire::Node> = until(self.op.engine, Awaited::ListOfNodes, CHANGE, |nodes| {
            Some(nodes.iter().filter(|n| ours(n)).cloned().collect())
        })
        .await?;
        for node in guests.iter().filter(|n| n.spec.role == "manager") {
            match self.writer(self.op.engine).set_role(&NodeId::new(&node.id), "worker", CHANGE).await {
                // After a forced new cluster it is not a member, and its node can be removed without a demotion.
                Err(error) if error.message().contains("raft memberlist") => {}
                outcome => outcome?,
            }
        }
        let alone = |nodes: &[wire::Node]| {
            let others = nodes.iter().any(|n| ours(n) && n.manager_status.is_some());
            (managers::leader(nodes).as_ref() == Some(&leader) && !others).then_some(())
        };
        until(self.op.engine, Awaited::LeadsAlone, ELECTION, alone).await?;
        self.log.done(Step::Demote, since)?;

        let since = self.log.begun(Step::Leave)?;
        // It does not leave by itself, which takes 10 s: it is not a member any more, and its state is deleted anyway.
        for node in &guests {
            self.drop_node(&NodeId::new(&node.id)).await?;
        }
        self.log.done(Step::Leave, since)
    }

    async fn drop_node(&self, id: &NodeId) -> Result<(), ReclaimError> {
        let writer = self.writer(self.op.engine);
        // The engine refuses until the demotion has taken effect (`is a cluster manager and is a member of the raft`).
        Ok(retry_while!(CHANGE, |_: &CallError| true, writer.remove_node(id))?)
    }
}

fn no_join(private: &PrivateEngine, manager: &str, why: &str) -> ReclaimError {
    let (address, link) = (private.address(), private.name().to_owned());
    HelperError::NotJoined { why: why.to_owned(), address, manager: manager.to_owned(), link }.into()
}

/// Waits until the engine reports that it is in the Swarm; returns its node, or the last state or error.
async fn joined(guest: &Engine) -> Result<NodeId, String> {
    let guest = guest.with_deadline(Duration::from_secs(5));
    let mut why = String::new();
    let id = wait_until!(ELECTION, async {
        match info(&guest).await.map(|i| i.swarm) {
            Ok(swarm) if swarm.local_node_state == "active" => Some(NodeId::new(swarm.node_id)),
            Ok(swarm) => {
                why = format!("its state is `{}` after {} s", swarm.local_node_state, ELECTION.as_secs());
                None
            }
            Err(error) => {
                why = error.to_string();
                None
            }
        }
    });
    id.ok_or(why)
}

/// True iff a node is the private engine: by its id, its host name or its address. A process that was killed while it
/// joined has not recorded the id, so that one alone would not do.
fn is_guest(node: &wire::Node, known: Option<&str>, private: &PrivateEngine) -> bool {
    let address = format!("{}:", private.address());
    known == Some(node.id.as_str())
        || node.description.hostname == private.name()
        || node.manager_status.as_ref().is_some_and(|m| m.addr.starts_with(&address))
}

/// Waits until the manager reports that the Swarm has no leader, or leaves two calls in a row without an answer.
async fn leaderless(engine: &Engine) -> Result<(), ReclaimError> {
    let impatient = engine.with_deadline(Duration::from_secs(2));
    let mut silences = 0;
    let stepped_down = wait_until!(STEPS_DOWN, async {
        match managers::nodes(&impatient).await {
            Ok(_) => silences = 0,
            Err(error) if matches!(error.kind, CallErrorKind::Deadline(_)) => silences += 1,
            Err(error) if error.message().contains("have a leader") => return Some(()),
            Err(_) => {}
        }
        // A manager without a leader holds every call; a busy engine may hold one.
        (1 < silences).then_some(())
    });
    stepped_down.ok_or(ReclaimError::DoesNotStepDown { limit: STEPS_DOWN })
}
