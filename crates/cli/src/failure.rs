//! How a command ends, and with which exit code: the one table of exit codes, for results and for errors.
//!
//! Every `match` over an error names every variant, so a new one does not compile until it has a code here.

use pvcheck_audit::{NoSuchNetwork, NoSuchSubject, SavedSnapshotError, Verdict as WhyVerdict, Why};
use pvcheck_boot::BootReport;
use pvcheck_gates::{
    BundleError, ConfigError, Diagnosis, Health, InitError, NoSuchCheck, OwnGateError, PreflightError, Review,
};
use pvcheck_guard::{Guard, GuardError, Standing as GuardStanding, StateError as GuardStateError};
use pvcheck_journal::{Scan, SourceError, UnknownSignature};
use pvcheck_ledger::{
    Breach, Damage, FileError, KeyFileError, Lack, NotClaimable, OneKey, Outcome as Judged, Refusal,
    ReportError, Standing, Status,
};
use pvcheck_routes::{MaterialError, RootsError, Verdict};
use pvcheck_sim::StartError;
use pvcheck_swarm::{
    CallError, CallErrorKind, Census, CensusError, Churn, ChurnComparison, ChurnError, ConnectError,
    DeployError, HostError, HostFactsError, LockError, Reclaim, ReclaimError, ReclaimPlan, RemovalError,
    RenewalError,
};

/// A pass, nothing found, or done.
pub(crate) const DONE: u8 = 0;
/// A finding, a FAIL, or something that was not done.
pub(crate) const NOT_DONE: u8 = 1;
/// Wrong usage or configuration; nothing was touched.
pub(crate) const USAGE: u8 = 2;
/// Something could not be observed.
pub(crate) const UNKNOWN: u8 = 3;
/// Refused by a guardrail.
pub(crate) const REFUSED: u8 = 4;
/// Interrupted, and cleaned up: 128 plus the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

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
        Self { code: USAGE, line: line.to_string() }
    }

    /// 3: something could not be observed.
    pub(crate) fn unknown(line: impl ToString) -> Self {
        Self { code: UNKNOWN, line: line.to_string() }
    }

    /// 1: tried, and not done.
    pub(crate) fn not_done(line: impl ToString) -> Self {
        Self { code: NOT_DONE, line: line.to_string() }
    }

    /// 130: `how` says what the interruption left or did not leave.
    pub(crate) fn interrupted(how: impl ToString) -> Self {
        Self { code: INTERRUPTED, line: how.to_string() }
    }
}

/// The code of a search that is complete, or of a removal: 1 iff something was found, or is left.
pub(crate) fn code_of_found(found: bool) -> u8 {
    if found { NOT_DONE } else { DONE }
}

/// A result that decides the exit code of its command.
pub(crate) trait Outcome {
    fn code(&self) -> u8;
}

impl Outcome for Verdict {
    fn code(&self) -> u8 {
        match self {
            Self::Pass => DONE,
            Self::Fail => NOT_DONE,
            Self::Unknown => UNKNOWN,
        }
    }
}

impl Outcome for BootReport {
    fn code(&self) -> u8 {
        self.deadlock_free().map_or(UNKNOWN, |free| code_of_found(!free))
    }
}

impl Outcome for Census {
    fn code(&self) -> u8 {
        match self.leaked {
            None => UNKNOWN,
            Some(leaked) => code_of_found(0 < leaked || !self.free_and_owned.is_empty()),
        }
    }
}

impl Outcome for Churn {
    fn code(&self) -> u8 {
        match self.leaked {
            // What is left must be removed by hand: that comes before any question of counts.
            _ if !self.residue.is_empty() || !self.errors.is_empty() => NOT_DONE,
            None => UNKNOWN,
            // Stacks that came or went meanwhile may have leaked what was counted.
            Some(_) if !self.strangers.is_empty() => UNKNOWN,
            Some(leaked) => code_of_found(0 < leaked),
        }
    }
}

