//! What was not read, although a host would read it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::name::UnitName;

/// A file of a unit that was not read, or not whole: what it says about the order of the start is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unread {
    /// The unit that the file is about. Of a drop-in for all units of a type, such as `service.d`, `None`.
    pub unit: Option<UnitName>,
    /// The file or folder; the unit's name where there is no file.
    pub path: PathBuf,
    /// Why it was not read. In JSON `kind` with its data.
    #[serde(flatten)]
    pub why: UnreadKind,
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind", content = "about")]
pub enum UnreadKind {
    /// The link leads to this path, which does not exist here.
    Dangling(PathBuf),
    /// The unit has drop-ins, or is required by another, but its file is in none of the folders.
    NoFile,
    /// It is a folder, a FIFO or a device.
    NotAFile,
    /// It holds bytes that are not UTF-8; systemd ignores lines with such.
    NotUtf8,
    /// It is larger than this many bytes.
    TooLarge(u64),
    /// The folder has more entries than this; the rest was not listed.
    TooMany(usize),
    /// The system refused, in its own words.
    Unreadable(String),
}

impl fmt::Display for UnreadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dangling(to) => write!(
                f,
                "links to {}, which is not here: add the folder that holds it with --units",
                to.display()
            ),
            Self::NoFile => f.write_str(
                "its unit file is in none of the directories: add the one that holds it with --units",
            ),
            Self::NotAFile => f.write_str("cannot be read: it is not a regular file"),
            Self::NotUtf8 => f.write_str("is not UTF-8: lines with other bytes are not understood"),
            Self::TooLarge(limit) => write!(f, "cannot be read: it is larger than {limit} bytes"),
            Self::TooMany(limit) => write!(f, "more than {limit} entries: the rest is left out"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}
