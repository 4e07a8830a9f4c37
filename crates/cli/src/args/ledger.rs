//! The command lines of `keys`, `ledger`, and of the gates that are claimed and verified.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use pvcheck_ledger::{Digest, Role, Severity};

use super::gate_options::GateOptions;

/// Keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) what: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: the private part in a new FILE for its owner alone, the public part in FILE.pub
    ///
    /// Example: pvcheck keys new builder.key
    New(KeysNew),
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeysNew {
    /// File of the private key, which must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// A ledger by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    pub(crate) what: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check every line of a ledger; names the first that is not what was written
    ///
    /// Exit code 1 if a line was edited, is missing, stands elsewhere, is cut off, or is signed with a key that is not its
    /// role's; 2 if it is no ledger; 3 if a later version wrote it.
    ///
    /// Example: pvcheck ledger check ledger.jsonl --head 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    Check(LedgerCheck),
    /// Make a ledger: its first line has the public keys of both roles, signed with the key of one
    ///
    /// Example: pvcheck ledger new ledger.jsonl --builder builder.key.pub --verifier verifier.key.pub --key verifier.key
    New(LedgerNew),
    /// Append a note
    ///
    /// Example: pvcheck ledger note "drained the recipe stacks" --key builder.key
    Note(LedgerNote),
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerCheck {
    /// The ledger
    #[arg(value_name = "FILE", default_value = "ledger.jsonl")]
    pub(crate) file: PathBuf,
    /// A head that was printed once: it must be the digest of one of the lines, or lines are missing at the end
    #[arg(long, value_name = "DIGEST")]
    pub(crate) head: Option<Digest>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerNew {
    /// The ledger, which must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// File of the builder's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) builder: PathBuf,
    /// File of the verifier's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) verifier: PathBuf,
    /// File of the private key of one of the two
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerNote {
    /// What to note
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// The gate that it is about
    #[arg(long, value_name = "GATE")]
    pub(crate) gate: Option<String>,
    #[command(flatten)]
    pub(crate) to: Signing,
}

/// Where a line goes, and who signs it.
#[derive(Debug, clap::Args)]
pub(crate) struct Signing {
    #[command(flatten)]
    pub(crate) ledger: LedgerPath,
    /// File of the private key of the role that signs
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerPath {
    /// The ledger
    #[arg(long, value_name = "FILE", default_value = "ledger.jsonl")]
    pub(crate) ledger: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateClaim {
    /// The gate that is claimed
    #[arg(value_name = "GATE")]
    pub(crate) gate: String,
    #[command(flatten)]
    pub(crate) to: Signing,
    /// What `pvcheck gate run GATE -o json` printed; it must be a PASS
    #[arg(long, value_name = "FILE")]
    pub(crate) report: PathBuf,
    /// What was done
    #[arg(long, value_name = "TEXT")]
    pub(crate) what: Option<String>,
    /// How it was done
    #[arg(long, value_name = "TEXT")]
    pub(crate) how: Option<String>,
    /// What is expected to be found
    #[arg(long, value_name = "TEXT")]
    pub(crate) expected: Option<String>,
    /// The commit that it was done with
    #[arg(long, value_name = "ID")]
    pub(crate) commit: Option<String>,
    /// A file that it rests on, recorded with its digest; may be repeated
    #[arg(long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateVerify {
    /// The gate whose last claim is verified
    #[arg(value_name = "GATE")]
    pub(crate) gate: String,
    #[command(flatten)]
    pub(crate) to: Signing,
    /// The oldest claim that is judged
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) max_age: Duration,
    /// The commit that you have; it must be the claim's
    #[arg(long, value_name = "ID")]
    pub(crate) commit: Option<String>,
    /// Folder that the files of the claim are in, where their paths are relative
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) options: GateOptions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateStatus {
    /// Gates that count as one phase [default: those of --phase]
    #[arg(value_name = "GATE", conflicts_with = "phase")]
    pub(crate) gates: Vec<String>,
    #[command(flatten)]
    pub(crate) ledger: LedgerPath,
    /// The phase: the part of its gates' names before the dot [default: every phase]
    #[arg(long, value_name = "NAME")]
    pub(crate) phase: Option<String>,
    /// The age up to which a verdict is fresh
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) max_age: Duration,
    /// Add what is new to STATUS.md, BACKLOG.md, REVIEW.md and JOURNAL.md of one phase in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
    /// Also append to the ledger that a phase is done, or is so no longer, signed with this private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateFinding {
    #[command(subcommand)]
    pub(crate) what: FindingCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FindingCommand {
    /// Close a finding; a verifier's only with the verifier's key
    ///
    /// Example: pvcheck gate finding close F1 --because "re-tested, the chain is gone" --key verifier.key
    Close(FindingClose),
    /// List the findings of a ledger
    ///
    /// Example: pvcheck gate finding list
    List(LedgerPath),
    /// Open a finding; an open critical one keeps its phase from being done
    ///
    /// Example: pvcheck gate finding open "the health gate waits for itself" --severity critical --key verifier.key
    Open(FindingOpen),
}

#[derive(Debug, clap::Args)]
pub(crate) struct FindingOpen {
    /// What is wrong
    #[arg(value_name = "TITLE")]
    pub(crate) title: String,
    /// How bad it is
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: SeverityChoice,
    /// The gate that it is about [default: every phase]
    #[arg(long, value_name = "GATE")]
    pub(crate) gate: Option<String>,
    /// How it can be seen again
    #[arg(long, value_name = "TEXT")]
    pub(crate) reproduction: Option<String>,
    /// What can be done about it; may be repeated
    #[arg(long = "option", value_name = "TEXT")]
    pub(crate) options: Vec<String>,
    /// Who may close it [default: the role that opens it]
    #[arg(long, value_name = "ROLE")]
    pub(crate) may_close: Option<RoleChoice>,
    #[command(flatten)]
    pub(crate) to: Signing,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FindingClose {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Why it is closed
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: String,
    #[command(flatten)]
    pub(crate) to: Signing,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SeverityChoice {
    /// Keeps a phase from being done
    Critical,
    /// To be mended
    Major,
    /// Worth a note
    Minor,
}

/// A role.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleChoice {
    /// The builder
    Builder,
    /// The verifier
    Verifier,
}

impl From<SeverityChoice> for Severity {
    fn from(choice: SeverityChoice) -> Self {
        match choice {
            SeverityChoice::Critical => Self::Critical,
            SeverityChoice::Major => Self::Major,
            SeverityChoice::Minor => Self::Minor,
        }
    }
}

impl From<RoleChoice> for Role {
    fn from(choice: RoleChoice) -> Self {
        match choice {
            RoleChoice::Builder => Self::Builder,
            RoleChoice::Verifier => Self::Verifier,
        }
    }
}
