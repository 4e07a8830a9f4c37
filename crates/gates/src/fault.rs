//! The parts of a [`Reason`](crate::Reason): what is wrong with one owner, one service, one route.

use std::fmt::Display;
use std::net::Ipv4Addr;

use pvcheck_audit::{FullBecause, JobMode, ServiceMode, TaskId, Unclear};
use pvcheck_swarm::CensusMethod;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is wrong with the owner of an address.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OwnerFault {
    /// The address has more than one.
    #[error("{address} has more than one owner; run docker service update --force on one of them")]
    Shared {
        /// The address.
        address: Ipv4Addr,
    },
    /// The address lies in no subnet of the overlay.
    #[error("{} has {address}, which is outside of {overlay}", service.as_deref().unwrap_or("a container"))]
    Outside {
        /// The service that holds it; `None` for a standalone container.
        service: Option<String>,
        /// The address.
        address: Ipv4Addr,
        /// The overlay.
        overlay: String,
    },
}

/// A service or a task that waits for an address.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Waiting {
    /// A service without a VIP.
    #[error("{service} has no virtual address on {network}, {because}")]
    Service {
        /// The service.
        service: String,
        /// The network, by name or else by id.
        network: String,
        /// Why that network gives it none.
        because: VipLack,
    },
    /// A task without an address.
    #[error("task {task} of {service} waits: {because}")]
    Task {
        /// The task.
        task: TaskId,
        /// Its service.
        service: String,
        /// Why, as the audit has it.
        because: String,
    },
}

/// Why a service has no VIP on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VipLack {
    /// The allocator gave the network no subnet.
    #[error("which has no subnet")]
    NotAllocated,
    /// The service waits on this network alone, so that this one is full.
    #[error("which is full")]
    Full,
    /// The service waits on several networks: addresses are given on all of them or on none.
    #[error("and on another network neither")]
    OnSeveral,
}

/// What is wrong with a service.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServiceFault {
    /// Another number of tasks runs.
    #[error("{running} of {expected} tasks run ({})", asked_for(*.mode))]
    Tasks {
        /// Tasks that run.
        running: u64,
        /// Tasks that the configuration expects.
        expected: u64,
        /// What the service itself asks for.
        mode: ServiceMode,
    },
    /// The configuration expects another number than the service asks for.
    #[error("the configuration says replicas = {configured}, the service asks for {}; {}", asks(*.mode), correct(*.mode))]
    Number {
        /// The configuration's number.
        configured: u64,
        /// What the service itself asks for.
        mode: ServiceMode,
    },
    /// The configuration expects more than the service asks for.
    #[error("the configuration says at_least = {configured}, the service asks for {}; scale it, or correct `at_least`", asks(*.mode))]
    TooFewAskedFor {
        /// The configuration's number.
        configured: u64,
        /// What the service itself asks for.
        mode: ServiceMode,
    },
    /// A task of a job that is not complete has failed.
    #[error("a job: {complete} of {total} tasks complete, {failed} failed, the last one so: {error}")]
    JobFailed {
        /// Tasks that ended well.
        complete: u64,
        /// Tasks that ended badly.
        failed: u64,
        /// What the engine says of the one that failed last.
        error: String,
        /// Tasks that are to complete.
        total: u64,
    },
    /// A job is not complete, and nothing of it is on its way.
    #[error("a job: {complete} of {total} tasks complete, {running} run")]
    Job {
        /// Tasks that ended well.
        complete: u64,
        /// Tasks that run.
        running: u64,
        /// Tasks that are to complete.
        total: u64,
    },
    /// The overlay that it must be on does not exist.
    #[error("there is no overlay `{overlay}`")]
    NoOverlay {
        /// Its name.
        overlay: String,
    },
    /// It has no VIP on the overlay.
    #[error("it has no virtual address on {overlay}")]
    NoVip {
        /// The overlay.
        overlay: String,
    },
    /// A task of it has no address of the overlay.
    #[error("task {task} has no address on {overlay}")]
    TaskWithoutAddress {
        /// The task.
        task: TaskId,
        /// The overlay.
        overlay: String,
    },
}

