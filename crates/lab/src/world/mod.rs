//! What is deployed on a lab's Swarm: images, certificates, services, and the pvcheck.toml that describes them.

mod cc_ci;
mod certificates;
mod config;
pub(crate) mod deploy;
pub(crate) mod images;
mod nodes;
pub(crate) mod probe;
mod router;
pub(crate) mod scene;
mod service;
mod specification;
pub(crate) mod worlds;
