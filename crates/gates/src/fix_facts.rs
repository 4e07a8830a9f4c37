//! What the gates of a renewal judge, as it is recorded and saved.

use pvcheck_audit::Snapshot;
use pvcheck_swarm::{RenewalPlan, RenewalProof, SavedRenewal};
use serde::{Deserialize, Serialize};

use crate::creation::CreationFacts;
use crate::facts::M1Facts;
use crate::observed::Observed;
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
