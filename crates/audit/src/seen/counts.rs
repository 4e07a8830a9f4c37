//! The allocator's own count of a network, if the engine gives one: `Status.IPAM` of API 1.52 (Docker 29.0).
//!
//! It has three traps, all measured on 29.7.2. The full id is answered from the asked node's own copy of the network, with
//! that node's endpoints instead of the leader's count; so is a manager of 29 whose leader is older. A lookup by name
//! fails while any network of the Swarm is unallocated (moby #53325). And the count is read without a lock (moby
//! `manager/apihooks.go`), so that a tight loop during network changes can crash the engine. Hence: by a prefix of the id,
//! of allocated networks, one call after the other, each network once, and absent is unknown.

use std::collections::BTreeMap;
use std::fmt;

use pvcheck_ipam::AllocatorStatus;
use serde::{Deserialize, Serialize};

use super::ids::NetworkId;
use super::snapshot::Snapshot;
use crate::described::{Described, described};

/// First API whose networks have a status, as the N of `1.N` (moby #50946).
const FIRST_API_MINOR: u32 = 52;
/// First release whose leader gives it (moby #50946).
const FIRST_LEADER_MAJOR: u32 = 29;

/// The allocator's counts, network by network, as far as the engine gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllocatorCounts {
    /// The counts. A network without one is unknown, which is not 0.
    pub networks: BTreeMap<NetworkId, AllocatorStatus>,
    /// Why there are none, or not all; `None` if every allocated overlay has one. JSON has the sentence as `unknown`, the
    /// kind as `unknown_kind`.
    #[serde(flatten, with = "unknown_json")]
    #[cfg_attr(feature = "schema", schemars(with = "unknown_json::Written<'static>"))]
    pub unknown: Option<CountsUnknown>,
}

/// Why the allocator's counts, or some of them, are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CountsUnknown {
    /// The engine's API has no such counts.
    ApiTooOld {
        /// The API version that was spoken.
        api: String,
    },
    /// The leader's engine does not count for others.
    LeaderTooOld {
        /// Its version.
        version: String,
    },
    /// No node is known to lead, as in a Swarm that has lost its quorum.
    NoLeader,
    /// The engine gave no count of a network that it was asked about.
    NotAnswered {
        /// The network's name.
        network: String,
    },
    /// They were not asked for.
    NotAsked,
    /// Any other reason, such as a call that failed.
    Other {
        /// The reason in words.
        reason: String,
    },
}

impl fmt::Display for CountsUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiTooOld { api } => {
                write!(f, "API {api} has no Status.IPAM; it came with 1.52 (Docker 29.0)")
            }
            Self::LeaderTooOld { version } => {
                write!(f, "the leader's engine is {version}; Status.IPAM needs 29.0 or newer there")
            }
            Self::NoLeader => f.write_str("no leader is known, and only the leader's count is the true one"),
            Self::NotAnswered { network } => write!(f, "the engine told no count of network {network}"),
            Self::NotAsked => f.write_str("the allocator's own counts were not asked for"),
            Self::Other { reason } => f.write_str(reason),
        }
    }
}

impl From<String> for CountsUnknown {
    fn from(reason: String) -> Self {
        Self::Other { reason }
    }
}

impl From<&str> for CountsUnknown {
    fn from(reason: &str) -> Self {
        Self::from(reason.to_owned())
    }
}

impl Described for Option<CountsUnknown> {
    type Text = Option<String>;

    fn text(&self) -> Option<String> {
        self.as_ref().map(ToString::to_string)
    }

    // Files of before the kinds have the sentence alone.
    fn from_text(text: Option<String>) -> Self {
        text.map(CountsUnknown::from)
    }
}

described!(unknown_json, Option<CountsUnknown>, "unknown", "unknown_kind");

impl AllocatorCounts {
    /// The count of one network, if it is known.
    pub fn of(&self, network: &NetworkId) -> Option<AllocatorStatus> {
        self.networks.get(network).copied()
    }

    /// None, and why.
    pub fn none(why: impl Into<CountsUnknown>) -> Self {
        Self { networks: BTreeMap::new(), unknown: Some(why.into()) }
    }
}

/// Why the engine's counts must not be asked for or believed: an API before 1.52, or a leader before 29, whose managers of
/// 29 answer with their own numbers. `None` if nothing is wrong with them.
pub fn counts_refused(snapshot: &Snapshot) -> Option<CountsUnknown> {
    if let Some(too_old) = counts_not_spoken(&snapshot.engine.api) {
        return Some(too_old);
    }
    // A manager of 29 below an older leader answers with the endpoints of its own node (measured on 29.7.2).
    let Some(leader) = snapshot.nodes.iter().find(|n| n.leader) else {
        return Some(CountsUnknown::NoLeader);
    };
    let version = &leader.engine_version;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    // A version without a number, as of a development build, is not believed.
    match major {
        Some(major) if FIRST_LEADER_MAJOR <= major => None,
        _ => Some(CountsUnknown::LeaderTooOld { version: version.clone() }),
    }
}

/// As [`counts_refused`], of the API version alone, which is known before anything is read.
pub fn counts_not_spoken(api: &str) -> Option<CountsUnknown> {
    (!speaks_counts(api)).then(|| CountsUnknown::ApiTooOld { api: api.to_owned() })
}

/// True iff this API version has the allocator's counts: 1.52 and later.
pub fn speaks_counts(api: &str) -> bool {
    let minor = api.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| FIRST_API_MINOR <= minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_believed_of_a_leader_of_29_and_later_only() {
        let mut snapshot = crate::testing::world();
        assert_eq!(counts_refused(&snapshot), None);
        for (version, believed) in [("29.0.0", true), ("30.1", true), ("28.5.2", false), ("dev", false)] {
            snapshot.nodes[0].engine_version = version.into();
            assert_eq!(counts_refused(&snapshot).is_none(), believed, "{version}");
        }
        snapshot.nodes[0].leader = false;
        assert_eq!(counts_refused(&snapshot), Some(CountsUnknown::NoLeader));
        snapshot.engine.api = "1.51".into();
        assert_eq!(counts_refused(&snapshot), Some(CountsUnknown::ApiTooOld { api: "1.51".into() }));
    }

    #[test]
    fn only_newer_apis_are_asked() {
        assert!(["1.52", "1.55"].iter().all(|api| speaks_counts(api)));
        assert!(["1.51", "1.41", "", "2", "1."].iter().all(|api| !speaks_counts(api)));
    }
}
