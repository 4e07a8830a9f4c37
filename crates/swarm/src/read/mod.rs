//! Reading a Swarm and a host into the facts of `pvcheck-audit`.

mod counts;
mod host;
mod look;
mod snapshot;

pub use counts::{read_count, read_counts};
pub use host::{HostFactsError, read_host};
pub use look::read_with_host;
pub(crate) use snapshot::{address, read_service, read_services, read_tasks, read_tasks_of};
