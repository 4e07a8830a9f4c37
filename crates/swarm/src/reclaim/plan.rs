//! The choice of a strategy: a pure function of facts.

use serde::{Deserialize, Serialize};

use super::facts::ReclaimFacts;
use super::step::Step;
use super::strategy::{Strategy, Wish};

/// Why a strategy is not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The strategy.
    pub strategy: Strategy,
    /// Why, with the mend.
    pub reason: String,
}

/// One thing that would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its name, as in the journal of a run.
    pub step: Step,
    /// What it does.
    pub what: String,
}

/// What would be done, and why not something gentler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReclaimPlan {
    /// The strategy; `None` if none is possible.
    pub strategy: Option<Strategy>,
    /// Those that were passed over, the gentlest first.
    pub refused: Vec<Refused>,
    /// Every step, in order.
    pub steps: Vec<PlanStep>,
    /// What is at risk.
    pub risks: Vec<String>,
}

impl ReclaimPlan {
    /// All reasons in one line, for a refusal.
    pub fn reasons(&self) -> String {
        let one = |r: &Refused| format!("{}: {}", r.strategy.as_str(), r.reason);
        self.refused.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Chooses the gentlest strategy that is possible, or judges the one that is wished for.
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
            plan.steps = steps(strategy, facts);
            plan.risks = risks(strategy, facts);
            break;
        }
    }
    plan
}

/// Members that must agree in a raft group of `members`.
fn quorum(members: usize) -> usize {
    members / 2 + 1
}

fn no_handover(facts: &ReclaimFacts) -> Option<String> {
    let count = facts.managers.len();
    let Some(leader) = facts.leader() else { return Some(NO_LEADER.to_owned()) };
    if count < 3 {
        return Some(format!(
            "{count} manager(s), and it takes three: while the leader is demoted, two must hold the Swarm's state"
        ));
    }
    let without = facts.managers.iter().filter(|m| m.reachable && m.id != leader.id).count();
    let needed = quorum(count - 1);
    if without < needed {
        return Some(format!(
            "without the leader {without} of {} managers are reachable, and {needed} must be; bring the others back first",
            count - 1
        ));
    }
    if 0 < facts.external_cas {
        return Some("the Swarm's certificates come from an external authority, and without it a demoted manager could not be promoted again; nothing is asked of it from here".to_owned());
    }
    if facts.connected == leader.id && facts.others.is_empty() {
        return Some(format!(
            "the only manager that can be asked from here is the leader {}, and once demoted it cannot be promoted from itself; name another manager with --helper URL, or run it against a manager that is not the leader",
            leader.hostname
        ));
    }
    None
}

const NO_LEADER: &str = "the Swarm has no leader; start the managers that are down first";

fn no_borrow(facts: &ReclaimFacts) -> Option<String> {
    let Some(leader) = facts.leader() else { return Some(NO_LEADER.to_owned()) };
    match facts.managers.len() {
        1 => {}
        2 => {
            return Some(
                "two managers: a private engine on this host is reached by this host only; promote a third node for the time, and hand over"
                    .to_owned(),
            );
        }
        count => return Some(format!("{count} managers: they can hand over among themselves")),
    }
    if facts.autolock {
        return Some("autolock is on, and a borrowed manager would need the key whenever it starts; switch it off for the time: docker swarm update --autolock=false".to_owned());
    }
    if 0 < facts.external_cas {
        return Some("the Swarm's certificates come from an external authority, which would have to sign one for the borrowed manager; nothing is asked of it from here".to_owned());
    }
    let address = leader.address.as_deref().unwrap_or_default();
    let ip = address.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']);
    if !ip.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified()) {
        return Some(format!(
            "the manager advertises {}, where no other engine can reach it; a Swarm cannot change that later",
            if ip.is_empty() { "no address" } else { ip }
        ));
    }
    not_here(facts)
}

/// What this host lacks for an engine of its own.
fn not_here(facts: &ReclaimFacts) -> Option<String> {
    let here = &facts.here;
    if !here.root {
        return Some("a private engine needs root; run it as root on the manager's host".to_owned());
    }
    if !here.same_host {
        return Some("the manager's address is not one of this host's; run it on the manager's own host, in its network namespace".to_owned());
    }
    if here.dockerd.is_none() {
        return Some("there is no dockerd on PATH and none runs in this network namespace".to_owned());
    }
    if !here.missing.is_empty() {
        return Some(format!("these programs are missing: {}", here.missing.join(", ")));
    }
    if here.raft_dir.is_none() {
        return Some("the manager's raft folder cannot be read from here, so there would be no copy of the Swarm's state".to_owned());
    }
    if here.link.is_none() {
        return Some(
            "every candidate for the link's network (198.18.0.0/15) is in use on this host".to_owned(),
        );
    }
    None
}

