//! The census: asking the allocator for one turn of its ring, to learn which addresses are free.
//!
//! What is neither handed out nor owned is leaked. No other way sees it on engines before API 1.52: a leaked address
//! belongs to no container, no task and no service.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_ipam::{Capacity, CensusFacts, LeakReport, confirm, reconcile};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connection::CallError;
use crate::engine::Engine;
use crate::ids::{NetworkId, RunId, ServiceId};
use crate::owners::{Owners, owners};
use crate::progress::{Progress, Watcher};
use crate::snapshot::{Network, NoSuchNetwork, Snapshot, Task, address, read_tasks};
use crate::stack::poll;
use crate::turn::Turn;
use crate::waiting::waiting_services;
use crate::wire;
use crate::writes::{Permit, Writer};

/// How the addresses were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CensusMethod {
    /// Many tasks at once that no node can run.
    Bulk,
}

/// What a census found: schema `pvcheck/v1`, kind `census`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// Always `census`.
    pub kind: String,
    /// The network's name.
    pub network: String,
    /// Its subnets, separated by commas where there are several.
    pub subnet: String,
    /// Addresses that VIPs, tasks and load balancers can have.
    pub usable: u64,
    /// Addresses that were handed out to the census, each counted once: those that are free.
    pub handed_out: u64,
    /// Addresses with a known holder, load balancers whose address could be read among them.
    pub owned: u64,
    /// Load balancers that hold an address which nobody could name.
    pub load_balancers: u64,
    /// Addresses that nobody owns and that were not handed out; `null` unless the census is complete.
    pub leaked: Option<u64>,
    /// Which: as many as `leaked` says, and one more per unnamed load balancer, since nothing tells them apart.
    pub leaked_addresses: Vec<Ipv4Addr>,
    /// Addresses that are free and owned at once: somebody else may be given them (L3 in the docs).
    pub free_and_owned: Vec<Ipv4Addr>,
    /// How the addresses were asked for.
    pub method: CensusMethod,
    /// True iff the ring went round and its owners were known before and after.
    pub complete: bool,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// The bounds of a census.
#[derive(Clone, Debug)]
pub struct CensusOptions {
    /// When to stop, complete or not.
    pub deadline: Duration,
    /// The most addresses that are held at once; it is never more than a quarter of the pool.
    pub most_held: u32,
}

impl Default for CensusOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_mins(2), most_held: 4000 }
    }
}

/// Why there was no census.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CensusError {
    /// No overlay has this name.
    #[error(transparent)]
    NoSuchNetwork(#[from] NoSuchNetwork),
    /// The network has no subnet.
    #[error(
        "network `{0}` is not allocated yet: Swarm gave it no subnet; see the manager's log for an overlap, or recreate it with another --subnet"
    )]
    NotAllocated(String),
    /// A service waits for an address: a census would cost more of them.
    #[error(
        "service `{service}` waits for an address on {network}; a census now would lose more of them; remove or fix that service first"
    )]
    SomebodyWaits {
        /// The waiting service.
        service: String,
        /// The network it waits on, by name or id.
        network: String,
    },
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Counts and names the leaked addresses of one overlay.
///
/// It first waits until no task of the network is stopping: such a task may lose its address when it ends, and its
/// node's load balancer comes and goes with it. Then it creates services labelled with `run` whose tasks can never be scheduled, reads the addresses they were given,
/// and removes them again; no container starts and no other service is touched. A first turn that finds suspects is
/// followed by more, until one takes none off: only what all of them find is leaked. A turn during which tasks began to stop is made again.
///
/// # Errors
/// When the network is not there or not allocated, when a VIP service waits for an address anywhere (see
/// [`waiting_services`]), or when a call fails. After an error or a dropped future a census service may be left:
/// [`crate::sweep_run`] takes it away.
pub async fn census(
    engine: &Engine,
    permit: Permit,
    name: &str,
    options: &CensusOptions,
    run: &RunId,
    watch: Watcher<'_>,
) -> Result<Census, CensusError> {
    let started = Instant::now();
    let before = engine.snapshot().await?;
    let (network, capacity) = admit(&before, name)?;
    let prober = Prober {
        engine,
        writer: Writer::new(engine.connection(), permit),
        network: &network,
        capacity,
        options,
        run,
        watch,
        started,
    };

    prober.count(before).await
}

/// The network, if a census of it may begin.
fn admit(snapshot: &Snapshot, name: &str) -> Result<(Network, Capacity), CensusError> {
    let network = snapshot.named_overlay(name)?;
    let Some(capacity) = network.capacity() else {
        return Err(CensusError::NotAllocated(network.name.clone()));
    };
    refuse_while_somebody_waits(snapshot)?;
    Ok((network.clone(), capacity))
}

