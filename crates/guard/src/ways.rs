//! Which rungs of the ladder are open, and why the others are not.

use std::fmt;

use pvcheck_gates::{GuardConfig, Rung, Signal};
use pvcheck_swarm::{ReclaimFacts, Strategy, Wish, plan_reclaim};
use serde::Serialize;

use crate::signs::Open;

/// A rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Way {
    /// Which.
    pub rung: Rung,
    /// True iff the guard may take it now.
    pub open: bool,
    /// Why it may not; `null` if it may.
    pub reason: Option<String>,
}

/// What the ways depend on.
#[derive(Clone, Debug)]
pub struct WayFacts {
    /// The managers and this host, or why they could not be read.
    pub reclaim: Result<ReclaimFacts, String>,
    /// What makes the time a bad one for a restart, or why it could not be looked at.
    pub busy: Result<Vec<Signal>, String>,
    /// Managers that were named and do not answer: with them a gentler way might be open.
    pub unanswered: Vec<String>,
    /// Why what pvcheck left is not to be removed now; `None` if it may be.
    pub no_drain: Option<NoDrain>,
}

/// Why what earlier runs of pvcheck left is not removed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDrain {
    /// The Swarm could not be read.
    Unseen,
    /// It was done in this run: what is left after that is left for a reason.
    Done,
    /// It was done as often as is allowed in a day.
    Often,
}

impl fmt::Display for NoDrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unseen => "not known what is left: the Swarm could not be read",
            Self::Done => "done in this run",
            Self::Often => "done as often today as is allowed ([guard] cures_a_day)",
        })
    }
}

/// The rungs, the gentlest first.
pub fn ways(config: &GuardConfig, facts: &WayFacts) -> Vec<Way> {
    let of = |rung: Rung| {
        let named = config.may.contains(&rung);
        let reason = if named {
            barred(rung, facts)
        } else {
            Some(format!("not allowed: [guard] may does not name {}", rung.as_str()))
        };
        Way { rung, open: reason.is_none(), reason }
    };
    Rung::ALL.map(of).to_vec()
}

/// Those that are open.
pub(crate) fn open(ways: &[Way]) -> Open {
    let is = |rung| ways.iter().any(|way| way.rung == rung && way.open);
    Open {
        drain: is(Rung::Drain),
        hand_over: is(Rung::HandOver),
        borrow: is(Rung::Borrow),
        restart: is(Rung::Restart),
    }
}

/// The strategy of a reclaim that a rung is; `None` for a drain.
pub(crate) fn strategy(rung: Rung) -> Option<Strategy> {
    match rung {
        Rung::Drain => None,
        Rung::HandOver => Some(Strategy::Handover),
        Rung::Borrow => Some(Strategy::Borrow),
        Rung::Restart => Some(Strategy::Restart),
    }
}

/// What is asked of a reclaim for a rung: this way and no other, and a restart only while the Swarm is quiet.
pub(crate) fn wish(strategy: Strategy) -> Wish {
    Wish { only: Some(strategy), restart_allowed: strategy == Strategy::Restart, busy_allowed: false }
}

fn barred(rung: Rung, facts: &WayFacts) -> Option<String> {
    let Some(strategy) = strategy(rung) else {
        return facts.no_drain.map(|why| why.to_string());
    };
    let reclaim = match &facts.reclaim {
        Ok(facts) => facts,
        Err(why) => return Some(format!("not known whether it is possible: {why}")),
    };
    let plan = plan_reclaim(reclaim, wish(strategy));
    if plan.strategy.is_none() {
        return Some(plan.refused.first().map_or_else(String::new, |refused| refused.reason.to_string()));
    }
    if rung != Rung::Restart {
        return None;
    }
    // With a single manager there is no gentler way that another one could open.
    if 1 < reclaim.managers.len() && !facts.unanswered.is_empty() {
        let names = facts.unanswered.join(" and ");
        return Some(format!("not known whether a gentler way is open: no answer from {names}"));
    }
    not_quiet(&facts.busy)
}

/// Why the time is a bad one for a restart. What a full network looks like is left out: it is what the restart is for.
fn not_quiet(busy: &Result<Vec<Signal>, String>) -> Option<String> {
    let signals = match busy {
        Ok(signals) => signals,
        Err(why) => return Some(format!("the window is not known: {why}")),
    };
    let work: Vec<String> =
        signals.iter().filter(|signal| !signal.is_of_a_full_network()).map(ToString::to_string).collect();
    (!work.is_empty()).then(|| format!("the window is BUSY: {}", work.join("; ")))
}

