//! The order in which the parts of a stack are removed.

use serde::{Deserialize, Serialize};

/// The order in which a stack's parts are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Services, then a wait for their tasks, then networks, secrets and configs. Leaks nothing.
    Drained,
    /// Services, secrets, configs, networks without a pause, as `docker stack rm`. Leaks.
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
