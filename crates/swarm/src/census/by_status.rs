//! A census that asks for no address: the allocator's own count, less the owners.

use std::time::{Duration, Instant};

use pvcheck_audit::{
    Network, Owners, Service, Snapshot, counts_refused, load_balancers_unsure, owners, waiting_services,
};
use pvcheck_ipam::AllocatorStatus;

use super::prober::subnets_of;
use super::report::{Census, CensusError, CensusMethod, CensusOptions};
use crate::engine::Engine;
use crate::operation::Operation;
use crate::read::read_count;

/// Counts asked for, at most: the engine reads each without a lock (see `status.rs`), so they are few and far between.
const MOST_READS: u32 = 4;

/// Between two of them.
const PAUSE: Duration = Duration::from_secs(2);

/// What such a census always leaves unsaid.
const NUMBER_ONLY: &str = "a number only: the engine's count names no address, and an address that is free and owned at once makes it \
     too small; the methods bulk and cursor name both";

/// The count of one moment, with the owners of just before and just after it.
struct Moment<'a> {
    network: &'a Network,
    before: &'a Snapshot,
    status: AllocatorStatus,
    after: &'a Snapshot,
}

impl Moment<'_> {
    fn owners(&self, look: &Snapshot) -> Owners {
        owners(look, self.network)
    }

    /// Given out, the reserved addresses not among them.
    fn in_use(&self) -> u64 {
        self.network.in_use(self.status)
    }

    /// The addresses that nobody owns, or why the difference does not tell.
    fn leaked(&self) -> Result<u64, String> {
        let (then, now) = (self.owners(self.before), self.owners(self.after));
        let name = &self.network.name;
        if addresses(&then) != addresses(&now) || then.load_balancers != now.load_balancers {
            return Err(format!("owners of {name} came or went while it was counted"));
        }
        if self.stopping() {
            return Err(format!("tasks of {name} were stopping while it was counted"));
        }
        if 0 < load_balancers_unsure(self.after, self.network, &now) {
            return Err(format!(
                "nodes may lack their load balancer on {name}: no task of theirs there has started"
            ));
        }
        if let Some(why) = self.in_two_hands(&now) {
            return Err(why);
        }
        self.in_use().checked_sub(now.total()).ok_or_else(|| {
            format!(
                "the engine counts {} addresses of {name} as taken, and {} are owned: some are free and owned at once, or a node lacks its load balancer",
                self.in_use(),
                now.total()
            )
        })
    }

    /// A task that is to stop may lose its address, and its node's load balancer, any moment.
    fn stopping(&self) -> bool {
        [self.before, self.after]
            .iter()
            .any(|look| look.tasks.iter().any(|t| t.is_stopping_on(&self.network.id)))
    }

    /// An address that the allocator has freed and somebody still has (L3) hides one that is leaked.
    fn in_two_hands(&self, now: &Owners) -> Option<String> {
        let name = &self.network.name;
        if let Some(address) = now.duplicates().first() {
            return Some(format!(
                "{address} on {name} has two holders, so the count may be too small by one"
            ));
        }
        let waiting = waiting_services(self.after);
        let holds = |s: &Service| s.vips.iter().any(|v| v.network == self.network.id && v.address.is_some());
        let service =
            self.after.services.iter().find(|s| holds(s) && waiting.iter().any(|w| w.service == s.name))?;
        Some(format!(
            "a failed update freed an address of {name} that service {} still has, so the count is too small; `pvcheck why {}` says how to mend it",
            service.name, service.name
        ))
    }
}

fn addresses(owners: &Owners) -> Vec<std::net::Ipv4Addr> {
    let mut all: Vec<_> = owners.named.iter().map(|o| o.address).collect();
    all.sort_unstable();
    all
}

/// Looks, counts, looks again; once more where something is leaked, and again where the two do not agree.
pub(super) async fn count(
    op: Operation<'_>,
    first_look: Snapshot,
    network: &Network,
    options: &CensusOptions,
    started: Instant,
) -> Result<Census, CensusError> {
    if let Some(why) = counts_refused(&first_look) {
        return Err(CensusError::NoStatus(why.to_string()));
    }
    let (mut before, mut earlier, mut reads) = (first_look, None, 0);
    loop {
        op.say(format!("census of {}: asking for the allocator's count", network.name));
        let status = told(op.engine, network).await?;
        let after = op.engine.snapshot().await?;
        let moment = Moment { network, before: &before, status, after: &after };
        let leaked = moment.leaked();
        reads += 1;
        if leaked.as_ref().is_ok_and(|n| *n == 0 || earlier == Some(*n)) {
            return Ok(conclude(&moment, leaked, started));
        }
        if MOST_READS <= reads || options.deadline <= started.elapsed() + PAUSE {
            let unsettled = |_| Err(format!("no two counts of {} agreed", network.name));
            return Ok(conclude(&moment, leaked.and_then(unsettled), started));
        }
        earlier = leaked.ok();
        // Not a wait for something to happen: the engine is to be asked seldom.
        tokio::time::sleep(PAUSE).await;
        before = op.engine.snapshot().await?;
    }
}

async fn told(engine: &Engine, network: &Network) -> Result<AllocatorStatus, CensusError> {
    let none = || CensusError::NoStatus(format!("the engine told no count of network {}", network.name));
    read_count(engine, network).await?.ok_or_else(none)
}

fn conclude(moment: &Moment<'_>, leaked: Result<u64, String>, started: Instant) -> Census {
    let owners = moment.owners(moment.after);
    let (leaked, doubt) = match leaked {
        Ok(leaked) => (Some(leaked), None),
        Err(doubt) => (None, Some(doubt)),
    };
    Census {
        network: moment.network.name.clone(),
        subnet: subnets_of(moment.network),
        usable: moment.network.usable(),
        handed_out: moment.status.dynamic_available,
        owned: owners.addresses().len() as u64,
        load_balancers: owners.load_balancers.len() as u64,
        leaked,
        leaked_addresses: Vec::new(),
        free_and_owned: Vec::new(),
        method: CensusMethod::Status,
        complete: doubt.is_none(),
        reason: Some(doubt.unwrap_or_else(|| NUMBER_ONLY.to_owned())),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}
