//! What the facts of a run show of every address of its overlays: by the very counts that its checks rest on.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_audit::{NoOccupancy, Occupancy, Snapshot, Unheld};
use pvcheck_ipam::Subnet;
use pvcheck_swarm::{Census, CensusMethod};
use thiserror::Error;

use super::facts::GateFacts;
use crate::cause::Unseen;
use crate::config::Config;
use crate::facts::{ChurnOutcome, M1Facts, M2Facts};
use crate::fault::CountedBy;
use crate::leaks::{Leaks, census_of, leaks};
use crate::observed::{Observed, Seen};
use crate::reason::Reason;

/// One overlay of a configuration, as the facts of a run have it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenOverlay {
    /// Its name.
    pub name: String,
    /// When its holders were read; `None` where there is no list of them.
    pub held_at: Option<Timestamp>,
    /// How many addresses are leaked, or why that is not known.
    pub leaks: Result<SeenLeaks, Reason>,
    /// What each of its addresses is, or why that cannot be told.
    pub occupancy: Result<Occupancy, Unmapped>,
    /// Addresses that are free for the allocator although they have a holder.
    pub free_and_held: Vec<Ipv4Addr>,
    /// Holders by the count, and by the list of them, where the two differ: some came or went in between.
    pub drift: Option<(u64, u64)>,
}

/// A number of leaked addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLeaks {
    /// How many.
    pub leaked: u64,
    /// How it is known.
    pub by: CountedBy,
    /// When it was counted.
    pub at: Timestamp,
}

/// Why the addresses of an overlay cannot be told.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Unmapped {
    /// It was not seen.
    #[error(transparent)]
    NotSeen(#[from] Reason),
    /// Its addresses cannot be told one by one.
    #[error(transparent)]
    NoOccupancy(#[from] NoOccupancy),
    /// A census is all there is, and its subnets cannot be read.
    #[error("its census names the subnet {subnet}, which is none")]
    NoSubnet {
        /// What it names.
        subnet: String,
    },
}

impl GateFacts {
    /// The overlays of the configuration, as far as these facts are about them: by the snapshot, or by what a churn counted
    /// where there is none.
    pub fn overlays(&self, config: &Config) -> Vec<SeenOverlay> {
        let all = config.overlays.iter().map(|overlay| overlay.name.as_str());
        match self {
            Self::FixPlan(facts) => all.map(|name| uncounted(&facts.snapshot, name)).collect(),
            Self::Fixed(facts) => all.map(|name| by_snapshot(&facts.control, name)).collect(),
            Self::M1(facts) => all.map(|name| by_snapshot(facts, name)).collect(),
            Self::M2(facts) => all.map(|name| by_census(facts, name)).collect(),
            Self::Own(facts) => match (&facts.control.snapshot.seen, &facts.deployment) {
                (Seen::Unknown(Unseen::NotNeeded), Some(deployed)) => {
                    all.map(|name| by_census(deployed, name)).collect()
                }
                // A gate that needs no snapshot is not about overlays.
                (Seen::Unknown(Unseen::NotNeeded), None) => Vec::new(),
                _ => all.map(|name| by_snapshot(&facts.control, name)).collect(),
            },
        }
    }
}

/// By a snapshot alone: only what waits can tell what is leaked.
fn uncounted(snapshot: &Observed<Snapshot>, name: &str) -> SeenOverlay {
    let none = Err(Reason::NotSeen(Unseen::NotNeeded));
    of_snapshot(snapshot, name, &leaks(name, none, snapshot.known()), None)
}

fn by_snapshot(facts: &M1Facts, name: &str) -> SeenOverlay {
    let census = census_of(&facts.leaked, name).ok().filter(|census| census.complete);
    of_snapshot(&facts.snapshot, name, &facts.leaks(name), census.map(|census| (census, facts.leaked.at)))
}

/// By the holders of a snapshot, and the count that `leaks` is from, if it was a census.
fn of_snapshot(
    snapshot: &Observed<Snapshot>,
    name: &str,
    leaks: &Result<Leaks, Reason>,
    census: Option<(&Census, Timestamp)>,
) -> SeenOverlay {
    let network = snapshot.sight().map_err(|why| Reason::NotSeen(why.clone())).and_then(|seen| {
        let none = || Reason::NoOverlay { overlay: name.to_owned() };
        seen.overlay(name).map(|network| (seen, network)).ok_or_else(none)
    });
    let unheld = match (leaks, census) {
        (Ok(_), Some((census, _))) => unheld(census),
        (Ok(leaks), None) => Unheld::Number(leaks.leaked),
        (Err(_), _) => Unheld::NotCounted,
    };
    let occupancy =
        network.map_err(Unmapped::from).and_then(|(seen, network)| Ok(Occupancy::of(seen, network, unheld)?));
    let by_census = census.filter(|_| leaks.is_ok());
    let held = |all: &Occupancy| all.owners.total();
    let drift = by_census.zip(occupancy.as_ref().ok()).map(|((census, _), all)| (holders(census), held(all)));
    SeenOverlay {
        name: name.to_owned(),
        held_at: snapshot.known().map(|_| snapshot.at),
        leaks: seen_leaks(leaks, census.map_or(snapshot.at, |(_, at)| at)),
        occupancy,
        free_and_held: by_census.map(|(census, _)| census.free_and_owned.clone()).unwrap_or_default(),
        drift: drift.filter(|(counted, listed)| counted != listed),
    }
}

/// By a census alone: the last one of the churn on this overlay, or the gate's own of another one.
fn by_census(facts: &M2Facts, name: &str) -> SeenOverlay {
    let (found, at) = match census_of(&facts.leaked, name) {
        Ok(census) => (Ok(census), facts.leaked.at),
        Err(why) => (last_of_churn(&facts.churn, name).ok_or(why), facts.churn.at),
    };
    let counted = found.and_then(|census| Ok((census, leaks(name, Ok(census), None)?)));
    let occupancy = match &counted {
        Ok((census, _)) => of_census(census),
        Err(why) => Err(why.clone().into()),
    };
    SeenOverlay {
        name: name.to_owned(),
        held_at: None,
        leaks: seen_leaks(&counted.map(|(_, leaks)| leaks), at),
        occupancy,
        free_and_held: Vec::new(),
        drift: None,
    }
}

/// The census after the churn, or the one before where that is all that is complete.
fn last_of_churn<'a>(churn: &'a Observed<ChurnOutcome>, name: &str) -> Option<&'a Census> {
    let Some(ChurnOutcome::Done(churn)) = churn.known() else { return None };
    let (after, before) = (&churn.census_after, &churn.census_before);
    let last = if !after.complete && before.complete { before } else { after };
    (churn.network == name).then_some(last)
}

