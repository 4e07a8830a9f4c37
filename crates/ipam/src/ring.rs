//! Swarm's serial address allocator, modelled.

use std::net::Ipv4Addr;

use crate::bitmap::Bitmap;
use crate::subnet::{Overlap, Subnet};

/// One address pool of a Swarm network, as the leader holds it in memory.
///
/// Since 17.10 Swarm allocates serially (swarmkit PR 2324): the search for a free address begins behind the
/// one that was handed out last, goes to the end of the pool and wraps. Addresses that are asked for by name,
/// among them all that a new leader restores, do not move that cursor (moby
/// `daemon/libnetwork/bitmap/sequence.go`, `getAvailableFromCurrent`).
///
/// ```
/// use pvcheck_ipam::{Ring, Subnet};
///
/// let mut ring = Ring::new(Subnet::parse("10.90.0.0/28")?);
/// let given: Vec<_> = (0..4).filter_map(|_| ring.allocate()).collect();
/// ring.release(given[1]);
/// assert_eq!(ring.allocate().map(|addr| addr.octets()[3]), Some(6), "the gap at .3 is not used yet");
/// assert_eq!(ring.in_use(), 7, "network, broadcast, gateway, .2 .4 .5 .6");
/// # Ok::<(), pvcheck_ipam::SubnetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    subnet: Subnet,
    range: Subnet,
    gateway: Ipv4Addr,
    bits: Bitmap,
    /// Position behind the last address that was handed out; one past the end is possible.
    cursor: u64,
    /// Taken addresses inside the range; the rest of the range can be handed out.
    taken_in_range: u64,
}

/// Why a ring cannot do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The address is outside the pool.
    #[error("{addr} is outside {subnet}")]
    Outside {
        /// The address that was asked for.
        addr: Ipv4Addr,
        /// The pool.
        subnet: Subnet,
    },
    /// The address is held already, or reserved.
    #[error("{addr} is already in use")]
    Taken {
        /// The address that was asked for.
        addr: Ipv4Addr,
    },
    /// The `--ip-range` does not lie in the subnet.
    #[error("range {range} is outside {subnet}: choose a range inside the subnet")]
    RangeOutside {
        /// The pool.
        subnet: Subnet,
        /// The range that was given.
        range: Subnet,
    },
    /// The range has no free address, so there is no gateway and the network would stay unallocated.
    #[error(
        "range {range} of {subnet} has no free address for the gateway: choose a wider range or name a gateway"
    )]
    NoGateway {
        /// The pool.
        subnet: Subnet,
        /// The range that was given.
        range: Subnet,
    },
}

impl Ring {
    /// A fresh pool: network and broadcast address reserved (not in a /31 or /32), the gateway taken first.
    pub fn new(subnet: Subnet) -> Self {
        let mut ring = Self::bare(subnet, subnet);
        // Every subnet has at least one address that is neither network nor broadcast, a /31 and /32 too.
        ring.gateway = ring.allocate().unwrap_or_else(|| subnet.first());
        ring
    }

    /// A fresh pool of which only `range` is handed out (`--ip-range`). The gateway comes from the range too,
    /// for the engine asks for it like for any other address.
    ///
    /// A range that contains the subnet counts as the subnet, as the engine restores networks from before 24.0
    /// (moby PR 44968).
    ///
    /// # Errors
    /// If the range lies outside the subnet, or has no free address for the gateway.
    pub fn with_range(subnet: Subnet, range: Subnet) -> Result<Self, RingError> {
        let mut ring = Self::bare(subnet, range_within(subnet, range)?);
        ring.gateway = ring.allocate().ok_or(RingError::NoGateway { subnet, range })?;
        Ok(ring)
    }

    /// A fresh pool whose gateway was named (`--gateway`), with or without an `--ip-range`. As an address asked
    /// for by name it leaves the cursor alone, and it may lie outside the range.
    ///
    /// # Errors
    /// If the range lies outside the subnet, or the gateway does, or is its network or broadcast address.
    pub fn with_gateway(subnet: Subnet, range: Option<Subnet>, gateway: Ipv4Addr) -> Result<Self, RingError> {
        let mut ring = Self::bare(subnet, range_within(subnet, range.unwrap_or(subnet))?);
        ring.reserve(gateway)?;
        ring.gateway = gateway;
        Ok(ring)
    }

    /// Network and broadcast address taken, no gateway yet.
    fn bare(subnet: Subnet, range: Subnet) -> Self {
        let bits = Bitmap::new(subnet.size_addrs());
        let mut ring = Self { subnet, range, gateway: subnet.first(), bits, cursor: 0, taken_in_range: 0 };
        ring.reserve_edges();
        ring
    }

    fn reserve_edges(&mut self) {
        // A /31 or /32 has no network and broadcast address to spare (RFC 3021; moby defaultipam, `newPoolData`).
        if self.subnet.prefix() < 31 {
            self.take(self.subnet.first());
            self.take(self.subnet.last());
        }
    }

    /// The pool.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// The part of the pool that is handed out: the pool itself, or the `--ip-range`.
    pub fn range(&self) -> Subnet {
        self.range
    }

