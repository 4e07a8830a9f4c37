//! Turns of the ring, one after the other, until they agree.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pvcheck_audit::{Network, Owners, Service, Snapshot, Task, counts_refused, owners, waits_among};
use pvcheck_ipam::{Capacity, CensusFacts, LeakReport, confirm, reconcile};

use super::doubt::Doubt;
use super::report::{Census, CensusError, CensusMethod, CensusOptions};
use super::ring::Turn;
use crate::engine::{CallError, poll, wait_until, wire};
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

/// How the names of all census services begin.
const NAME: &str = "pvcheck-census";

/// How long somebody may be without an address before that counts as waiting: a service that is just being made has none
/// for some milliseconds.
const JUST_MADE: Duration = Duration::from_secs(1);

impl Prober<'_> {
    /// Turn after turn until one shows that nothing is leaked, or one takes no suspect off those of the turns before, or
    /// the time is up.
    pub(super) async fn count(&self, first_look: Snapshot) -> Result<Census, CensusError> {
        self.refuse_if_somebody_waits(&first_look).await?;
        let mut before = self.wait_calm(first_look).await?;
        let mut suspected: Option<LeakReport> = None;
        loop {
            let what = if suspected.is_some() { "looking again at the suspects" } else { "looking" };
            let turn = self.turn(&before, what).await?;
            let (report, after) = self.settle(&before, &turn).await?;
            let doubt = self.doubt(&turn, &before, &after, &report);
            match (doubt, suspected.take()) {
                (Some(doubt), _) if !turn.is_complete() || self.cannot_go_on() => {
                    return Ok(self.conclude(report, Some(doubt)));
                }
                (Some(_), _) => before = self.wait_calm(after).await?,
                (None, earlier) => {
                    let agreed = earlier.as_ref().map_or(report.clone(), |earlier| confirm(earlier, &report));
                    let stable = earlier.is_some_and(|earlier| earlier.suspects == agreed.suspects);
                    if stable || agreed.suspects.len() as u64 == agreed.load_balancers_unnamed {
                        return Ok(self.conclude(agreed, None));
                    }
                    if self.cannot_go_on() {
                        return Ok(self.conclude(agreed, Some(Doubt::SuspectsVanish)));
                    }
                    (before, suspected) = (after, Some(agreed));
                }
            }
        }
    }

    /// Looks until no task of the network is stopping any more, or the time is up.
    async fn wait_calm(&self, mut look: Snapshot) -> Result<Snapshot, CallError> {
        let mut said = 0;
        // No `wait_until`: it begins with a snapshot that is at hand, and returns the last one also when the time is up.
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

    /// Each address that a census gives back lets the allocator try a waiting service again, and lose more. So there is no
    /// census, or no more of it, while one waits for longer than it takes to be made.
    async fn refuse_if_somebody_waits(&self, look: &Snapshot) -> Result<(), CensusError> {
        let mut waiting = waits(&look.services, &look.networks);
        if waiting.is_empty() {
            return Ok(());
        }
        wait_until!(JUST_MADE, async {
            let now = match self.op.engine.snapshot().await {
                Ok(look) => waits(&look.services, &look.networks),
                Err(error) => return Some(Err(error)),
            };
            waiting.retain(|wait| now.contains(wait));
            waiting.is_empty().then_some(Ok(()))
        })
        .transpose()?;
        match waiting.pop_first() {
            None => Ok(()),
            Some((service, network)) => {
                let status_offered = counts_refused(look).is_none();
                Err(CensusError::SomebodyWaits { service, network, status_offered })
            }
        }
    }

    /// A name for the next service.
    pub(super) fn next_name(&self) -> String {
        format!("{NAME}-{}-{}", self.op.run, self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// How many tasks hold an address of the network and are to stop.
    fn stopping(&self, look: &Snapshot) -> usize {
        look.tasks.iter().filter(|t| t.is_stopping_on(&self.network.id)).count()
    }

    /// Why this turn does not settle the matter; `None` if it does.
    fn doubt(&self, turn: &Turn, before: &Snapshot, after: &Snapshot, report: &LeakReport) -> Option<Doubt> {
        let nodes = |look| owners(look, self.network).load_balancers;
        if !turn.is_complete() {
            Some(Doubt::TimeUp)
        } else if turn.is_restless() || 0 < self.stopping(after) || nodes(before) != nodes(after) {
            Some(Doubt::TasksMoved)
        } else if 0 < report.load_balancers_missing {
            Some(Doubt::LoadBalancersMissing { nodes: report.load_balancers_missing })
        } else {
            None
        }
    }

    /// True iff another turn would not help, or there is no time for one.
    fn cannot_go_on(&self) -> bool {
        self.options.deadline <= self.started.elapsed()
    }

    /// Batch after batch until the ring has gone round or the time is up.
    async fn turn(&self, before: &Snapshot, what: &str) -> Result<Turn, CensusError> {
        let usable = self.capacity.usable();
        let mut turn = Turn::new(self.network.subnets());
        while !turn.is_complete() && self.started.elapsed() < self.options.deadline {
            match self.method {
                CensusMethod::Bulk => self.batch(&mut turn).await?,
                // By status no turn is made at all.
                CensusMethod::Cursor | CensusMethod::Status => self.stretch(&mut turn).await?,
            }
            if !waits(&read_services(self.op.engine).await?, &before.networks).is_empty() {
                self.refuse_if_somebody_waits(&self.op.engine.snapshot().await?).await?;
            }
            (self.op.watch)(Progress::Count {
                what: format!("census of {}: {what}", self.network.name),
                done: turn.seen().len() as u64,
                total: usable,
            });
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
    async fn settle(&self, before: &Snapshot, turn: &Turn) -> Result<(LeakReport, Snapshot), CallError> {
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
        Ok((report, after))
    }

    fn owners(&self, snapshot: &Snapshot, local: Option<Ipv4Addr>) -> Owners {
        let mut owners = owners(snapshot, self.network);
        if let Some(address) = local {
            owners.name_load_balancer(&snapshot.engine.node, address);
        }
        owners
    }

    /// A census as a value.
    fn conclude(&self, report: LeakReport, doubt: Option<Doubt>) -> Census {
        let complete = doubt.is_none();
        Census {
            network: self.network.name.clone(),
            subnet: subnets_of(self.network),
            usable: report.usable,
            handed_out: report.handed_out,
            owned: report.owned,
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

/// Who waits, and on which network.
fn waits(services: &[Service], networks: &[Network]) -> BTreeSet<(String, String)> {
    // The services of another census have one network each, and so nothing to lose on others.
    let waits = waits_among(services, networks).into_iter().filter(|w| !w.service.starts_with(NAME));
    waits.map(|w| (w.service, w.network_name.unwrap_or_else(|| w.network.to_string()))).collect()
}

/// libnetwork names the endpoint `NETWORK-endpoint` in the container `lb-NETWORK` (`ingress-sbox` for ingress).
fn load_balancer_of(network: &wire::Network) -> Option<Ipv4Addr> {
    let lb = |key: &str| key == format!("lb-{}", network.name) || key == format!("{}-sbox", network.name);
    let endpoint = format!("{}-endpoint", network.name);
    let found = network.containers.iter().find(|(key, c)| lb(key) && c.name == endpoint)?;
    address(&found.1.ipv4_address)
}
