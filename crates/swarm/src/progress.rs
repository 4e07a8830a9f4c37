//! What a long operation says while it runs.

use serde::Serialize;

/// One step of a long operation, for whoever shows it. The library itself prints nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Progress {
    /// A part of a stack is about to be removed.
    Removing {
        /// `service`, `network`, `secret` or `config`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something begins or goes on, in words.
    Step(String),
    /// `done` of `total` of the thing named are finished.
    Count {
        /// What is counted.
        what: String,
        /// How many are finished.
        done: u64,
        /// How many there are in all.
        total: u64,
    },
}

/// Who is told of progress.
pub type Watcher<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Tells nobody.
pub fn silent(_: Progress) {}
