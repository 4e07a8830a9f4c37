//! The command lines of removals: `stack rm`, and the docker client's own with an order that leaks nothing.

use std::time::Duration;

use clap::Subcommand;

use super::values::go_bool;

#[derive(Debug, clap::Args)]
pub(crate) struct Stack {
    #[command(subcommand)]
    pub(crate) what: StackCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StackCommand {
    /// Remove stacks: services, wait for their tasks, then networks, secrets and configs
    ///
    /// A stack whose tasks do not stop in time keeps its networks; run the command again then, as after Ctrl-C.
    /// If one of the stacks does not exist, nothing is removed (exit code 2). For the docker client's own behaviour in
    /// scripts, use `pvcheck docker stack rm`.
    ///
    /// Example: pvcheck stack rm ghos-bdd2f3 --apply
    #[command(visible_aliases = ["remove", "down"])]
    Rm(StackRm),
}

/// The docker client's commands that have a form without leaks.
#[derive(Debug, clap::Args)]
pub(crate) struct Docker {
    #[command(subcommand)]
    pub(crate) what: DockerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DockerCommand {
    /// Remove stacks
    Stack(DockerStack),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DockerStack {
    #[command(subcommand)]
    pub(crate) what: DockerStackCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DockerStackCommand {
    /// Remove stacks as `docker stack rm` does, but drained; acts at once, without --apply
    ///
    /// Takes the options of client versions 20.10 to 29 and prints the same lines. As with the client, an unknown stack
    /// is not an error: `Nothing found in stack: NAME` on stderr, exit code 0. Exit code 1 if something is left.
    ///
    /// Example: pvcheck docker stack rm ghos-bdd2f3
    #[command(visible_aliases = ["remove", "down"])]
    Rm(DockerStackRm),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DockerStackRm {
    /// Names of stacks
    #[arg(required = true, value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    #[command(flatten)]
    pub(crate) removal: Removal,
}

/// Options of `stack rm` and `docker stack rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Removal {
    /// How long to wait for tasks to stop before leaving a stack's networks in place
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Accepted for scripts, without effect: a removal that leaks nothing has to wait
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = go_bool)]
    pub(crate) detach: Option<bool>,
    /// Accepted from scripts for the client of 20.10; `swarm` and `all` have no effect
    #[arg(long, value_name = "NAME", hide = true, value_parser = ["swarm", "all", ""])]
    pub(crate) orchestrator: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StackRm {
    /// Names of stacks
    #[arg(required = true, value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    #[command(flatten)]
    pub(crate) removal: Removal,
    /// Do it; without this, only print what would be removed
    #[arg(long)]
    pub(crate) apply: bool,
}
