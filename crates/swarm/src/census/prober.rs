//! Turns of the ring, one after the other, until they agree.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pvcheck_audit::{
    Network, Owners, Snapshot, Task, TaskId, counts_refused, load_balancers_unsure, owners, waiting_tasks,
    waits_among,
};
use pvcheck_ipam::{Capacity, CensusFacts, LeakReport, reconcile};

use super::evidence::{Evidence, Settled, parts};
use super::report::{Census, CensusError, CensusMethod, CensusOptions};
use super::ring::Turn;
use crate::engine::{CallError, Events, poll, wire};
use crate::operation::Operation;
use crate::progress::Progress;
use crate::read::{address, read_services};
use crate::write::Writer;

/// A census under way.
pub(super) struct Prober<'a> {
    pub(super) op: Operation<'a>,
    pub(super) writer: Writer<'a>,
    pub(super) network: &'a Network,
    pub(super) capacity: Capacity,
    pub(super) method: CensusMethod,
    pub(super) options: &'a CensusOptions,
    pub(super) started: Instant,
    /// Services made so far.
    pub(super) made: AtomicU64,
}

/// A service, or one task of it, that waits for an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    service: String,
    network: String,
    task: Option<TaskId>,
}

/// How the names of all census services begin.
const NAME: &str = "pvcheck-census";

/// How long an event may take: a manager tells it within milliseconds.
const CAUGHT_UP: Duration = Duration::from_secs(5);

/// How long somebody may be without an address before that counts as waiting: a service that is just being made has none
/// for some milliseconds.
const JUST_MADE: Duration = Duration::from_secs(1);

