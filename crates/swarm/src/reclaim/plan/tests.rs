use pvcheck_audit::NodeId;

use super::*;
use crate::reclaim::{Here, Manager};

/// Managers `m0` (the leader), `m1` …; the first is asked, and all can be.
fn facts(managers: usize) -> ReclaimFacts {
    let manager = |n: usize| Manager {
        id: NodeId::new(format!("m{n}")),
        hostname: format!("host{n}"),
        address: Some(format!("192.0.2.{}:2377", n + 1)),
        reachable: true,
        leader: n == 0,
    };
    ReclaimFacts {
        managers: (0..managers).map(manager).collect(),
        connected: NodeId::new("m0"),
        others: (1..managers).map(|n| NodeId::new(format!("m{n}"))).collect(),
        autolock: false,
        external_cas: 0,
        moving: Vec::new(),
        here: Here {
            root: true,
            missing: Vec::new(),
            dockerd: Some("/usr/sbin/dockerd".into()),
            same_host: true,
            link: Some(([198, 18, 0, 1].into(), [198, 18, 0, 2].into())),
            raft_dir: Some("/var/lib/docker/swarm".into()),
        },
    }
}

const AUTO: Wish = Wish { only: None, restart_allowed: false, busy_allowed: false };

fn only(strategy: Strategy, restart_allowed: bool) -> Wish {
    Wish { only: Some(strategy), restart_allowed, busy_allowed: false }
}

#[test]
fn the_gentlest_that_is_possible_is_chosen() {
    assert_eq!(plan_reclaim(&facts(1), AUTO).strategy, Some(Strategy::Borrow));
    assert_eq!(plan_reclaim(&facts(2), AUTO).strategy, None);
    assert_eq!(plan_reclaim(&facts(3), AUTO).strategy, Some(Strategy::Handover));
    assert_eq!(plan_reclaim(&facts(5), AUTO).strategy, Some(Strategy::Handover));
    let allowed = Wish { restart_allowed: true, ..AUTO };
    assert_eq!(
        plan_reclaim(&facts(1), allowed).strategy,
        Some(Strategy::Borrow),
        "allowed is not wished for"
    );
    assert_eq!(plan_reclaim(&facts(2), allowed).strategy, Some(Strategy::Restart));
    assert_eq!(plan_reclaim(&facts(1), only(Strategy::Restart, true)).strategy, Some(Strategy::Restart));
}

#[test]
fn a_plan_says_what_was_passed_over_what_is_done_and_what_is_at_risk() {
    let plan = plan_reclaim(&facts(1), AUTO);
    assert_eq!(plan.refused.iter().map(|r| r.strategy).collect::<Vec<_>>(), [Strategy::Handover]);
    assert!(plan.reasons().starts_with("handover: 1 manager(s), and it takes three"), "{}", plan.reasons());
    let named: Vec<&str> = plan.steps.iter().map(|s| s.step.as_str()).collect();
    let expected = [
        "lock",
        "safeguard",
        "namespace",
        "engine",
        "compact",
        "patience",
        "join",
        "freeze",
        "thaw",
        "demote",
        "leave",
        "heartbeat",
        "remove",
        "tokens",
        "unlock",
    ];
    assert_eq!(named, expected);
    assert!(plan.risks.iter().any(|r| r.to_string().contains("--resume")), "{:?}", plan.risks);
    let alone = ReclaimFacts { others: Vec::new(), connected: NodeId::new("m1"), ..facts(3) };
    let plan = plan_reclaim(&alone, AUTO);
    assert!(
        plan.strategy == Some(Strategy::Handover)
            && plan.risks.iter().any(|r| r.to_string().contains("--helper URL"))
    );
}

type Change = fn(&mut ReclaimFacts);

/// A strategy alone is refused after each of these changes, with this in its reason.
fn assert_refused(strategy: Strategy, managers: usize, cases: &[(&str, Change)]) {
    let possible = plan_reclaim(&facts(managers), only(strategy, true));
    assert_eq!(possible.strategy, Some(strategy), "{possible:?}");
    for (reason, change) in cases {
        let mut facts = facts(managers);
        change(&mut facts);
        let plan = plan_reclaim(&facts, only(strategy, true));
        assert!(plan.strategy.is_none() && plan.steps.is_empty(), "{reason}: {plan:?}");
        assert!(plan.reasons().contains(reason), "{reason}: {}", plan.reasons());
    }
}

