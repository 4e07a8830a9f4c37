//! What is deployed on a lab's Swarm: images, certificates, services, and the pvcheck.toml that describes them.

mod cc_ci;
pub(crate) mod certificates;
pub(crate) mod config;
pub(crate) mod deploy;
pub(crate) mod images;
mod nodes;
pub(crate) mod probe;
pub(crate) mod router;
pub(crate) mod scene;
pub(crate) mod service;
pub(crate) mod specification;
pub(crate) mod worlds;
