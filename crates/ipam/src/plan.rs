//! The choice of a subnet that collides with nothing, with the reasons against the others.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::collide::{Index, Reservation};
use crate::space::Space;
use crate::subnet::{Overlap, Subnet};
use crate::workload::{PREFIXES, Workload, usable};

/// Rejected candidates that a plan lists, the preferred ones aside.
const REJECTIONS_LISTED: usize = 16;
/// Conflicts that a rejection lists.
const CONFLICTS_LISTED: usize = 256;
/// Live VIP services above which a network of any size is slow (moby issue 30820).
const MANY_VIPS: u64 = 250;

/// Which free subnet is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The lowest.
    #[default]
    FirstFit,
    /// The lowest in the smallest free block that is large enough, so that large blocks stay whole.
    BestFit,
    /// The lowest whose sibling is free too, so that the network can be renewed twice as large.
    RoomToGrow,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PlanRequest {
    /// Prefix length. Not given: that of the first preferred subnet, or what the workload needs.
    pub prefix: Option<u8>,
    /// What the network has to hold.
    pub workload: Option<Workload>,
    /// Subnets to take if they are suitable, best first.
    pub prefer: Vec<Subnet>,
    /// Where to look; empty means the private ranges of RFC 1918.
    pub allow: Vec<Subnet>,
    /// Where not to look.
    pub deny: Vec<Subnet>,
    /// Which free subnet to take if none of the preferred ones is suitable.
    pub strategy: Strategy,
    /// Default address pools of the Swarm, out of which the engine serves later networks. They are
    /// not an obstacle, because the engine skips what another of its networks has; a subnet in one gets a note.
    pub default_pools: Vec<Subnet>,
    /// Nodes whose addresses and routes could not be read.
    pub not_seen: Vec<String>,
}

/// A chosen subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// The subnet.
    pub chosen: Subnet,
    /// Its prefix length.
    pub prefix: u8,
    /// Usable addresses in it.
    pub usable: u64,
    /// Addresses that the workload needs, if one was given.
    pub needed: Option<u64>,
    /// True iff it is one of the preferred ones.
    pub preferred: bool,
    /// The preferred subnets that were passed over, then, if none was taken, the lowest unsuitable ones before
    /// the chosen one.
    pub rejected: Vec<Rejection>,
    /// What to know about the choice.
    pub notes: Vec<Note>,
    /// See [`PlanRequest::not_seen`].
    pub not_seen: Vec<String>,
}

/// A candidate that is not suitable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rejection {
    /// The candidate.
    pub candidate: Subnet,
    /// Why.
    pub reason: Reason,
    /// The reservations in the way, at most 256.
    pub conflicts: Vec<Conflict>,
    /// How many more are.
    pub conflicts_unlisted: u64,
}

/// Why a candidate is not suitable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It shares addresses with reservations.
    Collides,
    /// It is free, but its sibling is taken or not allowed, and room to grow was asked for. The conflicts are
    /// the sibling's.
    SiblingTaken,
    /// It does not lie in what is allowed and not denied.
    NotAllowed,
    /// It has another prefix length than was asked for.
    OtherPrefix {
        /// What was asked for.
        wanted: u8,
    },
}

impl Reason {
    /// One word for it, the same as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collides => "collides",
            Self::SiblingTaken => "sibling_taken",
            Self::NotAllowed => "not_allowed",
            Self::OtherPrefix { .. } => "other_prefix",
        }
    }
}

/// A reservation in the way of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conflict {
    /// Whose, and where it was seen.
    #[serde(flatten)]
    pub reservation: Reservation,
    /// How the candidate lies to it.
    pub overlap: Overlap,
}

/// Something to know about a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The subnet overlaps a default address pool of the Swarm.
    DefaultPool {
        /// The pool.
        pool: Subnet,
    },
    /// Some nodes were not read.
    Unseen {
        /// How many.
        nodes: usize,
    },
    /// So many VIP services are slow on one network, however large.
    ManyVips {
        /// The number of services.
        services: u64,
    },
}

/// Why there is no plan. One line, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Neither prefix nor workload nor preferred subnet.
    #[error("no size given: name a prefix, a workload or a preferred subnet")]
    NoSize,
    /// The prefix is not a size for an overlay.
    #[error("prefix /{prefix} is not a size for an overlay: choose /1 to /30, for example /24")]
    Prefix {
        /// What was asked for.
        prefix: u8,
    },
    /// The prefix cannot hold the workload.
    #[error("a /{prefix} has {usable} usable addresses and the workload needs {needed}: choose {}",
        fix_of(*.fits))]
    TooSmall {
        /// What was asked for.
        prefix: u8,
        /// Usable addresses in it.
        usable: u64,
        /// Addresses that the workload needs.
        needed: u64,
        /// The narrowest prefix that holds it.
        fits: Option<u8>,
    },
    /// The workload is larger than any subnet.
    #[error("the workload needs {needed} addresses, more than any IPv4 subnet has: split it over networks")]
    TooLarge {
        /// Addresses that it needs.
        needed: u64,
    },
    /// The deny list covers the allow list.
    #[error("the deny list leaves nothing of the allowed subnets: deny less or allow more")]
    NothingAllowed,
    /// Every block of the size is taken or, with room to grow, has a sibling that is.
    #[error("no free /{prefix} {} the allowed subnets: {}", if *.room_to_grow { "with a free sibling in" } else { "in" },
        no_room_fix(*.largest_free, *.prefix, *.room_to_grow))]
    NoRoom {
        /// The prefix wanted.
        prefix: u8,
        /// True iff a free sibling was wanted too.
        room_to_grow: bool,
        /// The largest free block that there is.
        largest_free: Option<Subnet>,
        /// The candidates that were tried, as in [`Plan::rejected`].
        rejected: Vec<Rejection>,
    },
}