#[test]
fn handover_is_refused() {
    assert_refused(
        Strategy::Handover,
        3,
        &[
            ("no leader", |f| f.managers[0].leader = false),
            ("2 manager(s), and it takes three", |f| drop(f.managers.pop())),
            ("without the leader 1 of 2 managers are reachable", |f| f.managers[2].reachable = false),
            ("only manager that can be asked from here is the leader host0", |f| f.others.clear()),
            ("external authority", |f| f.external_cas = 1),
        ],
    );
}

#[test]
fn handover_needs_a_quorum_of_those_that_are_left() {
    for (managers, down, possible) in
        [(3, 0, true), (3, 1, false), (4, 1, true), (4, 2, false), (5, 1, true), (5, 2, false)]
    {
        let mut facts = facts(managers);
        for manager in facts.managers.iter_mut().rev().take(down) {
            manager.reachable = false;
        }
        let plan = plan_reclaim(&facts, only(Strategy::Handover, false));
        assert_eq!(plan.strategy.is_some(), possible, "{managers} managers, {down} down: {}", plan.reasons());
    }
}

#[test]
fn borrow_is_refused() {
    assert_refused(
        Strategy::Borrow,
        1,
        &[
            ("no leader", |f| f.managers[0].leader = false),
            ("autolock is on", |f| f.autolock = true),
            ("external authority", |f| f.external_cas = 1),
            ("the manager advertises no address", |f| f.managers[0].address = None),
            ("the manager advertises 127.0.0.1", |f| f.managers[0].address = Some("127.0.0.1:2377".into())),
            ("the manager advertises 0.0.0.0", |f| f.managers[0].address = Some("0.0.0.0:2377".into())),
            ("the manager advertises ::1", |f| f.managers[0].address = Some("[::1]:2377".into())),
            ("needs root", |f| f.here.root = false),
            ("not one of this host's", |f| f.here.same_host = false),
            ("no dockerd", |f| f.here.dockerd = None),
            ("missing: nsenter, ip", |f| f.here.missing = vec!["nsenter".into(), "ip".into()]),
            ("raft folder cannot be read", |f| f.here.raft_dir = None),
            ("198.18.0.0/15", |f| f.here.link = None),
        ],
    );
    for (managers, reason) in [(2, "two managers"), (3, "hand over among themselves")] {
        let plan = plan_reclaim(&facts(managers), only(Strategy::Borrow, true));
        assert!(plan.strategy.is_none() && plan.reasons().contains(reason), "{}", plan.reasons());
    }
}

#[test]
fn restart_is_refused() {
    assert_refused(
        Strategy::Restart,
        1,
        &[
            ("no leader", |f| f.managers[0].leader = false),
            ("autolock is on", |f| f.autolock = true),
            ("does not lead", |f| f.connected = NodeId::new("m1")),
        ],
    );
    let plan = plan_reclaim(&facts(1), only(Strategy::Restart, false));
    assert!(plan.strategy.is_none() && plan.reasons().contains("--now"), "{}", plan.reasons());
}

