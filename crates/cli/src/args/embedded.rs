//! `pvcheck embedded`: its commands and options.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Subcommand, ValueEnum};
use pvcheck_sim::{Engine, FaultRule};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Embedded {
    #[command(subcommand)]
    pub(crate) what: EmbeddedCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmbeddedCommand {
    /// Serve a model of a Swarm manager on a unix socket until Ctrl-C; the docker client works against it
    ///
    /// It needs no root and starts no container. SIGINT, SIGTERM and SIGHUP end it; its socket is removed then, and the
    /// exit code is 0.
    ///
    /// Example: pvcheck embedded up --world incident --socket /tmp/swarm.sock
    #[command(disable_version_flag = true)]
    Up(EmbeddedUp),
}

#[derive(Debug, clap::Args)]
pub(crate) struct EmbeddedUp {
    /// Where to listen; nothing may be there
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// What the Swarm has
    #[arg(long, value_name = "NAME", default_value = "cc-ci")]
    pub(crate) world: WorldChoice,
    /// Managers of the Swarm; this engine is the first of them and leads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=7))]
    pub(crate) managers: u8,
    /// The engine's release
    #[arg(long, value_name = "VERSION", default_value = Engine::V20_10.series(), value_parser = version())]
    pub(crate) version: Engine,
    /// Where the ids of all objects begin; the same seed gives the same ids
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What goes wrong with which calls, such as 'GET /tasks: status 500, times 2'; may be repeated, docs/embedded.md has
    /// the kinds
    #[arg(long, value_name = "RULE")]
    pub(crate) fault: Vec<FaultRule>,
}

/// A world of the embedded engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WorldChoice {
    /// A CI host in small: nine services, most of them on the overlay `proxy`
    CcCi,
    /// The same host after many deployments: `proxy` is full of leaked addresses, and a service waits
    Incident,
    /// A manager and its ingress network
    Empty,
}

/// A release by the first two numbers of its version; clap lists those that there are.
fn version() -> impl TypedValueParser<Value = Engine> {
    PossibleValuesParser::new(Engine::ALL.map(Engine::series)).try_map(|series| {
        let known = Engine::ALL.into_iter().find(|engine| engine.series() == series);
        known.ok_or_else(|| format!("there is no engine {series}"))
    })
}
