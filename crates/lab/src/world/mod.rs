//! What is deployed on a lab's Swarm: images, certificates, services, and the pvcheck.toml that describes them.

pub(crate) mod cc_ci;
mod certificates;
mod config;
pub(crate) mod deploy;
pub(crate) mod images;
pub(crate) mod probe;
