//! A run in one file: judged again it is the same, and whoever edits it is found out.

use std::path::Path;

use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    Bundle, BundledConfig, BundledRun, Config, GateFacts, GateReport, M1Facts, RunFacts, Verdict, diff,
    diff_markdown, diff_table, judge_run,
};
use serde_json::Value;

use crate::m2::healthy;
use crate::support::*;

fn run_facts() -> RunFacts {
    RunFacts {
        at: at(),
        swarm: "6wq9m8p4n2k7".into(),
        engine: EngineKind::Embedded,
        node: Some("m1".into()),
        before: Vec::new(),
    }
}

fn ran(config: &Config, gate: &str, facts: GateFacts) -> BundledRun {
    let run = run_facts();
    let report = judge_run(config, &run, facts.judge(config, gate).expect("a gate of the configuration"));
    BundledRun { facts, run, report }
}

fn m1(facts: M1Facts) -> BundledRun {
    ran(&config(), "pvcheck.m1", GateFacts::M1(Box::new(facts)))
}

fn bundle(config: &Config, runs: Vec<BundledRun>) -> Value {
    serde_json::to_value(Bundle::new(BundledConfig::of(config), EngineKind::Embedded, runs))
        .expect("plain data")
}

fn replayed(bundle: &Value) -> Result<Vec<GateReport>, String> {
    let bundle = Bundle::from_json(&bundle.to_string()).map_err(|e| e.to_string())?;
    bundle.replay().map_err(|e| e.to_string())
}

fn bytes(report: &GateReport) -> String {
    serde_json::to_string_pretty(report).expect("plain data")
}

#[tokio::test]
async fn every_kind_of_gate_replays_to_the_last_byte() {
    let control = m1(facts(cc_ci()).await);
    let whole = bundle(&config(), vec![control.clone()]);
    assert_eq!(bytes(&replayed(&whole).expect("as written")[0]), bytes(&control.report));

    let (world, facts) = healthy().await;
    let deployed = ran(&world.config, "pvcheck.m2", GateFacts::M2(Box::new(facts.clone())));
    let again = replayed(&bundle(&world.config, vec![deployed.clone()])).expect("as written");
    assert_eq!((again.len(), bytes(&again[0])), (1, bytes(&deployed.report)));
    assert_eq!(again[0].verdict, Verdict::Pass);
}

#[tokio::test]
async fn an_edited_fact_or_verdict_is_named() {
    let whole = bundle(&config(), vec![m1(facts(cc_ci()).await)]);
    let edited = |change: fn(&mut Value)| {
        let mut edited = whole.clone();
        change(&mut edited);
        replayed(&edited).expect_err("it was edited")
    };
    let report = "/runs/0/report";
    let verdict = edited(|b| b["runs"][0]["report"]["verdict"] = "FAIL".into());
    assert!(
        verdict.contains("it is recorded as FAIL, and comes as PASS; one of the two was edited"),
        "{verdict}"
    );
    let check = edited(|b| b["runs"][0]["report"]["checks"][0]["verdict"] = "UNKNOWN".into());
    assert!(check.contains("overlay.subnet is recorded as UNKNOWN, and comes as PASS"), "{check}");
    let fact = edited(|b| b["runs"][0]["facts"]["m1"]["routes"]["seen"]["known"][0]["status"] = 502.into());
    assert!(fact.contains("route.dashboard is recorded as PASS, and comes as FAIL"), "{fact}");
    let elsewhere = edited(|b| b["runs"][0]["run"]["swarm"] = "another".into());
    assert!(elsewhere.contains("its time, its Swarm or the digest"), "{elsewhere}");
    let expectation = edited(|b| {
        let text = b["config"]["text"].as_str().expect("a text").replace("10.10.0.0/24", "10.11.0.0/24");
        b["config"]["text"] = text.into();
    });
    assert!(expectation.contains("overlay.subnet is recorded as PASS, and comes as FAIL"), "{expectation}");
    let words = edited(|b| b["runs"][0]["report"]["checks"][0]["reason"] = "it is fine".into());
    assert!(words.contains("a text of it is another"), "{words}");
    let engine = edited(|b| b["engine"] = "real".into());
    assert!(engine.contains("of another engine than the bundle"), "{engine}");
    let other = edited(|b| {
        b["catalogue"] = "00".into();
        b["pvcheck"] = "0.0.1".into();
        b["runs"][0]["report"]["checks"].as_array_mut().expect("checks").pop();
    });
    assert!(other.contains("pvcheck 0.0.1 wrote it with another catalogue"), "{other}");
    assert!(whole.pointer(report).is_some() && replayed(&whole).is_ok());
}

