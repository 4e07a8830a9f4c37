//! A healthy place, and what turns when one thing of it is broken.

use pvcheck_routes::RootsCount;
use pvcheck_swarm::{LockFacts, RunId, Standing};

use super::super::facts::{ConfigFact, Leftover, LockSeen, NamespaceFact, TrustFact};
use super::*;
use crate::cause::Unseen;
use crate::observed::Observed;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn node(name: &str, leader: bool) -> NodeFact {
    NodeFact {
        name: name.into(),
        engine_version: "29.7.2".into(),
        state: NodeState::Ready,
        leader,
        own: leader,
    }
}

fn healthy() -> DoctorFacts {
    let reached = Reached::Answers { offered: "1.55".into(), spoken: "1.52".into() };
    let standing = Standing {
        version: "29.7.2".into(),
        membership: Membership::Manager,
        at: at(0),
        kind: EngineKind::Real,
    };
    DoctorFacts {
        host: "unix:///run/docker.sock".into(),
        socket: Observed {
            source: "engine API".into(),
            at: at(0),
            elapsed_ms: 3,
            seen: Seen::Known(reached),
        },
        standing: Seen::Known(Heard { standing, asked: at(0), answered: at(0) }),
        nodes: Seen::Known(vec![node("alpha", true), node("beta", false)]),
        log: LogFact::Read {
            source: "journal of unit docker.service".into(),
            records: 7,
            since: None,
            has_start: true,
            doubt: None,
        },
        namespace: Seen::Known(NamespaceFact { bridges: 2, lacking: Vec::new() }),
        trust: Seen::Known(TrustFact { file: None, roots: Ok(RootsCount { usable: 142, unusable: 0 }) }),
        config: Some(ConfigFact {
            file: "x.toml".into(),
            errors: Vec::new(),
            overlays: 1,
            services: 2,
            routes: 3,
        }),
        lock: Seen::Known(LockSeen { lock: None }),
        leftovers: Seen::Known(Vec::new()),
    }
}

fn lock(expires: Option<Timestamp>) -> LockFacts {
    LockFacts {
        holder: "pvcheck on alpha, process 7".into(),
        purpose: "reclaim".into(),
        run: RunId::from_label("r1"),
        taken: Some(at(-60)),
        expires,
    }
}

fn unseen<T>() -> Seen<T> {
    Seen::Unknown(Unseen::Failed { error: "it broke".into() })
}

fn doubtful(has_start: bool) -> LogFact {
    LogFact::Read { source: "x".into(), records: 7, since: None, has_start, doubt: Some("y".into()) }
}

/// What is not in order, and how.
fn ill(facts: &DoctorFacts) -> Vec<(&'static str, Health)> {
    let all = diagnose(facts).examined.into_iter().map(|one| (one.id, one.symptom.health()));
    all.filter(|(_, health)| *health != Health::Ok).collect()
}

fn known<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Known(value) => value,
        Seen::Unknown(why) => panic!("not seen: {why}"),
    }
}

#[test]
fn a_healthy_place_has_twelve_things_in_order() {
    let diagnosis = diagnose(&healthy());
    assert_eq!((diagnosis.health, diagnosis.examined.len()), (Health::Ok, 12));
    assert!(diagnosis.examined.iter().all(|one| one.symptom.remedy().is_none()), "{diagnosis:?}");
}