#[test]
fn a_plan_is_the_same_after_json() {
    let plan = plan_reclaim(&facts(1), AUTO);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<ReclaimPlan>(&text).unwrap(), plan);
    assert!(text.contains(r#""strategy":"borrow""#) && text.contains(r#""step":"safeguard""#), "{text}");
}

#[test]
fn a_restart_waits_until_the_swarm_is_quiet_unless_it_is_told_not_to() {
    let mut busy = facts(1);
    busy.moving = vec!["run_app".to_owned()];
    let wish = only(Strategy::Restart, true);
    let plan = plan_reclaim(&busy, wish);
    assert_eq!(plan.strategy, None);
    assert!(plan.reasons().contains("tasks of run_app start or stop"), "{}", plan.reasons());
    assert_eq!(plan_reclaim(&busy, Wish { busy_allowed: true, ..wish }).strategy, Some(Strategy::Restart));
    assert_eq!(plan_reclaim(&busy, AUTO).strategy, Some(Strategy::Borrow), "nothing restarts by that");
}

#[test]
fn what_starts_or_stops_on_a_node_is_on_its_way_and_what_waits_is_not() {
    use crate::reclaim::collect::moving;
    let task = |state: &str, desired: &str, node: Option<&str>| -> Vec<String> {
        let snapshot = serde_json::json!({
            "engine": {"version": "", "api": "", "at": "2026-01-01T00:00:00Z", "node": "n", "cluster": "c", "default_pools": [], "default_prefix": null},
            "nodes": [], "networks": [], "services": [],
            "tasks": [{"id": "t", "service": "gone", "slot": 1, "node": node, "runtime": "container", "state": state,
                "desired": desired, "since": null, "error": "", "container": null, "attachments": []}]
        });
        moving(&serde_json::from_value(snapshot).unwrap())
    };
    for (state, desired, node, on_its_way) in [
        ("new", "running", None, false),
        ("pending", "running", None, false),
        ("pending", "remove", None, false),
        ("preparing", "running", Some("n"), true),
        ("starting", "running", Some("n"), true),
        ("ready", "ready", Some("n"), true),
        ("running", "running", Some("n"), false),
        ("running", "shutdown", Some("n"), true),
        ("running", "remove", Some("n"), true),
        ("shutdown", "remove", Some("n"), false),
        ("failed", "running", Some("n"), false),
    ] {
        assert_eq!(!task(state, desired, node).is_empty(), on_its_way, "{state}, wanted {desired}");
    }
}

/// The kind, its data and the text, for scripts and for people.
#[test]
fn json_has_the_kinds_and_the_texts() {
    let mut busy = facts(1);
    busy.moving = vec!["a_app".into(), "b_app".into()];
    let json = serde_json::to_value(plan_reclaim(&busy, only(Strategy::Restart, true))).unwrap();
    let refused = &json["refused"][0];
    assert_eq!(refused["obstacle"], serde_json::json!({ "kind": "busy", "services": ["a_app", "b_app"] }));
    assert!(refused["reason"].as_str().unwrap().contains("tasks of a_app, b_app start or stop"), "{refused}");
    let json = serde_json::to_value(plan_reclaim(&facts(3), AUTO)).unwrap();
    assert_eq!(json["risks"][0]["kind"], "no_deploy_at_elections");
    assert!(json["risks"][0]["text"].as_str().unwrap().starts_with("no container restarts"), "{json}");
    assert_eq!(
        (&json["steps"][3]["step"], &json["steps"][3]["leader"]),
        (&"hand-over".into(), &"host0".into())
    );
    let what = json["steps"][3]["what"].as_str().unwrap();
    assert_eq!(json["steps"][2]["step"], "patience", "before the leader is demoted");
    assert_eq!(what, "demote host0; another manager leads and rebuilds the allocator");
}

/// Each obstacle has a text of its own, and none is empty.
#[test]
fn no_two_obstacles_read_alike() {
    let named = || "host0".to_owned();
    let all = [
        Obstacle::NoLeader,
        Obstacle::TooFewManagers { managers: 2 },
        Obstacle::NoQuorumWithoutLeader { reachable: 1, others: 2, needed: 2 },
        Obstacle::ExternalAuthorityPromotes,
        Obstacle::OnlyLeaderAnswers { leader: named() },
        Obstacle::TwoManagers,
        Obstacle::CanHandOver { managers: 3 },
        Obstacle::AutolockBorrowed,
        Obstacle::ExternalAuthoritySigns,
        Obstacle::NotReachable { address: None },
        Obstacle::NotRoot,
        Obstacle::OtherHost,
        Obstacle::NoDockerd,
        Obstacle::MissingPrograms { programs: vec!["ip".into()] },
        Obstacle::NoRaftFolder,
        Obstacle::NoLinkNetwork,
        Obstacle::RestartNotAllowed,
        Obstacle::AutolockRestarted,
        Obstacle::Busy { services: vec![named()] },
        Obstacle::NotLeader { leader: named() },
    ];
    let texts: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert!(texts.len() == all.len() && texts.iter().all(|text| 20 < text.len()), "{texts:#?}");
}
