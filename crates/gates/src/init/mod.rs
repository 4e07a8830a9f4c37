//! A configuration from what is live.
//!
//! [`collect_init`] reads the Swarm, looks for the log, and on request asks each declared route once; [`draft`] writes the text
//! and reads it back before anyone sees it.

mod collect;
mod draft;
mod facts;
mod overlays;
mod page;
mod proposed;
mod services;

pub use collect::{InitOptions, collect_init};
pub use draft::{Draft, draft};
pub use facts::{InitError, InitFacts, LogSeen};
