//! Was a network full since the allocator was built? From the engine's log.

use jiff::Timestamp;
use pvcheck_journal::{Class, Role, Scan};
use serde::Serialize;

use crate::signs::Logged;

/// What the engine logged of networks without an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RanOut {
    /// The answer.
    pub sign: Logged,
    /// The log; `null` if none was read.
    pub source: Option<String>,
    /// From when on it counts: the allocator's last beginning, or when the guard last dealt with an exhaustion if that is later;
    /// `null` if that is not known.
    pub since: Option<Timestamp>,
    /// True iff that is what the guard did.
    pub since_act: bool,
    /// How many lines say so.
    pub lines: u64,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// The signatures that they match.
    pub signatures: Vec<String>,
    /// Why finding none proves nothing; `null` if it proves that there was none, or one was found.
    pub unknown: Option<String>,
}

impl RanOut {
    /// What follows from a scan. `act` is when the guard last dealt with an exhaustion, if the scan begins there.
    pub fn of(scan: &Scan, role: Role, act: Option<Timestamp>) -> Self {
        let found = || scan.matched.iter().filter(|matched| matched.class == Class::Exhaustion);
        let lines = scan.exhaustion_count();
        let doubt = if lines == 0 { scan.doubt_of_leader(role).map(|doubt| doubt.to_string()) } else { None };
        Self {
            sign: match (lines, &doubt) {
                (1.., _) => Logged::RanOut,
                (0, Some(_)) => Logged::Unknown,
                (0, None) => Logged::Clean,
            },
            source: Some(scan.source.clone()),
            since: scan.window.from,
            since_act: act.is_some(),
            lines,
            last: found().filter_map(|matched| matched.last).max(),
            signatures: found().map(|matched| matched.signature.clone()).collect(),
            unknown: doubt,
        }
    }

    /// A log that was not read.
    pub fn unread(why: String) -> Self {
        Self {
            sign: Logged::Unknown,
            source: None,
            since: None,
            since_act: false,
            lines: 0,
            last: None,
            signatures: Vec::new(),
            unknown: Some(why),
        }
    }
}