impl Outcome for ChurnComparison {
    fn code(&self) -> u8 {
        // The control is there to leak: only what keeps it from being one counts against it.
        let control = match self.stack_rm.code() {
            NOT_DONE if self.stack_rm.residue.is_empty() => DONE,
            other => other,
        };
        match (self.drained.code(), control) {
            (NOT_DONE, _) | (_, NOT_DONE) => NOT_DONE,
            (drained, control) => drained.max(control),
        }
    }
}

impl Outcome for Reclaim {
    fn code(&self) -> u8 {
        match self.left() {
            _ if !self.changed.is_empty() => NOT_DONE,
            None => UNKNOWN,
            Some(left) => code_of_found(0 < left),
        }
    }
}

impl Outcome for Guard {
    fn code(&self) -> u8 {
        match self.standing() {
            GuardStanding::Well => DONE,
            GuardStanding::Open => NOT_DONE,
            GuardStanding::Unknown => UNKNOWN,
        }
    }
}

impl Outcome for Diagnosis {
    fn code(&self) -> u8 {
        match self.health {
            Health::Ok => DONE,
            Health::Unknown => UNKNOWN,
            Health::Wrong => NOT_DONE,
        }
    }
}

impl Outcome for Review {
    fn code(&self) -> u8 {
        if self.right { DONE } else { USAGE }
    }
}

impl Outcome for Judged {
    fn code(&self) -> u8 {
        match self {
            Self::Pass => DONE,
            Self::Fail => NOT_DONE,
            Self::Unknown => UNKNOWN,
            // What a verdict needs is missing: nothing was found to be wrong, and nothing is judged.
            Self::Veto => REFUSED,
        }
    }
}

impl Outcome for Status {
    fn code(&self) -> u8 {
        let of = |lack: &Lack| match lack {
            Lack::Gate { standing: Standing::Fail | Standing::Veto, .. } | Lack::Finding { .. } => NOT_DONE,
            Lack::Gate { .. } | Lack::NoGate => UNKNOWN,
        };
        let codes = self.phases.iter().flat_map(|phase| &phase.lacks).map(of);
        // A finding comes before what is not known.
        codes.min().unwrap_or(DONE)
    }
}

impl Outcome for ReclaimPlan {
    fn code(&self) -> u8 {
        if self.strategy.is_some() { DONE } else { REFUSED }
    }
}

impl Outcome for Scan {
    fn code(&self) -> u8 {
        match self.findings().next() {
            // A finding is one, whatever else the log lacks.
            Some(_) => NOT_DONE,
            None if self.is_conclusive() => DONE,
            None => UNKNOWN,
        }
    }
}

impl Outcome for Why {
    fn code(&self) -> u8 {
        match self.verdict {
            WhyVerdict::Running => DONE,
            WhyVerdict::Unknown => UNKNOWN,
            WhyVerdict::Address | WhyVerdict::Network | WhyVerdict::NotAddress | WhyVerdict::VipPending => {
                NOT_DONE
            }
        }
    }
}

/// An error that a command may end with, and its exit code.
trait Ends: std::fmt::Display {
    fn code(&self) -> u8;
}

impl<E: Ends> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: error.code(), line: error.to_string() }
    }
}

impl Ends for Breach {
    fn code(&self) -> u8 {
        match self {
            Self::NoFinding { .. } => USAGE,
            Self::ClaimOfNoPass { .. }
            | Self::ClockBehind { .. }
            | Self::ClosedTwice { .. }
            | Self::Contradicts { .. }
            | Self::FindingOutOfTurn { .. }
            | Self::FindingTwice { .. }
            | Self::FoundedTwice
            | Self::NotDone { .. }
            | Self::NotItsKind { .. }
            | Self::NotTheBuilders { .. }
            | Self::NotTheLastClaim { .. }
            | Self::NotTheirsToClose { .. }
            | Self::NothingToWithdraw { .. } => REFUSED,
        }
    }
}

