//! Every address of a network, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pvcheck_ipam::{Capacity, Pool, Subnet};
use thiserror::Error;

use crate::owners::{Owner, OwnerKind, Owners, owners};
use crate::seen::{Network, NodeId, Snapshot};

/// The most addresses that are told one by one: those of a /16.
const MOST: u64 = 1 << 16;

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// A service's virtual address.
    Vip,
    /// A task's.
    Task,
    /// A node's load balancer has it. Where the nodes are others than the asked one, not known which of them.
    LoadBalancer,
    /// A standalone container has it.
    Attachment,
    /// It is given out, and nothing holds it.
    Leaked,
    /// It is given out, and either leaked or the load balancer of another node.
    Suspect,
    /// The allocator can hand it out.
    Free,
    /// It has no known holder, and nothing tells what it is: [`Unsettled`] says why.
    Unknown,
    /// The allocator never hands it out: network, broadcast, gateway, or outside of `--ip-range`.
    Reserved,
}

impl Cell {
    /// Every kind, in the order of legends.
    pub const ALL: [Self; 9] = [
        Self::Vip,
        Self::Task,
        Self::LoadBalancer,
        Self::Attachment,
        Self::Leaked,
        Self::Suspect,
        Self::Free,
        Self::Unknown,
        Self::Reserved,
    ];

    /// True iff something that is known holds the address.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Vip | Self::Task | Self::LoadBalancer | Self::Attachment)
    }
}

impl From<OwnerKind> for Cell {
    fn from(kind: OwnerKind) -> Self {
        match kind {
            OwnerKind::Attachment => Self::Attachment,
            OwnerKind::LoadBalancer => Self::LoadBalancer,
            OwnerKind::Task => Self::Task,
            OwnerKind::Vip => Self::Vip,
        }
    }
}

/// What a count says of the addresses that have no known holder.
#[derive(Clone, Copy, Debug)]
pub enum Unheld<'a> {
    /// They were not counted.
    NotCounted,
    /// So many are leaked, and nothing says which.
    Number(u64),
    /// A complete census names them.
    Named {
        /// The leaked ones.
        leaked: &'a [Ipv4Addr],
        /// Those that are leaked or load balancers of other nodes.
        leaked_or_load_balancers: &'a [Ipv4Addr],
        /// The asked node's load balancer, where it was named.
        local_load_balancer: Option<Ipv4Addr>,
    },
}

/// Why some addresses are [`Cell::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// Free or leaked: there is no count.
    NotCounted,
    /// Free or leaked: the count is a number without names.
    NumberOnly {
        /// How many are leaked.
        leaked: u64,
        /// How many are load balancers.
        load_balancers: u64,
    },
    /// Free, but for load balancers that nothing names.
    LoadBalancers {
        /// How many.
        load_balancers: u64,
    },
    /// Held, free, or the gateway: there is no list of holders.
    NoHolders,
}

/// The addresses of one subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The subnet.
    pub subnet: Subnet,
    /// What is known of each of its addresses, in their order.
    pub cells: Vec<Cell>,
}

/// What is known of every address of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Its subnets, in the network's order.
    pub blocks: Vec<Block>,
    /// Addresses that the allocator can give to VIPs, tasks, load balancers and attachments.
    pub usable: u64,
    /// Who holds what, as far as it is named.
    pub owners: Owners,
    /// The names of the hosts that holders are on.
    pub hosts: BTreeMap<NodeId, String>,
    /// Why some addresses are unknown; `None` iff none is.
    pub unsettled: Option<Unsettled>,
}

/// Why the addresses of a network cannot be told one by one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoOccupancy {
    /// It has no IPv4 subnet, or one that no allocator could use.
    #[error("it has no IPv4 subnet that its addresses could be told of")]
    NoSubnet,
    /// It is too large.
    #[error("it has {addresses} addresses, and at most {MOST} are told one by one")]
    TooLarge {
        /// How many it has.
        addresses: u64,
    },
}

