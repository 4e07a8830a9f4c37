//! Why a check has its verdict: kinds with data, each with its text.
//!
//! In JSON a kind stands next to the text that it makes: `"reason": "…", "kind": "too_few_free", "data": {"free": 3, …}`.
//! Files of versions that wrote the text alone read as `Recorded`.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use pvcheck_ipam::Subnet;
use pvcheck_routes::Attempt;
use pvcheck_swarm::Order;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cause::{CanaryFailure, ChurnFailure, ChurnRefusal, Unseen};
use crate::facts::GateStep;
use crate::fault::{
    Counted, CountedBy, HandedOut, IncompleteCensus, OwnerFault, RouteDown, ServiceFault, Unlisted,
    UnlistedRoute, Waiting, a_few, list, many,
};
use crate::guard_reason::GuardReason;
use crate::harness_reason::HarnessReason;
use crate::precondition_reason::PreconditionReason;
use crate::renewal_reason::RenewalReason;
use crate::service_reason::ServicesReason;

/// Why a check has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Reason {
    /// What the check is about was not seen.
    #[error("{0}")]
    NotSeen(Unseen),
    /// As a report of an earlier version has it, which kept the text alone.
    #[error("{0}")]
    Recorded(String),

    /// What is said of a renewal.
    #[error("{0}")]
    Renewal(RenewalReason),
    /// What is said of a harness.
    #[error("{0}")]
    Harness(HarnessReason),
    /// What is said of a team's guard.
    #[error("{0}")]
    Guard(GuardReason),
    /// What is said of a gate that must have passed before.
    #[error("{0}")]
    Precondition(PreconditionReason),
    /// What is said of several services, or of a job that has not ended.
    #[error("{0}")]
    Services(ServicesReason),
    /// There is no such overlay.
    #[error("there is no overlay network `{overlay}`; create it, or correct [overlay] name")]
    NoOverlay {
        /// Its name in the configuration.
        overlay: String,
    },
    /// The overlay was created, but the allocator gave it no subnet.
    #[error("{overlay} has no subnet: Swarm has not allocated it; look for an overlap in the manager's log")]
    NotAllocated {
        /// Its name.
        overlay: String,
    },
    /// The overlay has the subnet declared.
    #[error("{overlay} has {subnet}, {usable} usable addresses")]
    SubnetAsDeclared {
        /// Its name.
        overlay: String,
        /// Its subnet.
        subnet: Subnet,
        /// How many addresses the allocator can hand out.
        usable: u64,
    },
    /// The overlay has another subnet than the one declared, or more than one.
    #[error(
        "{overlay} has {}, but {declared} is declared; a network keeps the subnet it was created with, so remove and recreate it",
        list(.subnets, ", ")
    )]
    SubnetDiffers {
        /// Its name.
        overlay: String,
        /// Its subnets.
        subnets: Vec<Subnet>,
        /// The subnet in the configuration.
        declared: Subnet,
    },
    /// Every owned address has one owner and lies in the overlay.
    #[error(
        "{total} owned: VIPs {vips}, tasks {tasks}, load balancers {load_balancers}, attachments {attachments}"
    )]
    OwnedOnce {
        /// Addresses with an owner.
        total: u64,
        /// Of these, virtual addresses of services.
        vips: u64,
        /// Of these, addresses of tasks.
        tasks: u64,
        /// Of these, addresses of the nodes' load balancers.
        load_balancers: u64,
        /// Of these, addresses of standalone containers.
        attachments: u64,
    },
    /// Addresses have more than one owner, or lie outside of the overlay.
    #[error("{}", a_few(.0, "; "))]
    OwnersAtFault(Vec<OwnerFault>),
    /// Enough addresses are free.
    #[error("{free} of {usable} addresses are free ({owned} owned, {leaked} leaked), {wanted} wanted")]
    EnoughFree {
        /// Usable addresses that are neither owned nor leaked.
        free: u64,
        /// Addresses that the allocator can hand out.
        usable: u64,
        /// Addresses with an owner.
        owned: u64,
        /// Addresses that are given out and have no owner.
        leaked: u64,
        /// The configuration's `min_free`.
        wanted: u64,
    },
    /// Too few addresses are free.
    #[error(
        "{} of {usable} addresses are free ({owned} owned, {}), {wanted} wanted",
        at_most(*.free, *.leaked), leaks_counted(*.leaked)
    )]
    TooFewFree {
        /// Usable addresses that are neither owned nor, as far as that is known, leaked.
        free: u64,
        /// Addresses that the allocator can hand out.
        usable: u64,
        /// Addresses with an owner.
        owned: u64,
        /// Addresses that are given out and have no owner; `None` where they were not counted, and `free` is a bound.
        leaked: Option<u64>,
        /// The configuration's `min_free`.
        wanted: u64,
    },
    /// No more addresses are leaked than the configuration accepts.
    #[error("{leaked} leaked, {accepted} accepted ({by})")]
    LeaksAccepted {
        /// Addresses that are given out and have no owner.
        leaked: u64,
        /// The configuration's `max_leaked`.
        accepted: u64,
        /// How that is known.
        by: CountedBy,
    },
    /// More addresses are leaked than the configuration accepts.
    #[error(
        "{} of {overlay} leaked, {accepted} accepted ({by}){}; pvcheck reclaim frees them",
        many_addresses(*.leaked), named(.addresses)
    )]
    LeaksFound {
        /// The overlay.
        overlay: String,
        /// Addresses that are given out and have no owner.
        leaked: u64,
        /// The configuration's `max_leaked`.
        accepted: u64,
        /// Which they are, where the count names them; load balancers that no manager names may be among them.
        addresses: Vec<Ipv4Addr>,
        /// How that is known.
        by: CountedBy,
    },
    /// The leaked addresses were counted, but the count is not complete.
    #[error("how many addresses of {overlay} are leaked is unknown: {because}")]
    LeaksUnknown {
        /// The overlay.
        overlay: String,
        /// Why.
        because: String,
    },
    /// Every service has its VIPs, every task its addresses.
    #[error("every service has its addresses, no task waits for one")]
    NoneWaits,
    /// Services or tasks wait for an address.
    #[error("{}", a_few(.0, "; "))]
    Waiting(Vec<Waiting>),

    /// There is no such service.
    #[error("there is no service `{service}`; deploy it")]
    NoService {
        /// Its name in the configuration.
        service: String,
    },
    /// The service runs as declared.
    #[error("{running} of {expected} tasks run")]
    ServiceRuns {
        /// Tasks that run.
        running: u64,
        /// Tasks that the configuration expects.
        expected: u64,
    },
    /// At least as many tasks run as the configuration expects.
    #[error("{running} tasks run, of {asked_now} asked for; {least} are enough")]
    EnoughRun {
        /// Tasks that run.
        running: u64,
        /// How many must run.
        least: u64,
        /// What the service itself asks for.
        asked_now: u64,
    },
    /// The job is complete.
    #[error("a job: {complete} of {total} tasks complete, {running} run")]
    JobRuns {
        /// Tasks that ended well.
        complete: u64,
        /// Tasks that run.
        running: u64,
        /// Tasks that are to complete.
        total: u64,
    },
    /// Every service of the Swarm stands in the configuration.
    #[error("{} in the Swarm, all in the configuration", many(*.services, "service"))]
    ServicesListed {
        /// How many there are.
        services: u64,
    },
    /// Services of the Swarm that no `[[service]]` of the configuration names.
    #[error("not in the configuration: {}; add a [[service]] for what must run", a_few(.0, ", "))]
    ServicesUnlisted(Vec<Unlisted>),
    /// Every route that labels declare has a route in the configuration.
    #[error("{} declared by labels, all in the configuration", many(*.routes, "route"))]
    RoutesListed {
        /// How many there are.
        routes: u64,
    },
    /// Routes that labels declare and no `[[route]]` asks.
    #[error("declared by labels and not asked: {}; add a [[route]] for what must answer", a_few(.0, ", "))]
    RoutesUnlisted(Vec<UnlistedRoute>),
    /// The facts are of a version that did not keep what labels declare.
    #[error("what the services' labels declare was not recorded")]
    LabelsNotRecorded,
    /// The service runs in another number, or not where it must.
    #[error("{}", a_few(.0, "; "))]
    ServiceAtFault(Vec<ServiceFault>),

    /// What a route's answer means, in the words of the crate that judges routes.
    #[error("{said}{}{}", behind.as_ref().map(|s| format!(" (behind it: {s})")).unwrap_or_default(), tried(.attempt.as_ref()))]
    Route {
        /// The route's own reason.
        said: String,
        /// The service behind it, where the route did not pass.
        behind: Option<String>,
        /// Which attempt it is, where it was not the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Attempt>,
    },
    /// No answer of the route is among the facts.
    #[error("the route was not asked")]
    RouteNotAsked,
    /// The configuration has no core route.
    #[error(
        "no core route is configured, so nothing shows that routes stay up; add a [[route]], or take `core = false` off one"
    )]
    NoCoreRoute,
    /// Every core route passed.
    #[error("{} as expected", answering(*.routes))]
    RoutesAnswer {
        /// How many there are.
        routes: u64,
    },
    /// Every core route passed in every round.
    #[error("{} in {}", answering(*.routes), many(*.rounds, "round"))]
    RoutesStayed {
        /// How often all were asked.
        rounds: u64,
        /// How many there are.
        routes: u64,
    },
    /// A core route stopped answering under way, and the gate stopped.
    #[error("{step}: {}", list(.down, "; "))]
    RouteDied {
        /// The step.
        step: GateStep,
        /// The routes that did not pass, twice in a row.
        down: Vec<RouteDown>,
    },
    /// Core routes did not pass.
    #[error("{}", list(.0, "; "))]
    RoutesDown(Vec<RouteDown>),

    /// A complete log has no record of an exhaustion.
    #[error("no such record among {records}")]
    NoExhaustion {
        /// Records in the window.
        records: u64,
    },
    /// The log has records of an exhaustion.
    #[error("{} that a network has no address left", saying(*.records))]
    Exhaustion {
        /// How many.
        records: u64,
    },
    /// The log is to be judged from a moment on that was still to come when it was read.
    #[error(
        "`since` of [journal] is {since}, and the log was read at {read}: nothing of it is judged yet; correct `since`"
    )]
    LogNotYet {
        /// From when on it is judged.
        since: Timestamp,
        /// When it was read.
        read: Timestamp,
    },
    /// The log's engine leads only since a moment within the window, and what ran out before another manager logged.
    #[error(
        "this log's engine was elected at {leader_since}, after `since` of [journal]: what ran out before is in the log of another \
         manager; set `since` to a moment after the election, or look there with pvcheck journal scan"
    )]
    LogOfALaterLeader {
        /// The last election in the window.
        leader_since: Timestamp,
    },
    /// The log is of another node, and its last record is long past.
    #[error("the log is of another node and ends at {last}, {} before it was read; copy it again", ago(*.last, *.read))]
    LogIsOld {
        /// Its last record.
        last: Timestamp,
        /// When it was read.
        read: Timestamp,
    },
    /// The log has no such record, and does not hold all that it should.
    #[error("{doubt}")]
    LogInconclusive {
        /// What it lacks.
        doubt: String,
    },
    /// The log has signatures of lost or missing addresses.
    #[error("{}", list(.0, ", "))]
    SignaturesFound(Vec<Counted>),
    /// A complete log has none of them.
    #[error("none among {}", many(*.records, "record"))]
    NoSignature {
        /// Records in the window.
        records: u64,
    },
    /// The log has none of them, and parts of it are missing. Reports of versions that did not say which.
    #[error("parts of the log are missing, so none found means nothing")]
    LogIncomplete,

    /// The canary did not run.
    #[error("{0}")]
    CanaryFailed(CanaryFailure),
    /// The canary runs without an address of the overlay.
    #[error("{stack} runs, but has no address on {overlay}")]
    CanaryWithoutAddress {
        /// Its stack.
        stack: String,
        /// The overlay.
        overlay: String,
    },
    /// The canary runs.
    #[error("{stack} runs")]
    CanaryRuns {
        /// Its stack.
        stack: String,
    },
    /// The canary did not run, so that its route was never asked.
    #[error("the canary did not run, so its route was not asked")]
    CanaryNotAsked,
    /// Nothing of the canary is left.
    #[error("{stack} is gone")]
    CanaryGone {
        /// Its stack.
        stack: String,
    },

    /// A guardrail kept the churn from beginning.
    #[error("refused: {0}")]
    ChurnRefused(ChurnRefusal),
    /// The churn broke off.
    #[error("broke off: {0}")]
    ChurnBrokeOff(ChurnFailure),
    /// Both censuses are complete.
    #[error("both went once round the allocator's ring")]
    CensusesComplete,
    /// A census is not complete.
    #[error("{}", list(.0, "; "))]
    CensusIncomplete(Vec<IncompleteCensus>),
    /// No census was handed an owned address.
    #[error("what was handed out had no owner, before and after")]
    NoDuplicates,
    /// The allocator handed out addresses that have an owner.
    #[error(
        "the allocator hands out addresses that are in use ({}); recreate the services that own them",
        a_few(.0, "; ")
    )]
    Duplicates(Vec<HandedOut>),
    /// None was seen, by a census that did not go all the way round.
    #[error("a census was not complete, so none found means nothing")]
    DuplicatesNotSeen,
    /// A census is not complete, so that a difference means nothing.
    #[error("without two complete censuses a leak cannot be counted")]
    LeaksNotCounted,
    /// No stack was deployed.
    #[error("no stack was deployed, so nothing was tested")]
    NoCycle,
    /// Other stacks came or went during the churn.
    #[error(
        "other stacks came or went meanwhile ({}), so whose leaks were counted ({leaked}) is unknown; run it again in a quiet window",
        list(.stacks, ", ")
    )]
    Strangers {
        /// Their names.
        stacks: Vec<String>,
        /// Addresses leaked meanwhile.
        leaked: u64,
    },
    /// The churn leaked nothing.
    #[error(
        "0 leaked in {}, order {}: with 95 % confidence below {below} per cycle",
        many(*.cycles, "cycle"), order.as_str()
    )]
    NoLeak {
        /// Stacks deployed and removed.
        cycles: u64,
        /// How they were removed.
        order: Order,
        /// The upper bound of the leaks per cycle, with two decimals.
        below: String,
    },
    /// The churn leaked addresses.
    #[error(
        "{} of {overlay} leaked in {}, order {}: one per task that was on it; {}",
        many_addresses(*.leaked), many(*.cycles, "cycle"), order.as_str(), list(.addresses, ", ")
    )]
    Leaked {
        /// The network.
        overlay: String,
        /// How many addresses.
        leaked: u64,
        /// Stacks deployed and removed.
        cycles: u64,
        /// How they were removed.
        order: Order,
        /// Which addresses.
        addresses: Vec<Ipv4Addr>,
    },
    /// Every throwaway stack was removed.
    #[error("{} removed, the slowest round in {slowest_ms} ms", many(*.stacks, "stack"))]
    StacksRemoved {
        /// How many.
        stacks: u64,
        /// The longest removal of a round.
        slowest_ms: u64,
    },

    /// Nothing with the run's label is left.
    #[error("no service, network, secret, config or task carries its label")]
    NothingLeft,
    /// Something is left, each with the engine's reason where it gave one.
    #[error("{}; run `pvcheck sweep --apply`", list(.0, "; "))]
    Left(Vec<String>),
}