    /// The address that the network took as its gateway.
    pub fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// Hands out the next free address: from the cursor to the end of the range, then from its start.
    /// `None` if the range is full; the cursor stays then.
    pub fn allocate(&mut self) -> Option<Ipv4Addr> {
        let addr = self.peek()?;
        self.take(addr);
        self.cursor = self.offset(addr) + 1;
        Some(addr)
    }

    /// The address that [`Ring::allocate`] would hand out.
    pub fn peek(&self) -> Option<Ipv4Addr> {
        if self.free() == 0 {
            return None;
        }
        let (start, end) = (self.offset(self.range.first()), self.offset(self.range.last()) + 1);
        // Two searches, as the engine's bitmap does it: from the cursor to the end, then from the start. A cursor
        // before the range, as after a rebuild, starts at the range.
        let from = self.cursor.max(start);
        let found = self.bits.first_clear(from, end).or_else(|| self.bits.first_clear(start, end))?;
        self.addr(found)
    }

    /// Takes one address by name, inside the range or not; the cursor stays.
    ///
    /// # Errors
    /// If the address is not in the subnet, or is in use.
    pub fn reserve(&mut self, addr: Ipv4Addr) -> Result<(), RingError> {
        if !self.subnet.contains(addr) {
            return Err(RingError::Outside { addr, subnet: self.subnet });
        }
        if self.take(addr) { Ok(()) } else { Err(RingError::Taken { addr }) }
    }

    /// Releases one address; `false` if it was not held. Network, broadcast and gateway are never released: they go
    /// with the network. The cursor stays.
    pub fn release(&mut self, addr: Ipv4Addr) -> bool {
        if !self.subnet.contains(addr) || self.is_reserved(addr) || !self.bits.clear(self.offset(addr)) {
            return false;
        }
        // An address outside the range was never counted as taken in it: only a gateway or an address asked for by
        // name lies there.
        self.taken_in_range -= u64::from(self.range.contains(addr));
        true
    }

    /// Forgets everything and takes only `held`: what a new leader does with the addresses in the Swarm's store
    /// (swarmkit `manager/allocator/network.go`, `doNetworkInit`). Whatever leaked is free again, and the cursor
    /// is back at the start, so the lowest gaps are handed out first. Addresses of other subnets are ignored.
    pub fn rebuild(&mut self, held: impl IntoIterator<Item = Ipv4Addr>) {
        self.bits = Bitmap::new(self.subnet.size_addrs());
        self.taken_in_range = 0;
        self.cursor = 0;
        self.reserve_edges();
        // The store records the gateway with the network, so a new leader takes it before any owner's address.
        self.take(self.gateway);
        for addr in held {
            if self.subnet.contains(addr) {
                self.take(addr);
            }
        }
    }

    /// Addresses in use, counted as the engine's `IPsInUse` is: with network, broadcast and gateway, and with
    /// those outside the range. A fresh /24 has 3.
    pub fn in_use(&self) -> u64 {
        self.bits.count()
    }

    /// Addresses that can still be handed out, the engine's `DynamicIPsAvailable`: free ones in the range.
    pub fn free(&self) -> u64 {
        self.range.size_addrs() - self.taken_in_range
    }

    /// True iff an address is in use or reserved; `false` for addresses of other subnets.
    pub fn is_taken(&self, addr: Ipv4Addr) -> bool {
        self.subnet.contains(addr) && self.bits.get(self.offset(addr))
    }

    /// Where the next search begins, counted from the network address: 0 in a rebuilt pool, otherwise the
    /// place behind the last address handed out. It shows how far the ring turned, not how full it is.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// All addresses that can still be handed out, in ascending order.
    pub fn free_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let end = self.offset(self.range.last()) + 1;
        let mut next = self.offset(self.range.first());
        std::iter::from_fn(move || {
            let found = self.bits.first_clear(next, end)?;
            next = found + 1;
            self.addr(found)
        })
    }

    /// Network, broadcast or gateway.
    fn is_reserved(&self, addr: Ipv4Addr) -> bool {
        let edge = addr == self.subnet.first() || addr == self.subnet.last();
        addr == self.gateway || (edge && self.subnet.prefix() < 31)
    }

    /// Marks an address of the subnet; `false` if it was marked already.
    fn take(&mut self, addr: Ipv4Addr) -> bool {
        let fresh = self.bits.set(self.offset(addr));
        self.taken_in_range += u64::from(fresh && self.range.contains(addr));
        fresh
    }

    /// Position of an address of the subnet.
    fn offset(&self, addr: Ipv4Addr) -> u64 {
        u64::from(u32::from(addr).wrapping_sub(u32::from(self.subnet.first())))
    }

    /// Address at a position of the subnet.
    fn addr(&self, offset: u64) -> Option<Ipv4Addr> {
        let offset = u32::try_from(offset).ok()?;
        Some(Ipv4Addr::from(u32::from(self.subnet.first()).checked_add(offset)?))
    }
}

fn range_within(subnet: Subnet, range: Subnet) -> Result<Subnet, RingError> {
    match range.overlap(&subnet) {
        Some(Overlap::Equal | Overlap::Contains) => Ok(subnet),
        Some(Overlap::Inside) => Ok(range),
        None => Err(RingError::RangeOutside { subnet, range }),
    }
}
