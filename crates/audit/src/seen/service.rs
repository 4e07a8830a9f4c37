//! Services and their virtual addresses.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{NetworkId, ServiceId};

/// How many tasks a service wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceMode {
    /// One per eligible node.
    Global,
    /// A job, replicated or global.
    Job,
    /// This many.
    Replicated(u64),
}

impl ServiceMode {
    /// True iff it is a job: its tasks run to their end and are not started again.
    pub fn is_job(self) -> bool {
        matches!(self, Self::Job)
    }
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// By one address per network: the default.
    Vip,
    /// By its tasks' addresses: it holds none of its own.
    Dnsrr,
}

/// A virtual address of a service on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// The network.
    pub network: NetworkId,
    /// The address; `None` while the allocator could not give one.
    pub address: Option<Ipv4Addr>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// How many tasks it wants.
    pub mode: ServiceMode,
    /// How it is reached.
    pub endpoint: EndpointMode,
    /// The networks its tasks join, in the order of its spec.
    pub networks: Vec<NetworkId>,
    /// True iff it publishes at least one port through the routing mesh.
    pub publishes_ingress: bool,
    /// Its virtual addresses.
    pub vips: Vec<Vip>,
    /// The stack that it belongs to.
    pub stack: Option<String>,
    /// The run of pvcheck that made it.
    pub run: Option<String>,
    /// When it was made, by the Swarm's clocks; `None` in a look of an older pvcheck.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// When anything of it changed last, by the Swarm's clocks: its specification, or its addresses.
    #[serde(default)]
    pub updated: Option<Timestamp>,
}
