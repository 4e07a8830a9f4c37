//! A run of gates as one self-contained HTML page: verdicts with their evidence, a map of every address of its overlays, the
//! routes phase by phase, and room over time from a ledger.
//!
//! Facts in, text out: it reads no file and no clock, decides no verdict, and counts nothing that `pvcheck-audit` does not
//! count. Every text from outside is escaped, and the page lets a browser run and load nothing but its own style and script,
//! which it names by their digests.
#![forbid(unsafe_code)]

mod bars;
mod checks;
mod head;
mod html;
mod map;
mod page;
mod room;
mod routes;
mod watch;

pub use page::page;
