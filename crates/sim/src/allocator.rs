//! The leader's allocator state: what it holds in memory, and what it does with addresses.
//!
//! A transcription of the behaviour of moby `daemon/libnetwork/cnmallocator/networkallocator.go` (its file in
//! 25 to 29; older releases vendor it from swarmkit), with its faults, which are what pvcheck finds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pvcheck_ipam::Ring;

use crate::id::{NetworkId, ServiceId, TaskId};
use crate::object::{Attachment, Vip};

/// Why the allocator failed, in the words of the engine's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AllocError {
    #[error("could not find an available IP while allocating VIP")]
    NoVip,
    #[error("could not find an available IP")]
    NoAddress,
    #[error("could not allocate VIP from IPAM: Address already in use")]
    VipTaken,
    #[error("could not allocate IP from IPAM: Address already in use")]
    AddressTaken,
    #[error("networkallocator: could not find local network state")]
    NoVipNetwork,
    #[error("could not find network allocator state for network {0}")]
    NoNetwork(NetworkId),
    #[error("ingress network is missing")]
    NoIngress,
}

/// An address that could not be released, for it was not held (`invalid pool id: ` in the log).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotHeld(pub(crate) Ipv4Addr);

/// One allocated network.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) ring: Ring,
    /// Every address that was handed out and not released (`endpoints` upstream). Owned or leaked: the
    /// allocator cannot tell.
    pub(crate) held: BTreeSet<Ipv4Addr>,
}

impl Pool {
    fn take(&mut self) -> Option<Ipv4Addr> {
        let addr = self.ring.allocate()?;
        self.held.insert(addr);
        Some(addr)
    }

    fn take_named(&mut self, addr: Ipv4Addr) -> bool {
        self.ring.reserve(addr).is_ok() && self.held.insert(addr)
    }

    pub(crate) fn release(&mut self, addr: Ipv4Addr) -> Result<(), NotHeld> {
        if self.held.remove(&addr) && self.ring.release(addr) { Ok(()) } else { Err(NotHeld(addr)) }
    }
}

/// What a service's specification asks of the allocator.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) dnsrr: bool,
    pub(crate) networks: Vec<NetworkId>,
    /// The ingress network, if a port is published through it.
    pub(crate) ingress: Option<NetworkId>,
}

/// The allocator's memory. A change of leader loses it, and every leak with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocator {
    pub(crate) pools: BTreeMap<NetworkId, Pool>,
    /// Services that have VIPs, as far as the allocator knows.
    pub(crate) services: BTreeSet<ServiceId>,
    pub(crate) tasks: BTreeSet<TaskId>,
    /// What waits, by order of creation.
    pub(crate) waiting_networks: BTreeMap<u64, NetworkId>,
    pub(crate) waiting_services: BTreeMap<u64, ServiceId>,
    pub(crate) new_tasks: BTreeMap<u64, TaskId>,
    pub(crate) waiting_tasks: BTreeMap<u64, TaskId>,
    /// True iff something was released since the last retry (`somethingWasDeallocated`).
    pub(crate) freed: bool,
}

impl Allocator {
    /// `AllocateService`. On failure the addresses that were taken in this attempt stay taken (L2), and those
    /// that the service had before are released although the store still shows them (L3): the deferred
    /// rollback walks `s.Endpoint.VirtualIPs`, which holds the old ones and not the new ones.
    ///
    /// `vips` is that list; on success it is what to commit. Returns what could not be released.
    pub(crate) fn allocate_service(
        &mut self,
        id: &ServiceId,
        demand: &Demand,
        vips: &mut Vec<Vip>,
    ) -> (Result<(), AllocError>, Vec<NotHeld>) {
        let mut errors = Vec::new();
        if demand.dnsrr {
            errors.extend(self.release_vips(vips));
            self.services.remove(id);
            return (Ok(()), errors);
        }
        if let Some(ingress) = &demand.ingress
            && !vips.iter().any(|vip| vip.network == *ingress)
        {
            vips.push(Vip { network: ingress.clone(), addr: None, prefix: 0 });
        }
        let result = self.allocate_vips(demand, vips, &mut errors);
        match &result {
            Ok(()) if vips.is_empty() => drop(self.services.remove(id)),
            Ok(()) => drop(self.services.insert(id.clone())),
            Err(_) => {
                errors.extend(self.release_vips(vips));
                self.services.remove(id);
            }
        }
        (result, errors)
    }

    fn allocate_vips(
        &mut self,
        demand: &Demand,
        vips: &mut Vec<Vip>,
        errors: &mut Vec<NotHeld>,
    ) -> Result<(), AllocError> {
        // Upstream compacts the kept ones into the old list's array, so a rollback sees the list as it is
        // rewritten so far. `Kept` does the same.
        let mut kept = Kept::default();
        for at in 0..vips.len() {
            let mut vip = vips[at].clone();
            if demand.ingress.as_ref() == Some(&vip.network) || demand.networks.contains(&vip.network) {
                let done = self.allocate_vip(&mut vip);
                vips[at] = vip.clone();
                done?;
                kept.push(vips, vip);
            } else if let (Some(addr), Some(pool)) = (vip.addr, self.pools.get_mut(&vip.network)) {
                errors.extend(pool.release(addr).err());
            }
        }
        for network in &demand.networks {
            if vips.iter().any(|vip| vip.network == *network) {
                continue;
            }
            let mut vip = Vip { network: network.clone(), addr: None, prefix: 0 };
            self.allocate_vip(&mut vip)?;
            kept.push(vips, vip);
        }
        kept.finish(vips);
        Ok(())
    }

