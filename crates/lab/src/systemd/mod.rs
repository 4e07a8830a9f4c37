//! A whole host: Debian, booted with systemd in namespaces of its own, and the world as its units.

pub(crate) mod cgroups;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod machine;
pub(crate) mod root;
mod stack_file;
pub(crate) mod units;
