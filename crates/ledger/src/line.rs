//! One line: JSON whose last field is the signature of everything before it.
//!
//! What is signed are the exact bytes, not what they parse to: two spellings of one JSON value are two lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::content::Content;
use crate::digest::Digest;
use crate::keys::{PrivateKey, PublicKey, Signature};
use crate::role::Role;

/// What stands between the signed bytes and the signature, and behind it.
const BEFORE: &[u8] = b",\"signature\":\"";
const BEHIND: &[u8] = b"\"}";
const DIGITS: usize = 128;

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// Who wrote it.
    pub role: Role,
    /// Digest of the line before; `None` in the first.
    pub previous: Option<Digest>,
    /// Digest of the whole line.
    pub digest: Digest,
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
}

/// A line as it stands in a file, without its signature.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    number: u64,
    at: Timestamp,
    role: Role,
    kind: String,
    previous: Option<Digest>,
    content: Box<RawValue>,
}

/// A line that has the form of one, and whose signature was not checked.
pub(crate) struct Sealed<'a> {
    line: &'a [u8],
    signed: &'a [u8],
    signature: Signature,
}

impl<'a> Sealed<'a> {
    /// Takes a line apart, without its line break; `None` if it has no signature in its place.
    pub(crate) fn of(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(BEHIND)?;
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        Some(Self { line, signed: rest.strip_suffix(BEFORE)?, signature: Signature::read(signature)? })
    }

    /// True iff this key's private part signed the line.
    pub(crate) fn is_signed_by(&self, key: PublicKey) -> bool {
        key.signed(Digest::of(self.signed), &self.signature)
    }

    /// Reads what was signed; the error says what this version does not know.
    pub(crate) fn read(&self) -> Result<Line, String> {
        let json = [self.signed, b"}"].concat();
        let written: Written = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
        Ok(Line {
            number: written.number,
            at: written.at,
            role: written.role,
            previous: written.previous,
            digest: Digest::of(self.line),
            content: Content::parse(&written.kind, &written.content)?,
        })
    }

    /// The number that the line has, whatever else it says.
    pub(crate) fn number(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Numbered {
            number: u64,
        }
        let json = [self.signed, b"}"].concat();
        serde_json::from_slice::<Numbered>(&json).ok().map(|numbered| numbered.number)
    }
}

/// The line in bytes, without its line break.
///
/// # Errors
/// If the content cannot be made JSON.
pub(crate) fn sealed(
    number: u64,
    at: Timestamp,
    role: Role,
    previous: Option<Digest>,
    content: &Content,
    key: &PrivateKey,
) -> Result<Vec<u8>, serde_json::Error> {
    let written =
        Written { number, at, role, kind: content.kind().to_owned(), previous, content: content.raw()? };
    let mut line = serde_json::to_vec(&written)?;
    // The closing brace comes behind the signature.
    line.pop();
    let signature = key.sign(Digest::of(&line));
    line.extend(BEFORE);
    line.extend(signature.to_string().into_bytes());
    line.extend(BEHIND);
    Ok(line)
}