#[test]
fn what_is_broken_turns_and_nothing_else() {
    use Health::{Unknown, Wrong};
    type Break = fn(&mut DoctorFacts);
    let table: [(&str, Health, Break); 32] = [
        ("socket", Unknown, |f| f.socket.seen = unseen()),
        ("role", Wrong, |f| {
            known(&mut f.standing).standing.membership = Membership::Leaderless { error: "no quorum".into() }
        }),
        ("role", Wrong, |f| {
            known(&mut f.standing).standing.membership = Membership::Worker { managers: vec![] }
        }),
        ("role", Wrong, |f| {
            known(&mut f.standing).standing.membership = Membership::Inactive { state: "locked".into() }
        }),
        ("role", Wrong, |f| known(&mut f.nodes)[0].leader = false),
        ("versions", Wrong, |f| known(&mut f.nodes)[1].engine_version = "28.5.2".into()),
        ("versions", Unknown, |f| known(&mut f.nodes)[1].engine_version = String::new()),
        ("nodes", Wrong, |f| known(&mut f.nodes)[1].state = NodeState::Down),
        ("nodes", Wrong, |f| known(&mut f.nodes)[1].state = NodeState::Other("of tomorrow".into())),
        ("clock", Wrong, |f| known(&mut f.standing).standing.at = at(3)),
        ("clock", Wrong, |f| known(&mut f.standing).standing.at = at(-3)),
        ("log", Wrong, |f| f.log = LogFact::Unreadable { error: "permission denied".into() }),
        ("log", Wrong, |f| f.log = doubtful(false)),
        ("log", Unknown, |f| f.log = doubtful(true)),
        ("log", Unknown, |f| f.log = LogFact::NotChosen { why: "the configuration cannot be read".into() }),
        ("namespace", Wrong, |f| known(&mut f.namespace).lacking.push("bridge".into())),
        ("namespace", Unknown, |f| known(&mut f.namespace).bridges = 0),
        ("namespace", Unknown, |f| f.namespace = unseen()),
        ("trust", Wrong, |f| known(&mut f.trust).roots = Err("no bundle".into())),
        ("trust", Unknown, |f| f.trust = unseen()),
        ("config", Wrong, |f| f.config.as_mut().expect("there").errors.push("x.toml:1:1: no".into())),
        ("lock", Wrong, |f| f.lock = Seen::Known(LockSeen { lock: Some(lock(Some(at(60)))) })),
        ("lock", Wrong, |f| f.lock = Seen::Known(LockSeen { lock: Some(lock(None)) })),
        ("lock", Unknown, |f| f.lock = unseen()),
        ("leftovers", Wrong, |f| {
            f.leftovers = Seen::Known(vec![Leftover { run: "r1".into(), parts: vec!["service a".into()] }]);
        }),
        ("leftovers", Unknown, |f| f.leftovers = unseen()),
        ("socket", Wrong, |f| f.socket.seen = Seen::Known(Reached::Denied)),
        ("socket", Wrong, |f| {
            f.socket.seen = Seen::Known(Reached::NoSocket { reason: "there is no such socket".into() });
        }),
        ("socket", Unknown, |f| {
            f.socket.seen = Seen::Known(Reached::Silent { error: "no complete answer within 10 s".into() });
        }),
        ("api", Wrong, |f| f.socket.seen = Seen::Known(Reached::TooOld { offered: "1.24".into() })),
        ("nodes", Unknown, |f| f.nodes = unseen()),
        ("clock", Unknown, |f| f.standing = unseen()),
    ];
    // What rests on the thing that was broken cannot be seen either.
    let with_it = |id: &str, f: &DoctorFacts| match id {
        "socket" => vec!["socket", "api"],
        "nodes" if matches!(f.nodes, Seen::Unknown(_)) => vec!["role", "versions", "nodes"],
        "clock" if matches!(f.standing, Seen::Unknown(_)) => vec!["role", "clock"],
        _ => vec![],
    };
    for (row, (id, health, break_it)) in table.into_iter().enumerate() {
        let mut facts = healthy();
        break_it(&mut facts);
        let found = ill(&facts);
        assert!(found.contains(&(id, health)), "row {row}, {id}: {found:?}");
        let others: Vec<_> = found.iter().filter(|(other, _)| *other != id).collect();
        let excused = with_it(id, &facts);
        assert!(
            others.iter().all(|(other, health)| excused.contains(other) && *health == Unknown),
            "row {row}, {id}: {others:?}"
        );
        assert_eq!(diagnose(&facts).health, health, "row {row}, {id}");
    }
}

#[test]
fn what_is_not_wrong_stays_in_order() {
    let mut facts = healthy();
    known(&mut facts.nodes)[0].own = false;
    known(&mut facts.nodes)[1].own = true;
    facts.config = None;
    facts.lock = Seen::Known(LockSeen { lock: Some(lock(Some(at(-1)))) });
    known(&mut facts.trust).roots = Ok(RootsCount { usable: 1, unusable: 2 });
    // A slow answer does not make two clocks differ.
    known(&mut facts.standing).answered = at(9);
    known(&mut facts.standing).standing.at = at(8);
    assert_eq!(ill(&facts), []);
    let texts: Vec<String> = diagnose(&facts).examined.iter().map(|one| one.symptom.to_string()).collect();
    assert!(texts.contains(&"a manager; alpha leads".to_owned()), "{texts:?}");
    assert!(texts.contains(&"1 CA of the system, 2 more cannot be read".to_owned()), "{texts:?}");
}

#[test]
fn a_model_has_no_clock_and_no_host() {
    let mut facts = healthy();
    known(&mut facts.standing).standing.kind = EngineKind::Embedded;
    known(&mut facts.standing).standing.at = at(-1_000_000);
    facts.namespace = unseen();
    let diagnosis = diagnose(&facts);
    assert_eq!((diagnosis.health, diagnosis.examined.len()), (Health::Ok, 10));
}

#[test]
fn clocks_say_by_how_much_and_which_way() {
    for (second, text) in [
        (5, "the engine's is 5.0 s ahead of this machine's"),
        (-90, "the engine's is 90.0 s behind this machine's"),
    ] {
        let mut facts = healthy();
        known(&mut facts.standing).standing.at = at(second);
        assert_eq!(clock(&facts).to_string(), text);
    }
}

#[test]
fn a_log_says_since_when_it_is_judged() {
    let text = |since| {
        let read = LogFact::Read { source: "x".into(), records: 7, since, has_start: true, doubt: None };
        log(&DoctorFacts { log: read, ..healthy() }).to_string()
    };
    assert_eq!(text(None), "x: 7 records since the engine's start");
    assert_eq!(text(Some(at(0))), format!("x: 7 records since {}", at(0)));
}

#[test]
fn facts_survive_their_file() {
    let facts = healthy();
    let text = serde_json::to_string(&facts).expect("JSON");
    assert_eq!(serde_json::from_str::<DoctorFacts>(&text).expect("facts"), facts);
}