#[cfg(test)]
mod tests {
    use pvcheck_audit::NodeId;
    use pvcheck_swarm::{Here, Manager};

    use super::*;

    fn facts(managers: usize) -> WayFacts {
        let manager = |n: usize| Manager {
            id: NodeId::new(format!("m{n}").as_str()),
            hostname: format!("m{n}"),
            address: Some("192.0.2.1:2377".into()),
            reachable: true,
            leader: n == 0,
        };
        let here = Here {
            root: true,
            missing: Vec::new(),
            dockerd: Some("/usr/bin/dockerd".into()),
            same_host: true,
            link: Some(([198, 18, 0, 1].into(), [198, 18, 0, 2].into())),
            raft_dir: Some("/var/lib/docker/swarm".into()),
        };
        let reclaim = ReclaimFacts {
            managers: (0..managers).map(manager).collect(),
            connected: NodeId::new("m0"),
            others: (1..managers).map(|n| NodeId::new(format!("m{n}").as_str())).collect(),
            autolock: false,
            external_cas: 0,
            moving: Vec::new(),
            here,
        };
        WayFacts { reclaim: Ok(reclaim), busy: Ok(Vec::new()), unanswered: Vec::new(), no_drain: None }
    }

    fn config(may: &[Rung]) -> GuardConfig {
        GuardConfig { may: may.to_vec(), ..GuardConfig::default() }
    }

    fn reason(ways: &[Way], rung: Rung) -> String {
        ways.iter().find(|way| way.rung == rung).and_then(|way| way.reason.clone()).unwrap_or_default()
    }

    #[test]
    fn what_is_possible_is_open_only_where_it_is_named() {
        let one = ways(&config(&Rung::ALL), &facts(1));
        assert_eq!(
            open(&one),
            Open { drain: true, hand_over: false, borrow: true, restart: true },
            "{one:?}"
        );
        assert!(reason(&one, Rung::HandOver).contains("it takes three"), "{one:?}");
        let three = ways(&config(&Rung::ALL), &facts(3));
        assert_eq!(open(&three), Open { drain: true, hand_over: true, borrow: false, restart: true });
        let default = ways(&GuardConfig::default(), &facts(1));
        assert_eq!(open(&default), Open { drain: true, ..Open::default() });
        assert!(reason(&default, Rung::Borrow).contains("[guard] may does not name borrow"), "{default:?}");
    }

    #[test]
    fn a_restart_waits_for_the_window_and_not_for_what_it_is_for() {
        let waits = Signal::Waits { service: "s".into(), network: "n".into() };
        let fresh = Signal::Unsettled { service: "s".into(), state: "new".into() };
        let coming = Signal::Unsettled { service: "s".into(), state: "starting".into() };
        let with = |busy| ways(&config(&[Rung::Restart]), &WayFacts { busy, ..facts(1) });
        assert!(open(&with(Ok(vec![waits.clone(), fresh.clone()]))).restart);
        let busy = with(Ok(vec![waits, coming, fresh]));
        assert!(!open(&busy).restart);
        assert_eq!(reason(&busy, Rung::Restart), "the window is BUSY: a task of s is starting");
        let blind = with(Err("no answer".into()));
        assert!(!open(&blind).restart && reason(&blind, Rung::Restart).contains("no answer"));
    }

    #[test]
    fn a_manager_that_does_not_answer_makes_no_way_for_a_restart() {
        let config = config(&[Rung::HandOver, Rung::Restart]);
        let mut alone = facts(3);
        alone.reclaim.as_mut().expect("they were read").others.clear();
        // Nobody else was named: a hand-over is not possible from here, whoever answers.
        let of_one = Open { restart: true, ..Open::default() };
        assert_eq!(open(&ways(&config, &alone)), of_one);
        alone.unanswered = vec!["tcp://192.0.2.2:2376".into()];
        let silent = ways(&config, &alone);
        assert_eq!(open(&silent), Open::default(), "{silent:?}");
        assert_eq!(
            reason(&silent, Rung::Restart),
            "not known whether a gentler way is open: no answer from tcp://192.0.2.2:2376"
        );
    }

    #[test]
    fn what_could_not_be_read_is_not_open() {
        let no_drain = Some(NoDrain::Unseen);
        let blind = WayFacts { reclaim: Err("no answer".into()), no_drain, ..facts(1) };
        let blind = ways(&config(&Rung::ALL), &blind);
        assert_eq!(open(&blind), Open::default());
        assert!(reason(&blind, Rung::Drain).contains("could not be read"), "{blind:?}");
    }
}
