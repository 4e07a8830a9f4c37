//! `pvcheck config`: its commands and options.

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
