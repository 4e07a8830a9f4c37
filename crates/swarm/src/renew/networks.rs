//! The networks of a renewal, and the stages between them.

use std::cmp::Ordering;

use pvcheck_audit::NetworkId;
use serde_json::Value;

use super::attachments::{same, staged};
use super::member::Member;
use super::step::{Place, Stage};
use super::strategy::RenewalStrategy;
use crate::read::ContainerFacts;

/// The networks of a renewal as they are now.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    pub(super) old: Option<NetworkId>,
    pub(super) holding: Option<NetworkId>,
    pub(super) new: Option<NetworkId>,
}

impl Networks {
    pub(super) fn id(&self, place: Place) -> Option<&NetworkId> {
        match place {
            Place::Old => self.old.as_ref(),
            Place::Holding => self.holding.as_ref(),
            Place::New => self.new.as_ref(),
        }
    }

    /// The ids of a stage; `None` if one of its networks is not there.
    pub(super) fn of(&self, stage: Stage) -> Option<Vec<NetworkId>> {
        stage.places().iter().map(|place| self.id(*place).cloned()).collect()
    }

    /// The ids that are not of a stage.
    pub(super) fn besides(&self, stage: Stage) -> Vec<NetworkId> {
        let others = Place::ALL.into_iter().filter(|place| !stage.places().contains(place));
        others.filter_map(|place| self.id(place).cloned()).collect()
    }

    /// The stage of a service whose spec has this list of networks, in any order; `None` if there is none.
    pub(super) fn stage(&self, list: &[Value], member: &Member, recorded: &NetworkId) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| {
            let Some(mut ids) = self.of(*stage) else { return false };
            let there = |ids: &[NetworkId]| same(list, &staged(&member.networks, recorded, ids));
            there(&ids) || {
                ids.reverse();
                there(&ids)
            }
        })
    }

    /// The stage of a container; `None` for a mixture that no step makes.
    pub(super) fn stage_of(&self, container: &ContainerFacts) -> Option<Stage> {
        let on = |place: &Place| self.id(*place).is_some_and(|id| container.places.contains_key(id));
        let on: Vec<Place> = Place::ALL.into_iter().filter(on).collect();
        Stage::ALL.into_iter().find(|stage| {
            stage.places().len() == on.len() && on.iter().all(|place| stage.places().contains(place))
        })
    }
}

/// How stage `at` is to stage `to`: `Less` if what is there has still to pass through it.
pub(super) fn order(at: Stage, to: Stage, strategy: RenewalStrategy) -> Ordering {
    let order: &[Stage] = match strategy {
        RenewalStrategy::Bridge => {
            &[Stage::Old, Stage::OldAndHolding, Stage::Holding, Stage::Off, Stage::HoldingAndNew, Stage::New]
        }
        RenewalStrategy::Recreate => &[Stage::Old, Stage::Off, Stage::New],
    };
    let place = |stage| order.iter().position(|s| *s == stage);
    place(at).cmp(&place(to))
}
