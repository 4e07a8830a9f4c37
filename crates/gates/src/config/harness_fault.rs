//! What may be wrong with a `[[harness]]`.

use thiserror::Error;

use super::harness::MOST_LEVEL;

/// The longest that a harness may take, in seconds: a day.
pub(super) const MOST_SECONDS: u64 = 86_400;

/// What is wrong with a `[[harness]]`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HarnessFault {
    /// Its program has no name.
    #[error(
        "its `command` begins with an empty word; name the program, or leave `command` out to offer a result"
    )]
    NoProgram,
    /// It has a command without a word.
    #[error("its `command` is empty; name the program, or leave `command` out to offer a result")]
    NoWords,
    /// It has no command, and something that only a command has.
    #[error("its `{field}` is for a command, and it has none; leave `{field}` out, or add `command`")]
    OfCommand {
        /// The field.
        field: &'static str,
    },
    /// It has a command, and says after what an offered result must have started.
    #[error("its `since` is for a result that is offered, and it has a `command`; leave one of them out")]
    SinceOfRun,
    /// A name that no variable can have.
    #[error(
        "`{name}` in `env` is no name of a variable; name variables, their values stay out of the configuration"
    )]
    NoVariable {
        /// The name, up to a `=`: what follows may be a secret.
        name: String,
    },
    /// Its time is out of bounds.
    #[error("its `timeout_s` is {given}; give 1 to {MOST_SECONDS}")]
    Timeout {
        /// The seconds.
        given: u64,
    },
    /// No run reaches that level.
    #[error("its `level` is {given}; give 0 to {MOST_LEVEL}")]
    Level {
        /// The level.
        given: u8,
    },
    /// It asks for no tier, or for one twice.
    #[error("its `tiers` must name at least one tier, and each once")]
    Tiers,
    /// It would be a proof of nothing about a network.
    #[error("its `overlay` is no overlay of the configuration; leave it out for the first, or name one")]
    Overlay,
}