fn of_census(census: &Census) -> Result<Occupancy, Unmapped> {
    let subnets: Result<Vec<Subnet>, _> = census.subnet.split(',').map(Subnet::parse).collect();
    let subnets = subnets.map_err(|_| Unmapped::NoSubnet { subnet: census.subnet.clone() })?;
    Ok(Occupancy::of_count(&subnets, census.usable, unheld(census))?)
}

/// What a complete census says of the addresses without a known holder.
fn unheld(census: &Census) -> Unheld<'_> {
    match (census.method, census.leaked) {
        (CensusMethod::Status, Some(leaked)) => Unheld::Number(leaked),
        (_, None) => Unheld::NotCounted,
        (CensusMethod::Bulk | CensusMethod::Cursor | CensusMethod::Waiting, Some(_)) => Unheld::Named {
            leaked: &census.leaked_addresses,
            leaked_or_load_balancers: &census.leaked_or_load_balancers,
            local_load_balancer: census.local_load_balancer,
        },
    }
}

/// How many addresses have a holder by a census. What is free and held at once it counts as free.
fn holders(census: &Census) -> u64 {
    census.owned + census.load_balancers + census.free_and_owned.len() as u64
}

fn seen_leaks(leaks: &Result<Leaks, Reason>, at: Timestamp) -> Result<SeenLeaks, Reason> {
    let leaks = leaks.as_ref().map_err(Clone::clone)?;
    Ok(SeenLeaks { leaked: leaks.leaked, by: leaks.by.clone(), at })
}
