//! Why a strategy is not possible, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a strategy is not possible; its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Obstacle {
    /// No manager leads.
    NoLeader,
    /// A handover takes three managers.
    TooFewManagers {
        /// Managers of the Swarm.
        managers: usize,
    },
    /// Without the leader the other managers have no quorum.
    NoQuorumWithoutLeader {
        /// Managers that are reachable, without the leader.
        reachable: usize,
        /// Managers, without the leader.
        others: usize,
        /// How many must be reachable.
        needed: usize,
    },
    /// An external authority would have to let a demoted manager in again.
    ExternalAuthorityPromotes,
    /// Only the leader can be reached from here, and it could not promote itself again.
    OnlyLeaderAnswers {
        /// Its host name.
        leader: String,
    },
    /// Of two managers, the second one cannot reach a private engine on the host of the first.
    TwoManagers,
    /// Enough managers for a handover.
    CanHandOver {
        /// Managers of the Swarm.
        managers: usize,
    },
    /// Autolock is on: a borrowed manager would need the key at each start.
    AutolockBorrowed,
    /// An external authority would have to sign the borrowed manager's certificate.
    ExternalAuthoritySigns,
    /// The manager advertises an address that no other engine reaches.
    NotReachable {
        /// What it advertises; `None` if nothing.
        address: Option<String>,
    },
    /// This process is not root.
    NotRoot,
    /// The manager runs on another host.
    OtherHost,
    /// No dockerd is on PATH, and none runs in this network namespace.
    NoDockerd,
    /// Programs that a private engine needs are missing.
    MissingPrograms {
        /// Their names.
        programs: Vec<String>,
    },
    /// The manager's raft folder cannot be read.
    NoRaftFolder,
    /// Every candidate for the link's network is in use.
    NoLinkNetwork,
    /// The operator has not allowed a restart.
    RestartNotAllowed,
    /// Autolock is on: after a restart the manager would wait for its key.
    AutolockRestarted,
    /// A node is starting or stopping tasks.
    Busy {
        /// The services of these tasks.
        services: Vec<String>,
    },
    /// The connected manager is not the leader; only the leader has an allocator.
    NotLeader {
        /// The leader's host name.
        leader: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewManagers { managers } => write!(
                f,
                "{managers} manager(s), and it takes three: while the leader is demoted, two must hold the Swarm's state"
            ),
            Self::NoQuorumWithoutLeader { reachable, others, needed } => write!(
                f,
                "without the leader {reachable} of {others} managers are reachable, and {needed} must be; bring the others back first"
            ),
            Self::OnlyLeaderAnswers { leader } => write!(
                f,
                "the only manager that can be asked from here is the leader {leader}, and once demoted it cannot be promoted from itself; name another manager with --helper URL, or run it against a manager that is not the leader"
            ),
            Self::CanHandOver { managers } => {
                write!(f, "{managers} managers: they can hand over among themselves")
            }
            Self::NotReachable { address } => write!(
                f,
                "the manager advertises {}, where no other engine can reach it; a Swarm cannot change that later",
                address.as_deref().unwrap_or("no address")
            ),
            Self::MissingPrograms { programs } => {
                write!(f, "these programs are missing: {}", programs.join(", "))
            }
            Self::Busy { services } => write!(
                f,
                "the window is open, but the Swarm is busy: tasks of {} start or stop; wait for them, or restart all the same with --now",
                services.join(", ")
            ),
            Self::NotLeader { leader } => write!(
                f,
                "the engine asked does not lead, and restarting it would change nothing; run it against {leader}"
            ),
            plain => f.write_str(plain.fixed()),
        }
    }
}

impl Obstacle {
    /// The text of a kind without data; empty for a kind with data, which `Display` words itself.
    fn fixed(&self) -> &'static str {
        match self {
            Self::NoLeader => "the Swarm has no leader; start the managers that are down first",
            Self::ExternalAuthorityPromotes => {
                "the Swarm's certificates come from an external authority, and without it a demoted manager could not be promoted again; nothing is asked of it from here"
            }
            Self::TwoManagers => {
                "two managers: a private engine on this host is reached by this host only; promote a third node for the time of the reclaim, and hand over"
            }
            Self::AutolockBorrowed => {
                "autolock is on, and a borrowed manager would need the key whenever it starts; switch it off for the time: docker swarm update --autolock=false"
            }
            Self::ExternalAuthoritySigns => {
                "the Swarm's certificates come from an external authority, which would have to sign one for the borrowed manager; nothing is asked of it from here"
            }
            Self::NotRoot => "a private engine needs root; run it as root on the manager's host",
            Self::OtherHost => {
                "the manager's address is not one of this host's; run it on the manager's own host, in its network namespace"
            }
            Self::NoDockerd => "there is no dockerd on PATH and none runs in this network namespace",
            Self::NoRaftFolder => {
                "the manager's raft folder cannot be read from here, so there would be no copy of the Swarm's state"
            }
            Self::NoLinkNetwork => {
                "every candidate for the link's network (198.18.0.0/15) is in use on this host"
            }
            Self::RestartNotAllowed => {
                "all containers of this engine would restart; allow it with --now, or with --window HH:MM-HH:MM (UTC) in that time"
            }
            Self::AutolockRestarted => {
                "autolock is on: after the restart the manager would wait for its key, and nothing in the Swarm would run; switch it off for the time: docker swarm update --autolock=false"
            }
            Self::TooFewManagers { .. }
            | Self::NoQuorumWithoutLeader { .. }
            | Self::OnlyLeaderAnswers { .. }
            | Self::CanHandOver { .. }
            | Self::NotReachable { .. }
            | Self::MissingPrograms { .. }
            | Self::Busy { .. }
            | Self::NotLeader { .. } => "",
        }
    }
}
