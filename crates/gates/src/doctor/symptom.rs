//! What is said of each thing that was looked at.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_swarm::LockFacts;
use serde::{Deserialize, Serialize};

use crate::fault::many;

/// Whether a thing is in order. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Health {
    /// It was looked at, and is in order.
    Ok,
    /// It could not be looked at. Never as good as in order.
    Unknown,
    /// It was looked at, and is not in order.
    Wrong,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Wrong => "WRONG",
        })
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Symptom {
    /// It could not be looked at.
    NotSeen {
        /// Why.
        why: String,
    },
    /// The engine answers.
    Answers {
        /// Its address.
        host: String,
        /// How long that took.
        elapsed_ms: u64,
    },
    /// There is no socket, or no process listens on it.
    NoSocket {
        /// The engine's address.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// This user may not open the socket.
    Denied {
        /// The engine's address.
        host: String,
    },
    /// The engine and pvcheck have this API version in common.
    Speaks {
        /// The newest that the engine speaks.
        offered: String,
        /// The version that is spoken.
        spoken: String,
    },
    /// The engine is older than any that pvcheck speaks with.
    TooOld {
        /// The newest API version that it speaks.
        offered: String,
    },
    /// The engine leads the Swarm.
    Leads,
    /// The engine is a manager that does not lead.
    Follows {
        /// The node that leads.
        leader: String,
    },
    /// No node leads.
    NoLeader {
        /// What the engine says.
        error: String,
    },
    /// The engine is a worker.
    Worker {
        /// The managers that it knows.
        managers: Vec<String>,
    },
    /// The engine is in no active Swarm.
    NoSwarm {
        /// The state that it says.
        state: String,
    },
    /// All nodes have one version of the engine.
    OneVersion {
        /// The version.
        version: String,
        /// The number of nodes.
        nodes: u64,
    },
    /// They have several.
    MixedVersions {
        /// Each version with its nodes.
        versions: Vec<(String, Vec<String>)>,
    },
    /// All nodes are ready.
    AllReady {
        /// The number of nodes.
        nodes: u64,
    },
    /// Some are not.
    NotReady {
        /// Each of them with its state.
        nodes: Vec<(String, String)>,
    },
    /// Both clocks agree.
    ClocksAgree,
    /// They do not.
    ClocksDiffer {
        /// How far the engine's is ahead, at least; negative where it is behind.
        ahead_ms: i64,
    },
    /// The log can show that addresses have not run out.
    LogWhole {
        /// Its name.
        source: String,
        /// Records since the engine's start, or since `since`.
        records: u64,
        /// The moment from which on the configuration has it judged; `None` for the engine's start.
        #[serde(default)]
        since: Option<Timestamp>,
    },
    /// The log cannot be read.
    LogUnreadable {
        /// Why.
        error: String,
    },
    /// The log begins after the engine's start.
    LogTooShort {
        /// Its name.
        source: String,
    },
    /// The log proves nothing for another reason.
    LogDoubtful {
        /// Its name.
        source: String,
        /// Why.
        doubt: String,
    },
    /// This process is in the network namespace of the engine's host.
    HostNamespace {
        /// Bridges of the engine that were found here.
        bridges: u64,
    },
    /// It is in another one.
    OtherNamespace {
        /// Networks of bridges that are not here.
        lacking: Vec<String>,
    },
    /// The engine has no bridge by which that could be told.
    NoBridge,
    /// Authorities are trusted.
    Trusts {
        /// The file they are from; `None` for the system's.
        file: Option<PathBuf>,
        /// How many.
        usable: u64,
        /// How many were left out.
        unusable: u64,
    },
    /// None are.
    TrustsNone {
        /// Why.
        error: String,
    },
    /// The configuration is right.
    ConfigRight {
        /// Its file.
        file: String,
        /// Its overlays.
        overlays: u64,
        /// Its services.
        services: u64,
        /// Its routes.
        routes: u64,
    },
    /// It is not.
    ConfigWrong {
        /// Its file.
        file: String,
        /// Everything that is wrong with it.
        errors: Vec<String>,
    },
    /// There is none.
    NoConfig,
    /// The Swarm is not locked.
    NotLocked,
    /// A run holds the lock.
    Locked {
        /// It.
        lock: LockFacts,
    },
    /// A lock has expired.
    LockExpired {
        /// It.
        lock: LockFacts,
    },
    /// No run of pvcheck has left anything.
    NothingLeft,
    /// Runs have.
    Left {
        /// Each of their parts with its run.
        parts: Vec<(String, String)>,
    },
}

impl Symptom {
    /// Whether the thing is in order.
    pub fn health(&self) -> Health {
        match self {
            Self::Answers { .. }
            | Self::Speaks { .. }
            | Self::Leads
            | Self::Follows { .. }
            | Self::OneVersion { .. }
            | Self::AllReady { .. }
            | Self::ClocksAgree
            | Self::LogWhole { .. }
            | Self::HostNamespace { .. }
            | Self::Trusts { .. }
            | Self::ConfigRight { .. }
            | Self::NoConfig
            | Self::NotLocked
            | Self::LockExpired { .. }
            | Self::NothingLeft => Health::Ok,
            Self::NotSeen { .. } | Self::LogDoubtful { .. } | Self::NoBridge => Health::Unknown,
            Self::NoSocket { .. }
            | Self::Denied { .. }
            | Self::TooOld { .. }
            | Self::NoLeader { .. }
            | Self::Worker { .. }
            | Self::NoSwarm { .. }
            | Self::MixedVersions { .. }
            | Self::NotReady { .. }
            | Self::ClocksDiffer { .. }
            | Self::LogUnreadable { .. }
            | Self::LogTooShort { .. }
            | Self::OtherNamespace { .. }
            | Self::TrustsNone { .. }
            | Self::ConfigWrong { .. }
            | Self::Locked { .. }
            | Self::Left { .. } => Health::Wrong,
        }
    }

    /// What to do about it; `None` where the text says it, and where there is nothing to be done.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSocket { .. } => "start Docker there, or name its socket with --host unix:///PATH",
            Self::Denied { .. } => "run as root or as a member of the socket's group",
            Self::TooOld { .. } => "Docker 18.09 or newer is needed",
            Self::NoLeader { .. } => "bring managers back until more than half of them answer",
            Self::Worker { .. } => "name the socket of a manager with --host",
            Self::NoSwarm { .. } => "run `docker swarm init`, or name a manager with --host",
            Self::MixedVersions { .. } => "bring all nodes to one version: the allocator is the leader's",
            Self::NotReady { .. } => {
                "bring them back, or remove them with `docker node rm`: tasks of a node that is down keep their addresses for 24 h"
            }
            Self::ClocksDiffer { .. } => {
                "synchronise both clocks: windows of the log, locks and the age of reports rest on them"
            }
            Self::LogTooShort { .. } => {
                "keep the log for longer (SystemMaxUse= of journald.conf, or logrotate): without the engine's start, journal.exhaustion stays UNKNOWN"
            }
            Self::LogDoubtful { .. } => {
                "run pvcheck on the leader's host, with its log in [journal] of the configuration"
            }
            Self::OtherNamespace { .. } | Self::NoBridge => {
                "run pvcheck on the engine's host and in no container: `plan-subnet` reads the host's addresses and routes"
            }
            Self::ConfigWrong { .. } => "`pvcheck config check FILE` says the same without an engine",
            Self::Locked { .. } => {
                "wait for it; if that run is gone, the command that needs the lock takes it over with --break-lock REASON"
            }
            Self::Left { .. } => "`pvcheck sweep --apply` removes it; not while a run of pvcheck is at work",
            _ => return None,
        })
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeen { why } => write!(f, "could not be looked at: {why}"),
            Self::Answers { host, elapsed_ms } => write!(f, "{host} answers, after {elapsed_ms} ms"),
            Self::NoSocket { host, reason } => write!(f, "{host}: {reason}"),
            Self::Denied { host } => write!(f, "{host}: permission denied"),
            Self::Speaks { offered, spoken } => {
                write!(f, "the engine speaks up to {offered}; {spoken} is spoken")
            }
            Self::TooOld { offered } => {
                write!(f, "the engine speaks up to {offered}, older than any that pvcheck knows")
            }
            Self::Leads => f.write_str("a manager, and the leader"),
            Self::Follows { leader } => write!(f, "a manager; {leader} leads"),
            Self::NoLeader { error } => write!(f, "a manager without a leader: {error}"),
            Self::Worker { managers } if managers.is_empty() => f.write_str("a worker"),
            Self::Worker { managers } => write!(f, "a worker; it knows the managers {}", managers.join(", ")),
            Self::NoSwarm { state } => write!(f, "in no active Swarm (state: {state})"),
            Self::OneVersion { version, nodes } => write!(f, "{version} on {}", many(*nodes, "node")),
            Self::MixedVersions { versions } => {
                let each =
                    versions.iter().map(|(version, nodes)| format!("{version} on {}", nodes.join(", ")));
                f.write_str(&each.collect::<Vec<_>>().join("; "))
            }
            Self::AllReady { nodes } => write!(f, "{} ready", many(*nodes, "node")),
            Self::NotReady { nodes } => {
                let each = nodes.iter().map(|(node, state)| format!("{node} is {state}"));
                f.write_str(&each.collect::<Vec<_>>().join("; "))
            }
            Self::ClocksAgree => f.write_str("this machine's and the engine's agree within 2 s"),
            Self::ClocksDiffer { ahead_ms } => {
                let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
                let seconds = ahead_ms.unsigned_abs() as f64 / 1000.0;
                write!(f, "the engine's is {seconds:.1} s {side} this machine's")
            }
            Self::LogWhole { source, records, since } => {
                let since =
                    since.map_or_else(|| "the engine's start".to_owned(), |at: Timestamp| at.to_string());
                write!(f, "{source}: {} since {since}", many(*records, "record"))
            }
            Self::LogUnreadable { error } | Self::TrustsNone { error } => f.write_str(error),
            Self::LogTooShort { source } => write!(f, "{source} does not have the engine's start"),
            Self::LogDoubtful { source, doubt } => write!(f, "{source}: {doubt}"),
            Self::HostNamespace { bridges } => {
                write!(f, "the engine's host's: {} of the engine found", many(*bridges, "bridge"))
            }
            Self::OtherNamespace { lacking } => {
                write!(f, "not the engine's host's: no address here on its bridges {}", lacking.join(", "))
            }
            Self::NoBridge => f.write_str("the engine has no bridge by which its host could be told"),
            Self::Trusts { file, usable, unusable } => {
                let of =
                    file.as_ref().map_or_else(|| "the system".to_owned(), |file| file.display().to_string());
                write!(f, "{} of {of}", many(*usable, "CA"))?;
                if 0 < *unusable { write!(f, ", {unusable} more cannot be read") } else { Ok(()) }
            }
            Self::ConfigRight { file, overlays, services, routes } => write!(
                f,
                "{file} is right: {}, {}, {}",
                many(*overlays, "overlay"),
                many(*services, "service"),
                many(*routes, "route")
            ),
            Self::ConfigWrong { file, errors } => match errors.as_slice() {
                [one] => f.write_str(one),
                _ => write!(f, "{file}: {}: {}", many(errors.len() as u64, "error"), errors.join("; ")),
            },
            Self::NoConfig => f.write_str("none; `pvcheck init` writes one from what is live"),
            Self::NotLocked => f.write_str("the Swarm is not locked"),
            Self::Locked { lock } => write!(f, "held by {}", holder(lock)),
            Self::LockExpired { lock } => {
                write!(f, "expired, and the next run takes it over: {}", holder(lock))
            }
            Self::NothingLeft => f.write_str("nothing of pvcheck is left"),
            Self::Left { parts } => {
                let each = parts.iter().map(|(part, run)| format!("{part} (run {run})"));
                f.write_str(&each.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

fn holder(lock: &LockFacts) -> String {
    let since = lock.taken.map_or_else(|| "an unknown time".to_owned(), |at: Timestamp| at.to_string());
    format!("{} for {}, since {since}", lock.holder, lock.purpose)
}