/// A service that the configuration does not name.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{service} ({tally})")]
pub struct Unlisted {
    /// Its name.
    pub service: String,
    /// How many of its tasks run, of how many.
    pub tally: String,
}

/// A route that a service's labels declare and no route of the configuration asks.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UnlistedRoute {
    /// A host, or some paths of it.
    #[error("{site} ({service})")]
    Site {
        /// The service.
        service: String,
        /// The site.
        site: String,
    },
    /// A rule of which the hosts cannot be listed, so that it cannot be said whether it is asked.
    #[error("{label} of {service}, which {because}")]
    Unclear {
        /// The service.
        service: String,
        /// The label.
        label: String,
        /// Why.
        because: Unclear,
    },
}

/// A core route that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{route}: {said}")]
pub struct RouteDown {
    /// The route's name.
    pub route: String,
    /// The route's own reason.
    pub said: String,
}

/// How often a signature was found.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{count} × {signature}")]
pub struct Counted {
    /// Its id in the catalogue of signatures.
    pub signature: String,
    /// Records in the window.
    pub count: u64,
}

/// One of the two censuses of a churn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before anything was deployed.
    #[error("before")]
    Before,
    /// After everything was removed.
    #[error("after")]
    After,
}

/// A census that did not go all the way round.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("the census {when} is incomplete: {}", reason.as_deref().unwrap_or("no reason given"))]
pub struct IncompleteCensus {
    /// Which.
    pub when: When,
    /// The census' own reason.
    pub reason: Option<String>,
}

/// Owned addresses that a census was handed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{when}: {}", list(.addresses, ", "))]
pub struct HandedOut {
    /// To which census.
    pub when: When,
    /// The addresses.
    pub addresses: Vec<Ipv4Addr>,
}

/// How a number of leaked addresses is known.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CountedBy {
    /// By a complete census.
    #[error("by census, method {}", method_name(*.method))]
    Census {
        /// How it asked.
        method: CensusMethod,
    },
    /// By what waits for an address: nothing is free, so what has no owner is leaked.
    #[error("without a census: {because}")]
    Waiting {
        /// How it is known that nothing is free.
        because: FullBecause,
    },
}

/// The name of the option's value.
fn method_name(method: CensusMethod) -> &'static str {
    match method {
        CensusMethod::Bulk => "bulk",
        CensusMethod::Cursor => "cursor",
        CensusMethod::Status => "status",
        CensusMethod::Waiting => "waiting",
    }
}

/// What a service asks for, as the end of a sentence.
pub(crate) fn asked_for(mode: ServiceMode) -> String {
    match mode {
        ServiceMode::Replicated(n) => format!("{n} asked for"),
        ServiceMode::Global => "one per node asked for".into(),
        ServiceMode::Job(_) => "a job".into(),
    }
}

fn asks(mode: ServiceMode) -> String {
    match mode {
        ServiceMode::Replicated(n) => n.to_string(),
        ServiceMode::Global => "one task per node".into(),
        ServiceMode::Job(JobMode::Replicated { total, .. }) => format!("{total} completed tasks"),
        ServiceMode::Job(JobMode::Global) => "one completed task per node".into(),
        ServiceMode::Job(JobMode::Unknown) => "a job's completions".into(),
    }
}

/// What to do about a number that the service does not ask for.
fn correct(mode: ServiceMode) -> &'static str {
    match mode {
        ServiceMode::Replicated(_) => {
            "scale it, or correct `replicas` (without it the service's own number counts)"
        }
        ServiceMode::Global | ServiceMode::Job(_) => "leave `replicas` out",
    }
}

/// `1 thing` or `n things`.
pub(crate) fn many(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

pub(crate) fn list(items: &[impl Display], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// The first of them: thousands of addresses can be lost and thousands of services wait on a /16, and a reason is one line.
/// JSON has them all.
pub(crate) fn a_few(items: &[impl Display], separator: &str) -> String {
    const MOST: usize = 8;
    match items.split_at_checked(MOST) {
        Some((few, more)) if !more.is_empty() => {
            format!("{}{separator}and {} more", list(few, separator), more.len())
        }
        _ => list(items, separator),
    }
}
