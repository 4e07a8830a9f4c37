//! Probes that show which of several networks has no free address: services without tasks, one per network.
//!
//! Allocation is serial, so a probe that is given no address while a later one on another network is shows that its own
//! network has none. No container starts.

use std::collections::BTreeMap;
use std::time::Duration;

use pvcheck_audit::{Network, NetworkId, ProbeOutcome, Probes, ServiceId, Snapshot, pool_counts};

use crate::engine::{CallError, wait_until};
use crate::operation::Operation;
use crate::read::read_service;
use crate::write::Writer;

/// How the names of all probes begin.
const NAME: &str = "pvcheck-probe";

/// How long an allocator that has an address may take to give it. It takes milliseconds; seconds when it is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Probes each of these overlays, one after the other, and removes the probes again.
///
/// Each is a service labelled with the run, without tasks and with one virtual address, so at most one address of each
/// network is held, for some seconds. What the removal gives back lets the allocator try again whatever waits: at most one
/// attempt per probe, and a service that waits may lose an address by each attempt on the networks before the one that
/// refuses. So the probes are kept until all of them are decided.
///
/// If no network gave an address, one more probe goes to another overlay, as a control: only if that one is served are
/// the others [refused](ProbeOutcome::Refused), and else they are [undecided](ProbeOutcome::Undecided).
///
/// # Errors
/// If a call fails. After an error or a dropped future a probe may be left: [`crate::sweep_run`] removes it.
pub async fn probe(
    op: Operation<'_>,
    snapshot: &Snapshot,
    networks: &[&Network],
) -> Result<Probes, CallError> {
    let mut prober = Prober { op, writer: op.writer(), made: Vec::new() };
    let outcome = prober.ask(snapshot, networks).await;
    let removed = prober.remove().await;
    let outcome = outcome?;
    removed.map(|()| outcome)
}

/// The most probes that [`probe`] makes for so many networks, and so the most attempts that their removal causes.
pub fn most_probes(networks: usize) -> usize {
    networks + 1
}

struct Prober<'a> {
    op: Operation<'a>,
    writer: Writer<'a>,
    made: Vec<ServiceId>,
}

impl Prober<'_> {
    async fn ask(&mut self, snapshot: &Snapshot, networks: &[&Network]) -> Result<Probes, CallError> {
        let mut given: BTreeMap<NetworkId, bool> = BTreeMap::new();
        for network in networks {
            self.op.say(format!("probing {}", network.name));
            given.insert(network.id.clone(), self.is_given(network).await?);
        }
        // One that was asked early may be served by now, if the allocator was only late.
        let mut served = given.values().any(|given| *given);
        if let Some(control) = control(snapshot, networks).filter(|_| !served) {
            self.op.say(format!("probing {}, as a control", control.name));
            served = self.is_given(control).await?;
        }
        for (network, id) in networks.iter().zip(self.made.clone()) {
            if given.get(&network.id) == Some(&false) && self.vip_of(&id, network).await? {
                given.insert(network.id.clone(), true);
            }
        }
        let outcome = |given| match (given, served) {
            (true, _) => ProbeOutcome::Given,
            (false, true) => ProbeOutcome::Refused,
            (false, false) => ProbeOutcome::Undecided,
        };
        Ok(Probes(given.into_iter().map(|(id, given)| (id, outcome(given))).collect()))
    }

    /// Makes a probe on this network. True iff it is given an address in time.
    async fn is_given(&mut self, network: &Network) -> Result<bool, CallError> {
        let name = format!("{NAME}-{}-{}", self.op.run, self.made.len());
        let id = self.writer.create_pointer(&name, network, self.op.run).await?;
        self.made.push(id.clone());
        wait_until!(PATIENCE, async {
            match self.vip_of(&id, network).await {
                Ok(false) => None,
                Ok(true) => Some(Ok(true)),
                Err(error) => Some(Err(error)),
            }
        })
        .unwrap_or(Ok(false))
    }

    async fn vip_of(&self, id: &ServiceId, network: &Network) -> Result<bool, CallError> {
        let service = read_service(self.op.engine, id).await?;
        Ok(service.vips.iter().any(|v| v.network == network.id && v.is_given()))
    }

    /// Removes all probes, also after one that could not be removed.
    async fn remove(&self) -> Result<(), CallError> {
        let mut outcome = Ok(());
        for id in &self.made {
            let removed = self.writer.remove_service(id).await;
            outcome = outcome.and(removed);
        }
        outcome
    }
}

/// The overlay that most likely has free addresses, other than these; `None` if there is none with any.
fn control<'a>(snapshot: &'a Snapshot, networks: &[&Network]) -> Option<&'a Network> {
    let others = snapshot.overlays().into_iter().filter(|n| {
        // A probe on `ingress` would take a port as well.
        !n.ingress && n.is_ipv4_only() && !networks.iter().any(|own| own.id == n.id)
    });
    let unowned = |n: &Network| n.usable().saturating_sub(pvcheck_audit::owners(snapshot, n).total());
    let full = |n: &Network| {
        pool_counts(snapshot, &pvcheck_audit::AllocatorCounts::default(), &n.id).full_because.is_some()
    };
    others.filter(|n| 0 < unowned(n) && !full(n)).max_by_key(|n| unowned(n))
}
