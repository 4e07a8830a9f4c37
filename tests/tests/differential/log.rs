//! What an engine logged about addresses.

use std::collections::BTreeSet;

use pvcheck_journal::{Catalogue, Matched, OwnNoise, Place, Record, Window, scan};

/// What the leader logs and no sequence decides: who is the leader; whether the scheduler or the reaper comes first to a
/// task that no node has; what is still said of a sequence that is over; a race of a manager's parts for the same object.
const UNDECIDED: [&str; 7] = [
    "leader-elected",
    "leadership-seen",
    "no-attachment-on-node",
    "node-without-id",
    "store-conflict-at-start",
    "store-conflict-retried",
    "task-outlived-service",
];

/// What a try to allocate leaves that comes too early, while others still give their addresses up.
pub(crate) const RETRIED: [&str; 6] = [
    "released-twice",
    "task-exhausted",
    "vip-exhausted-on-update",
    "vip-exhausted-retry",
    "vip-not-freed",
    "waits-for-service",
];

/// What the allocator of a new leader says of tasks whose service is gone, or network, unless the orchestrator has deleted them before
/// it looks: both begin at the same time (swarmkit `manager/manager.go`, `becomeLeader`).
pub(crate) const OF_ORPHANS: [&str; 1] = ["network-gone"];

/// Such a line, of jobs that an earlier sequence removed, or one of a manager that stops in the middle of something.
fn is_of_others(line: &str) -> bool {
    let orphan = line.contains("failed allocating task ") && line.contains("could not find service ");
    orphan || line.contains("context canceled")
}

/// The signatures in some lines, as far as they are the leader's: a node's own lines are not the allocator's.
pub(crate) fn signatures<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let lines = lines.filter(|line| !is_of_others(line));
    let records: Vec<Record> = lines.map(|line| Record::parse_line(line.as_bytes())).collect();
    let catalogue = Catalogue::builtin();
    let ours = |matched: &Matched| {
        let place = catalogue.get(&matched.signature).map(|signature| signature.place);
        place == Some(Place::Leader) && !UNDECIDED.contains(&matched.signature.as_str())
    };
    let scan = scan(&records, Window::OPEN, catalogue, &OwnNoise::none());
    scan.matched.into_iter().filter(ours).map(|matched| matched.signature).collect()
}
