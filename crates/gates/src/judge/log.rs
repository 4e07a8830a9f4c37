//! The engine's log: exhaustion since its start, and signatures since a run began.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pvcheck_journal::{Class, Matched, Role, Sample, Scan, Since};

use super::finding::{Finding, Sight};
use crate::fault::{Counted, list};
use crate::reason::Reason;
use crate::repeat;

/// Passes iff the leader's log, read and understood from where it is to be judged to its end, has no record that a network of
/// the Swarm ran out of addresses. `role` is what the snapshot says of the log's engine, `read` when the log was read.
pub(super) fn exhaustion(scan: &Sight<'_, Scan>, role: Role, read: Timestamp) -> Finding {
    let found = scan.exhaustion_count();
    let ahead = match scan.since {
        Since::At(since) if read < since => Some(since),
        _ => None,
    };
    let finding = match scan.doubt_of_leader(role) {
        // A record is a record, even in a log of which parts are missing.
        _ if 0 < found => Finding::fail(Reason::Exhaustion { records: found }),
        _ if let Some(since) = ahead => Finding::unknown(Reason::LogNotYet { since, read }),
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt: doubt.to_string() }),
        None => scan.pass(Reason::NoExhaustion { records: scan.records }),
    };
    with_lines(finding, scan).evidences(mended(scan))
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
pub(super) fn new_signatures(scan: &Sight<'_, Scan>) -> Finding {
    let (grave, other): (Vec<_>, Vec<_>) = scan.findings().partition(|m| is_about_addresses(m.class));
    let finding = match scan.doubt_of_leader(Role::Unknown) {
        _ if !grave.is_empty() => {
            Finding::fail(Reason::SignaturesFound(grave.into_iter().map(counted).collect()))
        }
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt: doubt.to_string() }),
        None => scan.pass(Reason::NoSignature { records: scan.records }),
    };
    let unrelated = other.into_iter().map(|m| format!("not about addresses: {}", counted(m)));
    with_lines(finding, scan).evidences(unrelated)
}

/// The finding with what the log was, and the lines of it that are findings.
fn with_lines(finding: Finding, scan: &Scan) -> Finding {
    let command = repeat::log(scan);
    let lines = std::iter::once(window(scan)).chain(samples(scan));
    lines.fold(finding, |finding, line| finding.shown_by(line, command.clone()))
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
