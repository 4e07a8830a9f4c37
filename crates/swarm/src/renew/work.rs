//! A running renewal: each step looks at what is there, and does what is left to do.
//!
//! Forward and back are the same steps with the subnets exchanged, so that finishing and undoing are one piece of code,
//! and so that either can begin wherever an earlier process has ended.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pvcheck_audit::{NetworkId, TaskId};
use pvcheck_ipam::Pool;
use serde_json::{Value, json};

use super::attachments::{attachments, staged, with_attachments};
use super::error::RenewalError;
use super::facts::inspect;
use super::journal::Journal;
use super::member::Member;
use super::networks::{Networks, order};
use super::pins::repinned;
use super::settings::pools;
use super::settle::{Lists, Settled, doubtful, settled};
use super::step::{Direction, Phase, Place, RenewalPoint, RenewalStep, Stage};
use crate::engine::{CallError, Pace, poll, wait_until, wire};
use crate::labels::{RENEWAL_LABEL, RUN_LABEL};
use crate::operation::Operation;
use crate::read::{read_network_names, read_nodes, read_services, read_tasks};

/// How often a service's update is tried again if the engine changed the service in between: its allocator writes
/// endpoints whenever it can.
const TRIES: u32 = 20;
/// How long a created network may be without a subnet. The allocator gives it one within milliseconds.
const ALLOCATED: Duration = Duration::from_secs(20);
/// How long tasks have to stay up after one has failed: as long as Swarm watches a task of an update where nothing else is
/// said (`update-monitor`).
const STEADY: Duration = Duration::from_secs(5);
/// The longest pause between two looks at tasks.
pub(super) const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Work<'a> {
    pub(super) op: Operation<'a>,
    pub(super) journal: Journal<'a>,
    pub(super) direction: Direction,
    pub(super) patience: Duration,
    pub(super) hook: &'a (dyn Fn(RenewalPoint) + Send + Sync),
    pub(super) done: Vec<super::report::StepDone>,
    /// Removed by this process. A node's own copy of a removed network is listed for a moment.
    pub(super) gone: Vec<NetworkId>,
}

