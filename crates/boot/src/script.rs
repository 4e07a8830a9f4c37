//! Files of the host that a unit's commands read.

/// A script that a command runs, or a stack file that it deploys. It may hold secrets: kept out of JSON, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The path by which the host knows it.
    pub asked: String,
    /// The file that was read.
    pub path: String,
    /// Its text.
    pub text: String,
}
