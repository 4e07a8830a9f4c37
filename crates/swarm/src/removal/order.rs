//! In which order a stack is taken apart.

use serde::{Deserialize, Serialize};

/// In which order a stack's parts are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Services, wait for their tasks, then the rest: leaks nothing.
    Drained,
    /// Services, secrets, configs, networks at once, as `docker stack rm`: leaks.
    StackRm,
}

impl Order {
    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::StackRm => "stack-rm",
        }
    }
}
