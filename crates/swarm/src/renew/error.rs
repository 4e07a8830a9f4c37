//! Errors of a renewal.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use pvcheck_audit::NoSuchNetwork;
use pvcheck_ipam::Subnet;
use thiserror::Error;

use super::plan::RenewalPlan;
use super::record::Unfinished;
use crate::engine::CallError;
use crate::lock::LockError;
use crate::removal::Left;

/// Why a network was not renewed. Each text says what to do next.
#[derive(Debug, Error)]
pub enum RenewalError {
    /// Something keeps it from being done; nothing was changed.
    #[error("not begun: {}", plan.reasons().join("; "))]
    Refused {
        /// The plan, with all that keeps it.
        plan: Box<RenewalPlan>,
    },
    /// There is no such network.
    #[error(transparent)]
    NoSuchNetwork(#[from] NoSuchNetwork),
    /// The network is not there because its renewal is not finished.
    #[error(
        "the renewal of {} was begun and not finished, and the network is not there now; `pvcheck resize status` says where it stands, `pvcheck resize resume` and `pvcheck resize rollback` end it",
        renewal.network
    )]
    Unfinished {
        /// The renewal.
        renewal: Box<Unfinished>,
    },
    /// There is nothing to resume or to roll back.
    #[error("no renewal is under way in this Swarm")]
    NothingUnderWay,
    /// Another renewal was begun at the same moment; nothing was changed.
    #[error("another renewal was begun in this Swarm; `pvcheck resize status` says where it stands")]
    Begun,
    /// Another process goes on with this renewal, or ended it.
    #[error(
        "another process goes on with this renewal, so this one has stopped; `pvcheck resize status` says where it stands"
    )]
    Lost,
    /// More services than the Swarm's store takes the record of.
    #[error(
        "the record of {services} services has {bytes} bytes, more than a config of the Swarm may have; move some of them to another network first"
    )]
    TooLarge {
        /// How many.
        services: usize,
        /// Its size.
        bytes: usize,
    },
    /// The lock was not taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A file could not be read or written.
    #[error("{}: {source}; name another folder with --state DIR", path.display())]
    State {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A network of the name is neither the old one nor the new one.
    #[error(
        "the network {name} that is there is neither the old one nor the new one: another client created it"
    )]
    Foreign {
        /// Its name.
        name: String,
    },
    /// A service's networks are none of those that the renewal gives it.
    #[error(
        "the networks of {service} were changed by another client meanwhile; put the network back into its list, or take it out, and go on"
    )]
    Changed {
        /// The service.
        service: String,
    },
    /// A network was created and got no subnet.
    #[error(
        "{network} was created and Swarm gave it no subnet ({subnet}) within {seconds} s: something else overlaps it"
    )]
    NoSubnet {
        /// Its name.
        network: String,
        /// What was asked for.
        subnet: Subnet,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Services did not come up on their networks.
    #[error("within {seconds} s {what}; a longer time is given with --timeout")]
    NotSettled {
        /// What is lacking, service by service.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A service's update stopped at a failure.
    #[error("the update of {service} stopped: {message}")]
    UpdateFailed {
        /// The service.
        service: String,
        /// What the Swarm says of it.
        message: String,
    },
    /// A container could not be connected, or disconnected.
    #[error("the container {container} could not be connected: {error}")]
    NotConnected {
        /// Its name.
        container: String,
        /// What the engine said.
        #[source]
        error: Box<CallError>,
    },
    /// The node's load balancer has the address of a container, and gets no other.
    #[error(
        "the container {container} cannot have its address {address}, which the node's load balancer has; disconnect the container first"
    )]
    AddressTaken {
        /// Its name.
        container: String,
        /// The address.
        address: Ipv4Addr,
    },
    /// Containers that were attached by hand are on another node than the one that is asked.
    #[error(
        "{} attached by hand on {host}, whose engine alone can connect {} again: run this there, with --host or on that node",
        was(containers),
        if containers.len() == 1 { "it" } else { "them" }
    )]
    OtherNode {
        /// Their names.
        containers: Vec<String>,
        /// The host name of their node.
        host: String,
    },
    /// A node is down that has tasks on a network that is to go.
    #[error(
        "{} down, and {} addresses of {network}: bring the node back, or remove it with `docker node rm --force`",
        are(nodes),
        if *tasks == 1 { "1 task there holds".to_owned() } else { format!("{tasks} tasks there hold") }
    )]
    NodeDown {
        /// Their host names.
        nodes: Vec<String>,
        /// How many.
        tasks: u64,
        /// The network's name.
        network: String,
    },
    /// Tasks hold addresses of a network that is to go.
    #[error(
        "{tasks} tasks of {} still hold addresses of {network} after {seconds} s; a longer time is given with --timeout",
        of.join(", ")
    )]
    NotDrained {
        /// Its name.
        network: String,
        /// How many.
        tasks: u64,
        /// Some of their services.
        of: Vec<String>,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Services by which the room was counted could not be removed; nothing else was changed.
    #[error(
        "{}but this is left of a count, run `pvcheck sweep --apply`: {}",
        why.as_ref().map_or_else(|| "not begun; ".to_owned(), |why| format!("{why}; ")),
        parts(left)
    )]
    CountLeft {
        /// Why the count was not finished either.
        why: Option<Box<CallError>>,
        /// What is left.
        left: Vec<Left>,
    },
    /// It failed, and was put back.
    #[error("not renewed: {why}; everything was put back as it was{}", but(changed))]
    RolledBack {
        /// What failed.
        why: Box<Self>,
        /// What is not as it was all the same.
        changed: Vec<String>,
    },
    /// It failed, and was left where it stands as asked.
    #[error("stopped: {0}; run `pvcheck resize resume` or `pvcheck resize rollback`")]
    Held(Box<Self>),
    /// It failed, and so did putting it back.
    #[error(
        "{why}; and then, putting it back: {then}; run `pvcheck resize rollback`, or `pvcheck resize resume` to finish it"
    )]
    Stranded {
        /// What failed first.
        why: String,
        /// What failed then.
        then: Box<Self>,
    },
}

fn was(containers: &[String]) -> String {
    let (list, one) = (containers.join(", "), containers.len() == 1);
    if one { format!("the container {list} was") } else { format!("the containers {list} were") }
}

fn are(nodes: &[String]) -> String {
    let (list, one) = (nodes.join(", "), nodes.len() == 1);
    if one { format!("node {list} is") } else { format!("nodes {list} are") }
}

fn parts(left: &[Left]) -> String {
    left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn but(changed: &[String]) -> String {
    if changed.is_empty() { String::new() } else { format!(", but for {}", changed.join(", ")) }
}
