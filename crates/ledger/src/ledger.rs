//! A ledger that was checked, what it says, and the line that comes next.

use jiff::Timestamp;
use thiserror::Error;

use crate::chain;
use crate::claim::Claim;
use crate::content::{Content, Founding};
use crate::damage::Damage;
use crate::digest::Digest;
use crate::finding::Finding;
use crate::keys::{PrivateKey, PublicKey};
use crate::line::{Line, sealed};
use crate::lines::{findings, last_claim, last_verdict, next_finding};
use crate::role::Role;
use crate::rules::{Breach, breach, of_its_kind};
use crate::verdict::Verdict;

/// The longest line that is written: far more than the claim of a gate with thousands of checks.
const LONGEST_BYTES: usize = 8 << 20;

/// A ledger whose chain and signatures hold, and whose lines keep the rules.
#[derive(Clone, Debug)]
pub struct Ledger {
    founding: Founding,
    lines: Vec<Line>,
}

/// A line is not appended.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The key is of neither role.
    #[error(
        "the key {key} is of neither role of this ledger: the builder's is {builder}, the verifier's {verifier}; name another with --key FILE"
    )]
    ForeignKey {
        /// The public part of the key.
        key: PublicKey,
        /// The builder's key.
        builder: PublicKey,
        /// The verifier's key.
        verifier: PublicKey,
    },
    /// The line would break a rule.
    #[error("{0}")]
    Breach(#[from] Breach),
    /// The line would be too long.
    #[error(
        "the line would have {bytes} bytes, and the longest has {LONGEST_BYTES}; claim fewer files or checks"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It cannot be made JSON.
    #[error("the line cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Ledger {
    /// The first line of a ledger, with its line break.
    ///
    /// # Errors
    /// If the key is of neither role.
    pub fn found(founding: Founding, at: Timestamp, key: &PrivateKey) -> Result<Vec<u8>, Refusal> {
        let role = role_of(&founding, key)?;
        let mut line = sealed(1, at, role, None, &Content::Founded(founding), key)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads and checks a ledger.
    ///
    /// # Errors
    /// If it is none, is damaged, or of a version that this one does not read; the error names the first line and why.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let (founding, lines) = chain::check(bytes)?;
        Ok(Self { founding, lines })
    }

    /// Succeeds iff a line has this digest: whoever noted it as the head knows then that nothing up to it was cut off or
    /// written anew. The chain alone cannot show that lines are missing at its end.
    ///
    /// # Errors
    /// If none has.
    pub fn holds(&self, head: Digest) -> Result<&Line, Damage> {
        let found = self.lines.iter().find(|line| line.digest == head);
        found.ok_or(Damage::HeadMissing { head, lines: self.lines.len() as u64, ends: self.head() })
    }

    /// The line that comes next, and its bytes with the line break.
    ///
    /// # Errors
    /// If the key is of neither role, or the line would break a rule.
    pub fn next(
        &self,
        content: Content,
        at: Timestamp,
        key: &PrivateKey,
    ) -> Result<(Line, Vec<u8>), Refusal> {
        let role = role_of(&self.founding, key)?;
        let (number, previous) = (self.lines.len() as u64 + 1, Some(self.head()));
        let bytes = sealed(number, at, role, previous, &content, key)?;
        if LONGEST_BYTES < bytes.len() {
            return Err(Refusal::TooLong { bytes: bytes.len() });
        }
        let line = Line { number, at, role, previous, digest: Digest::of(&bytes), content };
        breach(&self.lines, &line).map_or(Ok(()), Err)?;
        Ok((line, [&bytes[..], b"\n"].concat()))
    }

    /// Succeeds iff a line with this content could be the role's of this key, whatever the content says: so that a key is
    /// refused before anything is measured.
    ///
    /// # Errors
    /// If the key is of neither role, or of the other one.
    pub fn admits(&self, content: &Content, key: &PrivateKey) -> Result<(), Refusal> {
        Ok(of_its_kind(content, role_of(&self.founding, key)?).map_or(Ok(()), Err)?)
    }

    /// The keys.
    pub fn founding(&self) -> &Founding {
        &self.founding
    }

    /// Its lines, the first one too.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The digest of its last line.
    pub fn head(&self) -> Digest {
        // A ledger has its first line.
        self.lines.last().map_or_else(|| Digest::of(b""), |line| line.digest)
    }

    /// The last claim of a gate.
    pub fn claim(&self, gate: &str) -> Option<(&Line, &Claim)> {
        last_claim(&self.lines, gate)
    }

    /// The last verdict on a gate.
    pub fn verdict(&self, gate: &str) -> Option<(&Line, &Verdict)> {
        last_verdict(&self.lines, gate)
    }

    /// Every finding, in the order in which they were opened.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.lines)
    }

    /// The id of the next finding.
    pub fn next_finding(&self) -> String {
        next_finding(self.lines())
    }
}

/// The role of a key.
fn role_of(founding: &Founding, key: &PrivateKey) -> Result<Role, Refusal> {
    let public = key.public();
    let foreign =
        || Refusal::ForeignKey { key: public, builder: founding.builder, verifier: founding.verifier };
    founding.role(public).ok_or_else(foreign)
}
