//! The unit that creates an overlay, and when it did.
//!
//! A oneshot that is `active (exited)` says that its commands ended well, not that they created what is there now: a unit
//! that creates only what is missing is active beside a network that somebody else made. Its times say which it was.

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::{NetworkId, Snapshot};
use pvcheck_swarm::SavedRenewal;

use super::finding::{Finding, Sight};
use super::record::end_not_recorded;
use crate::activation_reason::ActivationReason;
use crate::cause::Unseen;
use crate::config::OverlayConfig;
use crate::creation::{Activation, CreationFacts};
use crate::observed::{Observed, Seen};
use crate::reason::Reason;
use crate::renewal_reason::RenewalReason;

/// systemd tells times to the second, and the network's is of the leader's clock.
const CLOCKS: SignedDuration = SignedDuration::from_secs(2);

/// Passes iff the unit is active after a good run, and the network is of that run, older, or the renewal's.
pub(super) fn activation(
    creation: &Sight<'_, CreationFacts>,
    overlay: &OverlayConfig,
    snapshot: &Observed<Snapshot>,
    record: Result<&SavedRenewal, Reason>,
) -> Finding {
    let unit = match &creation.activation {
        Some(Seen::Known(unit)) => unit,
        Some(Seen::Unknown(why)) => return Finding::unknown(Reason::NotSeen(why.clone())),
        None => return Finding::unknown(Reason::NotSeen(Unseen::NotRecorded)),
    };
    let seen = format!(
        "{}: {}, result {}, began {}, active {}",
        unit.unit,
        unit.state,
        unit.result,
        said(unit.began),
        said(unit.active)
    );
    let network = match snapshot.sight() {
        Ok(snapshot) => snapshot.overlay(&overlay.name).map(|network| (network.id.clone(), network.created)),
        Err(why) => return Finding::unknown(Reason::NotSeen(why.clone())),
    };
    let finding = if !unit.is_sound() {
        Finding::fail(of(ActivationReason::NotActive {
            unit: unit.unit.clone(),
            state: unit.state.clone(),
            result: unit.result.clone(),
        }))
    } else if let Some((id, created)) = network {
        compare(creation, overlay, unit, &Live { id, created, record })
    } else {
        Finding::fail(Reason::NotAllocated { overlay: overlay.name.clone() })
    };
    finding.evidence(seen)
}

/// The network as it is, and what its renewal left.
struct Live<'a> {
    id: NetworkId,
    created: Option<Timestamp>,
    record: Result<&'a SavedRenewal, Reason>,
}

fn compare(
    sight: &Sight<'_, CreationFacts>,
    overlay: &OverlayConfig,
    activation: &Activation,
    live: &Live<'_>,
) -> Finding {
    let (unit, state, overlay) = (activation.unit.clone(), activation.state.clone(), overlay.name.clone());
    let Some((began, active)) = activation.began.zip(activation.active) else {
        return Finding::unknown(of(ActivationReason::NoTime { unit, state }));
    };
    let Some(created) = live.created else {
        return Finding::unknown(of(ActivationReason::NoCreation { overlay }));
    };
    if created.duration_until(began) > CLOCKS {
        return sight.pass(of(ActivationReason::RanSince { unit, state, overlay, created, began }));
    }
    if active.duration_until(created) <= CLOCKS {
        return sight.pass(of(ActivationReason::Created { unit, state, overlay, created, began, active }));
    }
    let by_renewal = |saved: &SavedRenewal| saved.ended.as_ref().is_some_and(|e| e.network == live.id);
    match &live.record {
        Ok(saved) if by_renewal(saved) => {
            sight.pass(of(ActivationReason::Renewed { unit, state, overlay, created, active }))
        }
        // A renewal that is under way may be the one that made it.
        Ok(saved) if saved.ended.is_some() => {
            Finding::fail(of(ActivationReason::CreatedByOther { unit, overlay, created, active }))
        }
        Ok(saved) => Finding::unknown(end_not_recorded(saved)),
        Err(why) => Finding::unknown(why.clone()),
    }
}

fn of(reason: ActivationReason) -> Reason {
    Reason::Renewal(RenewalReason::Activation(Box::new(reason)))
}

fn said(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
