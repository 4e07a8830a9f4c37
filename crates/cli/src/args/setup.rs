//! `pvcheck config` and `pvcheck init`: their commands and options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say everything that is wrong with a configuration, or what it has and what follows from what it leaves out; asks no engine
    ///
    /// It is read as every command reads it, the files that it names are looked at, and its gates are made. Exit code 0 if it
    /// is right, 2 if not.
    ///
    /// Example: pvcheck config check cc-ci.toml
    Check(ConfigCheck),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigCheck {
    /// The configuration
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Write it to this new file, and not to stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Ask every declared route once, and expect the status that it answers
    #[arg(long)]
    pub(crate) ask: bool,
    /// Where the router is, whatever names resolve to; may be repeated, one for each node
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: Vec<SocketAddr>,
    /// A PEM file of the authorities that TLS trusts, in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The file that the engine logs to [default: the journal of docker.service, if it has records]
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}
