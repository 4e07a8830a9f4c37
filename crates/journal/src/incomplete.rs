//! Why finding nothing in a log proves nothing.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a scan is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Incomplete {
    /// The time was up.
    Deadline {
        /// How long was read.
        after_ms: u64,
    },
    /// There was more than the limit.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is another one than when the mark was set.
    Rotated,
    /// The file is shorter than the mark, was written anew, or was cut while it was read.
    Truncated {
        /// The mark, or the file's size when reading began.
        mark_bytes: u64,
        /// The file's size now.
        size_bytes: u64,
    },
    /// The journal no longer has the entry that the mark points to.
    MarkGone,
    /// journald or a syslog daemon dropped lines.
    Suppressed {
        /// In how many places.
        places: u64,
    },
    /// The journal ends in a burst: as many lines as journald's rate limit allows, and none after it. journald tells only with the
    /// next line whether it dropped some.
    Burst,
    /// A part of a journal file is not what the format has there. Entries in it, or after it up to the next one that the file's
    /// index has, were not read.
    Damaged {
        /// The file.
        file: String,
        /// Where in it.
        offset_bytes: u64,
    },
    /// Not all of the journal may be read.
    NotAllowed,
    /// Reading failed after some records.
    Failed {
        /// What was reported.
        error: String,
    },
    /// The window has no record of the engine. An engine that runs writes some every few minutes, so the log is the wrong
    /// one, was rotated, or is no longer written.
    NoRecords {
        /// Records that were read, in the window or not.
        read: u64,
    },
    /// No record is recognisably dockerd's.
    NotAnEngineLog {
        /// Records that were read.
        records: u64,
    },
    /// The log begins later than the scan was to begin.
    NotThatFarBack {
        /// Where the scan was to begin.
        asked: Timestamp,
        /// The earliest time in the log; `null` if no record has one.
        first: Option<Timestamp>,
    },
    /// The log shows no start of the engine, or no change of leadership, at which the scan was to begin.
    NoStart,
    /// The log has records before its last start that are newer than that start.
    NotInOrder {
        /// The start.
        start: Timestamp,
        /// The newest time before it.
        newest: Timestamp,
    },
    /// Records of the engine have no time, so that they may be in the window or not.
    NoTimes {
        /// How many.
        records: u64,
    },
    /// Records in the window are of no known format. They were matched as a whole all the same.
    NotUnderstood {
        /// How many.
        records: u64,
        /// The first of them, redacted and cut.
        first: String,
    },
    /// Records in the window are longer than the limit; what was cut was not matched.
    Cut {
        /// How many.
        records: u64,
    },
    /// Compressed data ends in the middle, or its last checksum differs.
    EndsEarly {
        /// What it is compressed with.
        format: Packed,
    },
    /// The file is of a format that is not read.
    Packed {
        /// Which.
        format: Packed,
    },
    /// The log's engine did not lead the Swarm, and most signatures are logged by the leader only.
    LeaderOnly,
    /// Neither the caller nor the log says whether its engine led the Swarm.
    RoleUnknown,
    /// The scan was saved by a version that did not record what it covered.
    CoverageNotRecorded,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline { after_ms } => write!(f, "time was up after {after_ms} ms"),
            Self::TooLarge { limit_bytes } => write!(f, "more than {limit_bytes} bytes"),
            Self::Rotated => {
                f.write_str("the log was rotated since the mark; lines in the old file were not read")
            }
            Self::Truncated { mark_bytes, size_bytes } => {
                write!(f, "the log was cut since the mark or while it was read ({mark_bytes} bytes then, {size_bytes} now)")
            }
            Self::MarkGone => f.write_str("the journal was vacuumed since the mark, or a clock was set, and what is new cannot be told"),
            Self::Suppressed { places } => write!(f, "journald or a syslog daemon dropped lines in {places} places"),
            Self::Burst => f.write_str(
                "the journal ends in a burst of lines, and journald tells later whether it dropped some; scan again after a minute",
            ),
            Self::Damaged { file, offset_bytes } => {
                write!(f, "the journal file {file} is damaged at byte {offset_bytes}; `journalctl --verify --file {file}` says more")
            }
            Self::NotAllowed => f.write_str("this user may not read all of the journal"),
            Self::Failed { error } => write!(f, "reading ended early: {error}"),
            Self::NoRecords { read: 0 } => f.write_str(
                "no record was read: the log is empty or no longer written; name the log of this engine",
            ),
            Self::NoRecords { read } => {
                write!(f, "none of {read} records is the engine's and in the window; begin earlier, or name the log that dockerd writes now")
            }
            Self::NotAnEngineLog { records } => {
                write!(f, "none of {records} records is recognisably dockerd's; name the log of an engine")
            }
            Self::NotThatFarBack { asked, first } => {
                write!(f, "asked from {asked} on, and the log begins ")?;
                match first {
                    Some(first) => write!(f, "at {first}")?,
                    None => f.write_str("at an unknown time")?,
                }
                f.write_str("; scan the older log too")
            }
            Self::NoStart => f.write_str("the log does not go back to the engine's start"),
            Self::NotInOrder { start, newest } => {
                write!(f, "the log has records of {newest} before the start of {start}; sort it, the oldest first")
            }
            Self::NoTimes { records } => {
                write!(f, "{records} records of the engine have no time; scan without a window")
            }
            Self::NotUnderstood { records, first } => {
                write!(f, "{records} records are of no known format, the first: {first}")
            }
            Self::Cut { records } => write!(f, "{records} records are too long and were cut"),
            Self::EndsEarly { format } => {
                write!(f, "the {format} data ends in the middle or is damaged there; copy the file again")
            }
            Self::Packed { format } => {
                write!(f, "{format} data is not read; unpack it with `{}` and scan the result", format.command())
            }
            Self::LeaderOnly => f.write_str(
                "this engine did not lead, and only the leader logs that addresses run out; scan the leader's log",
            ),
            Self::RoleUnknown => f.write_str(
                "it is not known whether this engine led, and only the leader logs that addresses run out",
            ),
            Self::CoverageNotRecorded => {
                f.write_str("the scan was saved without what it covered; scan the log again")
            }
        }
    }
}