    /// `allocateVIP`: nothing to do for an address that is held already, whoever its owner is.
    fn allocate_vip(&mut self, vip: &mut Vip) -> Result<(), AllocError> {
        let pool = self.pools.get_mut(&vip.network).ok_or(AllocError::NoVipNetwork)?;
        match vip.addr {
            Some(addr) if pool.held.contains(&addr) => {}
            Some(addr) if pool.take_named(addr) => {}
            Some(_) => return Err(AllocError::VipTaken),
            None => vip.addr = Some(pool.take().ok_or(AllocError::NoVip)?),
        }
        vip.prefix = pool.ring.subnet().prefix();
        Ok(())
    }

    /// `DeallocateService`: releases and forgets.
    pub(crate) fn release_vips(&mut self, vips: &mut Vec<Vip>) -> Vec<NotHeld> {
        let mut errors = Vec::new();
        for vip in vips.drain(..) {
            if let (Some(addr), Some(pool)) = (vip.addr, self.pools.get_mut(&vip.network)) {
                errors.extend(pool.release(addr).err());
            }
        }
        errors
    }

    /// `AllocateTask`: one address per network, all or none, and this one where it is asked for. Unlike with services its
    /// rollback works.
    pub(crate) fn allocate_task(
        &mut self,
        wants: &[NetworkId],
        asked: Option<Ipv4Addr>,
    ) -> Result<Vec<Ipv4Addr>, (NetworkId, AllocError)> {
        let mut taken = Vec::with_capacity(wants.len());
        for network in wants {
            let got = match asked {
                Some(address) if self.restore_address(network, address) => Ok(address),
                Some(_) => Err(AllocError::AddressTaken),
                None => self.allocate_address(network),
            };
            match got {
                Ok(addr) => taken.push(addr),
                Err(error) => {
                    for (network, addr) in wants.iter().zip(taken) {
                        self.release_address(network, addr);
                    }
                    return Err((network.clone(), error));
                }
            }
        }
        Ok(taken)
    }

    /// Restores the addresses of a task after a change of leader: all or none.
    pub(crate) fn restore_task(&mut self, attachments: &[Attachment]) -> Result<(), AllocError> {
        for (at, attachment) in attachments.iter().enumerate() {
            if !self.restore_address(&attachment.network, attachment.addr) {
                for done in &attachments[..at] {
                    self.release_address(&done.network, done.addr);
                }
                return Err(AllocError::AddressTaken);
            }
        }
        Ok(())
    }

    /// `IsTaskAllocated` and `DeallocateTask`. A task of which one network is gone counts as not allocated, so
    /// its addresses on all other networks stay taken until the leadership moves: that is L1. `true` if
    /// something was released.
    pub(crate) fn release_task(&mut self, id: &TaskId, attachments: &[Attachment]) -> bool {
        let whole = self.tasks.contains(id)
            && attachments.iter().all(|attachment| self.holds(&attachment.network, attachment.addr));
        if whole {
            for attachment in attachments {
                self.release_address(&attachment.network, attachment.addr);
            }
            self.tasks.remove(id);
        }
        whole
    }

    pub(crate) fn allocate_address(&mut self, network: &NetworkId) -> Result<Ipv4Addr, AllocError> {
        let pool = self.pools.get_mut(network).ok_or_else(|| AllocError::NoNetwork(network.clone()))?;
        pool.take().ok_or(AllocError::NoAddress)
    }

    pub(crate) fn restore_address(&mut self, network: &NetworkId, addr: Ipv4Addr) -> bool {
        self.pools.get_mut(network).is_some_and(|pool| pool.take_named(addr))
    }

    pub(crate) fn release_address(&mut self, network: &NetworkId, addr: Ipv4Addr) {
        if let Some(pool) = self.pools.get_mut(network) {
            // Not held means released before; upstream logs it and goes on.
            let _ = pool.release(addr);
        }
    }

    pub(crate) fn holds(&self, network: &NetworkId, addr: Ipv4Addr) -> bool {
        self.pools.get(network).is_some_and(|pool| pool.held.contains(&addr))
    }
}

/// The list that Go makes with `append(old[:0], …)`: it shares the old one's array while it is not longer.
#[derive(Default)]
struct Kept {
    len: usize,
    /// A list of its own, once it outgrew the old one.
    own: Option<Vec<Vip>>,
}

impl Kept {
    fn push(&mut self, old: &mut [Vip], vip: Vip) {
        if let Some(own) = &mut self.own {
            own.push(vip);
        } else if self.len < old.len() {
            old[self.len] = vip;
        } else {
            let mut own = old.to_vec();
            own.push(vip);
            self.own = Some(own);
        }
        self.len += 1;
    }

    fn finish(self, old: &mut Vec<Vip>) {
        match self.own {
            Some(own) => *old = own,
            None => old.truncate(self.len),
        }
    }
}

#[cfg(test)]
mod tests;