impl Ends for BundleError {
    fn code(&self) -> u8 {
        match self {
            Self::NotABundle { .. } => USAGE,
            Self::Config(config) => config.code(),
            Self::Gate(gate) => gate.code(),
            Self::Later { .. } | Self::Differs { other_catalogue: Some(_), .. } => UNKNOWN,
            Self::Differs { other_catalogue: None, .. } => NOT_DONE,
        }
    }
}

impl Ends for CallError {
    fn code(&self) -> u8 {
        match &self.kind {
            CallErrorKind::Connect(_)
            | CallErrorKind::Deadline(_)
            | CallErrorKind::Decode(_)
            | CallErrorKind::Incomplete(_)
            | CallErrorKind::NoQuorum { .. }
            | CallErrorKind::Refused { .. }
            | CallErrorKind::TooLarge { .. }
            | CallErrorKind::Transport(_) => UNKNOWN,
            CallErrorKind::StillThere => NOT_DONE,
        }
    }
}

impl Ends for CensusError {
    fn code(&self) -> u8 {
        match self {
            Self::NoSuchNetwork(_) | Self::IngressInBulk(_) => USAGE,
            Self::AnotherCensus { .. } | Self::ServiceWaits { .. } | Self::TasksWait { .. } => REFUSED,
            Self::Ipv6(_) | Self::NoStatus(_) | Self::NotAllocated(_) => UNKNOWN,
            Self::Call(call) => call.code(),
        }
    }
}

impl Ends for ChurnError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Census(census) => census.code(),
            Self::Deploy(deploy) => deploy.code(),
            Self::Image(_) => USAGE,
            Self::Lock(lock) => lock.code(),
            Self::Removal(removal) => removal.code(),
            Self::TooLittleRoom { .. } => REFUSED,
        }
    }
}

impl Ends for ConfigError {
    fn code(&self) -> u8 {
        match self {
            Self::Meaning { .. } | Self::Syntax { .. } | Self::Unreadable { .. } => USAGE,
        }
    }
}

impl Ends for ConnectError {
    fn code(&self) -> u8 {
        match self {
            Self::Denied { .. }
            | Self::Inactive { .. }
            | Self::NoSocket { .. }
            | Self::TooOld { .. }
            | Self::Worker { .. } => UNKNOWN,
            Self::Call(call) => call.code(),
        }
    }
}

impl Ends for Damage {
    fn code(&self) -> u8 {
        match self {
            Self::Damaged { .. } | Self::HeadMissing { .. } => NOT_DONE,
            Self::NotALedger { .. } => USAGE,
            Self::Newer { .. } => UNKNOWN,
        }
    }
}

impl Ends for DeployError {
    fn code(&self) -> u8 {
        match self {
            // Whatever failed, stacks were being deployed: that is tried, and not done.
            Self::Call(_) | Self::NoAddress { .. } | Self::NotRunning { .. } => NOT_DONE,
        }
    }
}

impl Ends for FileError {
    fn code(&self) -> u8 {
        match self {
            Self::Io { .. } | Self::TooLarge { .. } => USAGE,
            Self::Damage { damage, .. } => damage.code(),
            Self::Locked { .. } | Self::Page { .. } => REFUSED,
            Self::Refused { refusal, .. } => refusal.code(),
            Self::Write { .. } => NOT_DONE,
        }
    }
}

impl Ends for GuardError {
    fn code(&self) -> u8 {
        match self {
            Self::State(state) => match state {
                GuardStateError::Io { .. } => USAGE,
                // Without what it did before, or beside another guard, a cure could be done twice.
                GuardStateError::Busy { .. }
                | GuardStateError::NotMemory { .. }
                | GuardStateError::OtherSwarm { .. } => REFUSED,
            },
        }
    }
}

impl Ends for HostError {
    fn code(&self) -> u8 {
        match self {
            Self::NotAbsolute(_) | Self::Scheme(_) => USAGE,
        }
    }
}

