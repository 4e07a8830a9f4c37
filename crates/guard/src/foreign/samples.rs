//! Lines of the engine's log that a guard is tried on: each is what an engine logs for a signature of the catalogue.

/// A line, and the signature that it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The signature's id in the catalogue.
    pub(super) signature: &'static str,
    /// True iff it says that a Swarm network has no address left, so that a guard must fire on it.
    pub(super) wanted: bool,
    /// The line, as journalctl prints it after the host and the unit.
    pub(super) line: &'static str,
}

const fn wanted(signature: &'static str, line: &'static str) -> Sample {
    Sample { signature, wanted: true, line }
}

const fn other(signature: &'static str, line: &'static str) -> Sample {
    Sample { signature, wanted: false, line }
}

/// The lines. What they say is from the catalogue and its sources; ids are made up.
pub(super) const SAMPLES: &[Sample] = &[
    wanted(
        "vip-exhausted",
        r#"level=error msg="Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2" error="could not find an available IP while allocating VIP" module=node"#,
    ),
    wanted(
        "vip-exhausted-on-update",
        r#"level=error msg="Failed allocation during update of service svc4qm2v9k1t8r3w6y5z0a1b2" error="could not find an available IP while allocating VIP" module=node"#,
    ),
    wanted(
        "vip-exhausted-retry",
        r#"level=debug msg="Failed allocation of unallocated service svc4qm2v9k1t8r3w6y5z0a1b2" error="could not find an available IP while allocating VIP" module=node"#,
    ),
    wanted(
        "task-exhausted",
        r#"level=error msg="task allocation failure" error="failed to allocate network IP for task tsk7mg402451row2gmr0g0vsu network netqo8nlftb3wrsc5kja4dlzr: could not find an available IP" module=node"#,
    ),
    wanted(
        "lb-exhausted",
        r#"level=error msg="Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi" error="could not find an available IP" module=node"#,
    ),
    wanted(
        "address-exhausted",
        r#"level=error msg="allocation failed" error="could not find an available IP" module=node"#,
    ),
    wanted(
        "attachments-missing",
        r#"level=error msg="fatal task error" error="node is missing network attachments, ip addresses may be exhausted" module=node/agent/taskmanager"#,
    ),
    wanted(
        "waits-for-service",
        r#"level=error msg="task allocation failure" error="service svc4qm2v9k1t8r3w6y5z0a1b2 to which this task tsk7mg402451row2gmr0g0vsu belongs has pending allocations" module=node"#,
    ),
    other(
        "local-pool-full",
        r#"level=error msg="Handler for POST /v1.41/containers/x/start returned error: no available IPv4 addresses on this network's address pools: web (abc)""#,
    ),
    other(
        "pools-exhausted",
        r#"level=error msg="Failed allocation for network netqo8nlftb3wrsc5kja4dlzr" error="could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network" module=node"#,
    ),
    other(
        "removed-network",
        r#"level=error msg="Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi" error="could not find network allocator state for network netqo8nlftb3wrsc5kja4dlzr" module=node"#,
    ),
    other(
        "service-not-allocated",
        r#"level=error msg="Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2" error="something else" module=node"#,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pvcheck_journal::{Catalogue, Class, Record};

    use super::*;

    #[test]
    fn each_line_is_what_the_catalogue_takes_it_for() {
        for sample in SAMPLES {
            let record =
                Record::parse_line(format!("time=\"2026-06-13T05:38:00Z\" {}", sample.line).as_bytes());
            let found = Catalogue::builtin().classify(&record).map(|signature| signature.id);
            assert_eq!(found, Some(sample.signature), "{}", sample.line);
        }
    }

    #[test]
    fn every_signature_of_exhaustion_has_a_line() {
        let ours: BTreeSet<&str> = SAMPLES.iter().filter(|one| one.wanted).map(|one| one.signature).collect();
        let all = Catalogue::builtin().signatures().filter(|one| one.class == Class::Exhaustion);
        for signature in all {
            assert!(ours.contains(signature.id), "{} has no line here", signature.id);
        }
    }
}
