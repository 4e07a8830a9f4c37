//! Real private Docker engines for tests and demos.
//!
//! A [`Lab`] is one Swarm on engines of its own: each runs in network, process and mount namespaces of its own,
//! from programs on PATH or from Debian's packages unpacked into a cache. Nothing of it touches the host's
//! Docker, bridges, firewall or files; no registry is asked; nothing is installed; no system-wide engine is
//! started. Taking a lab down, dropping it or panicking leaves no process, namespace, mount, cgroup or folder,
//! and what a killed process left is found by its state file ([`Lab::down_stale`]).
//!
//! A lab can also be one whole host: Debian, booted with systemd ([`Lab::boot`]), whose units make the Swarm and deploy the
//! world; commands run inside of it.
//!
//! The library never prints: progress goes to a callback. It blocks; in an async test it holds one thread for the
//! seconds that it takes.
//!
//! ```no_run
//! use pvcheck_lab::{Lab, LabSpec, World};
//!
//! # fn main() -> Result<(), pvcheck_lab::LabError> {
//! let spec = LabSpec { world: World::CcCi, ..LabSpec::default() };
//! let lab = Lab::up(spec, &|progress| drop(progress.message))?;
//! let listing = lab.command("docker").args(["service", "ls"]).output();
//! assert!(listing.is_ok_and(|output| output.status.success()));
//! lab.down()
//! # }
//! ```

#![forbid(unsafe_code)]

mod engine;
mod error;
mod info;
mod lab;
mod parallel;
mod progress;
mod spec;
mod state;
mod status;
mod systemd;
mod teardown;
mod world;

pub use engine::fault_proxy::FaultProxy;
pub use engine::proxy::ReadOnlyProxy;
pub use error::LabError;
pub use info::{EngineInfo, HostInfo, LabInfo, RouteInfo, RouterInfo, Spare, SystemState};
pub use lab::Lab;
pub use progress::{Progress, ProgressSink};
pub use pvcheck_sim::{Fault, FaultError, FaultRule};
pub use spec::{Cancel, HostSpec, LabName, LabSpec, Router, Suite, World};
pub use status::LabStatus;
pub use systemd::gate::Gate;
pub use world::images::BUSYBOX_IMAGE;