#[tokio::test]
async fn what_is_no_bundle_or_a_later_one_is_refused() {
    let whole = bundle(&config(), vec![m1(facts(cc_ci()).await)]);
    let changed = |field: &str, to: Value| {
        let mut bundle = whole.clone();
        bundle[field] = to;
        replayed(&bundle).expect_err(field)
    };
    assert!(changed("kind", "gate".into()).contains("its kind is \"gate\""));
    assert!(changed("format", 2.into()).contains("format 2, and this version reads 1"));
    assert!(changed("more", 1.into()).contains("unknown field `more`"));
    assert!(replayed(&Value::from(1)).expect_err("a number").contains("no bundle"));
    assert!(changed("runs", Value::Array(Vec::new())).contains("it has no run"));
    let mut failing = facts(cc_ci()).await;
    of(&mut failing.routes)[0].status = Some(502);
    let more = bundle(&config(), vec![m1(failing), m1(facts(cc_ci()).await)]);
    assert!(replayed(&more).expect_err("nothing runs after a FAIL").contains("a run follows pvcheck.m1"));
    let mut without = whole.clone();
    without["config"]["text"] = "".into();
    assert!(replayed(&without).expect_err("no overlay").contains("its configuration"));
}

#[tokio::test]
async fn two_runs_are_compared_check_by_check() {
    let before = facts(cc_ci()).await;
    let mut after = before.clone();
    of(&mut after.routes)[0].status = Some(502);
    let [before, after] = [before, after].map(|facts| m1(facts).report);
    let same = diff(std::slice::from_ref(&before), std::slice::from_ref(&before));
    assert!(!same[0].is_worse() && same[0].changes.is_empty());
    assert_eq!(diff_table(&same), "pvcheck.m1: PASS, nothing has changed\n");

    let worse = diff(std::slice::from_ref(&before), std::slice::from_ref(&after));
    assert!(worse[0].is_worse());
    let ids: Vec<&str> = worse[0].changes.iter().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["route.dashboard"]);
    let text = diff_table(&worse);
    assert!(
        text.starts_with("pvcheck.m1: PASS -> FAIL, 1 check has changed\n  route.dashboard: PASS -> FAIL\n"),
        "{text}"
    );
    assert!(diff_markdown(&worse).contains("| `route.dashboard` | PASS -> FAIL |"));
    let better = diff(std::slice::from_ref(&after), std::slice::from_ref(&before));
    assert!(!better[0].is_worse(), "what is mended is not worse");
    let gone = diff(std::slice::from_ref(&before), &[]);
    assert!(gone[0].is_worse(), "a gate that was not run any more has not passed");
    assert!(diff_table(&gone).starts_with("pvcheck.m1: PASS -> not run"));
}

/// The configuration of the example has hooks, labels and a window; none of their words is kept.
#[test]
fn the_example_s_bundled_configuration_still_reads() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cc-ci.toml");
    let config = Config::load(&example).expect("the example");
    let kept = BundledConfig::of(&config);
    assert_eq!(kept.read().expect("still a configuration").digest(), config.digest());
    assert!(!kept.text.contains('#'), "a comment was kept: {}", kept.text);
}
