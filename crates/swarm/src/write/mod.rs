//! Everything that changes a Swarm. A writer cannot be made without a [`Permit`].

mod cluster;
mod connect;
mod permit;
mod remove;
mod specs;
mod stack_spec;
mod writer;

pub(crate) use cluster::Join;
pub use permit::Permit;
pub(crate) use specs::Probes;
pub use stack_spec::{PublishMode, StackSpec};
pub(crate) use writer::Writer;
