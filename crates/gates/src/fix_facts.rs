//! What the gates of a renewal judge, as it is recorded and saved.

use pvcheck_audit::Snapshot;
use pvcheck_swarm::{RenewalPlan, RenewalProof, SavedRenewal};
use serde::{Deserialize, Serialize};

use crate::config::OverlayConfig;
use crate::creation::CreationFacts;
use crate::facts::M1Facts;
use crate::observed::Observed;
use crate::reason::Reason;
use crate::renewal_reason::{Foreign, RenewalReason};
use crate::window::Window;

/// What gate `pvfix.m1` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FixPlanFacts {
    /// The overlay that is to be renewed, by its name.
    pub overlay: String,
    /// The Swarm.
    pub snapshot: Observed<Snapshot>,
    /// The plan, with the network as it is.
    pub plan: Observed<RenewalPlan>,
    /// Whether anything is at work.
    pub window: Observed<Window>,
    /// The files that create the overlay.
    pub creation: Observed<CreationFacts>,
}

/// What gate `pvfix.m2` rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FixedFacts {
    /// The overlay that was renewed, by its name.
    pub overlay: String,
    /// The Swarm, its routes, its log since the overlay was created, and what is leaked of the overlay.
    pub control: M1Facts,
    /// The record that the renewal left.
    pub record: Observed<SavedRenewal>,
    /// What the Swarm shows of it.
    pub proof: Observed<RenewalProof>,
    /// The files that create the overlay.
    pub creation: Observed<CreationFacts>,
}

impl FixedFacts {
    /// The record of the renewal of this overlay, to its declared subnet, in this Swarm; why there is none otherwise.
    pub(crate) fn record_of(&self, overlay: &OverlayConfig) -> Result<&SavedRenewal, Reason> {
        let saved = self.record.sight().map_err(|why| Reason::NotSeen(why.clone()))?;
        let record = &saved.record;
        let swarm = self.control.snapshot.known();
        let foreign = if record.network != overlay.name {
            Foreign::Network { network: record.network.clone(), overlay: overlay.name.clone() }
        } else if record.to.subnet != overlay.subnet {
            Foreign::Subnet { to: record.to.subnet, declared: overlay.subnet }
        } else if swarm.is_some_and(|s| !record.cluster.is_empty() && record.cluster != s.engine.cluster) {
            // Records of earlier versions do not say of which Swarm they are; their services' ids do.
            Foreign::Swarm
        } else {
            return Ok(saved);
        };
        Err(Reason::Renewal(RenewalReason::Foreign(foreign)))
    }
}
