//! What a gate of a configuration's own rests on, as it is recorded and saved.

use pvcheck_journal::Scan;
use pvcheck_swarm::{RenewalPlan, RenewalProof, SavedRenewal};
use serde::{Deserialize, Serialize};

use crate::cause::Unseen;
use crate::creation::CreationFacts;
use crate::facts::{M1Facts, M2Facts};
use crate::fix_facts::{FixPlanFacts, FixedFacts};
use crate::observed::{Observed, Seen};
use crate::window::Window;

/// What a gate of a configuration's own rests on: each observation made once, and only where one of its checks needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnFacts {
    /// The overlay that the checks of a renewal are about, by its name; empty where there is none.
    pub overlay: String,
    /// The Swarm, its routes, its log since the engine started, and what is leaked.
    pub control: M1Facts,
    /// The plan of a renewal.
    pub plan: Observed<RenewalPlan>,
    /// Whether anything is at work.
    pub window: Observed<Window>,
    /// The files that create the overlay.
    pub creation: Observed<CreationFacts>,
    /// The record that a renewal left.
    pub record: Observed<SavedRenewal>,
    /// What the Swarm shows of it.
    pub proof: Observed<RenewalProof>,
    /// The engine's log since the overlay was created.
    pub since_creation: Observed<Scan>,
    /// What was seen while stacks were deployed and removed; `None` where no check needs that.
    pub deployment: Option<M2Facts>,
}

impl OwnFacts {
    /// True iff a guardrail kept it from deploying, or from the churn.
    pub fn was_refused(&self) -> bool {
        let refused = |facts: &M2Facts| {
            let is_needless = matches!(&facts.canary.seen, Seen::Unknown(Unseen::NotNeeded))
                && matches!(&facts.churn.seen, Seen::Unknown(Unseen::NotNeeded))
                && facts.harness.known().is_some();
            !is_needless && facts.was_refused()
        };
        self.deployment.as_ref().is_some_and(refused)
    }

    /// The same as facts of `pvfix.m1`.
    pub(crate) fn as_plan(&self) -> FixPlanFacts {
        FixPlanFacts {
            overlay: self.overlay.clone(),
            snapshot: self.control.snapshot.clone(),
            plan: self.plan.clone(),
            window: self.window.clone(),
            creation: self.creation.clone(),
        }
    }

    /// The same as facts of `pvfix.m2`.
    pub(crate) fn as_renewed(&self) -> FixedFacts {
        FixedFacts {
            overlay: self.overlay.clone(),
            control: M1Facts { journal: self.since_creation.clone(), ..self.control.clone() },
            record: self.record.clone(),
            proof: self.proof.clone(),
            creation: self.creation.clone(),
        }
    }
}
