//! What a line says: the one table of its kinds, and of who may write which.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;

use crate::claim::Claim;
use crate::done::{Done, Withdrawn};
use crate::finding::FindingEvent;
use crate::keys::PublicKey;
use crate::role::Role;
use crate::verdict::Verdict;

/// The format of ledgers that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// The first line: whose keys count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Founding {
    /// The version of the format.
    pub(crate) format: u32,
    /// The builder's key.
    pub builder: PublicKey,
    /// The verifier's key.
    pub verifier: PublicKey,
}

/// Builder and verifier would have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "builder and verifier have the same key, so no verdict would be independent; make a second one with `pvcheck keys new FILE`"
)]
pub struct OneKey;

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What it says.
    pub text: String,
    /// The gate that it is about.
    pub gate: Option<String>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "content", rename_all = "lowercase")]
pub enum Content {
    /// The first line.
    Founded(Founding),
    /// A gate is claimed.
    Claim(Claim),
    /// A claim is judged.
    Verdict(Verdict),
    /// A finding is opened or closed.
    Finding(FindingEvent),
    /// Something to remember.
    Note(Note),
    /// A phase is done.
    Done(Done),
    /// A phase is not done any more.
    Withdrawn(Withdrawn),
}

impl Founding {
    /// The first line of a ledger with these keys.
    ///
    /// # Errors
    /// If both are the same.
    pub fn new(builder: PublicKey, verifier: PublicKey) -> Result<Self, OneKey> {
        if builder == verifier { Err(OneKey) } else { Ok(Self { format: FORMAT, builder, verifier }) }
    }

    /// The key of a role.
    pub fn key(&self, role: Role) -> PublicKey {
        match role {
            Role::Builder => self.builder,
            Role::Verifier => self.verifier,
        }
    }

    /// The role of a key; `None` if it is neither's.
    pub fn role(&self, key: PublicKey) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.key(*role) == key)
    }
}

impl Content {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Founded(_) => "founded",
            Self::Claim(_) => "claim",
            Self::Verdict(_) => "verdict",
            Self::Finding(_) => "finding",
            Self::Note(_) => "note",
            Self::Done(_) => "done",
            Self::Withdrawn(_) => "withdrawn",
        }
    }

    /// The only role that may write it; `None` where both may.
    pub fn only(&self) -> Option<Role> {
        match self {
            Self::Claim(_) => Some(Role::Builder),
            Self::Verdict(_) => Some(Role::Verifier),
            Self::Founded(_) | Self::Finding(_) | Self::Note(_) | Self::Done(_) | Self::Withdrawn(_) => None,
        }
    }

    /// The gate that it is about, where it is about one.
    pub fn gate(&self) -> Option<&str> {
        match self {
            Self::Claim(claim) => Some(&claim.gate),
            Self::Verdict(verdict) => Some(&verdict.gate),
            Self::Note(note) => note.gate.as_deref(),
            Self::Finding(FindingEvent::Open(opened)) => opened.gate.as_deref(),
            Self::Finding(FindingEvent::Closed(_))
            | Self::Founded(_)
            | Self::Done(_)
            | Self::Withdrawn(_) => None,
        }
    }

    /// It as JSON.
    pub(crate) fn raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Founded(founding) => to_raw_value(founding),
            Self::Claim(claim) => to_raw_value(claim),
            Self::Verdict(verdict) => to_raw_value(verdict),
            Self::Finding(event) => to_raw_value(event),
            Self::Note(note) => to_raw_value(note),
            Self::Done(done) => to_raw_value(done),
            Self::Withdrawn(withdrawn) => to_raw_value(withdrawn),
        }
    }

    /// Reads the content of a line of this kind; the error says what this version does not know.
    pub(crate) fn parse(kind: &str, content: &RawValue) -> Result<Self, String> {
        fn read<'a, T: Deserialize<'a>>(content: &'a RawValue) -> Result<T, String> {
            serde_json::from_str(content.get()).map_err(|e| e.to_string())
        }
        match kind {
            "founded" => Ok(Self::Founded(read(content)?)),
            "claim" => Ok(Self::Claim(read(content)?)),
            "verdict" => Ok(Self::Verdict(read(content)?)),
            "finding" => Ok(Self::Finding(read(content)?)),
            "note" => Ok(Self::Note(read(content)?)),
            "done" => Ok(Self::Done(read(content)?)),
            "withdrawn" => Ok(Self::Withdrawn(read(content)?)),
            other => Err(format!("kind `{other}`")),
        }
    }
}