impl Reason {
    /// File and line, from 1, where it is about one.
    pub(crate) fn place(&self) -> Option<(String, u64)> {
        match self {
            Self::Renewal(reason) => reason.place(),
            Self::Guard(reason) => reason.place(),
            _ => None,
        }
    }
}

fn tried(attempt: Option<&Attempt>) -> String {
    attempt.map(|attempt| format!(" ({attempt})")).unwrap_or_default()
}

fn answering(routes: u64) -> String {
    if routes == 1 { "1 route answers".to_owned() } else { format!("{routes} routes answer") }
}

fn saying(records: u64) -> String {
    if records == 1 { "1 record says".to_owned() } else { format!("{records} records say") }
}

fn at_most(free: u64, leaked: Option<u64>) -> String {
    leaked.map_or_else(|| format!("at most {free}"), |_| free.to_string())
}

fn leaks_counted(leaked: Option<u64>) -> String {
    leaked.map_or_else(|| "leaked not counted".to_owned(), |leaked| format!("{leaked} leaked"))
}

fn named(addresses: &[Ipv4Addr]) -> String {
    if addresses.is_empty() { String::new() } else { format!(": {}", a_few(addresses, ", ")) }
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_hours() {
        hours if hours < 48 => many(hours.unsigned_abs(), "hour"),
        hours => many(hours.unsigned_abs() / 24, "day"),
    }
}

fn many_addresses(n: u64) -> String {
    if n == 1 { "1 address".to_owned() } else { format!("{n} addresses") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_said_as_one() {
        assert_eq!([answering(1), answering(2)], ["1 route answers", "2 routes answer"]);
        assert_eq!([saying(1), saying(0)], ["1 record says", "0 records say"]);
        assert_eq!([many_addresses(1), many_addresses(3)], ["1 address", "3 addresses"]);
        assert_eq!([at_most(4, None), at_most(4, Some(0))], ["at most 4", "4"]);
        assert_eq!([leaks_counted(None), leaks_counted(Some(2))], ["leaked not counted", "2 leaked"]);
    }

    #[test]
    fn a_long_list_ends_with_how_many_more_there_are() {
        assert_eq!(a_few(&[1, 2, 3, 4, 5, 6, 7, 8], ", "), "1, 2, 3, 4, 5, 6, 7, 8");
        assert_eq!(a_few(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], ", "), "1, 2, 3, 4, 5, 6, 7, 8, and 2 more");
        assert_eq!(named(&[]), "");
        assert_eq!(named(&[[10, 0, 0, 2].into()]), ": 10.0.0.2");
    }
}
