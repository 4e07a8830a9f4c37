//! One dockerd in network, process and mount namespaces of its own, and what it takes to run it.

pub(crate) mod api;
pub(crate) mod apt;
pub(crate) mod fault_proxy;
pub(crate) mod host;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod privilege;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod sources;
pub(crate) mod swarm;
pub(crate) mod tools;
pub(crate) mod traefik;