fn fix_of(fits: Option<u8>) -> String {
    fits.map_or_else(|| "several networks".to_owned(), |prefix| format!("/{prefix} or wider"))
}

fn no_room_fix(largest: Option<Subnet>, prefix: u8, room_to_grow: bool) -> String {
    match largest {
        None => "they are taken completely, so allow more".to_owned(),
        Some(largest) if room_to_grow && largest.prefix() <= prefix => {
            format!("{largest} is free without one, so use first-fit or allow more")
        }
        Some(largest) => format!("the largest free block is {largest}, so allow more or ask for less"),
    }
}

/// Chooses a subnet.
///
/// The first suitable preferred one, otherwise by the strategy. The same request and the same reservations give
/// the same plan, in any order of the reservations and lists (the preferred ones aside).
///
/// # Errors
/// If the size is missing, impossible or too small for the workload, if nothing is allowed, or if no subnet is free.
pub fn plan_subnet(request: &PlanRequest, index: &Index) -> Result<Plan, PlanError> {
    let planner = Planner::new(request, index)?;
    let mut rejected = vec![];
    for candidate in &request.prefer {
        match planner.check(*candidate) {
            None => return Ok(planner.chosen(*candidate, true, rejected)),
            Some(rejection) => rejected.push(rejection),
        }
    }
    let found = planner.search();
    planner.explain_search(found, &mut rejected);
    match found {
        Some(found) => Ok(planner.chosen(found, false, rejected)),
        None => Err(planner.no_room(rejected)),
    }
}

struct Planner<'a> {
    request: &'a PlanRequest,
    index: &'a Index,
    space: Space,
    prefix: u8,
}

impl<'a> Planner<'a> {
    fn new(request: &'a PlanRequest, index: &'a Index) -> Result<Self, PlanError> {
        let prefix = prefix_of(request)?;
        let private = private_ranges();
        let allow = if request.allow.is_empty() { &private[..] } else { &request.allow };
        let space = Space::new(allow, &request.deny);
        if space.is_empty() {
            return Err(PlanError::NothingAllowed);
        }
        Ok(Self { request, index, space, prefix })
    }

    fn room_to_grow(&self) -> bool {
        self.request.strategy == Strategy::RoomToGrow
    }

    fn size(&self) -> u64 {
        1 << (32 - u32::from(self.prefix))
    }

    fn check(&self, candidate: Subnet) -> Option<Rejection> {
        let rejected = |reason, rivals: Option<Subnet>| Some(self.rejection(candidate, reason, rivals));
        // The order of these checks decides which reason a user reads: size first, because another size cannot be
        // compared; then the reservations, because a conflict names its owner, which "not allowed" does not.
        if candidate.prefix() != self.prefix {
            return rejected(Reason::OtherPrefix { wanted: self.prefix }, None);
        }
        if !self.index.is_free(candidate) {
            return rejected(Reason::Collides, Some(candidate));
        }
        if !self.space.holds(candidate) {
            return rejected(Reason::NotAllowed, None);
        }
        let sibling = candidate.sibling().filter(|_| self.room_to_grow())?;
        let grows = self.space.holds(sibling) && self.index.is_free(sibling);
        if grows { None } else { rejected(Reason::SiblingTaken, Some(sibling)) }
    }

    fn rejection(&self, candidate: Subnet, reason: Reason, rivals: Option<Subnet>) -> Rejection {
        let conflicts: Vec<_> = rivals
            .into_iter()
            .flat_map(|subnet| self.index.conflicts(subnet))
            .take(CONFLICTS_LISTED)
            .map(|(reservation, overlap)| Conflict { reservation: reservation.clone(), overlap })
            .collect();
        // Counted apart, because the list is cut and a /1 may collide with every reservation there is.
        let all = rivals.map_or(0, |subnet| self.index.count_conflicts(subnet));
        let conflicts_unlisted = u64::try_from(all - conflicts.len()).unwrap_or(u64::MAX);
        Rejection { candidate, reason, conflicts, conflicts_unlisted }
    }

