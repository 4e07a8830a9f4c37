//! What ends a command, and with which exit code.

use pvcheck_audit::NoSuchSubject;
use pvcheck_gates::{ConfigError, PreflightError};
use pvcheck_swarm::{
    CallError, CensusError, ChurnError, ConnectError, LockError, ReclaimError, RemovalError,
};

/// One line and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) line: String,
}

#[expect(clippy::needless_pass_by_value, reason = "an error that ends the command is handed over")]
impl Failure {
    /// 2: wrong usage or configuration; nothing was touched.
    pub(crate) fn usage(line: impl ToString) -> Self {
        Self { code: 2, line: line.to_string() }
    }

    /// 3: something could not be observed.
    pub(crate) fn unknown(line: impl ToString) -> Self {
        Self { code: 3, line: line.to_string() }
    }

    /// 4: a guardrail.
    pub(crate) fn refused(line: impl ToString) -> Self {
        Self { code: 4, line: line.to_string() }
    }

    /// 1: tried, and not done.
    pub(crate) fn not_done(line: impl ToString) -> Self {
        Self { code: 1, line: line.to_string() }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::unknown(error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::unknown(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<PreflightError> for Failure {
    fn from(error: PreflightError) -> Self {
        Self { code: error.exit_code(), line: error.to_string() }
    }
}

impl From<CensusError> for Failure {
    fn from(error: CensusError) -> Self {
        match error {
            CensusError::NoSuchNetwork { .. } | CensusError::IngressInBulk(_) => Self::usage(error),
            CensusError::SomebodyWaits { .. } => Self::refused(error),
            _ => Self::unknown(error),
        }
    }
}

impl From<ChurnError> for Failure {
    fn from(error: ChurnError) -> Self {
        match error {
            ChurnError::Census(census) => census.into(),
            ChurnError::TooLittleRoom { .. } => Self::refused(error),
            ChurnError::Lock(lock) => lock.into(),
            ChurnError::Deploy(_) => Self::not_done(error),
            ChurnError::Removal(removal) => removal.into(),
            _ => Self::unknown(error),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { .. } => Self::refused(error),
            _ => Self::unknown(error),
        }
    }
}

impl From<ReclaimError> for Failure {
    fn from(error: ReclaimError) -> Self {
        match error {
            ReclaimError::Census(census) => census.into(),
            ReclaimError::NothingToResume { .. }
            | ReclaimError::OtherSwarm { .. }
            | ReclaimError::NoCopy { .. } => Self::usage(error),
            ReclaimError::Refused { .. }
            | ReclaimError::Unfinished { .. }
            | ReclaimError::EngineRuns { .. }
            | ReclaimError::QuorumLost { .. }
            | ReclaimError::Lock(LockError::Held { .. }) => Self::refused(error),
            ReclaimError::NotDone(_)
            | ReclaimError::Stranded { .. }
            | ReclaimError::Late(_)
            | ReclaimError::Helper(_)
            | ReclaimError::State { .. } => Self::not_done(error),
            _ => Self::unknown(error),
        }
    }
}

impl From<RemovalError> for Failure {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::NoSuchStack { .. } => Self::usage(error),
            _ => Self::unknown(error),
        }
    }
}

impl From<NoSuchSubject> for Failure {
    fn from(error: NoSuchSubject) -> Self {
        Self::usage(error)
    }
}
