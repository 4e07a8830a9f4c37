//! The options with which a gate is run, for whatever command.

use std::path::PathBuf;

use pvcheck_swarm::Order;

use super::values::order;

/// Options of `gate run` and `gate verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct GateOptions {
    /// Let gates deploy and remove stacks of their own; `gate list` says which need it
    #[arg(long)]
    pub(crate) apply: bool,
    /// Let gates count leaked addresses by a census; without it only Docker 29 and newer tell their number
    #[arg(long)]
    pub(crate) probe: bool,
    /// How throwaway stacks are removed
    #[arg(long, default_value = "drained", value_parser = order)]
    pub(crate) order: Order,
    /// The overlay of the configuration that pvfix.m1 and pvfix.m2 are about [default: its first]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// The file that `pvcheck resize` left, for pvfix.m2 [default: resize-NETWORK.json in the folder of --state of resize]
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Folder to write GATE.json, GATE.md and GATE.facts.json to; those of earlier runs stay, these are numbered then
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
