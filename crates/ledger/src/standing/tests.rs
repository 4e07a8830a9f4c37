//! Gates and phases over time.

use super::*;
use crate::content::Content;
use crate::done::{Done, Withdrawn};
use crate::finding::{Closed, FindingEvent, Opened, Severity};
use crate::ledger::Ledger;
use crate::role::Role;
use crate::testing::{Bench, at, facts};
use crate::verify::{Measurement, judge};

const DAY: Duration = Duration::from_hours(24);
const GATE: &str = "pvcheck.m1";

fn stands(ledger: &Ledger, seconds: i64) -> Standing {
    standing(ledger.lines(), GATE, at(seconds), DAY).standing
}

fn lack(ledger: &Ledger, seconds: i64) -> Vec<String> {
    let found = lacks(ledger.lines(), &[GATE.to_owned()], at(seconds), DAY);
    found.iter().map(ToString::to_string).collect()
}

fn judged(bench: &mut Bench, usable: u64, seconds: i64) {
    let mut facts = facts();
    let subnet = facts.checks.iter_mut().find(|check| check.id == "overlay.subnet").expect("there");
    subnet.figures.insert("usable".to_owned(), usable.into());
    let measurement = Measurement { facts, files: Vec::new(), commit: None };
    let verdict = judge(&bench.ledger(), GATE, measurement);
    bench.add(Content::Verdict(verdict), seconds, Role::Verifier);
}

fn finding(bench: &mut Bench, severity: Severity, gate: Option<&str>) {
    let id = bench.ledger().next_finding();
    let opened = Opened {
        id,
        severity,
        title: "the probe waits for what waits for it".to_owned(),
        gate: gate.map(str::to_owned),
        reproduction: None,
        options: Vec::new(),
        may_close: Role::Verifier,
    };
    bench.add(Content::Finding(FindingEvent::Open(opened)), 200, Role::Verifier);
}

/// An id that is taken before its turn would be refused to whoever opens the next one.
#[test]
fn findings_are_numbered_in_their_turn() {
    let bench = Bench::new();
    let opened = |id: &str| Opened {
        id: id.to_owned(),
        severity: Severity::Minor,
        title: "x".to_owned(),
        gate: None,
        reproduction: None,
        options: Vec::new(),
        may_close: Role::Builder,
    };
    let next = |id: &str| {
        let content = Content::Finding(FindingEvent::Open(opened(id)));
        bench.ledger().next(content, at(100), &bench.builder).map(drop).map_err(|e| e.to_string())
    };
    assert!(next("F2").is_err_and(|e| e.contains("a finding F2 out of turn: the next one is F1")));
    assert_eq!(next("F1"), Ok(()));
}

#[test]
fn a_gate_is_claimed_passed_aged_and_claimed_again() {
    let mut bench = Bench::new();
    assert_eq!(stands(&bench.ledger(), 0), Standing::Pending);
    bench.claim(10);
    assert_eq!(stands(&bench.ledger(), 10), Standing::Claimed);
    judged(&mut bench, 253, 20);
    assert_eq!(stands(&bench.ledger(), 20), Standing::Pass);
    assert_eq!(stands(&bench.ledger(), 20 + 86_400), Standing::Pass);
    assert_eq!(stands(&bench.ledger(), 21 + 86_400), Standing::Aged);
    assert_eq!(stands(&bench.ledger(), 20 - 61), Standing::Unknown, "ahead of the clock is not fresh");
    let age = standing(bench.ledger().lines(), GATE, at(140), DAY);
    assert_eq!(age.verdict.expect("judged").age_ms, 120_000);
    bench.claim(30);
    assert_eq!(stands(&bench.ledger(), 30), Standing::Claimed, "the pass was of another claim");
    judged(&mut bench, 61, 40);
    assert_eq!(stands(&bench.ledger(), 40), Standing::Fail);
}

#[test]
fn done_needs_a_fresh_pass_and_no_open_critical_finding() {
    let mut bench = Bench::new();
    bench.claim(10);
    assert_eq!(lack(&bench.ledger(), 10), ["pvcheck.m1 is CLAIMED"]);
    judged(&mut bench, 253, 20);
    assert!(lack(&bench.ledger(), 20).is_empty());
    assert_eq!(lack(&bench.ledger(), 20 + 93_600), ["the PASS of pvcheck.m1 is 26 h old"]);
    finding(&mut bench, Severity::Major, None);
    finding(&mut bench, Severity::Critical, Some("pvfix.m2"));
    assert!(lack(&bench.ledger(), 200).is_empty(), "neither critical here nor about this gate");
    finding(&mut bench, Severity::Critical, None);
    assert_eq!(lack(&bench.ledger(), 200), ["F3, critical, is open: the probe waits for what waits for it"]);
    let closed = Closed { id: "F3".to_owned(), because: "re-tested".to_owned() };
    let closed = Content::Finding(FindingEvent::Closed(closed));
    let refused = bench.ledger().next(closed.clone(), at(201), &bench.builder).expect_err("the verifier's");
    assert!(refused.to_string().contains("F3 may be closed by the verifier only"), "{refused}");
    bench.add(closed.clone(), 201, Role::Verifier);
    assert!(lack(&bench.ledger(), 201).is_empty());
    let twice = bench.ledger().next(closed, at(202), &bench.verifier).expect_err("closed").to_string();
    assert!(twice.contains("F3 was closed by line 7"), "{twice}");
    assert_eq!(lacks(bench.ledger().lines(), &[], at(201), DAY), [Lack::NoGate]);
}

#[test]
fn a_done_that_is_none_is_refused_and_one_that_is_can_be_withdrawn() {
    let mut bench = Bench::new();
    let done = |max_age_ms| {
        Content::Done(Done { phase: "pvcheck".to_owned(), gates: vec![GATE.to_owned()], max_age_ms })
    };
    let withdrawn =
        Content::Withdrawn(Withdrawn { phase: "pvcheck".to_owned(), because: vec!["aged".to_owned()] });
    bench.claim(10);
    let refused = |bench: &Bench, content: &Content, seconds: i64| {
        bench.ledger().next(content.clone(), at(seconds), &bench.verifier).expect_err("refused").to_string()
    };
    assert!(refused(&bench, &done(86_400_000), 10).contains("pvcheck is not done: pvcheck.m1 is CLAIMED"));
    judged(&mut bench, 253, 20);
    assert!(refused(&bench, &done(1_000), 30).contains("old"), "by the age that the line itself names");
    assert!(refused(&bench, &withdrawn, 30).contains("nothing to withdraw"));
    bench.add(done(86_400_000), 30, Role::Verifier);
    bench.add(withdrawn.clone(), 40, Role::Verifier);
    assert!(refused(&bench, &withdrawn, 50).contains("nothing to withdraw"));
}