impl Ends for HostFactsError {
    fn code(&self) -> u8 {
        match self {
            Self::List { .. } | Self::Socket(_) | Self::TooLong { .. } => UNKNOWN,
        }
    }
}

impl Ends for InitError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Roots(roots) => roots.code(),
            Self::Nothing | Self::NotReadBack(_) => NOT_DONE,
        }
    }
}

impl Ends for KeyFileError {
    fn code(&self) -> u8 {
        match self {
            Self::Key { .. }
            | Self::NotRegular { .. }
            | Self::Open { .. }
            | Self::Read { .. }
            | Self::Write { .. } => USAGE,
            Self::NoRandomness => UNKNOWN,
        }
    }
}

impl Ends for LockError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Held { .. } => REFUSED,
        }
    }
}

impl Ends for NoSuchNetwork {
    fn code(&self) -> u8 {
        USAGE
    }
}

impl Ends for NoSuchSubject {
    fn code(&self) -> u8 {
        match self {
            Self::Ambiguous { .. } | Self::Unknown { .. } => USAGE,
        }
    }
}

impl Ends for NotClaimable {
    fn code(&self) -> u8 {
        REFUSED
    }
}

impl Ends for OneKey {
    fn code(&self) -> u8 {
        USAGE
    }
}

impl Ends for PreflightError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Journal(source) => source.code(),
            Self::NoLog(_) => UNKNOWN,
            Self::DeploysOnIngress { .. }
            | Self::Entries(_)
            | Self::HarnessEnv { .. }
            | Self::NoOverlay
            | Self::NotConfigured { .. } => USAGE,
            Self::Overlay(census) => census.code(),
            Self::Routes(material) => material.code(),
        }
    }
}

impl Ends for MaterialError {
    fn code(&self) -> u8 {
        match self {
            Self::Roots(roots) => roots.code(),
            Self::Route { .. } => USAGE,
        }
    }
}

impl Ends for ReclaimError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Census(census) => census.code(),
            Self::Connect(connect) => connect.code(),
            Self::Lock(lock) => lock.code(),
            Self::NotCounted(_) | Self::StepLog { .. } => UNKNOWN,
            Self::NoCopy { .. } | Self::NothingToResume { .. } | Self::OtherSwarm { .. } => USAGE,
            Self::EngineRuns { .. }
            | Self::QuorumLost { .. }
            | Self::Refused { .. }
            | Self::Unfinished { .. } => REFUSED,
            Self::DoesNotStepDown { .. }
            | Self::Helper(_)
            | Self::Late(_)
            | Self::NoManagerAnswers(_)
            | Self::NotDone(_)
            | Self::OnlyItself { .. }
            | Self::State { .. }
            | Self::Stranded { .. } => NOT_DONE,
        }
    }
}

impl Ends for Refusal {
    fn code(&self) -> u8 {
        match self {
            Self::Breach(breach) => breach.code(),
            Self::ForeignKey { .. } | Self::TooLong { .. } => USAGE,
            Self::Json(_) => UNKNOWN,
        }
    }
}

impl Ends for RemovalError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::NoSuchStack { .. } => USAGE,
        }
    }
}

impl Ends for RenewalError {
    fn code(&self) -> u8 {
        match self {
            Self::Call(call) => call.code(),
            Self::Lock(lock) => lock.code(),
            Self::NoSuchNetwork(none) => none.code(),
            Self::Begun | Self::OtherNode { .. } | Self::Refused { .. } | Self::Unfinished { .. } => REFUSED,
            Self::State { .. } | Self::TooLarge { .. } => USAGE,
            Self::AddressTaken { .. }
            | Self::Changed { .. }
            | Self::CountLeft { .. }
            | Self::Foreign { .. }
            | Self::Held(_)
            | Self::Lost
            | Self::NoSubnet { .. }
            | Self::NodeDown { .. }
            | Self::NotConnected { .. }
            | Self::NotDrained { .. }
            | Self::NotSettled { .. }
            | Self::NothingUnderWay
            | Self::RolledBack { .. }
            | Self::Stranded { .. }
            | Self::UpdateFailed { .. } => NOT_DONE,
        }
    }
}

