//! Claims and verdicts on gates, in a signed, append-only ledger.
//!
//! A builder claims that a gate passes; a verifier measures afresh and judges the claim. Both write lines into one file,
//! each signed with the key of its role and chained to the line before by its digest, so that a line that was edited, taken
//! out or moved is found, and a builder cannot sign a verdict. What is judged, and how a gate stands, follows from the
//! lines and a time that is handed in.
//!
//! It never measures anything and never asks a clock; only [`LedgerFile`], [`add_to_page`],
//! [`new_key`], [`read_private`] and [`read_public`] touch files. A private key is in no text that it makes.
#![forbid(unsafe_code)]

mod chain;
mod claim;
mod content;
mod damage;
mod digest;
mod disk;
mod done;
mod facts;
mod figures;
mod file;
mod finding;
mod hex;
mod key_file;
mod keys;
mod ledger;
mod line;
mod lines;
mod pages;
mod render;
mod report;
mod role;
mod room;
mod rules;
mod standing;
mod status;
#[cfg(test)]
mod testing;
mod text;
mod verdict;
mod verify;

pub use claim::{Claim, ClaimedFile, NotClaimable};
pub use content::{Content, Founding, Note, OneKey};
pub use damage::{Damage, Fault};
pub use digest::{Digest, NoDigest};
pub use disk::FileError;
pub use done::{Done, Withdrawn};
pub use facts::{CheckFacts, Engine, Facts, Measured, Waiver};
pub use file::{LedgerFile, add_to_page};
pub use finding::{Closed, Finding, FindingEvent, Opened, Severity};
pub use key_file::{KeyFileError, NewKey, new_key, read_private, read_public};
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use ledger::{Ledger, Refusal};
pub use line::Line;
pub use pages::{Page, PageError};
pub use render::{
    findings_table, ledger_table, line_table, status_markdown, status_table, verdict_markdown, verdict_table,
};
pub use report::{ReportError, read_report};
pub use role::Role;
pub use room::{Room, SaidBy};
pub use rules::Breach;
pub use standing::{GateStanding, Lack, Mark, Standing};
pub use status::{Phase, PhaseStatus, Status, declaration, status};
pub use verdict::{Difference, OfClaim, Outcome, Verdict, Veto};
pub use verify::{Measurement, SeenFile, judge, veto};
