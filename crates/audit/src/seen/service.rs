//! Services and their virtual addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::declared::DeclaredRoute;
use super::ids::{NetworkId, ServiceId};
use super::update::{UpdateOrder, UpdateStatus};

/// How many tasks a service wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "WrittenMode", into = "WrittenMode")]
pub enum ServiceMode {
    /// One per eligible node.
    Global,
    /// Tasks that run to their end and are not started again.
    Job(JobMode),
    /// This many.
    Replicated(u64),
}

/// How many tasks a job wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobMode {
    /// One completed task per eligible node.
    Global,
    /// A number of completed tasks.
    Replicated {
        /// Tasks that run at the same time, at most.
        max_concurrent: u64,
        /// Tasks that are to complete, all in all.
        total: u64,
    },
    /// It is not known, in a file of an older pvcheck.
    Unknown,
}

/// As written. The word `job` alone is that of older files.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum WrittenMode {
    Global,
    GlobalJob,
    Job,
    Replicated(u64),
    ReplicatedJob { max_concurrent: u64, total: u64 },
}

impl From<WrittenMode> for ServiceMode {
    fn from(mode: WrittenMode) -> Self {
        match mode {
            WrittenMode::Global => Self::Global,
            WrittenMode::GlobalJob => Self::Job(JobMode::Global),
            WrittenMode::Job => Self::Job(JobMode::Unknown),
            WrittenMode::Replicated(n) => Self::Replicated(n),
            WrittenMode::ReplicatedJob { max_concurrent, total } => {
                Self::Job(JobMode::Replicated { max_concurrent, total })
            }
        }
    }
}

impl From<ServiceMode> for WrittenMode {
    fn from(mode: ServiceMode) -> Self {
        match mode {
            ServiceMode::Global => Self::Global,
            ServiceMode::Job(JobMode::Global) => Self::GlobalJob,
            ServiceMode::Job(JobMode::Replicated { max_concurrent, total }) => {
                Self::ReplicatedJob { max_concurrent, total }
            }
            ServiceMode::Job(JobMode::Unknown) => Self::Job,
            ServiceMode::Replicated(n) => Self::Replicated(n),
        }
    }
}

impl ServiceMode {
    /// True iff it is a job.
    pub fn is_job(self) -> bool {
        matches!(self, Self::Job(_))
    }
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// By one address per network: the default.
    Vip,
    /// By its tasks' addresses: it holds none of its own.
    Dnsrr,
}

/// A virtual address of a service on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Vip {
    /// The network.
    pub network: NetworkId,
    /// The IPv4 address; `None` while the allocator could not give one, and where it gave an IPv6 one.
    pub address: Option<Ipv4Addr>,
    /// The IPv6 address, of a network with an IPv6 subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
}

impl Vip {
    /// True iff the allocator has given an address, IPv4 or IPv6.
    pub fn is_given(&self) -> bool {
        self.address.is_some() || self.ipv6.is_some()
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The run of pvcheck that created it.
    pub run: Option<String>,
    /// When it was created, by the Swarm's clocks; `None` in a file of an older pvcheck.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// When anything of it changed last, by the Swarm's clocks: its specification, or its addresses.
    #[serde(default)]
    pub updated: Option<Timestamp>,
    /// Which of an update's two tasks goes first.
    #[serde(default)]
    pub update_order: UpdateOrder,
    /// How far its last update is; `None` if it was never updated, and in a file of an older pvcheck.
    #[serde(default)]
    pub update: Option<UpdateStatus>,
    /// The routes that its labels declare to a router; `None` in a file of an older pvcheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Vec<DeclaredRoute>>,
    /// Of a job, which of its executions is the last one: each update that changes its tasks makes another. `None` of any
    /// other service, and in a file of an older pvcheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_and_read_back_and_an_older_job_is_read_too() {
        let replicated = JobMode::Replicated { max_concurrent: 2, total: 5 };
        for (mode, written) in [
            (ServiceMode::Global, r#""global""#),
            (ServiceMode::Replicated(3), r#"{"replicated":3}"#),
            (ServiceMode::Job(JobMode::Global), r#""global_job""#),
            (ServiceMode::Job(replicated), r#"{"replicated_job":{"max_concurrent":2,"total":5}}"#),
            (ServiceMode::Job(JobMode::Unknown), r#""job""#),
        ] {
            assert_eq!(serde_json::to_string(&mode).unwrap(), written);
            assert_eq!(serde_json::from_str::<ServiceMode>(written).unwrap(), mode);
            assert_eq!(mode.is_job(), written.contains("job"), "{written}");
        }
    }
}