fn no_restart(facts: &ReclaimFacts, wish: Wish) -> Option<String> {
    if !wish.restart_allowed {
        return Some("all containers of this engine would restart; allow it with --now, or with --window HH:MM-HH:MM (UTC) in that time".to_owned());
    }
    if facts.autolock {
        return Some("autolock is on: after the restart the manager would wait for its key, and nothing in the Swarm would run; switch it off for the time: docker swarm update --autolock=false".to_owned());
    }
    if !wish.busy_allowed && !facts.moving.is_empty() {
        return Some(format!(
            "the window is open, but the Swarm is busy: tasks of {} start or stop; wait for them, or restart all the same with --now",
            facts.moving.join(", ")
        ));
    }
    match facts.leader() {
        None => Some(NO_LEADER.to_owned()),
        Some(leader) if leader.id != facts.connected => Some(format!(
            "the engine asked does not lead, and restarting it would change nothing; run it against {}",
            leader.hostname
        )),
        Some(_) => None,
    }
}

fn steps(strategy: Strategy, facts: &ReclaimFacts) -> Vec<PlanStep> {
    let leader = facts.leader().map_or("the leader", |l| l.hostname.as_str());
    let list: Vec<(Step, String)> = match strategy {
        Strategy::Handover => vec![
            (Step::Lock, "take the Swarm's lock".into()),
            (
                Step::Compact,
                "let the managers write a snapshot and cut their raft logs, so that little has to be copied"
                    .into(),
            ),
            (Step::HandOver, format!("demote {leader}; another manager leads and rebuilds the allocator")),
            (Step::Promote, format!("promote {leader} again and wait until it is reachable")),
            (
                Step::GiveBack,
                format!("demote and promote whoever leads, one after the other, until {leader} leads again"),
            ),
            (Step::Unlock, "release the lock".into()),
        ],
        Strategy::Borrow => vec![
            (Step::Lock, "take the Swarm's lock".into()),
            (Step::Safeguard, "copy the manager's raft folder".into()),
            (Step::Namespace, "make a network namespace with a link to this host".into()),
            (Step::Engine, "start a private engine in it".into()),
            (
                Step::Compact,
                "let the manager write a snapshot and cut its raft log, so that little has to be copied"
                    .into(),
            ),
            (Step::Join, "let it join as a drained manager".into()),
            (
                Step::Freeze,
                format!("freeze it until {leader}, which has no quorum then, steps down (12 to 17 s)"),
            ),
            (Step::Thaw, "wake it; one of the two is elected and rebuilds the allocator (10 to 20 s)".into()),
            (Step::Demote, format!("demote it; {leader} leads")),
            (Step::Leave, "take it off the list of nodes".into()),
            (Step::Remove, "stop it and remove its namespace, link and folder".into()),
            (Step::Tokens, "rotate both join tokens".into()),
            (Step::Unlock, "release the lock".into()),
        ],
        Strategy::Restart => vec![
            (Step::Lock, "take the Swarm's lock".into()),
            (Step::Restart, format!("restart the engine of {leader} and wait until its services run")),
            (Step::Unlock, "release the lock".into()),
        ],
    };
    list.into_iter().map(|(step, what)| PlanStep { step, what }).collect()
}

fn risks(strategy: Strategy, facts: &ReclaimFacts) -> Vec<String> {
    let single = facts.others.is_empty();
    match strategy {
        Strategy::Handover => {
            let mut risks = vec![
                "no container restarts; for some seconds at each change of leader nothing can be deployed".to_owned(),
                "while one manager is demoted, one failure less is survived".to_owned(),
            ];
            if single {
                risks.push("only one manager can be asked from here, so the leadership may stay where it went; name others with --helper URL to have it back".to_owned());
            }
            risks
        }
        Strategy::Borrow => vec![
            "no container restarts; for about half a minute nothing can be deployed".to_owned(),
            "if the private engine dies while it is a member, nothing can be deployed until `pvcheck reclaim --resume`; containers run on".to_owned(),
            "join tokens that are kept elsewhere stop working".to_owned(),
        ],
        Strategy::Restart => {
            vec!["every container of this engine restarts, those that no service owns too".to_owned()]
        }
    }
}

#[cfg(test)]
mod tests;