/// What a file is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// bzip2.
    Bzip2,
    /// gzip, which is read, also in several members.
    Gzip,
    /// A journal file of systemd's, in its binary format.
    Journal,
    /// lz4.
    Lz4,
    /// xz, which is read, also in several streams, where it needs no more than 80 MiB of memory.
    Xz,
    /// A zip archive.
    Zip,
    /// Zstandard.
    Zstd,
}

impl Packed {
    /// A command that unpacks a file of this format to its stdout.
    pub fn command(self) -> &'static str {
        match self {
            Self::Bzip2 => "bzip2 -dc FILE",
            Self::Gzip => "gzip -dc FILE",
            Self::Journal => "journalctl --file FILE -o json",
            Self::Lz4 => "lz4 -dc FILE",
            Self::Xz => "xz -dc FILE",
            Self::Zip => "unzip -p FILE",
            Self::Zstd => "zstd -dc FILE",
        }
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Journal => "binary journal",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Zip => "zip",
            Self::Zstd => "zstd",
        })
    }
}

/// Why finding nothing in a log proves nothing. One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Doubt {
    /// The reasons; not empty.
    pub parts: Vec<Incomplete>,
}

impl Doubt {
    /// `None` if there is no reason.
    pub(crate) fn of(parts: Vec<Incomplete>) -> Option<Self> {
        (!parts.is_empty()).then_some(Self { parts })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            write!(f, "{}{part}", if at == 0 { "" } else { "; " })?;
        }
        f.write_str("; so none found means nothing")
    }
}

/// What limits the trust in the counts of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Note {
    /// The log shows no start of the engine (or change of leadership), so that all of it was scanned.
    NoStartMarker,
    /// The source had no record at all: is it the right one?
    NothingRead,
    /// Records without a time were left out, because the window is not open.
    UntimedLeftOut {
        /// How many.
        count: u64,
    },
    /// Lines in the window that could not be parsed. They were matched all the same, as a whole.
    Unparsed {
        /// How many.
        count: u64,
    },
    /// Lines in the window that were longer than the limit; what was cut was not matched.
    Cut {
        /// How many.
        count: u64,
    },
    /// Lines of containers and other programs, which were not matched.
    Foreign {
        /// How many.
        count: u64,
    },
    /// Neither the caller nor the log says whether its engine led the Swarm. Most signatures are logged by the leader only,
    /// so the log of another node does not show that there were none.
    LeaderOnly,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStartMarker => f.write_str("no start was found in the log, so all of it was scanned"),
            Self::NothingRead => f.write_str("the log had no record"),
            Self::UntimedLeftOut { count } => write!(f, "{count} records without a time were left out"),
            Self::Unparsed { count } => write!(f, "{count} records were matched as a whole, without their format"),
            Self::Cut { count } => write!(f, "{count} records were cut"),
            Self::Foreign { count } => write!(f, "{count} records are of containers or other programs"),
            Self::LeaderOnly => f.write_str(
                "nothing says that this engine led the Swarm; only the leader logs that addresses run out (see --role)",
            ),
        }
    }
}
