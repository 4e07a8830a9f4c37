//! Reading a Swarm and a host into the facts of `pvcheck-audit`.

mod containers;
mod counts;
mod host;
mod snapshot;
mod standing;
mod with_host;

pub(crate) use containers::{ContainerFacts, read_container, read_containers_on};
pub use counts::{read_count, read_counts};
pub use host::{HostFactsError, read_host};
pub(crate) use snapshot::{
    address, read_network_names, read_nodes, read_own_node, read_service, read_services, read_tasks,
    read_tasks_of,
};
pub use standing::{Membership, Standing, read_standing};
pub use with_host::read_with_host;
