//! A command of the host that a configuration names.

use serde::Deserialize;

/// A command that is run on this host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Its program and words.
    pub command: Vec<String>,
    /// How long it may take, in seconds.
    #[serde(default = "ten_minutes")]
    pub timeout_s: u64,
}

fn ten_minutes() -> u64 {
    600
}
