//! Facts that were saved are judged the same later.

use pvcheck_gates::{GateReport, M1Facts, M2Facts, Observed, judge_m1, judge_m2};
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
    let never: Observed<Vec<String>> = Observed::not_looked("residue", "the engine is gone");
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
