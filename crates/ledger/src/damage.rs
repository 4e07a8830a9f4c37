//! What is wrong with a ledger: the first line, and why.

use thiserror::Error;

use crate::digest::Digest;
use crate::role::Role;
use crate::rules::Breach;

/// A ledger that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// It is no ledger at all.
    #[error("it is no ledger: line 1 {because}; `pvcheck ledger new FILE` makes one")]
    NotALedger {
        /// What its first line is.
        because: String,
    },
    /// A line is not what was written.
    #[error("line {line} (byte {offset}) {fault}")]
    Damaged {
        /// The line, counted from 1.
        line: u64,
        /// Where it begins, counted from 0.
        offset: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A line is signed, and has something that this version does not know.
    #[error(
        "line {line} has what this version does not read ({what}): a later version wrote it, so read it with that one"
    )]
    Newer {
        /// The line, counted from 1.
        line: u64,
        /// What is not known.
        what: String,
    },
    /// No line has the digest that was noted as the head.
    #[error(
        "none of its {lines} lines has the head {head}: lines are missing at its end, or it was written anew; it ends with {ends}"
    )]
    HeadMissing {
        /// The digest that was noted.
        head: Digest,
        /// How many lines there are.
        lines: u64,
        /// The digest of the last of them.
        ends: Digest,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is not as it was signed, or no key of the ledger signed it: as the last one, it may be either.
    #[error("is not as it was signed: edited, or signed with a key of neither role")]
    Edited,
    /// It is not as it was signed by a role, and the line after it was appended to it as it is.
    #[error("is signed with a key of neither role")]
    ForeignKey,
    /// It names one role, and the other's key signed it.
    #[error("names the {named}, and the {signed_by}'s key signed it")]
    WrongRole {
        /// The role that it names.
        named: Role,
        /// The role whose key signed it.
        signed_by: Role,
    },
    /// Lines before it are missing.
    #[error("has number {number}: {} missing before it", missing(*.expected, *.number))]
    Missing {
        /// Its number.
        number: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// It stands in another place than it was written.
    #[error("has number {number} in the place of {expected}: reordered, or there twice")]
    Reordered {
        /// Its number.
        number: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// It has no line break.
    #[error("is cut off half-way: it was never reported as written, so cut the file there and append again")]
    CutOff,
    /// It was appended to another line than the one before it.
    #[error("was appended to another line than the one before it: line {} was replaced", line - 1)]
    Replaced {
        /// Its number.
        line: u64,
    },
    /// It breaks a rule.
    #[error("breaks a rule: {0}")]
    Breach(#[from] Breach),
}

fn missing(expected: u64, number: u64) -> String {
    let last = number.saturating_sub(1);
    if expected == last { format!("line {expected} is") } else { format!("lines {expected} to {last} are") }
}