impl Occupancy {
    /// What is known of every address, by the holders of a snapshot and by what a count says of the others.
    ///
    /// Whatever has a holder is held, even where the count, which was made at another time, calls it leaked. Without a
    /// complete count no address is free or leaked.
    ///
    /// # Errors
    /// If the network has no IPv4 subnet, or more addresses than a /16.
    pub fn of(snapshot: &Snapshot, network: &Network, unheld: Unheld<'_>) -> Result<Self, NoOccupancy> {
        let mut owners = owners(snapshot, network);
        if let Unheld::Named { local_load_balancer: Some(address), .. } = unheld {
            owners.name_load_balancer(&snapshot.engine.node, address);
        }
        let subnets = network.subnets();
        bounded(&subnets)?;
        let capacity = network.capacity().ok_or(NoOccupancy::NoSubnet)?;
        let held: BTreeMap<Ipv4Addr, Cell> =
            owners.named.iter().rev().map(|owner| (owner.address, owner.kind.into())).collect();
        let cell = |address: Ipv4Addr| match held.get(&address) {
            _ if !capacity.is_usable(address) => Cell::Reserved,
            Some(kind) => *kind,
            None => Cell::Unknown,
        };
        let mut all = Self {
            blocks: subnets.into_iter().map(|subnet| Block::of(subnet, cell)).collect(),
            usable: capacity.usable(),
            hosts: hosts(snapshot, &owners),
            owners,
            unsettled: None,
        };
        all.settle(unheld);
        Ok(all)
    }

    /// What a census alone says, of which the holders are not known: no address but the ones that it names is told.
    ///
    /// # Errors
    /// If there is no subnet, they overlap, or they have more addresses than a /16.
    pub fn of_count(subnets: &[Subnet], usable: u64, unheld: Unheld<'_>) -> Result<Self, NoOccupancy> {
        bounded(subnets)?;
        // Which address is the gateway only the network itself says.
        let edge =
            |subnet: Subnet, a: Ipv4Addr| subnet.prefix() < 31 && (a == subnet.first() || a == subnet.last());
        let cell = |a: Ipv4Addr| {
            if subnets.iter().any(|subnet| edge(*subnet, a)) { Cell::Reserved } else { Cell::Unknown }
        };
        let mut all = Self {
            blocks: subnets.iter().map(|subnet| Block::of(*subnet, cell)).collect(),
            usable,
            owners: Owners::default(),
            hosts: BTreeMap::new(),
            unsettled: Some(Unsettled::NoHolders),
        };
        all.mark(unheld);
        if let Unheld::Named { local_load_balancer: Some(address), .. } = unheld {
            all.set(address, Cell::LoadBalancer);
        }
        Ok(all)
    }

    /// How many addresses are of this kind.
    pub fn count(&self, kind: Cell) -> u64 {
        self.cells().filter(|(_, cell)| *cell == kind).count() as u64
    }

    /// How many have a holder that is named.
    pub fn held(&self) -> u64 {
        self.cells().filter(|(_, cell)| cell.is_held()).count() as u64
    }

