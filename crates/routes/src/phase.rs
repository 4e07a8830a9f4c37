//! The steps of a probe.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The steps of a probe, and the two ways to end outside of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The TCP connection.
    Connect,
    /// No step: the time was up.
    Deadline,
    /// Request and answer.
    Http,
    /// No step: this machine could not ask, so nothing is known about the route.
    Local,
    /// The name look-up.
    Resolve,
    /// The TLS handshake.
    Tls,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Deadline => "waiting",
            Self::Http => "waiting for the answer",
            Self::Local => "asking from this machine",
            Self::Resolve => "looking the name up",
            Self::Tls => "the TLS handshake",
        })
    }
}
