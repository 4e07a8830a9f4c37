//! Errors of a renewal.

use std::path::PathBuf;

use pvcheck_ipam::Subnet;
use thiserror::Error;

use super::plan::RenewalPlan;
use crate::engine::CallError;
use crate::lock::LockError;

/// Why a network was not renewed. Each text says what to do next.
#[derive(Debug, Error)]
pub enum RenewalError {
    /// Something keeps it from being done; nothing was changed.
    #[error("not begun: {}", plan.reasons().join("; "))]
    Refused {
        /// The plan, with all that keeps it.
        plan: Box<RenewalPlan>,
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
    /// Tasks hold addresses of a network that is to go.
    #[error(
        "{tasks} tasks still hold addresses of {network} after {seconds} s; a longer time is given with --timeout"
    )]
    NotDrained {
        /// Its name.
        network: String,
        /// How many.
        tasks: u64,
        /// How long it was waited for.
        seconds: u64,
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

fn but(changed: &[String]) -> String {
    if changed.is_empty() { String::new() } else { format!(", but for {}", changed.join(", ")) }
}
