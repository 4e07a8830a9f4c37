//! Borrowing a second manager for the only one.
//!
//! The private engine joins, drained, and is frozen. The manager is then one of two, without a quorum, and steps down.
//! When the engine wakes, one of the two is elected, and a new leader builds its allocator anew.
//!
//! At no moment can anything be decided without the first manager: in a raft group of two both must agree. So its raft
//! state is never behind, nothing can be lost with the private engine, and while nobody leads nobody can take the node for
//! dead and its tasks for lost either. That is what makes it safer than to demote the manager, or than to lend it two others
//! that could elect a leader without it.

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

/// Longest time until a leader without quorum steps down: one election time-out, which is 10 ticks of a second and up to
/// as many at random, and a question that was under way.
const STEPS_DOWN: Duration = Duration::from_secs(35);

/// How long a manager that may have lost its quorum is asked who is a member.
const ANSWERS: Duration = Duration::from_secs(5);

impl Work<'_> {
    /// Everything up to the election.
    pub(super) async fn borrow(
        &mut self,
        link: Option<(std::net::Ipv4Addr, std::net::Ipv4Addr)>,
    ) -> Result<(), ReclaimError> {
        let link = link.ok_or(HelperError::NoLinkNetwork)?;
        let folder = self.log.folder();
        let since = self.log.begun(Step::Safeguard)?;
        self.safeguard(&folder)?;
        self.log.done(Step::Safeguard, since)?;

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

    /// A copy of the manager's raft folder, with its certificates and keys, that only root can read. It is removed at the end.
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
            // The engine waits 20 s for itself and then goes on in the background: the guest copies the raft log first.
            Err(error) if error.message().contains("continue in the background") => {}
            Err(error) => return Err(no_join(&private, &self.log.record.address, &error.to_string())),
        }
        let id = joined(guest).await.map_err(|why| no_join(&private, &self.log.record.address, &why))?;
        self.log.record.guest = Some(id.clone());
        self.log.save()?;
        let drained = |nodes: &[wire::Node]| {
            let drained = managers::node(nodes, &id).is_some_and(|n| n.spec.availability == "drain");
            (drained && managers::is_reachable_manager(nodes, &id)).then_some(())
        };
        Ok(until(self.op.engine, Awaited::GuestDrained, ELECTION, drained).await?)
    }

    /// Takes the borrowed manager out of the Swarm and its engine off this host, from wherever things stand.
    pub(super) async fn dismiss(&mut self) -> Result<(), ReclaimError> {
        let Some(private) = self.log.record.private.clone() else { return Ok(()) };
        let joined = self.log.has_begun(Step::Join);
        if joined {
            let guest = if self.is_alone(&private).await { None } else { self.bring_back(&private).await? };
            self.part(guest.as_ref(), &private).await?;
        }
        if self.log.has_begun(Step::Compact) {
            self.restore_raft_log(self.op.engine).await?;
        }
        let since = self.log.begun(Step::Remove)?;
        self.say("removing the private engine");
        private.remove().await?;
        self.log.done(Step::Remove, since)?;
        if joined {
            let since = self.log.begun(Step::Tokens)?;
            self.writer(self.op.engine).rotate_tokens().await?;
            self.log.done(Step::Tokens, since)?;
        }
        Ok(())
    }

    /// True iff a leader says that the borrowed manager is no member. One that was taken out must not be started again: it
    /// would join the raft group anew with its manager's certificate (seen on 20.10.24), and to end it then would cost the
    /// quorum. For the same reason it is taken off the list of nodes before it is ended: then nobody lets it in.
    async fn is_alone(&self, private: &PrivateEngine) -> bool {
        if self.log.is_done(Step::Demote) {
            return true;
        }
        let known = self.log.record.guest.as_ref().map(NodeId::as_str);
        let without = |nodes: &[wire::Node]| {
            let member = |n: &wire::Node| n.manager_status.is_some() || n.spec.role == "manager";
            Some(!nodes.iter().any(|n| is_guest(n, known, private) && member(n)))
        };
        // While it joins it may become one at any moment.
        private.pid().is_none()
            && until(self.op.engine, Awaited::Leader, ANSWERS, without).await.unwrap_or(false)
    }

    /// The Swarm has a leader again: with the private engine awake, or started again, or without it by force.
    async fn bring_back(&mut self, private: &PrivateEngine) -> Result<Option<Engine>, ReclaimError> {
        let guest = self.revive(private).await;
        let why = match &guest {
            Ok(_) => "it runs, and nobody is elected".to_owned(),
            Err(error) => error.to_string(),
        };
        // Without it an election cannot succeed: a short look is enough.
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

    /// Demotes the guest and takes it off the list.
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
                // After a forced new cluster it is no member any more, and can be taken off the list as it is.
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
        // It is not asked to leave by itself, which takes it 10 s: it is no member any more and ends with all it knows.
        for node in &guests {
            self.drop_node(&NodeId::new(&node.id)).await?;
        }
        self.log.done(Step::Leave, since)
    }

    async fn drop_node(&self, id: &NodeId) -> Result<(), ReclaimError> {
        let writer = self.writer(self.op.engine);
        // Until the demotion has come through, the engine refuses.
        Ok(retry_while!(CHANGE, |_: &CallError| true, writer.remove_node(id))?)
    }
}

fn no_join(private: &PrivateEngine, manager: &str, why: &str) -> ReclaimError {
    let (address, link) = (private.address(), private.name().to_owned());
    HelperError::NotJoined { why: why.to_owned(), address, manager: manager.to_owned(), link }.into()
}

/// Waits until the engine says that it is in the Swarm: its node.
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

/// True iff a node is the private engine: by its id, its host name or its address.
fn is_guest(node: &wire::Node, known: Option<&str>, private: &PrivateEngine) -> bool {
    let address = format!("{}:", private.address());
    known == Some(node.id.as_str())
        || node.description.hostname == private.name()
        || node.manager_status.as_ref().is_some_and(|m| m.addr.starts_with(&address))
}

/// Waits until the manager itself says that nobody leads, or says nothing twice.
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
        // One silence may be a busy engine's; a manager without a leader holds every question.
        (1 < silences).then_some(())
    });
    stepped_down.ok_or(ReclaimError::DoesNotStepDown { limit: STEPS_DOWN })
}
