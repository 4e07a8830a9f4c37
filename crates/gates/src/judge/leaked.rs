//! Addresses that are leaked already, before a gate does anything.

use super::finding::{Finding, Judge};
use crate::check::Check;
use crate::config::OverlayConfig;
use crate::coverage::Coverage;
use crate::gate_report::CheckReport;
use crate::leaks::Leaks;
use crate::observed::Observed;
use crate::reason::Reason;

/// Passes iff the number is proved and not above the overlay's `max_leaked`. `counted` is the observation that the count is
/// from, for its time and source.
pub(super) fn leaked_check<T>(
    judge: &Judge<'_, impl Coverage>,
    overlay: &OverlayConfig,
    counted: &Observed<T>,
    leaks: &Result<Leaks, Reason>,
) -> CheckReport {
    let accepted = overlay.max_leaked;
    judge.check_proved(Check::OverlayLeaked(overlay), counted, |sight| {
        let leaks = match leaks {
            Ok(leaks) => leaks,
            Err(why) => return Finding::unknown(why.clone()),
        };
        let (leaked, by) = (leaks.leaked, leaks.by.clone());
        let finding = if leaked <= accepted {
            sight.pass(Reason::LeaksAccepted { leaked, accepted, by })
        } else {
            let (overlay, addresses) = (overlay.name.clone(), leaks.addresses.clone());
            Finding::fail(Reason::LeaksFound { overlay, leaked, accepted, addresses, by })
        };
        finding.evidence(leaks.evidence.clone())
    })
}
