//! `pvcheck guard`: its options.

use std::path::PathBuf;

use pvcheck_swarm::Host;

#[derive(Debug, clap::Args)]
pub(crate) struct Guard {
    /// Do what is decided: once, under the lock, and proved; without this it is only told
    #[arg(long, conflicts_with_all = ["explain", "check"])]
    pub(crate) apply: bool,
    /// Print the table that decides
    #[arg(long, conflicts_with_all = ["check", "probe", "helper", "state"])]
    pub(crate) explain: bool,
    /// Read a guard of your own, such as the shell in a runbook: on what it would fire, and what is wrong with it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["probe", "helper", "state"])]
    pub(crate) check: Option<PathBuf>,
    /// Count leaked addresses by a census where the engine publishes no count; only while nothing waits for one
    #[arg(long)]
    pub(crate) probe: bool,
    /// The file of what the guard did and counted; a reclaim keeps its step log beside it
    #[arg(long, value_name = "FILE", default_value_os_t = pvcheck_swarm::default_state().join("guard.json"))]
    pub(crate) state: PathBuf,
    /// Socket of another manager of the same Swarm, used while the first is demoted; may be repeated; left out if it is down
    #[arg(long, value_name = "URL")]
    pub(crate) helper: Vec<Host>,
}
