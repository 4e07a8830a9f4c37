//! What the record of a renewal leaves open.

use pvcheck_swarm::SavedRenewal;

use crate::reason::Reason;
use crate::renewal_reason::RenewalReason;

/// It does not say how the renewal ended.
pub(super) fn end_not_recorded(saved: &SavedRenewal) -> Reason {
    Reason::Renewal(RenewalReason::EndNotRecorded { step: step(&saved.stands.step) })
}

/// A step, as a reader calls it.
pub(super) fn step(name: &str) -> String {
    if name.is_empty() { "its beginning".to_owned() } else { format!("step {name}") }
}
