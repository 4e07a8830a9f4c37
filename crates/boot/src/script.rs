//! Files of the host that a unit's commands read.

use crate::python;

/// What a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python.
    Python,
    /// A shell, or no language where it is no script.
    Shell,
}

/// A script that a command runs, or a stack file that it deploys. It may hold secrets: kept out of JSON, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The path by which the host knows it.
    pub asked: String,
    /// The file that was read.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What reads it.
    pub language: Language,
}

impl Script {
    /// True iff nothing in it may wait for what is not seen. What of a shell's text is not understood is seen command by
    /// command.
    pub(crate) fn is_understood(&self) -> bool {
        self.language == Language::Shell || python::read(&self.text).whole
    }
}