    fn search(&self) -> Option<Subnet> {
        let taken = self.index.taken();
        match self.request.strategy {
            Strategy::FirstFit => self.space.first_free(taken, self.size()),
            Strategy::BestFit => self.space.best_free(taken, self.size()),
            Strategy::RoomToGrow => {
                // An aligned free block of twice the size is a candidate and its sibling; its lower half comes first.
                let both = self.space.first_free(taken, self.size() * 2)?;
                Subnet::around(both.first(), self.prefix)
            }
        }
    }

    /// The lowest unsuitable candidates before the one that the search found.
    fn explain_search(&self, found: Option<Subnet>, rejected: &mut Vec<Rejection>) {
        // Blocks are tried one by one, so their number is bounded: an allow list of 10.0.0.0/8 has 2^22 blocks of a
        // /30. A free block that best-fit skipped is not a rejection.
        let end = found.unwrap_or_else(|| Subnet::host(Ipv4Addr::BROADCAST));
        let fresh: Vec<_> = self
            .space
            .blocks_before(self.size(), end)
            .take(REJECTIONS_LISTED)
            .filter(|candidate| !self.request.prefer.contains(candidate))
            .filter_map(|candidate| self.check(candidate))
            .collect();
        rejected.extend(fresh);
    }

    fn chosen(&self, chosen: Subnet, preferred: bool, rejected: Vec<Rejection>) -> Plan {
        Plan {
            chosen,
            prefix: chosen.prefix(),
            usable: chosen.usable(),
            needed: self.request.workload.map(|workload| workload.needed()),
            preferred,
            rejected,
            notes: self.notes(chosen),
            not_seen: self.request.not_seen.clone(),
        }
    }

    fn notes(&self, chosen: Subnet) -> Vec<Note> {
        let pools = self.request.default_pools.iter().filter(|pool| chosen.overlap(pool).is_some());
        let mut notes: Vec<_> = pools.map(|pool| Note::DefaultPool { pool: *pool }).collect();
        if !self.request.not_seen.is_empty() {
            notes.push(Note::Unseen { nodes: self.request.not_seen.len() });
        }
        let services = self.request.workload.map_or(0, |workload| workload.services);
        if services > MANY_VIPS {
            notes.push(Note::ManyVips { services });
        }
        notes
    }

    fn no_room(&self, rejected: Vec<Rejection>) -> PlanError {
        PlanError::NoRoom {
            prefix: self.prefix,
            room_to_grow: self.room_to_grow(),
            largest_free: self.space.largest_free(self.index.taken()),
            rejected,
        }
    }
}

/// The size that is asked for, if the workload fits it.
fn prefix_of(request: &PlanRequest) -> Result<u8, PlanError> {
    let needed = request.workload.map_or(0, |workload| workload.needed());
    let fits = request.workload.and_then(|workload| workload.prefix());
    // What is asked for explicitly wins over what follows from the preferred subnet, and that over the workload.
    let wanted = request.prefix.or_else(|| request.prefer.first().map(|subnet| subnet.prefix()));
    let prefix = match wanted {
        Some(prefix) => prefix,
        None if request.workload.is_some() => fits.ok_or(PlanError::TooLarge { needed })?,
        None => return Err(PlanError::NoSize),
    };
    if !PREFIXES.contains(&prefix) {
        return Err(PlanError::Prefix { prefix });
    }
    let usable = usable(prefix);
    if usable < needed {
        return Err(PlanError::TooSmall { prefix, usable, needed, fits });
    }
    Ok(prefix)
}

/// RFC 1918.
fn private_ranges() -> [Subnet; 3] {
    [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)]
        .map(|(first, prefix)| Subnet::canonical(Ipv4Net::new_assert(Ipv4Addr::from(first), prefix)))
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.candidate.fmt(f)?;
        match self.reason {
            Reason::Collides => {}
            Reason::SiblingTaken => f.write_str(" is free, but its sibling is not allowed or not free")?,
            Reason::NotAllowed => f.write_str(" is outside the allowed subnets")?,
            Reason::OtherPrefix { wanted } => write!(f, " is not the /{wanted} that was asked for")?,
        }
        for (at, Conflict { reservation, overlap }) in self.conflicts.iter().enumerate() {
            match (self.reason, at) {
                (Reason::SiblingTaken, 0) => write!(f, ": {reservation}")?,
                (Reason::SiblingTaken, _) => write!(f, ", {reservation}")?,
                (_, 0) => write!(f, " {overlap} {reservation}")?,
                _ => write!(f, ", {overlap} {reservation}")?,
            }
        }
        if self.conflicts_unlisted > 0 {
            write!(f, ", and {} more", self.conflicts_unlisted)?;
        }
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultPool { pool } => write!(
                f,
                "it overlaps the Swarm's default address pool {pool}: the engine passes over it for other \
                 overlays as long as this network exists, and may serve it to another one while it does not"
            ),
            Self::Unseen { nodes } => {
                let were = if *nodes == 1 { "node was" } else { "nodes were" };
                write!(f, "{nodes} {were} not inspected: addresses and routes there may collide")
            }
            Self::ManyVips { services } => write!(
                f,
                "{services} VIP services are slow to set up on one network however large it is: split them, or \
                 use dnsrr"
            ),
        }
    }
}
