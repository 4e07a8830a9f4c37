//! A census that asks for no address: the allocator's own count, less the owners.

use std::time::{Duration, Instant};

use pvcheck_audit::{
    Network, Owners, Service, Snapshot, counts_refused, load_balancers_unsure, owners, waiting_services,
};
use pvcheck_ipam::AllocatorStatus;

use super::doubt::Doubt;
use super::report::{Census, CensusError, CensusMethod, CensusOptions};
use super::settle::{elapsed_ms, subnets_of};
use crate::engine::Engine;
use crate::operation::Operation;
use crate::read::read_count;

/// Counts asked for, at most: the engine reads each without a lock (see `status.rs`), so they are few and far between.
const MOST_READS: u32 = 4;

/// Between two of them.
const PAUSE: Duration = Duration::from_secs(2);

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

    /// The addresses without an owner, or why the difference does not tell.
    fn leaked(&self) -> Result<u64, Doubt> {
        let (then, now) = (self.owners(self.before), self.owners(self.after));
        let network = self.network.name.clone();
        if addresses(&then) != addresses(&now) || then.load_balancers != now.load_balancers {
            return Err(Doubt::OwnersChanged { network });
        }
        if self.stopping() {
            return Err(Doubt::TasksStopping { network });
        }
        if 0 < load_balancers_unsure(self.after, self.network, &now) {
            return Err(Doubt::LoadBalancersUnsure { network });
        }
        if let Some(doubt) = self.in_two_hands(&now) {
            return Err(doubt);
        }
        let (in_use, owned) = (self.in_use(), now.total());
        in_use.checked_sub(owned).ok_or(Doubt::CountTooSmall { network, in_use, owned })
    }

    /// A task that is to stop may lose its address, and its node's load balancer, any moment.
    fn stopping(&self) -> bool {
        [self.before, self.after]
            .iter()
            .any(|look| look.tasks.iter().any(|t| t.is_stopping_on(&self.network.id)))
    }

    /// An address that the allocator has freed and an owner still uses (L3) hides one that is leaked.
    fn in_two_hands(&self, now: &Owners) -> Option<Doubt> {
        let network = self.network.name.clone();
        if let Some(address) = now.duplicates().first() {
            return Some(Doubt::TwoHolders { address: *address, network });
        }
        let waiting = waiting_services(self.after);
        let holds = |s: &Service| s.vips.iter().any(|v| v.network == self.network.id && v.is_given());
        let waits = |s: &Service| waiting.iter().any(|w| w.service == s.name);
        let service = self.after.services.iter().find(|s| holds(s) && waits(s))?;
        Some(Doubt::FreedInUse { network, service: service.name.clone() })
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
            let unsettled = |_| Err(Doubt::CountsDiffer { network: network.name.clone() });
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

fn conclude(moment: &Moment<'_>, leaked: Result<u64, Doubt>, started: Instant) -> Census {
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
        leaked_or_load_balancers: Vec::new(),
        local_load_balancer: None,
        free_and_owned: Vec::new(),
        method: CensusMethod::Status,
        complete: doubt.is_none(),
        reason: Some(doubt.unwrap_or(Doubt::NumberOnly)),
        elapsed_ms: elapsed_ms(started),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pvcheck_audit::TaskState;

    use super::super::testing::{NETWORK, calm, network, service, task};
    use super::*;

    /// Three addresses are reserved in a /28, and a virtual address, a task and a load balancer own one each.
    const OF_OWNERS: u64 = 6;

    /// What is leaked if the allocator counted so many between two looks.
    fn leaked(before: &Snapshot, ips_in_use: u64, after: &Snapshot) -> Result<u64, Doubt> {
        let network = network(NETWORK);
        let status = AllocatorStatus { ips_in_use, dynamic_available: 0 };
        Moment { network: &network, before, status, after }.leaked()
    }

    #[test]
    fn what_has_no_owner_is_leaked() {
        assert_eq!(leaked(&calm(), OF_OWNERS, &calm()), Ok(0));
        assert_eq!(leaked(&calm(), OF_OWNERS + 2, &calm()), Ok(2));
        let doubt = Doubt::CountTooSmall { network: "proxy".into(), in_use: 2, owned: 3 };
        assert_eq!(leaked(&calm(), OF_OWNERS - 1, &calm()), Err(doubt), "an owner's address is free");
    }

    #[test]
    fn owners_that_change_meanwhile_make_it_unknown() {
        let mut other = calm();
        other.tasks.push(task("t2", "s1", TaskState::Running, TaskState::Running, &[(NETWORK, "10.9.0.4")]));
        let doubt = || Err(Doubt::OwnersChanged { network: "proxy".into() });
        assert_eq!(leaked(&calm(), OF_OWNERS, &other), doubt());
        assert_eq!(leaked(&other, OF_OWNERS, &calm()), doubt());
    }

    #[test]
    fn a_task_that_stops_in_one_of_the_looks_makes_it_unknown() {
        let mut stops = calm();
        stops.tasks[0].desired = TaskState::Shutdown;
        let doubt = || Err(Doubt::TasksStopping { network: "proxy".into() });
        assert_eq!(leaked(&stops, OF_OWNERS, &calm()), doubt(), "it may have stopped before the count");
        assert_eq!(leaked(&calm(), OF_OWNERS, &stops), doubt());
        stops.tasks[0].attachments.clear();
        let mut elsewhere = calm();
        elsewhere.tasks[0].attachments.clear();
        assert_eq!(leaked(&elsewhere, OF_OWNERS - 2, &stops), Ok(0), "it is on no address of this network");
    }

    #[test]
    fn a_load_balancer_that_may_have_no_address_makes_it_unknown() {
        let mut starts = calm();
        starts.tasks[0].state = TaskState::Assigned;
        let doubt = Err(Doubt::LoadBalancersUnsure { network: "proxy".into() });
        assert_eq!(leaked(&starts, OF_OWNERS, &starts), doubt);
    }

    #[test]
    fn a_service_that_uses_an_address_here_while_it_waits_makes_it_unknown() {
        let waits = |vips: [Option<Ipv4Addr>; 2]| {
            let mut look = calm();
            look.networks.push(network("other"));
            let mut late = service("s2", "late", &[NETWORK, "other"]);
            for (vip, address) in late.vips.iter_mut().zip(vips) {
                vip.address = address;
            }
            look.services.push(late);
            look
        };
        let address = |last| Some(Ipv4Addr::new(10, 9, 0, last));
        let elsewhere = waits([address(7), None]);
        let doubt = Doubt::FreedInUse { network: "proxy".into(), service: "late".into() };
        assert_eq!(leaked(&elsewhere, OF_OWNERS + 1, &elsewhere), Err(doubt), "it may be freed already");
        let here = waits([None, address(7)]);
        assert_eq!(leaked(&here, OF_OWNERS, &here), Ok(0), "it has nothing here that could be freed");
    }

    #[test]
    fn an_address_in_two_hands_makes_it_unknown() {
        let mut twice = calm();
        twice.tasks[0] = task("t1", "s1", TaskState::Running, TaskState::Running, &[(NETWORK, "10.9.0.2")]);
        let address = Ipv4Addr::new(10, 9, 0, 2);
        let doubt = Err(Doubt::TwoHolders { address, network: "proxy".into() });
        assert_eq!(leaked(&twice, OF_OWNERS - 1, &twice), doubt);
    }
}
