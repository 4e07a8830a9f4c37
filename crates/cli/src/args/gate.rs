//! The command lines of `gate` and of what shows its runs.

use std::path::PathBuf;

use clap::Subcommand;

use super::gate_options::GateOptions;
use super::ledger::{GateClaim, GateFinding, GateStatus, GateVerify};

#[derive(Debug, clap::Args)]
pub(crate) struct Gate {
    #[command(subcommand)]
    pub(crate) what: GateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GateCommand {
    /// List the gates: those that come with pvcheck, and those of the configuration
    ///
    /// Example: pvcheck gate list --config cc-ci.toml
    List,
    /// Run gates in order, until one does not pass
    ///
    /// Example: pvcheck gate run pvcheck.m1 pvcheck.m2 --config cc-ci.toml --apply --out reports
    Run(GateRun),
    /// Compare two bundles: which checks have another verdict or reason
    ///
    /// Exit code 1 if a gate or a required check passed before and does not after.
    ///
    /// Example: pvcheck gate diff before.json after.json
    Diff(GateDiff),
    /// Claim that a gate passes: what was done, where, and what was measured, signed with the builder's key
    ///
    /// Example: pvcheck gate claim pvcheck.m1 --report reports/pvcheck.m1.json --commit e6349a9 --key builder.key
    Claim(GateClaim),
    /// Measure a gate afresh and judge its last claim by that, signed with the verifier's key
    ///
    /// Exit code 0 PASS; 1 FAIL, a figure is not as claimed; 3 UNKNOWN, it could not be observed; 4 VETO, there is no claim
    /// that can be judged.
    ///
    /// Example: pvcheck gate verify pvcheck.m1 --config cc-ci.toml --probe --key verifier.key
    Verify(GateVerify),
    /// Show each gate's last claim and verdict with their age, and whether its phase is done
    ///
    /// Exit code 0 if every phase is done; 1 if a verdict is FAIL or VETO or a critical finding is open; 3 if a gate is not
    /// claimed, not judged, or its PASS is too old.
    ///
    /// Example: pvcheck gate status --phase pvcheck --write machine-docs
    Status(GateStatus),
    /// Open, close and list findings
    ///
    /// Example: pvcheck gate finding list
    Finding(GateFinding),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateRun {
    /// Gates to run: those that come with pvcheck and those of the configuration, as `pvcheck gate list` prints them
    #[arg(required_unless_present = "replay", value_name = "GATE")]
    pub(crate) gates: Vec<String>,
    /// Also write configuration, facts and reports to this new file, from which --replay judges again
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Judge what a bundle has, without an engine: the same reports, or an error that names what was edited
    #[arg(
        long,
        value_name = "BUNDLE",
        conflicts_with_all = ["bundle", "apply", "probe", "order", "network", "record", "out"]
    )]
    pub(crate) replay: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: GateOptions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateDiff {
    /// The bundle of the earlier run, as `gate run --bundle` writes it
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The bundle of the later run
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The run, as `gate run --bundle` writes it
    #[arg(value_name = "BUNDLE")]
    pub(crate) bundle: PathBuf,
    /// The page, a new file that only its owner may read; - prints it
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Also show the room over time that the claims and verdicts of this ledger have figures of
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
}
