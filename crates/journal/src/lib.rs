//! What an engine logged about addresses: records, known signatures, sources and scans.
//!
//! Only the engine's log says why a task got no address, and it says so once. This crate reads that log (a file,
//! saved journal entries, or the systemd journal), parses it without ever failing on a line, distinguishes some ninety
//! known signatures by their inner error, and counts them in a window: since a moment, since a [`Mark`], or since the
//! engine's allocator was last rebuilt.
//!
//! What it promises: a line that cannot be parsed is counted and matched as a whole; a scan is complete only where the
//! log is an engine's and was read and understood from where the scan was to begin to its end, and says in
//! [`Coverage`] and [`Incomplete`] what it covered and what not; memory does not grow with the log; no secret of the log gets into a [`Scan`].
//!
//! What it never does: judge. A scan is facts; zero exhaustion lines do not mean that no task waits. It writes
//! nothing, talks to no engine, and knows nothing of networks but the ids in the lines.
//!
//! ```
//! use pvcheck_journal::{Catalogue, OwnNoise, Record, Window, scan};
//!
//! let line = r#"time="2026-06-13T05:38:00Z" level=error msg="Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c" error="could not find an available IP while allocating VIP""#;
//! let records = [Record::parse_line(line.as_bytes())];
//! let scan = scan(&records, Window::OPEN, Catalogue::builtin(), &OwnNoise::none());
//! assert_eq!(scan.exhaustion_count(), 1);
//! assert_eq!(scan.matched[0].signature, "vip-exhausted");
//! ```

#![forbid(unsafe_code)]

mod catalogue;
mod circumstances;
mod coverage;
mod engine;
mod entry;
mod envelope;
mod header;
mod ids;
mod incomplete;
mod logfmt;
mod pairs;
mod reader;
mod record;
mod redact;
mod scan;
mod scanner;
mod signature;
mod source;
mod subjects;
mod table;
mod terminal;
mod window;

pub use catalogue::{Catalogue, CatalogueError, UnknownSignature, spelled_alike};
pub use circumstances::{OwnNoise, RemovedNetworks};
pub use coverage::{Coverage, Role};
pub use ids::{NetworkId, NodeId, ServiceId, TaskId};
pub use incomplete::{Doubt, Incomplete, Note, Packed};
pub use record::{Form, Level, MAX_LINE_BYTES, Origin, Record};
pub use redact::redact;
pub use scan::{MAX_SAMPLE_CHARS, MAX_SAMPLES, MAX_SUBJECTS, Matched, Sample, Scan};
pub use scanner::{Scanner, scan};
pub use signature::{Class, Place, Signature};
pub use source::{
    Directory, JournalReader, Journalctl, Limits, Mark, ReadFrom, Reading, Source, SourceError, parse_file,
};
pub use window::{Since, Window};
