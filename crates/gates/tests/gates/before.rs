//! What must have been before a gate: each thing that can be wrong with a report, and exactly that check turns.

use std::time::Duration;

use Verdict::{Fail, Pass, Unknown};
use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    Before, Config, GateReport, PastReport, RunFacts, Unseen, Verdict, judge_m1, judge_preconditions,
    judge_run,
};

use crate::support::*;

fn asking() -> Config {
    let text = config_text()
        + "[precondition]\ngate = \"pvcheck.m1\"\nrequires = [\"pvfix.m1\", \"pvfix.m2\"]\nreports = \"reports\"\nmax_age = \"2h\"\n";
    Config::parse("cc-ci.toml", &text).expect("a sound configuration")
}

fn before(by: Duration) -> Timestamp {
    at() - SignedDuration::try_from(by).expect("short")
}

fn passed(gate: &str) -> Before {
    let past = PastReport {
        file: format!("reports/{gate}.json"),
        verdict: Pass,
        at: before(Duration::from_mins(90)),
        swarm: Some("s".into()),
        engine: EngineKind::Real,
        waived: Vec::new(),
    };
    Before { gate: gate.into(), newest: known("files", past) }
}

fn run() -> RunFacts {
    let before = ["pvfix.m1", "pvfix.m2"].map(passed).to_vec();
    RunFacts { at: at(), swarm: "s".into(), engine: EngineKind::Real, node: None, before }
}

async fn judged(facts: &RunFacts) -> GateReport {
    let config = asking();
    judge_run(&config, facts, judge_m1(&config, &crate::support::facts(cc_ci()).await))
}

/// The gate after such a report of one that must have passed before.
pub(crate) async fn judged_with(broken: impl FnOnce(&mut PastReport)) -> GateReport {
    let mut facts = run();
    broken(of(&mut facts.before[1].newest));
    judged(&facts).await
}

#[tokio::test]
async fn a_gate_whose_preconditions_hold_passes_and_names_its_swarm() {
    let report = judged(&run()).await;
    assert_open(&report, &[]);
    let first: Vec<&str> = report.checks.iter().take(3).map(|check| check.id.as_str()).collect();
    assert_eq!(first, ["precondition.pvfix.m1", "precondition.pvfix.m2", "overlay.subnet"]);
    assert_eq!(report.swarm.as_deref(), Some("s"));
    assert!(reason(&report, "precondition.pvfix.m1").contains("pvfix.m1 passed at 2026-06-13T04:08:02Z"));
}

type Break = fn(&mut PastReport);

#[tokio::test]
async fn each_thing_that_is_wrong_with_a_report_has_its_verdict_and_reason() {
    let broken: [(Break, Verdict, &str); 8] = [
        (|past| past.verdict = Fail, Fail, "says FAIL"),
        (|past| past.verdict = Unknown, Unknown, "says UNKNOWN"),
        (|past| past.at = before(Duration::from_mins(121)), Unknown, "2h 1m ago, and may be 2h old"),
        (|past| past.at = Timestamp::UNIX_EPOCH, Unknown, "run it again"),
        (|past| past.at = at() + SignedDuration::from_mins(2), Unknown, "still to come"),
        (|past| past.swarm = Some("t".into()), Unknown, "of the Swarm t, and this is s"),
        (|past| past.swarm = None, Unknown, "does not say of which Swarm"),
        (|past| past.engine = EngineKind::Embedded, Unknown, "embedded engine"),
    ];
    for (broken, verdict, words) in broken {
        let mut facts = run();
        broken(of(&mut facts.before[1].newest));
        let report = judged(&facts).await;
        assert_open(&report, &[("precondition.pvfix.m2", verdict)]);
        let reason = reason(&report, "precondition.pvfix.m2");
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[tokio::test]
async fn a_report_that_is_not_there_or_was_not_looked_for_is_unknown() {
    let mut facts = run();
    facts.before[0].newest = unknown("files", "no such folder");
    facts.before.truncate(1);
    let report = judged(&facts).await;
    assert_open(&report, &[("precondition.pvfix.m1", Unknown), ("precondition.pvfix.m2", Unknown)]);
    assert_eq!(reason(&report, "precondition.pvfix.m1"), "no such folder");
}

#[tokio::test]
async fn a_model_may_rest_on_a_model_and_a_clock_may_be_a_little_off() {
    let mut facts = run();
    facts.engine = EngineKind::Embedded;
    of(&mut facts.before[0].newest).engine = EngineKind::Embedded;
    of(&mut facts.before[0].newest).at = at() + SignedDuration::from_secs(30);
    assert_open(&judged(&facts).await, &[]);
}

#[test]
fn only_the_gate_that_asks_has_preconditions_and_they_alone_pass_nothing() {
    let config = asking();
    assert!(judge_preconditions(&config, "pvcheck.m2", &run()).is_empty());
    let empty = GateReport::new(pvcheck_gates::Gate::M1, &config, Vec::new());
    let report = judge_run(&config, &run(), empty);
    assert!(report.checks.iter().all(|check| check.verdict == Pass) && report.checks.len() == 2);
    assert_eq!(report.verdict, Unknown, "nothing was shown of the gate itself");
}

#[test]
fn facts_of_a_run_replay() {
    let mut facts = run();
    facts.before[0].newest =
        pvcheck_gates::Observed::not_asked("files", Unseen::NoReport { gate: "pvfix.m1".into() });
    let text = serde_json::to_string(&facts).expect("plain data");
    assert_eq!(serde_json::from_str::<RunFacts>(&text).expect("what was written"), facts);
}

#[test]
fn a_precondition_that_cannot_be_is_refused_in_one_line() {
    let refused = |lines: &str| {
        let text = config_text() + lines;
        Config::parse("cc-ci.toml", &text).expect_err(lines).to_string()
    };
    let with = |gate: &str, requires: &str, rest: &str| {
        refused(&format!("[precondition]\ngate = \"{gate}\"\nrequires = [{requires}]\n{rest}\n"))
    };
    let reports = "reports = \"r\"";
    for (error, words) in [
        (with("pvcheck.m1", "\"pvfix.m3\"", reports), "there is no gate `pvfix.m3`"),
        (with("weekly", "\"pvfix.m1\"", reports), "there is no gate `weekly`"),
        (with("pvcheck.m1", "", reports), "must require another gate"),
        (with("pvcheck.m1", "\"pvcheck.m1\"", reports), "must require another gate"),
        (with("pvcheck.m1", "\"pvfix.m1\", \"pvfix.m1\"", reports), "`pvfix.m1` is there twice"),
        (with("pvcheck.m1", "\"pvfix.m1\"", "reports = []"), "name where its reports are"),
        (with("pvcheck.m1", "\"pvfix.m1\"", "reports = 3"), "expected a folder, a file, or a list of them"),
        (with("pvcheck.m1", "\"pvfix.m1\"", ""), "missing field `reports`"),
        (with("pvcheck.m1", "\"pvfix.m1\"", "reports = \"r\"\nmax_age = \"soon\""), "`soon` is no duration"),
        (with("pvcheck.m1", "\"pvfix.m1\"", "reports = \"r\"\nmax_age = \"0s\""), "`0s` is no duration"),
    ] {
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
    }
}
