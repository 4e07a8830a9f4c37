//! What makes a window busy.

use std::fmt;

use jiff::Timestamp;
use pvcheck_audit::TaskState;
use pvcheck_swarm::LockFacts;
use serde::{Deserialize, Serialize};

/// One sign that something is at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Signal {
    /// A stack whose name says that it is a run's.
    RunStack {
        /// The stack.
        stack: String,
    },
    /// A service is being updated or rolled back.
    Updating {
        /// The service.
        service: String,
    },
    /// A task is on its way up, or has not stopped yet.
    Unsettled {
        /// Its service.
        service: String,
        /// Its state.
        state: String,
    },
    /// A service or task waits for an address.
    Waits {
        /// The service.
        service: String,
        /// The network, by its name or id.
        network: String,
    },
    /// A run of pvcheck has the Swarm's lock.
    Locked {
        /// It.
        lock: LockFacts,
    },
    /// A process that must not run.
    Process {
        /// Its number.
        pid: u32,
        /// Its program; its arguments may hold secrets.
        program: String,
        /// The pattern that its command line matches.
        pattern: String,
    },
    /// A unit that must not be at work.
    Unit {
        /// The unit.
        unit: String,
        /// Its state, as systemd says it.
        state: String,
    },
    /// A timer that fires soon.
    Timer {
        /// The timer.
        timer: String,
        /// When.
        at: Timestamp,
    },
    /// A file that is there as long as something is at work.
    LockFile {
        /// Its path.
        path: String,
    },
    /// A command that says so.
    Command {
        /// Its program.
        program: String,
        /// Its exit code; `None` if a signal ended it.
        code: Option<i32>,
    },
    /// What could not be looked at.
    NotSeen {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

impl Signal {
    /// True iff it is how a full network shows itself: a service or task waits for an address, or a task that has none yet is
    /// `new`, and so has no container. A guard that took these for work under way would never do anything.
    pub fn is_of_a_full_network(&self) -> bool {
        match self {
            Self::Waits { .. } => true,
            Self::Unsettled { state, .. } => state == TaskState::New.word(),
            _ => false,
        }
    }

    /// True iff the plan of a renewal finds it by itself, and says more about it.
    pub fn is_in_every_plan(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Waits { .. })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunStack { stack } => write!(f, "stack {stack} is a run's"),
            Self::Updating { service } => write!(f, "service {service} is being updated"),
            Self::Unsettled { service, state } => write!(f, "a task of {service} is {state}"),
            Self::Waits { service, network } => write!(f, "{service} waits for an address of {network}"),
            Self::Locked { lock } => write!(f, "the Swarm is locked by {} for {}", lock.holder, lock.purpose),
            Self::Process { pid, program, pattern } => {
                write!(f, "process {pid} ({program}) matches {pattern}")
            }
            Self::Unit { unit, state } => write!(f, "{unit} is {state}"),
            Self::Timer { timer, at } => write!(f, "{timer} fires at {at}"),
            Self::LockFile { path } => write!(f, "{path} is there"),
            Self::Command { program, code: Some(code) } => write!(f, "{program} ended with {code}"),
            Self::Command { program, code: None } => write!(f, "{program} was ended by a signal"),
            Self::NotSeen { what, why } => write!(f, "{what} could not be looked at: {why}"),
        }
    }
}
