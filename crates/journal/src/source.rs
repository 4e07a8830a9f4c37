//! Where records come from. This is the only part of the crate that touches the world.

mod decode;
#[cfg(feature = "journald")]
mod directory;
mod error;
mod file;
mod frames;
#[cfg(feature = "journald")]
mod journal_files;
mod journalctl;
mod lines;
mod log;
mod mark;
#[cfg(feature = "journald")]
mod parts;
mod reading;
mod xz;

#[cfg(feature = "journald")]
pub use self::directory::Directory;
pub use self::error::SourceError;
pub use self::journalctl::Journalctl;
pub use self::lines::parse_file;
pub use self::log::Source;
pub use self::mark::Mark;
pub use self::reading::{Limits, ReadFrom, Reading};
