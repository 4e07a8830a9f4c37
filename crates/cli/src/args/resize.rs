//! `pvcheck resize`: its commands and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use pvcheck_swarm::RenewalStrategy;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Resize {
    #[command(subcommand)]
    pub(crate) what: Option<ResizeCommand>,
    /// The overlay's name
    #[arg(required = true)]
    pub(crate) network: Option<String>,
    /// Its new subnet
    #[arg(long, value_name = "CIDR", conflicts_with = "prefix")]
    pub(crate) to: Option<String>,
    /// Choose a free subnet of this prefix length: its own, widened, where nothing is in its way
    #[arg(long, value_name = "LENGTH")]
    pub(crate) prefix: Option<String>,
    /// The ip-range of the new subnet [default: the one that it has, if any]
    #[arg(long, value_name = "CIDR")]
    pub(crate) ip_range: Option<String>,
    /// bridge or recreate; auto takes the first of these that is possible
    #[arg(long, default_value = "auto", value_parser = strategy)]
    pub(crate) strategy: Choice,
    /// Let jobs on the network run again, which any change of a job does
    #[arg(long)]
    pub(crate) rerun_jobs: bool,
    /// Let containers that were attached by hand get another address, where the new subnet has not theirs
    #[arg(long)]
    pub(crate) readdress: bool,
    /// Save the plan to a file that --apply=FILE takes
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    pub(crate) save: Option<PathBuf>,
    /// Do it, or do what the plan in FILE says if the Swarm is still as it was then
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) apply: Option<String>,
    /// Where a step fails, leave everything as it is then, instead of putting it back
    #[arg(long)]
    pub(crate) hold: bool,
    #[command(flatten)]
    pub(crate) renewing: Renewing,
}

/// Options of everything that changes the Swarm.
#[derive(Debug, clap::Args)]
pub(crate) struct Renewing {
    /// How long the tasks of one step may take to come up, or to stop
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Take over the Swarm's lock, whichever process holds it, and record this reason
    #[arg(long, value_name = "REASON")]
    pub(crate) break_lock: Option<String>,
    /// Folder of the journal's copy, which says afterwards what was there before
    #[arg(long, value_name = "DIR", default_value_os_t = pvcheck_swarm::default_state().to_owned())]
    pub(crate) state: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResizeCommand {
    /// Finish a renewal that was interrupted, from any machine
    ///
    /// Example: pvcheck resize resume
    Resume(Renewing),
    /// Undo a renewal that was interrupted: the old subnet, and every service on it
    ///
    /// Example: pvcheck resize rollback
    Rollback(Renewing),
    /// Where a renewal stands that was interrupted or is under way; changes nothing
    ///
    /// Example: pvcheck resize status
    Status,
}

/// A strategy of a renewal; `None` leaves the choice to pvcheck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice(pub(crate) Option<RenewalStrategy>);

fn strategy(text: &str) -> Result<Choice, String> {
    let named = RenewalStrategy::ALL.into_iter().find(|s| s.as_str() == text);
    match (text, named) {
        ("auto", _) => Ok(Choice(None)),
        (_, Some(strategy)) => Ok(Choice(Some(strategy))),
        _ => Err("give `auto`, `bridge` or `recreate`".to_owned()),
    }
}