    /// Every address, subnet by subnet.
    pub fn cells(&self) -> impl Iterator<Item = (Ipv4Addr, Cell)> + '_ {
        self.blocks.iter().flat_map(Block::cells)
    }

    /// Holders of addresses that are not the network's to give: outside of its subnets, or reserved.
    pub fn outside(&self) -> impl Iterator<Item = &Owner> {
        let usable: BTreeSet<Ipv4Addr> =
            self.cells().filter(|(_, cell)| *cell != Cell::Reserved).map(|(address, _)| address).collect();
        self.owners.named.iter().filter(move |owner| !usable.contains(&owner.address))
    }

    /// Tells what is not held, as far as the count decides it.
    fn settle(&mut self, unheld: Unheld<'_>) {
        let nameless = self.owners.load_balancers.len() as u64;
        self.mark(unheld);
        let left = self.count(Cell::Unknown);
        let rest = match unheld {
            Unheld::NotCounted => Err(Unsettled::NotCounted),
            Unheld::Number(0) if nameless == 0 => Ok(Cell::Free),
            // Nothing is left that could be free.
            Unheld::Number(leaked) if left == leaked && nameless == 0 => Ok(Cell::Leaked),
            Unheld::Number(leaked) if left == leaked + nameless => Ok(Cell::Suspect),
            Unheld::Number(leaked) => Err(Unsettled::NumberOnly { leaked, load_balancers: nameless }),
            // The load balancers are among the suspects, or there are none.
            Unheld::Named { leaked_or_load_balancers: [_, ..], .. } => Ok(Cell::Free),
            Unheld::Named { .. } if nameless == 0 => Ok(Cell::Free),
            Unheld::Named { .. } => Err(Unsettled::LoadBalancers { load_balancers: nameless }),
        };
        match rest {
            Ok(kind) => self.replace(Cell::Unknown, kind),
            Err(why) => self.unsettled = (0 < left).then_some(why),
        }
        // As many as there are load balancers: none of them is leaked.
        if self.count(Cell::Suspect) == nameless {
            self.replace(Cell::Suspect, Cell::LoadBalancer);
        }
    }

    /// Notes what the count names, where nothing holds it.
    fn mark(&mut self, unheld: Unheld<'_>) {
        let Unheld::Named { leaked, leaked_or_load_balancers, .. } = unheld else { return };
        for (addresses, kind) in [(leaked, Cell::Leaked), (leaked_or_load_balancers, Cell::Suspect)] {
            for address in addresses {
                self.set(*address, kind);
            }
        }
    }

    /// Sets what is unknown so far.
    fn set(&mut self, address: Ipv4Addr, kind: Cell) {
        let cells = self.blocks.iter_mut().filter_map(|block| block.at(address));
        cells.filter(|cell| **cell == Cell::Unknown).for_each(|cell| *cell = kind);
    }

    fn replace(&mut self, old: Cell, new: Cell) {
        let cells = self.blocks.iter_mut().flat_map(|block| &mut block.cells);
        cells.filter(|cell| **cell == old).for_each(|cell| *cell = new);
    }
}

impl Block {
    fn of(subnet: Subnet, cell: impl Fn(Ipv4Addr) -> Cell) -> Self {
        let first = u32::from(subnet.first());
        Self { subnet, cells: (first..=u32::from(subnet.last())).map(|a| cell(a.into())).collect() }
    }

    /// Its addresses, in their order.
    pub fn cells(&self) -> impl Iterator<Item = (Ipv4Addr, Cell)> + '_ {
        (u32::from(self.subnet.first())..).map(Ipv4Addr::from).zip(self.cells.iter().copied())
    }

    fn at(&mut self, address: Ipv4Addr) -> Option<&mut Cell> {
        let offset = u32::from(address).checked_sub(u32::from(self.subnet.first()))?;
        self.cells.get_mut(usize::try_from(offset).ok()?)
    }
}

fn bounded(subnets: &[Subnet]) -> Result<(), NoOccupancy> {
    let addresses: u64 = subnets.iter().map(|subnet| subnet.size_addrs()).sum();
    if MOST < addresses {
        return Err(NoOccupancy::TooLarge { addresses });
    }
    // Subnets that overlap would tell an address twice.
    let pools = subnets.iter().copied().map(Pool::new).collect();
    Capacity::new(pools).map(|_| ()).map_err(|_| NoOccupancy::NoSubnet)
}

/// The names of the hosts that holders are on.
fn hosts(snapshot: &Snapshot, owners: &Owners) -> BTreeMap<NodeId, String> {
    let of: BTreeSet<&NodeId> =
        owners.named.iter().filter_map(|owner| owner.node.as_ref()).chain(&owners.load_balancers).collect();
    let named = snapshot.nodes.iter().filter(|node| of.contains(&node.id));
    named.map(|node| (node.id.clone(), node.hostname.clone())).collect()
}

#[cfg(test)]
mod tests;