impl Prober<'_> {
    /// Turn after turn until one shows that nothing is leaked, or two agree, or the time is up.
    ///
    /// Only a turn during which nobody else moved the ring says anything about what it did not hand out: the allocator goes
    /// round serially, and an address between two that it gave us is taken, or was given to somebody else. So a turn with a
    /// [`Disturbance`] is made again, and only what it shows to be free or held is kept.
    pub(super) async fn count(&self, first_look: Snapshot) -> Result<Census, CensusError> {
        self.refuse_if_somebody_waits(&first_look).await?;
        let events = Events::follow(self.op.engine.connection(), self.name_prefix()).await?;
        let mut before = self.wait_calm(first_look).await?;
        let mut known = Evidence::default();
        let mut earlier: Option<Settled> = None;
        loop {
            let what = if earlier.is_some() { "looking again at the suspects" } else { "looking" };
            // What happened between two turns moved no ring that is being followed.
            let _ = events.take_others();
            let turn = self.turn(&before, what, &events).await?;
            let (settled, after) = self.settle(&before, &turn).await?;
            match self.doubt(&turn, &before, &after, &settled.report, &events) {
                Some(doubt) if self.cannot_go_on() => return Ok(self.conclude(settled.report, Some(doubt))),
                Some(_) => {
                    known.add(&settled);
                    (before, earlier) = (self.wait_calm(after).await?, None);
                }
                None => {
                    if settled.is_final(earlier.as_ref()) {
                        let doubt = known.contradicts(&settled.report).or_else(|| parts(&settled.report));
                        return Ok(self.conclude(settled.report, doubt));
                    }
                    if self.cannot_go_on() {
                        let doubt = "the time was up before a second turn could confirm the first".to_owned();
                        return Ok(self.conclude(settled.report, Some(doubt)));
                    }
                    known.add(&settled);
                    (before, earlier) = (after, Some(settled));
                }
            }
        }
    }

    /// Looks until no task of the network is stopping any more, or the time is up.
    async fn wait_calm(&self, mut look: Snapshot) -> Result<Snapshot, CallError> {
        let mut said = 0;
        loop {
            let stopping = self.stopping(&look);
            if stopping == 0 || self.cannot_go_on() {
                return Ok(look);
            }
            if stopping != said {
                said = stopping;
                let name = &self.network.name;
                self.op.say(format!("census of {name}: waiting for {stopping} task(s) to stop"));
            }
            poll().await;
            look = self.op.engine.snapshot().await?;
        }
    }

    /// Each address that a census gives back lets the allocator try a waiting service again, and lose more. A waiting task
    /// takes and gives back an address of each of its other networks at every attempt, in no list and no event, and so moves
    /// the ring unseen. So there is no census, or no more of it, while one waits for longer than it takes to be made.
    async fn refuse_if_somebody_waits(&self, look: &Snapshot) -> Result<(), CensusError> {
        let since = Instant::now();
        let mut waiting = self.waiters(look);
        while let Some(first) = waiting.pop_first() {
            if JUST_MADE < since.elapsed() {
                let status_offered = counts_refused(look).is_none();
                let Waiter { service, network, task } = first;
                return Err(CensusError::SomebodyWaits { service, task, network, status_offered });
            }
            waiting.insert(first);
            poll().await;
            let now = self.waiters(&self.op.engine.snapshot().await?);
            waiting = waiting.intersection(&now).cloned().collect();
        }
        Ok(())
    }

    /// Services that wait for an address anywhere, and tasks that wait on a network of which this one is one.
    fn waiters(&self, look: &Snapshot) -> BTreeSet<Waiter> {
        // The services of a census have one network each, and so nothing to lose on others.
        let services = waits_among(&look.services, &look.networks).into_iter();
        let services = services.filter(|w| !w.service.starts_with(NAME)).map(|w| Waiter {
            network: w.network_name.unwrap_or_else(|| w.network.to_string()),
            service: w.service,
            task: None,
        });
        let ours = |service: &str| service.starts_with(NAME);
        let tasks = waiting_tasks(look, &self.network.id).into_iter().filter(|(service, _)| !ours(service));
        let tasks = tasks.map(|(service, task)| Waiter {
            service,
            network: self.network.name.clone(),
            task: Some(task),
        });
        services.chain(tasks).collect()
    }

    /// How the names of this census's services begin.
    fn name_prefix(&self) -> String {
        format!("{NAME}-{}-", self.op.run)
    }

    /// A name for the next service.
    pub(super) fn next_name(&self) -> String {
        format!("{}{}", self.name_prefix(), self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// How many tasks hold an address of the network and are to stop.
    fn stopping(&self, look: &Snapshot) -> usize {
        look.tasks.iter().filter(|t| t.is_stopping_on(&self.network.id)).count()
    }

    /// Why this turn does not settle the matter; `None` if it does.
    fn doubt(
        &self,
        turn: &Turn,
        before: &Snapshot,
        after: &Snapshot,
        report: &LeakReport,
        events: &Events,
    ) -> Option<String> {
        if let Some(disturbance) = turn.disturbance() {
            return Some(disturbance.to_owned());
        }
        if !turn.is_complete() {
            return Some("the time was up before the ring had gone round".to_owned());
        }
        if let Some(change) = self.change(before, after) {
            return Some(change);
        }
        match events.take_others() {
            Err(why) => return Some(why),
            Ok(others) => {
                if let Some(first) = others.first() {
                    return Some(format!("others changed the Swarm while it counted ({first})"));
                }
            }
        }
        if turn.is_restless() || 0 < self.stopping(after) {
            return Some("tasks of the network kept stopping, or moved between nodes".to_owned());
        }
        if 0 < report.load_balancers_missing {
            return Some(format!(
                "{} nodes lack the load balancer that they should have",
                report.load_balancers_missing
            ));
        }
        let unsure = load_balancers_unsure(after, self.network, &owners(after, self.network));
        // Whether a node got its load balancer makes a difference only where something may be one.
        (0 < unsure && !report.suspects.is_empty()).then(|| {
            format!("{unsure} nodes may lack their load balancer: no task of theirs there has started")
        })
    }

    /// What is not as it was before the turn, of all that can move the ring; `None` if all is.
    fn change(&self, before: &Snapshot, after: &Snapshot) -> Option<String> {
        let network =
            |look: &Snapshot| look.networks.iter().find(|n| n.id == self.network.id).map(|n| n.pools.clone());
        let leader = |look: &Snapshot| look.nodes.iter().find(|n| n.leader).map(|n| n.id.clone());
        let tasks = |look: &Snapshot| -> BTreeSet<(String, bool)> {
            let here =
                look.tasks.iter().filter(|t| t.is_attached_to(&self.network.id) && !self.is_ours(look, t));
            here.map(|t| (t.id.to_string(), t.state.holds_addresses())).collect()
        };
        let name = &self.network.name;
        if network(before) != network(after) {
            Some(format!("network {name} was replaced while it was counted"))
        } else if leader(before) != leader(after) {
            Some("the leadership moved while it counted".to_owned())
        } else if tasks(before) != tasks(after) {
            Some(format!("tasks of {name} came or went while it was counted"))
        } else if owners(before, self.network) != owners(after, self.network) {
            Some(format!("owners of {name} came or went while it was counted"))
        } else if !waiting_tasks(after, &self.network.id).is_empty() {
            Some(format!("a task waits for an address of {name}"))
        } else {
            None
        }
    }

    /// True iff a task belongs to a census.
    fn is_ours(&self, look: &Snapshot, task: &Task) -> bool {
        let service = task.service.as_ref().and_then(|id| look.service(id));
        service.is_some_and(|s| s.name.starts_with(&self.name_prefix()))
    }

    /// True iff another turn would not help, or there is no time for one.
    fn cannot_go_on(&self) -> bool {
        self.options.deadline <= self.started.elapsed()
    }

    /// Batch after batch until the ring has gone round or the time is up.
    async fn turn(&self, before: &Snapshot, what: &str, events: &Events) -> Result<Turn, CensusError> {
        let usable = self.capacity.usable();
        let mut turn = Turn::new(self.network.subnets());
        while !turn.is_over() && self.started.elapsed() < self.options.deadline {
            match self.method {
                CensusMethod::Bulk => self.batch(&mut turn).await?,
                // By status no turn is made at all.
                CensusMethod::Cursor | CensusMethod::Status => self.stretch(&mut turn).await?,
            }
            if !waits_among(&read_services(self.op.engine).await?, &before.networks)
                .iter()
                .all(|w| w.service.starts_with(NAME))
            {
                self.refuse_if_somebody_waits(&self.op.engine.snapshot().await?).await?;
            }
            match events.take_others() {
                Ok(others) => {
                    if let Some(first) = others.first() {
                        turn.disturb(format!("others changed the Swarm while it counted ({first})"));
                    }
                }
                // Without events it is not known who else moved the ring.
                Err(why) => turn.disturb(why),
            }
            (self.op.watch)(Progress::Count {
                what: format!("census of {}: {what}", self.network.name),
                done: turn.seen().len() as u64,
                total: usable,
            });
        }
        if !events.caught_up(turn.last_removed(), CAUGHT_UP).await {
            turn.disturb("the engine's events did not come in time".to_owned());
        }
        Ok(turn)
    }

    /// Notes who else holds what meanwhile, and whether some of them stop.
    pub(super) fn note(&self, turn: &mut Turn, others: &[Task]) {
        // A task that has ended still lists its address, and a leaked one is just such an address.
        let holding = others.iter().filter(|t| t.state.holds_addresses());
        turn.saw_busy(holding.flat_map(|t| t.addresses_on(&self.network.id)));
        turn.saw_stopping(others.iter().any(|t| t.is_stopping_on(&self.network.id)));
    }

    /// What a turn amounts to, with the owners of before and of now; and the look that showed those of now.
    async fn settle(&self, before: &Snapshot, turn: &Turn) -> Result<(Settled, Snapshot), CallError> {
        let after = self.op.engine.snapshot().await?;
        let local = self.local_load_balancer().await?;
        let (then, now) = (self.owners(before, local), self.owners(&after, local));
        let report = reconcile(&CensusFacts {
            capacity: self.capacity.clone(),
            handed_out: turn.seen().clone(),
            owned_before: then.addresses(),
            owned_after: now.addresses(),
            load_balancers_unnamed: then.load_balancers.union(&now.load_balancers).count() as u64,
            busy: turn.busy().clone(),
        });
        Ok((Settled { report, handed_out: turn.seen().clone() }, after))
    }

    fn owners(&self, snapshot: &Snapshot, local: Option<Ipv4Addr>) -> Owners {
        let mut owners = owners(snapshot, self.network);
        if let Some(address) = local {
            owners.name_load_balancer(&snapshot.engine.node, address);
        }
        owners
    }

    /// A census as a value.
    fn conclude(&self, report: LeakReport, doubt: Option<String>) -> Census {
        let complete = doubt.is_none();
        Census {
            network: self.network.name.clone(),
            subnet: subnets_of(self.network),
            usable: report.usable,
            handed_out: report.handed_out,
            // What is free and owned at once is free, as far as the allocator knows.
            owned: report.owned.saturating_sub(report.free_and_owned.len() as u64),
            load_balancers: report.load_balancers_unnamed,
            leaked: complete.then_some(report.leaked),
            leaked_addresses: if complete { report.suspects.into_iter().collect() } else { Vec::new() },
            free_and_owned: report.free_and_owned.into_iter().collect(),
            method: self.method,
            complete,
            reason: doubt,
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The address of this node's own load balancer, which the node alone can name.
    async fn local_load_balancer(&self) -> Result<Option<Ipv4Addr>, CallError> {
        // The full id is answered from the node's own copy of the network, the only one that lists endpoints.
        match self
            .op
            .engine
            .connection()
            .get::<wire::Network>(&format!("/networks/{}", self.network.id))
            .await
        {
            Ok(network) => Ok(load_balancer_of(&network)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The network's subnets as a census tells them.
pub(super) fn subnets_of(network: &Network) -> String {
    network.subnets().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// libnetwork names the endpoint `NETWORK-endpoint` in the container `lb-NETWORK` (`ingress-sbox` for ingress).
fn load_balancer_of(network: &wire::Network) -> Option<Ipv4Addr> {
    let lb = |key: &str| key == format!("lb-{}", network.name) || key == format!("{}-sbox", network.name);
    let endpoint = format!("{}-endpoint", network.name);
    let found = network.containers.iter().find(|(key, c)| lb(key) && c.name == endpoint)?;
    address(&found.1.ipv4_address)
}
