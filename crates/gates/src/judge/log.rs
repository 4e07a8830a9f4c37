//! The engine's log: exhaustion since its start, and signatures since a run began.

use std::collections::BTreeSet;

use pvcheck_journal::{Class, Matched, Sample, Scan};

use super::finding::{Finding, Sight};
use crate::fault::Counted;
use crate::reason::Reason;

/// Passes iff a complete scan has no record that a network of the Swarm ran out of addresses.
pub(super) fn exhaustion(scan: &Sight<'_, Scan>) -> Finding {
    let found = scan.exhaustion_count();
    let window = format!("{}: {} records in the window, {} read", scan.source, scan.records, scan.read);
    let finding = match scan.doubt() {
        // A record is a record, even in a log of which parts are missing.
        _ if 0 < found => Finding::fail(Reason::Exhaustion { records: found }),
        Some(doubt) => Finding::unknown(Reason::LogInconclusive { doubt: doubt.to_string() }),
        None => scan.pass(Reason::NoExhaustion { records: scan.records }),
    };
    finding.evidence(window).evidences(samples(scan))
}

/// Passes iff a complete scan has no signature of lost or missing addresses.
pub(super) fn new_signatures(scan: &Sight<'_, Scan>) -> Finding {
    let counted = |m: &Matched| Counted { signature: m.signature.clone(), count: m.count };
    let (grave, other): (Vec<_>, Vec<_>) = scan.findings().partition(|m| is_about_addresses(m.class));
    let window = format!("{}: {} records in the window", scan.source, scan.records);
    let finding = if !grave.is_empty() {
        Finding::fail(Reason::SignaturesFound(grave.into_iter().map(counted).collect()))
    } else if scan.complete {
        scan.pass(Reason::NoSignature { records: scan.records })
    } else {
        Finding::unknown(Reason::LogIncomplete)
    };
    let unrelated = other.into_iter().map(|m| format!("not about addresses: {}", counted(m)));
    finding.evidence(window).evidences(unrelated).evidences(samples(scan))
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
