//! Is a configuration right, and what does it have?
//!
//! [`look_at_files`] looks at the files that it names, [`review`] says what is wrong with it and what follows from what it
//! leaves out. No engine is asked.

mod files;
mod hint;
mod judge;

pub use files::{ConfigFiles, FileState, NamedFile, look_at_files};
pub use hint::Hint;
pub use judge::{Review, ReviewError, ReviewedGate, ReviewedOverlay, ReviewedRoute, ReviewedService, review};