impl Ends for ReportError {
    fn code(&self) -> u8 {
        match self {
            Self::Contradicts(_) | Self::NotAReport(_) | Self::NotJson(_) | Self::OtherGate { .. } => USAGE,
        }
    }
}

impl Ends for RootsError {
    fn code(&self) -> u8 {
        match self {
            Self::Certificate { .. }
            | Self::Empty { .. }
            | Self::NoSystemRoots { .. }
            | Self::NotAFile { .. }
            | Self::Pem { .. }
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Verifier(_) => USAGE,
        }
    }
}

impl Ends for SavedSnapshotError {
    fn code(&self) -> u8 {
        USAGE
    }
}

impl Ends for SourceError {
    fn code(&self) -> u8 {
        match self {
            Self::IsDirectory { .. }
            | Self::Io { .. }
            | Self::Journalctl { .. }
            | Self::Journald { .. }
            | Self::JournalNotAllowed { .. }
            | Self::Missing { .. }
            | Self::NoMark { .. }
            | Self::NotAllowed { .. }
            | Self::NotRegular { .. }
            | Self::Program { .. }
            | Self::WrongMark { .. } => UNKNOWN,
        }
    }
}

impl Ends for StartError {
    fn code(&self) -> u8 {
        match self {
            Self::Listen { .. } => USAGE,
            Self::Directory(_) | Self::LogFile { .. } | Self::Runtime(_) => UNKNOWN,
        }
    }
}

impl Ends for OwnGateError {
    fn code(&self) -> u8 {
        match self {
            Self::NoSuchGate(_)
            | Self::NothingDeployed { .. }
            | Self::NothingMatches { .. }
            | Self::NothingRequired { .. } => USAGE,
        }
    }
}

impl Ends for NoSuchCheck {
    fn code(&self) -> u8 {
        USAGE
    }
}

impl Ends for UnknownSignature {
    fn code(&self) -> u8 {
        USAGE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pvcheck_gates::EntriesError;

    use super::*;

    #[test]
    fn verdicts_have_their_codes() {
        assert_eq!([Verdict::Pass, Verdict::Fail, Verdict::Unknown].map(|v| v.code()), [0, 1, 3]);
    }

    #[test]
    fn an_error_that_wraps_another_has_the_code_of_that_one() {
        let missing = || NoSuchNetwork { name: "x".into(), overlays: vec!["ingress".into()] };
        let waits =
            || CensusError::ServiceWaits { service: "s".into(), network: "n".into(), status_offered: false };
        let table: [(Failure, u8); 12] = [
            (PreflightError::Overlay(missing().into()).into(), USAGE),
            (PreflightError::Overlay(CensusError::NotAllocated("x".into())).into(), UNKNOWN),
            (PreflightError::NotConfigured { table: "churn" }.into(), USAGE),
            (PreflightError::NoOverlay.into(), USAGE),
            (
                PreflightError::Entries(EntriesError::Unreadable { path: "x".into(), reason: "no".into() })
                    .into(),
                USAGE,
            ),
            (PreflightError::HarnessEnv { harness: "x".into(), name: "Y".into() }.into(), USAGE),
            (PreflightError::DeploysOnIngress { overlay: "ingress".into() }.into(), USAGE),
            (PreflightError::Journal(SourceError::Missing { path: "x".into() }).into(), UNKNOWN),
            (ChurnError::Census(waits()).into(), REFUSED),
            (ReclaimError::Census(waits()).into(), REFUSED),
            (ReclaimError::NotCounted(waits()).into(), UNKNOWN),
            (
                ReclaimError::NotDone(Box::new(ReclaimError::DoesNotStepDown { limit: Duration::ZERO }))
                    .into(),
                NOT_DONE,
            ),
        ];
        for (failure, code) in table {
            assert_eq!(failure.code, code, "{failure:?}");
        }
    }
}
