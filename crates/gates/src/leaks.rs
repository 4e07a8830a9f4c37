//! How many addresses of an overlay are leaked already: the one place that decides it for every check.

use std::net::Ipv4Addr;

use pvcheck_audit::{AllocatorCounts, FullBecause, Network, Snapshot, pool_counts};
use pvcheck_swarm::{Census, CensusMethod};

use crate::cause::Unseen;
use crate::facts::LeakFact;
use crate::fault::CountedBy;
use crate::observed::{Observed, Seen};
use crate::reason::Reason;

/// A number of leaked addresses that is proved.
pub(crate) struct Leaks {
    /// How many.
    pub(crate) leaked: u64,
    /// How it is known.
    pub(crate) by: CountedBy,
    /// Which, as far as the count names them.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The sum that it is from.
    pub(crate) evidence: String,
}

/// The leaked addresses of this overlay: by its census if that is complete, else by what waiting proves.
///
/// A service or task that waits on this network alone proves that nothing is free there, and then what has no owner is
/// leaked; a census would be refused for the same reason. Otherwise the error says why the number is unknown.
pub(crate) fn leaks(
    overlay: &str,
    census: Result<&Census, Reason>,
    snapshot: Option<&Snapshot>,
) -> Result<Leaks, Reason> {
    let network = snapshot.and_then(|s| s.overlay(overlay).map(|network| (s, network)));
    let waiting = || network.and_then(|(snapshot, network)| by_waiting(snapshot, network));
    let why = match census {
        Ok(census) => match by_census(census) {
            // Such a census rests on what waits, and the snapshot says what that is.
            Some(leaks) if census.method == CensusMethod::Waiting => {
                let same = waiting().filter(|other| other.leaked == leaks.leaked);
                return Ok(Leaks { by: same.map_or(leaks.by, |other| other.by), ..leaks });
            }
            Some(leaks) => return Ok(leaks),
            None => Reason::LeaksUnknown { overlay: overlay.to_owned(), because: incomplete(census) },
        },
        Err(why) => why,
    };
    waiting().ok_or(why)
}

/// The census of this overlay among the facts, or why there is none.
pub(crate) fn census_of<'a>(facts: &'a Observed<Vec<LeakFact>>, overlay: &str) -> Result<&'a Census, Reason> {
    let all = facts.sight().map_err(|why| Reason::NotSeen(why.clone()))?;
    let fact = all.iter().find(|fact| fact.overlay == overlay);
    match fact.map(|fact| &fact.census) {
        Some(Seen::Known(census)) => Ok(census),
        Some(Seen::Unknown(why)) => Err(Reason::NotSeen(why.clone())),
        None => Err(Reason::NotSeen(Unseen::NotRecorded)),
    }
}

/// The number of a census that is complete.
fn by_census(census: &Census) -> Option<Leaks> {
    // A census that is not complete may still carry a number, in a file that was edited or by a later version.
    let leaked = census.leaked.filter(|_| census.complete)?;
    let by = CountedBy::Census { method: census.method };
    Some(Leaks { leaked, by, addresses: census.leaked_addresses.clone(), evidence: sum(census) })
}

/// What a census counted, as the sum that it must be.
pub(crate) fn sum(census: &Census) -> String {
    let leaked = census.leaked.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    format!(
        "{} usable = {} free + {} owned + {} load balancers elsewhere + {leaked} leaked, in {} ms",
        census.usable, census.handed_out, census.owned, census.load_balancers, census.elapsed_ms
    )
}

fn incomplete(census: &Census) -> String {
    census.reason.as_ref().map_or_else(|| "the census is not complete".to_owned(), ToString::to_string)
}

fn by_waiting(snapshot: &Snapshot, network: &Network) -> Option<Leaks> {
    // Not with the allocator's counts: where the engine has them they were asked for already, with more care (see
    // `census_by_status`), and what that could not settle one more reading would not either.
    let pool = pool_counts(snapshot, &AllocatorCounts::default(), &network.id);
    // What is deduced from the age of other networks is an assumption: it guides `why`, and no verdict rests on it.
    let because = pool.full_because.filter(|b| !matches!(b, FullBecause::OthersTooYoung { .. }))?;
    let (leaked, by) = (pool.leaked?, CountedBy::Waiting { because });
    let usable = network.usable();
    let evidence =
        format!("{usable} usable = 0 free + {} owned + {leaked} leaked", usable.saturating_sub(leaked));
    Some(Leaks { leaked, by, addresses: Vec::new(), evidence })
}
