//! Progress of long operations, for a caller to show.

use serde::Serialize;

/// One step of a long operation. The library prints nothing; the caller's [`Watcher`] decides what is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Progress {
    /// A part of a stack is about to be removed.
    Removing {
        /// `service`, `network`, `secret` or `config`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A step begins, or still runs; one line of text.
    Step(String),
    /// `done` of `total` items are finished.
    Count {
        /// What the items are, in the plural.
        what: String,
        /// Items that are finished, at most `total`.
        done: u64,
        /// Items in all.
        total: u64,
    },
}

/// Called with each step of an operation, from the task that runs it; it must not block.
pub type Watcher<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// A [`Watcher`] that ignores every step.
pub fn silent(_: Progress) {}
