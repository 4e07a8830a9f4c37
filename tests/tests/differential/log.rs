//! What an engine logged about addresses.

use std::collections::BTreeSet;

use pvcheck_journal::{Catalogue, Class, OwnNoise, Record, Window, scan};

/// Of the node that runs containers, or of an engine that starts, which is not the allocator; and the race of a starting
/// manager's parts for the same object, which is lost at random.
const OTHERS: [&str; 15] = [
    "api-error",
    "binding-gone",
    "binding-left",
    "bridge-vlan",
    "engine-start",
    "engine-stop",
    "image-pull",
    "ipvs-missing",
    "kernel-parameter",
    "leader-elected",
    "leadership-seen",
    "mark-rule-missing",
    "network-in-use",
    "store-conflict-at-start",
    "vxlan-taken",
];

/// The signatures in some lines.
pub(crate) fn signatures(lines: impl Iterator<Item = String>) -> BTreeSet<String> {
    let records: Vec<Record> = lines.map(|line| Record::parse_line(line.as_bytes())).collect();
    let scan = scan(&records, Window::OPEN, Catalogue::builtin(), &OwnNoise::none());
    let ours = |matched: &pvcheck_journal::Matched| {
        !OTHERS.contains(&matched.signature.as_str()) && matched.class != Class::LocalExhaustion
    };
    scan.matched.into_iter().filter(ours).map(|matched| matched.signature).collect()
}
