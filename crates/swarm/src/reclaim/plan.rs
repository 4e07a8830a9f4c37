//! The choice of a strategy: a pure function of the facts.

use pvcheck_audit::HAND_OVER_MANAGERS;
use std::net::IpAddr;

use serde::{Deserialize, Serialize, Serializer};

use super::facts::ReclaimFacts;
use super::obstacle::Obstacle;
use super::plan_step::{PlanStep, steps};
use super::risk::Risk;
use super::strategy::{Strategy, Wish};
use crate::worded;

/// A strategy that is not possible, and why. Its JSON has the obstacle, and as `reason` its text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written<'static>"))]
pub struct Refused {
    /// The strategy.
    pub strategy: Strategy,
    /// The obstacle; its text says what to do.
    #[serde(rename = "obstacle")]
    pub reason: Obstacle,
}

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { strategy, reason: obstacle } = self;
        Written { strategy: *strategy, obstacle, reason: obstacle.to_string() }.serialize(serializer)
    }
}

/// [`Refused`] as JSON has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Written<'a> {
    strategy: Strategy,
    obstacle: &'a Obstacle,
    reason: String,
}

/// The strategy that would be used, and why no gentler one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReclaimPlan {
    /// The strategy; `None` if none is possible.
    pub strategy: Option<Strategy>,
    /// The strategies that are not possible, the gentlest first; a harder one than the chosen is not judged.
    pub refused: Vec<Refused>,
    /// The steps of the strategy, in order.
    pub steps: Vec<PlanStep>,
    /// The risks of the strategy.
    #[serde(serialize_with = "worded::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<worded::Worded<'static, Risk>>"))]
    pub risks: Vec<Risk>,
}

impl ReclaimPlan {
    /// The obstacles of all strategies in one line.
    pub fn reasons(&self) -> String {
        let one = |r: &Refused| format!("{}: {}", r.strategy.as_str(), r.reason);
        self.refused.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Returns the gentlest strategy that is possible, or judges only the one in `wish`.
pub fn plan_reclaim(facts: &ReclaimFacts, wish: Wish) -> ReclaimPlan {
    let mut plan = ReclaimPlan { strategy: None, refused: Vec::new(), steps: Vec::new(), risks: Vec::new() };
    for strategy in Strategy::ALL.into_iter().filter(|s| wish.only.is_none_or(|only| only == *s)) {
        let obstacle = match strategy {
            Strategy::Handover => no_handover(facts),
            Strategy::Borrow => no_borrow(facts),
            Strategy::Restart => no_restart(facts, wish),
        };
        if let Some(reason) = obstacle {
            plan.refused.push(Refused { strategy, reason });
        } else {
            plan.strategy = Some(strategy);
            plan.steps = steps_of(strategy, facts);
            plan.risks = Risk::of(strategy, !facts.others.is_empty());
            break;
        }
    }
    plan
}

/// Members that must agree in a raft group of `members`.
fn quorum(members: usize) -> usize {
    members / 2 + 1
}

fn no_handover(facts: &ReclaimFacts) -> Option<Obstacle> {
    let managers = facts.managers.len();
    let Some(leader) = facts.leader() else { return Some(Obstacle::NoLeader) };
    if managers < HAND_OVER_MANAGERS {
        return Some(Obstacle::TooFewManagers { managers });
    }
    let reachable = facts.managers.iter().filter(|m| m.reachable && m.id != leader.id).count();
    // The demoted leader leaves the raft group before the next election, so the quorum is that of one member less.
    let (others, needed) = (managers - 1, quorum(managers - 1));
    if reachable < needed {
        return Some(Obstacle::NoQuorumWithoutLeader { reachable, others, needed });
    }
    if 0 < facts.external_cas {
        return Some(Obstacle::ExternalAuthorityPromotes);
    }
    // A demoted manager answers no call about the Swarm, its own promotion included.
    if facts.connected == leader.id && facts.others.is_empty() {
        return Some(Obstacle::OnlyLeaderAnswers { leader: leader.hostname.clone() });
    }
    None
}

fn no_borrow(facts: &ReclaimFacts) -> Option<Obstacle> {
    let Some(leader) = facts.leader() else { return Some(Obstacle::NoLeader) };
    match facts.managers.len() {
        1 => {}
        2 => return Some(Obstacle::TwoManagers),
        managers => return Some(Obstacle::CanHandOver { managers }),
    }
    if facts.autolock {
        return Some(Obstacle::AutolockBorrowed);
    }
    if 0 < facts.external_cas {
        return Some(Obstacle::ExternalAuthoritySigns);
    }
    let address = leader.address.as_deref().unwrap_or_default();
    let ip = address.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']);
    // A Swarm for one host may advertise 127.0.0.1, which no other engine reaches; the address is fixed at its creation.
    if !ip.parse::<IpAddr>().is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified()) {
        return Some(Obstacle::NotReachable { address: (!ip.is_empty()).then(|| ip.to_owned()) });
    }
    not_here(facts)
}

/// What this host lacks for a private engine; the first reason that the operator can do something about.
fn not_here(facts: &ReclaimFacts) -> Option<Obstacle> {
    let here = &facts.here;
    if !here.root {
        Some(Obstacle::NotRoot)
    } else if !here.same_host {
        Some(Obstacle::OtherHost)
    } else if here.dockerd.is_none() {
        Some(Obstacle::NoDockerd)
    } else if !here.missing.is_empty() {
        Some(Obstacle::MissingPrograms { programs: here.missing.clone() })
    } else if here.raft_dir.is_none() {
        Some(Obstacle::NoRaftFolder)
    } else if here.link.is_none() {
        Some(Obstacle::NoLinkNetwork)
    } else {
        None
    }
}

fn no_restart(facts: &ReclaimFacts, wish: Wish) -> Option<Obstacle> {
    if !wish.restart_allowed {
        return Some(Obstacle::RestartNotAllowed);
    }
    if facts.autolock {
        return Some(Obstacle::AutolockRestarted);
    }
    if !wish.busy_allowed && !facts.moving.is_empty() {
        return Some(Obstacle::Busy { services: facts.moving.clone() });
    }
    match facts.leader() {
        None => Some(Obstacle::NoLeader),
        // Only the leader has an allocator, so restarting another engine frees nothing.
        Some(leader) if leader.id != facts.connected => {
            Some(Obstacle::NotLeader { leader: leader.hostname.clone() })
        }
        Some(_) => None,
    }
}

fn steps_of(strategy: Strategy, facts: &ReclaimFacts) -> Vec<PlanStep> {
    let leader = facts.leader().map_or("the leader", |l| l.hostname.as_str());
    let step = |step: &_| PlanStep { step: *step, strategy, leader: leader.to_owned() };
    steps(strategy).iter().map(step).collect()
}

#[cfg(test)]
mod tests;
