//! Facts that were saved are judged the same later.

use pvcheck_gates::{
    CanaryFacts, CanaryFailure, ChurnFailure, ChurnOutcome, ChurnRefusal, GateReport, M1Facts, M2Facts,
    Observed, Reason, Seen, Unseen, Verdict, judge_m1, judge_m2,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::m2::healthy;
use crate::support::*;

fn saved<T: Serialize + DeserializeOwned>(facts: &T) -> T {
    let text = serde_json::to_string_pretty(facts).expect("plain data");
    serde_json::from_str(&text).expect("what was written")
}

#[tokio::test]
async fn m1_facts() {
    let healthy = facts(cc_ci()).await;
    let mut broken = healthy.clone();
    of(&mut broken.routes)[0].status = None;
    broken.journal = known("engine log", scan(&[EXHAUSTED]));
    let blind = M1Facts { snapshot: unknown("engine API", "no answer"), ..healthy.clone() };
    let mut verdicts = Vec::new();
    for facts in [healthy, broken, blind] {
        let (now, later) = (judge_m1(&config(), &facts), judge_m1(&config(), &saved(&facts)));
        assert_eq!(now, later);
        assert_eq!(saved::<GateReport>(&now), now, "the report itself reads back");
        verdicts.push(now.verdict.to_string());
    }
    assert_eq!(verdicts, ["PASS", "FAIL", "UNKNOWN"]);
}

#[tokio::test]
async fn m2_facts() {
    let (world, facts) = healthy().await;
    let mut leaking = facts.clone();
    crate::m2::churn_of(&mut leaking).leaked = Some(3);
    let blind = M2Facts { churn: unknown("churn", "not begun"), ..facts.clone() };
    let mut verdicts = Vec::new();
    for facts in [facts.clone(), leaking, blind] {
        let (now, later) = (judge_m2(&world.config, &facts), judge_m2(&world.config, &saved(&facts)));
        assert_eq!(now, later);
        verdicts.push(now.verdict.to_string());
    }
    assert_eq!(verdicts, ["PASS", "FAIL", "UNKNOWN"]);
}

#[test]
fn what_was_not_looked_at_stays_so_and_keeps_its_reason() {
    let never: Observed<Vec<String>> = Observed::not_asked("residue", failed("the engine is gone"));
    assert_eq!(saved(&never), never);
    assert_eq!(saved(&never).known(), None);
}

#[tokio::test]
async fn the_json_of_a_report_is_what_scripts_rely_on() {
    let report = serde_json::to_value(judge_m1(&config(), &facts(cc_ci()).await)).unwrap();
    for key in ["gate", "verdict", "at", "config_digest", "checks"] {
        assert!(report.get(key).is_some(), "{key}");
    }
    assert_eq!(report["verdict"], "PASS");
    assert_eq!(report["at"], "2026-06-13T05:38:02Z");
    for check in report["checks"].as_array().unwrap() {
        assert!(check["kind"].is_string(), "{check}");
        assert!(check["id"].is_string() && check["title"].is_string() && check["reason"].is_string());
        assert!(
            check["required"].is_boolean() && check["elapsed_ms"].is_u64() && check["evidence"].is_array()
        );
        for evidence in check["evidence"].as_array().unwrap() {
            assert!(
                evidence["source"].is_string() && evidence["at"].is_string() && evidence["text"].is_string()
            );
        }
    }
}

/// What versions before kinds saved, texts alone, gives the same verdicts today, and keeps its texts.
#[test]
fn files_of_before_kinds_replay() {
    let config = config_with("subnet = \"10.10.0.0/24\"\nmin_free = 64", "subnet = \"10.10.0.0/24\"");
    for (facts, report, unseen) in [
        (include_str!("saved/not-begun.facts.json"), include_str!("saved/not-begun.json"), 7),
        (include_str!("saved/done.facts.json"), include_str!("saved/done.json"), 0),
    ] {
        let facts: M2Facts = serde_json::from_str(facts).unwrap();
        let then: GateReport = serde_json::from_str(report).unwrap();
        let now = judge_m2(&config, &facts);
        let verdicts = |report: &GateReport| -> Vec<_> {
            report.checks.iter().map(|c| (c.id.clone(), c.verdict)).collect()
        };
        let was_there = |id: &str| then.checks.iter().any(|check| check.id == id);
        let asked_then = |report: &GateReport| -> Vec<_> {
            let mut all = verdicts(report);
            all.retain(|(id, _)| was_there(id));
            all
        };
        // These versions passed a log without a single record.
        let mut expected = verdicts(&then);
        let journal = expected.iter_mut().find(|(id, _)| id == "journal.new").unwrap();
        assert_eq!(std::mem::replace(&mut journal.1, Verdict::Unknown), Verdict::Pass);
        assert_eq!(asked_then(&now), expected);
        // What a check of today needs is not in that file, except for the census before its churn.
        let new = verdicts(&now).into_iter().filter(|(id, _)| !was_there(id));
        let leaked = if unseen == 0 { Verdict::Pass } else { Verdict::Unknown };
        let expected = [
            ("overlay.leaked", leaked),
            ("routes.during", Verdict::Unknown),
            ("routes.after", Verdict::Unknown),
        ];
        assert_eq!(new.collect::<Vec<_>>(), expected.map(|(id, verdict)| (id.to_owned(), verdict)));
        let recorded: Vec<_> = now
            .checks
            .iter()
            .filter(|c| matches!(&c.reason, Reason::NotSeen(Unseen::Recorded(_))) && was_there(&c.id))
            .map(|c| (c.id.as_str(), c.reason.to_string()))
            .collect();
        assert_eq!(recorded.len(), unseen);
        assert!(recorded.iter().all(|(id, text)| *text == reason(&then, id)), "{recorded:?}");
        assert!(then.checks.iter().all(|c| matches!(&c.reason, Reason::Recorded(_))));
    }
}

#[test]
fn outcomes_and_failures_of_before_kinds_are_read_and_written_with_one() {
    let refused: ChurnOutcome = serde_json::from_str(r#"{"refused": "too little room"}"#).unwrap();
    assert!(
        matches!(&refused, ChurnOutcome::Refused(ChurnRefusal::Recorded(text)) if text == "too little room")
    );
    let failed: ChurnOutcome = serde_json::from_str(r#"{"failed": "500"}"#).unwrap();
    assert!(matches!(&failed, ChurnOutcome::Failed(ChurnFailure::Recorded(text)) if text == "500"));
    let canary = r#"{"stack": "s", "failure": "no task", "addresses": [], "route": null, "left": []}"#;
    let canary: CanaryFacts = serde_json::from_str(canary).unwrap();
    assert_eq!(canary.failure, Some(CanaryFailure::Recorded("no task".into())));
    assert!(serde_json::from_str::<ChurnOutcome>("{}").is_err());
    assert!(serde_json::from_str::<Seen<u8>>("{}").is_err());
}

/// The text stays where it was; the kind and its data stand next to it.
#[test]
fn what_is_saved_today_has_its_text_and_its_kind() {
    let held = ChurnOutcome::Refused(ChurnRefusal::LockHeld { error: "held by x".into() });
    let json = serde_json::to_value(&held).unwrap();
    assert_eq!((&json["refused"], &json["kind"]), (&"held by x".into(), &"lock_held".into()));
    assert!(matches!(saved(&held), ChurnOutcome::Refused(ChurnRefusal::LockHeld { .. })));
    let broken = ChurnOutcome::Failed(ChurnFailure::Deploy { error: "500".into() });
    let json = serde_json::to_value(&broken).unwrap();
    assert_eq!((&json["failed"], &json["kind"]), (&"500".into(), &"deploy".into()));
    assert!(matches!(saved(&broken), ChurnOutcome::Failed(ChurnFailure::Deploy { .. })));

    let down: Seen<u8> = Seen::Unknown(Unseen::CoreRouteDown { route: "drone".into() });
    let json = serde_json::to_value(&down).unwrap();
    assert!(json["unknown"].as_str().unwrap().contains("core route drone is down"), "{json}");
    assert_eq!((&json["kind"], &json["data"]["route"]), (&"core_route_down".into(), &"drone".into()));
    assert_eq!(saved(&down), down);
    assert_eq!(serde_json::to_value(Seen::Known(7)).unwrap(), serde_json::json!({"known": 7}));

    let canary = CanaryFacts {
        stack: "s".into(),
        failure: Some(CanaryFailure::NotRunning { error: "its newest task is new".into() }),
        addresses: Vec::new(),
        route: None,
        left: Vec::new(),
    };
    let json = serde_json::to_value(&canary).unwrap();
    assert_eq!((&json["failure"], &json["kind"]), (&"its newest task is new".into(), &"not_running".into()));
    assert_eq!(saved(&canary), canary);
}
