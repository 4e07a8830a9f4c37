//! Where records come from. This is the only part of the crate that touches the world.

mod binary;
mod burst;
mod decode;
mod directory;
mod error;
mod file;
mod frames;
mod journalctl;
#[cfg(feature = "journald")]
mod libsystemd;
mod lines;
mod log;
mod mark;
mod reading;
mod xz;

pub use self::directory::{Directory, JournalReader};
pub use self::error::SourceError;
pub use self::journalctl::Journalctl;
pub use self::lines::parse_file;
pub use self::log::Source;
pub use self::mark::Mark;
pub use self::reading::{Limits, ReadFrom, Reading};