/// Each address that a census gives back would let the allocator try such a service again, and lose more.
fn refuse_while_somebody_waits(look: &Snapshot) -> Result<(), CensusError> {
    match waiting_services(look).into_iter().next() {
        None => Ok(()),
        Some(wait) => {
            let network = wait.network_name.unwrap_or_else(|| wait.network.to_string());
            Err(CensusError::SomebodyWaits { service: wait.service, network })
        }
    }
}

struct Prober<'a> {
    engine: &'a Engine,
    writer: Writer<'a>,
    network: &'a Network,
    capacity: Capacity,
    options: &'a CensusOptions,
    run: &'a RunId,
    watch: Watcher<'a>,
    started: Instant,
}

impl Prober<'_> {
    /// Turn after turn until one shows that nothing is leaked, or one takes no suspect off those of the turns before, or
    /// the time is up.
    async fn count(&self, first_look: Snapshot) -> Result<Census, CensusError> {
        let mut before = self.wait_calm(first_look).await?;
        let mut suspected: Option<LeakReport> = None;
        loop {
            let turn = self
                .turn(if suspected.is_some() { "looking again at the suspects" } else { "looking" })
                .await?;
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
                        let doubt =
                            "each turn took suspects off: somebody else uses the network too much".to_owned();
                        return Ok(self.conclude(agreed, Some(doubt)));
                    }
                    (before, suspected) = (after, Some(agreed));
                }
            }
        }
    }

    /// Looks until no task of the network is stopping any more, or the time is up.
    async fn wait_calm(&self, mut look: Snapshot) -> Result<Snapshot, CensusError> {
        let mut said = 0;
        loop {
            refuse_while_somebody_waits(&look)?;
            let stopping = self.stopping(&look);
            if stopping == 0 || self.cannot_go_on() {
                return Ok(look);
            }
            if stopping != said {
                said = stopping;
                let name = &self.network.name;
                (self.watch)(Progress::Step(format!(
                    "census of {name}: waiting for {stopping} task(s) to stop"
                )));
            }
            poll().await;
            look = self.engine.snapshot().await?;
        }
    }

    /// How many tasks hold an address of the network and are to stop.
    fn stopping(&self, look: &Snapshot) -> usize {
        look.tasks.iter().filter(|t| self.is_stopping(t)).count()
    }

    fn is_stopping(&self, task: &Task) -> bool {
        let here = task.attachments.iter().any(|(id, _)| *id == self.network.id);
        here && task.state.holds_addresses() && !task.desired.holds_addresses()
    }

    /// Why this turn does not settle the matter; `None` if it does.
    fn doubt(&self, turn: &Turn, before: &Snapshot, after: &Snapshot, report: &LeakReport) -> Option<String> {
        let nodes = |look| owners(look, self.network).load_balancers;
        if !turn.is_complete() {
            Some("the time was up before the ring had gone round".to_owned())
        } else if 1 < self.network.pools.len() {
            // Pools are tried in random order (a Go map), so one repeated address ends only one of the rings.
            Some("the network has several subnets, whose rings turn one by one".to_owned())
        } else if turn.is_restless() || 0 < self.stopping(after) || nodes(before) != nodes(after) {
            Some("tasks of the network kept stopping, or moved between nodes".to_owned())
        } else if 0 < report.load_balancers_missing {
            Some(format!(
                "{} nodes lack the load balancer that they should have",
                report.load_balancers_missing
            ))
        } else {
            None
        }
    }

    /// True iff another turn would not help, or there is no time for one.
    fn cannot_go_on(&self) -> bool {
        self.options.deadline <= self.started.elapsed() || 1 < self.network.pools.len()
    }

    /// Batch after batch until the ring has gone round or the time is up.
    async fn turn(&self, what: &str) -> Result<Turn, CallError> {
        let usable = self.capacity.usable();
        let mut turn = Turn::default();
        let mut round = 0;
        while !turn.is_complete() && self.started.elapsed() < self.options.deadline {
            let wanted = turn.next_batch(usable, self.options.most_held);
            self.batch(round, wanted, &mut turn).await?;
            (self.watch)(Progress::Count {
                what: format!("census of {}: {what}", self.network.name),
                done: turn.seen().len() as u64,
                total: usable,
            });
            round += 1;
        }
        Ok(turn)
    }

    /// Asks for `wanted` addresses, gives them back, and waits until they are free again.
    async fn batch(&self, round: u32, wanted: u32, turn: &mut Turn) -> Result<(), CallError> {
        let name = format!("pvcheck-census-{}-{round}", self.run);
        let service = self.writer.create_probe(&name, &self.network.id, wanted, self.run).await?;
        let given = self.wait_given(&service, wanted).await;
        self.writer.remove_service(&service).await?;
        let given = given?;
        let exhausted = given.len() < wanted as usize;
        turn.push(&given, exhausted);
        self.wait_gone(&service, turn).await
    }

    /// Waits until every task has its address, or until those that have none stay without for a while.
    async fn wait_given(&self, service: &ServiceId, wanted: u32) -> Result<Vec<Ipv4Addr>, CallError> {
        // The list shows a batch being served within milliseconds; a batch of thousands takes a second or two.
        const SETTLED: Duration = Duration::from_secs(2);
        let mut given: Vec<Ipv4Addr> = Vec::new();
        let mut last_gain = Instant::now();
        let path = format!("/tasks?filters=%7B%22service%22%3A%5B%22{service}%22%5D%7D");
        loop {
            let tasks: Vec<wire::Task> = self.engine.connection().get(&path).await?;
            let now = addresses_on(&tasks, &self.network.id);
            if given.len() < now.len() {
                last_gain = Instant::now();
            }
            given = now;
            if wanted as usize <= given.len() || SETTLED < last_gain.elapsed() {
                return Ok(given);
            }
            poll().await;
        }
    }

    /// Waits until the service's tasks are out of the store: only then are their addresses free. Meanwhile it notes what
    /// others hold, and whether some of them stop.
    async fn wait_gone(&self, service: &ServiceId, turn: &mut Turn) -> Result<(), CallError> {
        let since = Instant::now();
        while since.elapsed() < self.options.deadline {
            // Filtered by service the list is empty as soon as the service is; the whole list is not.
            let (ours, others): (Vec<_>, Vec<_>) =
                read_tasks(self.engine).await?.into_iter().partition(|t| t.service.as_ref() == Some(service));
            // A task that has ended still lists its address, and a leaked one is just such an address.
            let holding = others.iter().filter(|t| t.state.holds_addresses());
            turn.saw_busy(holding.flat_map(|t| addresses_of(t, &self.network.id)));
            turn.saw_stopping(others.iter().any(|t| self.is_stopping(t)));
            if ours.is_empty() {
                break;
            }
            poll().await;
        }
        Ok(())
    }

    /// What a turn amounts to, with the owners of before and of now; and the look that showed those of now.
    async fn settle(&self, before: &Snapshot, turn: &Turn) -> Result<(LeakReport, Snapshot), CallError> {
        let after = self.engine.snapshot().await?;
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
    fn conclude(&self, report: LeakReport, doubt: Option<String>) -> Census {
        let complete = doubt.is_none();
        let subnets = self.network.subnets();
        Census {
            schema: "pvcheck/v1".into(),
            kind: "census".into(),
            network: self.network.name.clone(),
            subnet: subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            usable: report.usable,
            handed_out: report.handed_out,
            owned: report.owned,
            load_balancers: report.load_balancers_unnamed,
            leaked: complete.then_some(report.leaked),
            leaked_addresses: if complete { report.suspects.into_iter().collect() } else { Vec::new() },
            free_and_owned: report.free_and_owned.into_iter().collect(),
            method: CensusMethod::Bulk,
            complete,
            reason: doubt,
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The address of this node's own load balancer, which the node alone can name.
    async fn local_load_balancer(&self) -> Result<Option<Ipv4Addr>, CallError> {
        // The full id is answered from the node's own copy of the network, the only one that lists endpoints.
        match self.engine.connection().get::<wire::Network>(&format!("/networks/{}", self.network.id)).await {
            Ok(network) => Ok(load_balancer_of(&network)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn addresses_of(task: &Task, network: &NetworkId) -> impl Iterator<Item = Ipv4Addr> {
    let here = task.attachments.iter().filter(move |(id, _)| id == network);
    here.flat_map(|(_, addresses)| addresses).copied()
}

fn addresses_on(tasks: &[wire::Task], network: &NetworkId) -> Vec<Ipv4Addr> {
    let attached = tasks.iter().flat_map(|t| t.networks_attachments.iter().flatten());
    let here = attached.filter(|a| a.network.id == network.as_str());
    here.flat_map(|a| a.addresses.iter().flatten()).filter_map(|t| address(t)).collect()
}

/// libnetwork names the endpoint `NETWORK-endpoint` in the container `lb-NETWORK` (`ingress-sbox` for ingress).
fn load_balancer_of(network: &wire::Network) -> Option<Ipv4Addr> {
    let lb = |key: &str| key == format!("lb-{}", network.name) || key == format!("{}-sbox", network.name);
    let endpoint = format!("{}-endpoint", network.name);
    let found = network.containers.iter().find(|(key, c)| lb(key) && c.name == endpoint)?;
    address(&found.1.ipv4_address)
}
