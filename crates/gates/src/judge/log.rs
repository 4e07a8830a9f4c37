//! The engine's log: exhaustion since its start, and signatures since a run began.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pvcheck_journal::{Class, Matched, Role, Sample, Scan, Since};

use super::finding::{Finding, Sight};
use crate::config::Config;
use crate::facts::M1Facts;
use crate::fault::{Counted, list};
use crate::reason::Reason;
use crate::repeat;
use crate::role::log_role;

/// Whose log was read, and when.
#[derive(Clone, Copy)]
pub(super) struct LogRead {
    /// What the snapshot says of the log's engine.
    role: Role,
    read: Timestamp,
    /// True iff the Swarm has other managers, which may have led before.
    has_others: bool,
    /// True iff it is the log of another node than the one that was asked: a copy, unless it is mounted here.
    is_elsewhere: bool,
}

impl LogRead {
    /// A copy whose last record is older than this may have been made before what it is to show.
    const OLDEST_COPY: SignedDuration = SignedDuration::from_hours(1);

    pub(super) fn of(facts: &M1Facts) -> Self {
        let snapshot = facts.snapshot.known();
        let node = facts.log_node.as_ref();
        Self {
            role: snapshot.map_or(Role::Unknown, |snapshot| log_role(snapshot, node)),
            read: facts.journal.at,
            has_others: snapshot.is_none_or(|s| 1 < s.nodes.iter().filter(|node| node.manager).count()),
            is_elsewhere: snapshot.zip(node).is_some_and(|(snapshot, node)| snapshot.engine.node != *node),
        }
    }

    /// When its engine began to lead, if that was within a window that begins at a moment of the configuration's: before that
    /// another manager logged what ran out.
    fn led_later(&self, scan: &Scan) -> Option<Timestamp> {
        let asked = matches!(scan.since, Since::At(_)) && self.has_others;
        let elected = scan.matched.iter().filter(|matched| matched.signature == "leader-elected");
        elected.filter_map(|matched| matched.last.filter(|_| asked)).max()
    }

    fn old_copy(&self, scan: &Scan) -> Option<Timestamp> {
        let last = scan.coverage?.last?;
        (self.is_elsewhere && Self::OLDEST_COPY < self.read.duration_since(last)).then_some(last)
    }
}

/// Passes iff the leader's log, read and understood from where it is to be judged to its end, has no record that a network of
/// the Swarm ran out of addresses.
pub(super) fn exhaustion(config: &Config, scan: &Sight<'_, Scan>, log: LogRead) -> Finding {
    let LogRead { role, read, .. } = log;
    let found = scan.exhaustion_count();
    let ahead = match scan.since {
        Since::At(since) if read < since => Some(since),
        _ => None,
    };
    let finding = match scan.doubt_of_leader(role) {
        // A record is a record, even in a log of which parts are missing.
        _ if 0 < found => Finding::fail(Reason::Exhaustion { records: found }),
        _ if let Some(since) = ahead => Finding::unknown(Reason::LogNotYet { since, read }),
        _ if let Some(leader_since) = log.led_later(scan) => {
            Finding::unknown(Reason::LogOfALaterLeader { leader_since })
        }
        _ if let Some(last) = log.old_copy(scan) => Finding::unknown(Reason::LogIsOld { last, read }),
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt: doubt.to_string() }),
        None => scan.pass(Reason::NoExhaustion { records: scan.records }),
    };
    with_lines(finding, scan, &repeat::log(config, scan)).evidences(mended(scan))
}

/// From when on the log was judged, where the configuration says so, and what stands before.
fn mended(scan: &Scan) -> Option<String> {
    let Since::At(since) = scan.since else { return None };
    let before: Vec<Counted> = scan.before.iter().map(counted).collect();
    let before = if before.is_empty() { "nothing to report".to_owned() } else { list(&before, ", ") };
    Some(format!("judged from {since} on, by [journal] since; before that the log has {before}"))
}

fn counted(matched: &Matched) -> Counted {
    Counted { signature: matched.signature.clone(), count: matched.count }
}

/// Passes iff the leader's log, read and understood to its end, has no signature of lost or missing addresses.
pub(super) fn new_signatures(config: &Config, scan: &Sight<'_, Scan>) -> Finding {
    let (grave, other): (Vec<_>, Vec<_>) = scan.findings().partition(|m| is_about_addresses(m.class));
    let finding = match scan.doubt_of_leader(Role::Unknown) {
        _ if !grave.is_empty() => {
            Finding::fail(Reason::SignaturesFound(grave.into_iter().map(counted).collect()))
        }
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt: doubt.to_string() }),
        None => scan.pass(Reason::NoSignature { records: scan.records }),
    };
    let unrelated = other.into_iter().map(|m| format!("not about addresses: {}", counted(m)));
    with_lines(finding, scan, &repeat::signatures(config, scan)).evidences(unrelated)
}

/// The finding with what the log was, and the lines of it that are findings.
fn with_lines(finding: Finding, scan: &Scan, command: &str) -> Finding {
    let lines = std::iter::once(window(scan)).chain(samples(scan));
    lines.fold(finding, |finding, line| finding.shown_by(line, command.to_owned()))
}

/// What the log was and how much of it was read.
fn window(scan: &Scan) -> String {
    format!("{}: {} records in the window, {} read", scan.source, scan.records, scan.read)
}

/// True iff records of this class say that addresses of the Swarm are used up, leaked, held twice or not allocated.
///
/// Conflicts in a node's own store are not among them: up to engine 26 each removed network logs one, drained or not.
fn is_about_addresses(class: Class) -> bool {
    matches!(
        class,
        Class::Exhaustion
            | Class::PoolsExhausted
            | Class::NotAllocated
            | Class::Leak
            | Class::Duplicate
            | Class::Crash
    )
}

/// The sample lines of signatures that are findings.
fn samples(scan: &Scan) -> Vec<String> {
    let findings: BTreeSet<&str> = scan.findings().map(|m| m.signature.as_str()).collect();
    let of_findings = |s: &&Sample| s.signature.as_deref().is_some_and(|id| findings.contains(id));
    scan.samples.iter().filter(of_findings).map(|s| s.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::done;

    #[test]
    fn only_records_about_addresses_fail_a_gate() {
        for grave in [
            Class::Exhaustion,
            Class::PoolsExhausted,
            Class::NotAllocated,
            Class::Leak,
            Class::Duplicate,
            Class::Crash,
        ] {
            assert!(is_about_addresses(grave), "{grave:?}");
        }
        for other in [
            Class::LocalExhaustion,
            Class::NotAttached,
            Class::LeakFootprint,
            Class::Race,
            Class::Stale,
            Class::Gap,
            Class::Refusal,
            Class::NodeLost,
            Class::EngineStart,
            Class::Noise,
        ] {
            assert!(!is_about_addresses(other), "{other:?}");
        }
    }

    #[test]
    fn the_evidence_says_how_much_of_the_log_was_read() {
        let facts = done();
        let scan = Scan { records: 7, read: 9, ..facts.journal.known().expect("it was read").clone() };
        assert_eq!(window(&scan), format!("{}: 7 records in the window, 9 read", scan.source));
    }
}