impl Work<'_> {
    /// Does all steps in this direction, or what is left of them.
    pub(super) async fn all(&mut self) -> Result<(), RenewalError> {
        let steps = self.journal.record.steps();
        for (at, step) in steps.iter().enumerate() {
            let networks = self.networks().await?;
            if !self.is_left(step, &networks).await? {
                continue;
            }
            self.op.say(format!("step {} of {}: {step}", at + 1, steps.len()));
            let since = Instant::now();
            self.mark(at, step, Phase::Begun).await?;
            self.act(step, &networks).await?;
            if let RenewalStep::Remove { network } = step {
                self.gone.extend(networks.id(*network).cloned());
            }
            self.tell(at, step, Phase::Acted);
            self.mark(at, step, Phase::Done).await?;
            self.done.push(super::report::StepDone {
                direction: self.direction,
                step: step.clone(),
                elapsed_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
        Ok(())
    }

    async fn mark(&mut self, at: usize, step: &RenewalStep, phase: Phase) -> Result<(), RenewalError> {
        self.journal.mark(self.direction, at, step.name(), phase).await?;
        self.tell(at, step, phase);
        Ok(())
    }

    fn tell(&self, at: usize, step: &RenewalStep, phase: Phase) {
        (self.hook)(RenewalPoint { direction: self.direction, at, step: step.name().to_owned(), phase });
    }

    /// The pool that the network is to have in this direction.
    fn wanted(&self) -> Vec<Pool> {
        let record = &self.journal.record;
        match self.direction {
            Direction::Forward => vec![record.to],
            Direction::Back => record.from.clone(),
        }
    }

    /// The networks as they are now. A network of the name that has the wanted subnet is the new one, another the old one.
    async fn networks(&self) -> Result<Networks, RenewalError> {
        let record = &self.journal.record;
        let mut found = Networks::default();
        let listed = self.listed().await?;
        for (id, name) in listed {
            if name == record.holding.0 {
                found.holding = Some(id);
            } else if name == record.network {
                match self.place(&id).await? {
                    Some(Place::New) => found.new = Some(id),
                    Some(_) => found.old = Some(id),
                    None => {}
                }
            }
        }
        // Names are unique, so the former network is a node's copy where the new one is there.
        if found.new.is_some() {
            found.old = None;
        }
        Ok(found)
    }

    /// The networks of the Swarm, without the copies that a node keeps of removed ones for a moment: those that this process
    /// has removed, and of two with the renewed one's name the one that was there before, since names are unique.
    pub(super) async fn listed(&self) -> Result<Vec<(NetworkId, String)>, RenewalError> {
        let record = &self.journal.record;
        let mut listed = read_network_names(self.op.engine).await?;
        listed.retain(|(id, _)| !self.gone.contains(id));
        let same = listed.iter().filter(|(_, name)| *name == record.network).count();
        listed.retain(|(id, _)| same < 2 || *id != record.old);
        Ok(listed)
    }

    async fn place(&self, id: &NetworkId) -> Result<Option<Place>, RenewalError> {
        let record = &self.journal.record;
        let seen = wait_until!(ALLOCATED, async {
            match inspect(self.op.engine, id).await {
                Err(error) if error.is_not_found() => Some(Ok(None)),
                Err(error) => Some(Err(error)),
                // A network that was created a moment ago.
                Ok(network) if pools(&network).is_empty() => None,
                Ok(network) => Some(Ok(Some(network))),
            }
        });
        let pools = match seen {
            // Without a subnet nobody can be on it: it is in the way, whichever it was to be.
            None => return Ok(Some(Place::Old)),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(None)) => return Ok(None),
            Some(Ok(Some(network))) => pools(&network),
        };
        if pools == self.wanted() {
            Ok(Some(Place::New))
        } else if pools == record.from || pools == [record.to] {
            Ok(Some(Place::Old))
        } else {
            Err(RenewalError::Foreign { name: record.network.clone() })
        }
    }

    /// True iff something of the step is left to do.
    async fn is_left(&self, step: &RenewalStep, networks: &Networks) -> Result<bool, RenewalError> {
        let first_half = networks.old.is_some();
        Ok(match step {
            RenewalStep::CreateHolding => first_half && networks.holding.is_none(),
            RenewalStep::Drain { network } | RenewalStep::Remove { network } => {
                networks.id(*network).is_some()
            }
            RenewalStep::Create => networks.new.is_none(),
            RenewalStep::Confirm => true,
            RenewalStep::Carry { to, containers } => {
                to.is_first_half() == first_half
                    && networks.of(*to).is_some()
                    && self.is_to_be_carried(*to, containers, networks).await?
            }
            RenewalStep::Move { to, services } => {
                if to.is_first_half() != first_half || networks.of(*to).is_none() {
                    return Ok(false);
                }
                let mut there = Vec::new();
                for member in self.members(services) {
                    match self.passage(&member, *to, networks).await? {
                        Some(Ordering::Less) => return Ok(true),
                        Some(Ordering::Equal) if self.settles(*to) => there.push(member),
                        Some(_) | None => {}
                    }
                }
                // What an earlier process began, and did not see to its end.
                self.lacks(&there, *to, networks).await?.is_some()
            }
        })
    }

    /// True iff services that are on this stage already have to settle there. On the way back only the last stage has to: what
    /// failed on the way may never settle, and the next update replaces it.
    fn settles(&self, to: Stage) -> bool {
        self.direction == Direction::Forward || to == Stage::New
    }

    fn members(&self, names: &[String]) -> Vec<Member> {
        self.journal.record.members.iter().filter(|m| names.contains(&m.name)).cloned().collect()
    }

    /// How the member's stage is to this one, in the order of the strategy; `None` if the service is gone.
    async fn passage(
        &self,
        member: &Member,
        to: Stage,
        networks: &Networks,
    ) -> Result<Option<Ordering>, RenewalError> {
        let Some((spec, _)) = self.spec(member).await? else { return Ok(None) };
        Ok(Some(order(self.stage(&spec, member, networks)?, to, self.journal.record.strategy)))
    }

    fn stage(&self, spec: &Value, member: &Member, networks: &Networks) -> Result<Stage, RenewalError> {
        let stage = networks.stage(&attachments(spec), member, &self.journal.record.old);
        stage.ok_or_else(|| RenewalError::Changed { service: member.name.clone() })
    }

    /// The spec of a service and the version to replace it at; `None` if the service is gone.
    async fn spec(&self, member: &Member) -> Result<Option<(Value, u64)>, RenewalError> {
        let found: Result<wire::Versioned, CallError> =
            self.op.engine.connection().get(&format!("/services/{}", member.id)).await;
        match found {
            Ok(found) => Ok(Some((found.spec, found.version.index.unwrap_or_default()))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn act(&self, step: &RenewalStep, networks: &Networks) -> Result<(), RenewalError> {
        let record = &self.journal.record;
        match step {
            RenewalStep::CreateHolding => {
                let (name, pool) = &record.holding;
                let labels = json!({RUN_LABEL: record.run, RENEWAL_LABEL: record.network});
                let body = record.settings.holding_body(name, pool, labels);
                self.create(&body, *pool).await
            }
            RenewalStep::Create => {
                let pools = self.wanted();
                let body = record.settings.body(&record.network, &pools);
                match pools.first() {
                    Some(pool) => self.create(&body, *pool).await,
                    None => Ok(()),
                }
            }
            RenewalStep::Drain { network } => match networks.id(*network) {
                Some(id) => self.drain(id).await,
                None => Ok(()),
            },
            RenewalStep::Remove { network } => match networks.id(*network) {
                Some(id) => {
                    self.journal.still_ours().await?;
                    self.op.writer().remove_network(id, self.patience).await?;
                    Ok(())
                }
                None => Ok(()),
            },
            RenewalStep::Move { to, services } => self.move_all(*to, services, networks).await,
            RenewalStep::Carry { to, containers } => self.carry(*to, containers, networks).await,
            RenewalStep::Confirm => self.confirm().await,
        }
    }

    async fn confirm(&self) -> Result<(), RenewalError> {
        self.updated().await?;
        let networks = self.networks().await?;
        for member in &self.journal.record.members {
            if self.passage(member, Stage::New, &networks).await? == Some(Ordering::Less) {
                let message = "Swarm took it back".to_owned();
                return Err(RenewalError::UpdateFailed { service: member.name.clone(), message });
            }
        }
        // On the way back they may have failed because of where they were.
        if self.direction == Direction::Forward { self.steady(&networks).await } else { Ok(()) }
    }

    /// Waits until the services of which a task has failed on the new network stay up. By the failure action `continue` nothing
    /// else says that they do not, and each of their tasks runs for a moment.
    async fn steady(&self, networks: &Networks) -> Result<(), RenewalError> {
        let on = networks.of(Stage::New).unwrap_or_default();
        let members = &self.journal.record.members;
        let (mut last, mut same) = (None, None::<(Instant, Vec<BTreeSet<TaskId>>)>);
        let long = STEADY.min(self.patience / 2);
        let steady = wait_until!(Pace::new(self.patience).every(LOOK), async {
            let lists = match self.lists().await {
                Ok(lists) => lists,
                Err(error) => {
                    // What was not read says nothing of the tasks.
                    last = Some(error.to_string());
                    return None;
                }
            };
            let of = |member| Some((doubtful(member, &lists, &on)?, member));
            let (runs, doubtful): (Vec<_>, Vec<_>) = members.iter().filter_map(of).unzip();
            let doubtful: Vec<Member> = doubtful.into_iter().cloned().collect();
            if doubtful.is_empty() {
                return Some(());
            }
            if let Some(lacking) = self.lacks(&doubtful, Stage::New, networks).await.transpose() {
                last = Some(lacking.unwrap_or_else(|error| error.to_string()));
                same = None;
                return None;
            }
            match &same {
                Some((since, before)) if *before == runs => (long <= since.elapsed()).then_some(()),
                _ => {
                    same = Some((Instant::now(), runs));
                    None
                }
            }
        });
        steady.ok_or_else(|| {
            let what = last.unwrap_or_else(|| "tasks on the new network do not stay up".to_owned());
            RenewalError::NotSettled { what, seconds: self.patience.as_secs() }
        })
    }

    async fn updated(&self) -> Result<(), RenewalError> {
        let mut last: Vec<String> = Vec::new();
        let confirmed = wait_until!(Pace::new(self.patience).every(LOOK), async {
            // It may be the last call of all, and everything is done: asked again.
            let Ok(lists) = self.lists().await else { return None };
            match lists.updating(&self.journal.record.members) {
                Ok(updating) if updating.is_empty() => Some(Ok(())),
                Ok(updating) => {
                    last = updating.iter().map(|member| member.name.clone()).collect();
                    None
                }
                Err(error) => Some(Err(error)),
            }
        });
        confirmed.unwrap_or_else(|| {
            let what = format!("the updates of {} are not complete", last.join(", "));
            Err(RenewalError::NotSettled { what, seconds: self.patience.as_secs() })
        })
    }

    /// Creates a network and waits until Swarm has given it its subnet: a creation that collides succeeds all the same.
    async fn create(&self, body: &Value, pool: Pool) -> Result<(), RenewalError> {
        let name = body["Name"].as_str().unwrap_or_default();
        self.journal.still_ours().await?;
        let mut refused = None;
        let allocated = wait_until!(ALLOCATED, async {
            // One of the name may be there: that of an earlier process, or a copy that goes in a moment.
            let found = self.listed().await.ok()?.into_iter().find(|(_, found)| found == name);
            let id = match found {
                Some((id, _)) => id,
                None => match self.op.writer().create_network(body, &self.journal.record.run).await {
                    Ok(id) => id,
                    Err(error) if error.is_refusal() && error.status() != Some(409) => {
                        return Some(Err(error));
                    }
                    Err(error) => {
                        refused = Some(error);
                        return None;
                    }
                },
            };
            let network = inspect(self.op.engine, &id).await.ok()?;
            pools(&network).contains(&pool).then_some(Ok(()))
        });
        match (allocated, refused) {
            (Some(Ok(())), _) => Ok(()),
            (Some(Err(error)), _) | (None, Some(error)) => Err(error.into()),
            (None, None) => Err(RenewalError::NoSubnet {
                network: name.to_owned(),
                subnet: pool.subnet,
                seconds: ALLOCATED.as_secs(),
            }),
        }
    }

    pub(super) async fn lists(&self) -> Result<Lists, CallError> {
        let engine = self.op.engine;
        let tasks = read_tasks(engine).await?;
        Ok(Lists { tasks, services: read_services(engine).await?, nodes: read_nodes(engine).await? })
    }

    async fn move_all(
        &self,
        to: Stage,
        services: &[String],
        networks: &Networks,
    ) -> Result<(), RenewalError> {
        let mut there = Vec::new();
        for member in self.members(services) {
            if self.move_one(&member, to, networks).await? {
                there.push(member);
            }
        }
        let mut last = None;
        let settled = wait_until!(Pace::new(self.patience).every(LOOK), async {
            match self.lacks(&there, to, networks).await {
                Ok(None) => Some(Ok(())),
                Ok(Some(lacking)) => {
                    last = Some(lacking);
                    None
                }
                Err(RenewalError::Call(error)) => {
                    last = Some(error.to_string());
                    None
                }
                Err(error) => Some(Err(error)),
            }
        });
        settled.unwrap_or_else(|| {
            Err(RenewalError::NotSettled { what: last.unwrap_or_default(), seconds: self.patience.as_secs() })
        })
    }

    /// What these services lack on this stage, service by service; `None` if they have settled. One that is gone lacks
    /// nothing: somebody has removed it.
    async fn lacks(
        &self,
        members: &[Member],
        to: Stage,
        networks: &Networks,
    ) -> Result<Option<String>, RenewalError> {
        let lists = self.lists().await?;
        let (on, off) = (networks.of(to).unwrap_or_default(), networks.besides(to));
        let mut lacking = Vec::new();
        for member in members.iter().filter(|m| lists.services.iter().any(|s| s.id == m.id)) {
            match settled(member, &lists, &on, &off) {
                Settled::Yes => {}
                Settled::NotYet(what) => lacking.push(format!("{} {what}", member.name)),
                Settled::Failed { message } => {
                    return Err(RenewalError::UpdateFailed { service: member.name.clone(), message });
                }
            }
        }
        if lacking.is_empty() {
            return Ok(None);
        }
        lacking.extend(lists.down().into_iter().map(|node| format!("node {node} is down")));
        Ok(Some(lacking.join(", ")))
    }

    /// Gives one service the networks of this stage, and returns true; false if it is past the stage, or gone. Nothing else
    /// of its spec is touched, but for the names by which routers find it.
    async fn move_one(&self, member: &Member, to: Stage, networks: &Networks) -> Result<bool, RenewalError> {
        let record = &self.journal.record;
        let Some(on) = networks.of(to) else { return Ok(false) };
        let mut failed = None;
        for _ in 0..TRIES {
            let Some((spec, version)) = self.spec(member).await? else { return Ok(false) };
            match order(self.stage(&spec, member, networks)?, to, record.strategy) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(self.settles(to)),
                Ordering::Greater => return Ok(false),
            }
            let (holding, name) = (record.holding.0.as_str(), record.network.as_str());
            let moved = with_attachments(spec, staged(&member.networks, &record.old, &on));
            let (held, not): (Vec<_>, Vec<_>) = member.pins.iter().partition(|pin| to.is_held(pin));
            let moved = repinned(repinned(moved, held, name, holding), not, holding, name);
            // The version was read before: whoever takes over after this look makes this update one of an old version, or
            // finds it done.
            self.journal.still_ours().await?;
            match self.op.writer().replace_spec(&member.id, version, &moved).await {
                Ok(true) => return Ok(true),
                Ok(false) => failed = None,
                Err(error) if error.is_refusal() => return Err(error.into()),
                // It may have been carried out: the next round sees.
                Err(error) => failed = Some(error),
            }
            poll().await;
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Err(RenewalError::Changed { service: member.name.clone() }),
        }
    }
}
