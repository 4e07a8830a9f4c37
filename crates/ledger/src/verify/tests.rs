//! A claim, and what is measured afterwards: as claimed, moved, worse, forged.

use serde_json::json;

use super::*;
use crate::content::Content;
use crate::role::Role;
use crate::testing::{Bench, at, claim, facts};

const DAY: Duration = Duration::from_hours(24);

/// A ledger with this claim, written a minute into it.
fn claimed(change: impl FnOnce(&mut Claim)) -> Ledger {
    let mut bench = Bench::new();
    let mut claim = claim();
    change(&mut claim);
    bench.add(Content::Claim(claim), 60, Role::Builder);
    bench.ledger()
}

fn measured(change: impl FnOnce(&mut Facts)) -> Measurement {
    let mut facts = facts();
    change(&mut facts);
    facts.verdict = facts.worst();
    Measurement { facts, files: Vec::new(), commit: None }
}

fn check<'a>(facts: &'a mut Facts, id: &str) -> &'a mut CheckFacts {
    facts.checks.iter_mut().find(|check| check.id == id).expect("there")
}

fn figure(facts: &mut Facts, id: &str, path: &str, value: impl Into<Value>) {
    check(facts, id).figures.insert(path.to_owned(), value.into());
}

fn judged(ledger: &Ledger, measurement: Measurement) -> Verdict {
    judge(ledger, "pvcheck.m1", measurement)
}

fn said(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_measured_as_claimed_passes() {
    let verdict = judged(&claimed(|_| ()), measured(|_| ()));
    assert_eq!((verdict.outcome, verdict.wrong, verdict.moved), (Outcome::Pass, Vec::new(), Vec::new()));
    assert_eq!(verdict.claim.expect("of it").line, 2);
    assert_eq!(verdict.commit.as_deref(), Some("e6349a9"));
}

#[test]
fn what_is_measured_on_another_swarm_fails_and_each_model_is_its_own() {
    let elsewhere = || measured(|facts| facts.swarm = Some("another".into()));
    let verdict = judged(&claimed(|_| ()), elsewhere());
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(said(&verdict.wrong), ["swarm: claimed 6wq9m8p4n2k7, measured another"]);
    let mut of_a_model = elsewhere();
    of_a_model.facts.engine = Engine::Embedded;
    let verdict = judged(&claimed(|claim| claim.facts.engine = Engine::Embedded), of_a_model);
    assert_eq!((verdict.outcome, verdict.wrong), (Outcome::Pass, Vec::new()));
}

#[test]
fn traffic_moves_free_addresses_and_the_verdict_says_so() {
    let now = measured(|facts| {
        figure(facts, "overlay.headroom", "free", 239);
        figure(facts, "overlay.headroom", "owned", 14);
    });
    let verdict = judged(&claimed(|_| ()), now);
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(
        said(&verdict.moved),
        [
            "overlay.headroom free: claimed 241, measured 239",
            "overlay.headroom owned: claimed 12, measured 14"
        ]
    );
}

/// Every figure of the claim that must be the same, and the sums of those that need not be.
#[test]
fn one_forged_figure_fails_and_is_named() {
    type Forge = fn(&mut Facts);
    let table: [(Forge, &str); 9] = [
        (
            |f| figure(f, "overlay.subnet", "subnet", "10.10.0.0/16"),
            "overlay.subnet subnet: claimed 10.10.0.0/16, measured 10.10.0.0/24",
        ),
        (
            |f| figure(f, "overlay.subnet", "usable", 65_533),
            "overlay.subnet usable: claimed 65533, measured 253",
        ),
        (
            |f| figure(f, "route.drone", "said", "200 as expected"),
            "route.drone said: claimed 200 as expected, measured 303 as expected",
        ),
        (
            |f| figure(f, "overlay.headroom", "free", 250),
            "overlay.headroom free (by the claim's own figures): claimed 250, measured 241",
        ),
        (|f| figure(f, "overlay.headroom", "wanted", 8), "overlay.headroom wanted: claimed 8, measured 16"),
        (|f| f.config_digest = "cd".to_owned(), "config_digest: claimed cd, measured ab"),
        (|f| f.checks.retain(|c| c.id != "route.drone"), "route.drone: claimed nothing, measured PASS"),
        (
            |f| check(f, "swarm.waiting").id = "swarm.calm".to_owned(),
            "swarm.calm: claimed PASS, measured nothing",
        ),
        (|f| check(f, "route.drone").required = false, "route.drone required: claimed false, measured true"),
    ];
    for (forge, name) in table {
        let verdict = judged(&claimed(|claim| forge(&mut claim.facts)), measured(|_| ()));
        assert_eq!(verdict.outcome, Outcome::Fail, "{name}");
        assert!(said(&verdict.wrong).iter().any(|line| line == name), "{name}: {:?}", said(&verdict.wrong));
    }
}

#[test]
fn leaks_may_not_grow_and_may_go() {
    let with = |leaked: u64| {
        move |facts: &mut Facts| {
            figure(facts, "overlay.headroom", "leaked", leaked);
            figure(facts, "overlay.headroom", "free", 241 - leaked);
        }
    };
    let grown = judged(&claimed(|_| ()), measured(with(2)));
    assert_eq!(grown.outcome, Outcome::Fail);
    assert_eq!(said(&grown.wrong), ["overlay.headroom leaked: claimed 0, measured 2"]);
    assert_eq!(judged(&claimed(|claim| with(2)(&mut claim.facts)), measured(|_| ())).outcome, Outcome::Pass);
}

#[test]
fn what_fails_or_is_not_seen_afterwards_is_no_pass() {
    let turned = |verdict| measured(|facts| check(facts, "route.drone").verdict = verdict);
    let failed = judged(&claimed(|_| ()), turned(Measured::Fail));
    assert_eq!(failed.outcome, Outcome::Fail);
    assert!(said(&failed.wrong).contains(&"route.drone verdict: claimed PASS, measured FAIL".to_owned()));
    let unseen = judged(&claimed(|_| ()), turned(Measured::Unknown));
    assert_eq!((unseen.outcome, unseen.unseen), (Outcome::Unknown, vec!["route.drone".to_owned()]));
}

#[test]
fn an_advisory_check_is_told_and_decides_nothing() {
    let now = measured(|facts| {
        check(facts, "services.unlisted").verdict = Measured::Fail;
        figure(facts, "services.unlisted", "services", 10);
    });
    let verdict = judged(&claimed(|_| ()), now);
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(
        said(&verdict.moved),
        [
            "services.unlisted verdict: claimed PASS, measured FAIL",
            "services.unlisted services: claimed 9, measured 10"
        ]
    );
}

#[test]
fn files_and_commit_are_held_against_the_claim() {
    let sum = Digest::of(b"as claimed");
    let ledger =
        claimed(|claim| claim.files = vec![ClaimedFile { path: "swarm.nix".to_owned(), sha256: sum }]);
    let with = |file: SeenFile, commit: Option<&str>| {
        let commit = commit.map(str::to_owned);
        judged(&ledger, Measurement { files: vec![file], commit, ..measured(|_| ()) })
    };
    assert_eq!(with(SeenFile::There(sum), Some("e6349a9bd0")).outcome, Outcome::Pass);
    let other = Digest::of(b"edited");
    for (seen, wrong) in [
        (SeenFile::There(other), format!("file swarm.nix: claimed {sum}, measured {other}")),
        (SeenFile::Missing, format!("file swarm.nix: claimed {sum}, measured nothing")),
    ] {
        let verdict = with(seen, None);
        assert_eq!((verdict.outcome, said(&verdict.wrong)), (Outcome::Fail, vec![wrong]));
    }
    assert_eq!(with(SeenFile::Unreadable("denied".to_owned()), None).outcome, Outcome::Unknown);
    assert_eq!(judged(&ledger, measured(|_| ())).outcome, Outcome::Unknown, "a file that was not looked at");
    let verdict = with(SeenFile::There(sum), Some("71319d7"));
    assert_eq!(said(&verdict.wrong), ["commit: claimed e6349a9, measured 71319d7"]);
    // What names no commit is the beginning of every one.
    for short in ["", "e", "e6349a"] {
        let verdict = with(SeenFile::There(sum), Some(short));
        assert_eq!((verdict.outcome, verdict.wrong.len()), (Outcome::Fail, 1), "{short:?}");
    }
}

#[test]
fn a_claim_of_one_engine_is_not_judged_by_the_other() {
    for (claim_of, measured_of) in [(Engine::Real, Engine::Embedded), (Engine::Embedded, Engine::Real)] {
        let verdict =
            judged(&claimed(|c| c.facts.engine = claim_of), measured(|facts| facts.engine = measured_of));
        assert_eq!(verdict.outcome, Outcome::Veto);
        let said = verdict.veto.expect("a reason").to_string();
        assert!(said.contains(&format!("is of {claim_of}, and {measured_of} was measured")), "{said}");
    }
    let both = judged(
        &claimed(|c| c.facts.engine = Engine::Embedded),
        measured(|facts| {
            facts.engine = Engine::Embedded;
            facts.config_digest = "cd".to_owned();
        }),
    );
    assert_eq!(
        (both.outcome, said(&both.moved)),
        (Outcome::Pass, vec!["config_digest: claimed ab, measured cd".to_owned()])
    );
}

#[test]
fn without_a_claim_that_counts_there_is_nothing_to_judge() {
    let at_time = |ledger: &Ledger, seconds: i64| {
        veto(ledger, "pvcheck.m1", at(seconds), DAY).map(|verdict| verdict.veto.expect("a reason"))
    };
    assert!(matches!(at_time(&Bench::new().ledger(), 0), Some(Veto::NoClaim { .. })));
    let ledger = claimed(|_| ());
    assert_eq!(at_time(&ledger, 86_340), None, "a day after what was measured, to the second");
    let aged = at_time(&ledger, 86_341).expect("too old");
    assert!(matches!(aged, Veto::FactsAged { line: 2, age_ms: 86_401_000, .. }), "{aged}");
    assert!(matches!(at_time(&ledger, 86_461), Some(Veto::ClaimAged { line: 2, .. })));
    let after = claimed(|claim| claim.facts.at = at(61));
    let reason = at_time(&after, 70).expect("facts come first").to_string();
    assert!(reason.contains("facts do not come after a claim"), "{reason}");
    let other = veto(&ledger, "pvcheck.m2", at(60), DAY).expect("another gate").veto;
    assert_eq!(other, Some(Veto::NoClaim { gate: "pvcheck.m2".to_owned() }));
}

#[test]
fn a_verdict_reads_back_as_it_was_written() {
    let verdict = judged(&claimed(|_| ()), measured(|facts| figure(facts, "overlay.subnet", "usable", 61)));
    let text = serde_json::to_string(&verdict).expect("JSON");
    assert_eq!(serde_json::from_str::<Verdict>(&text).expect("its own"), verdict);
    let newer = text.replacen("\"gate\"", "\"mood\":1,\"gate\"", 1);
    assert!(serde_json::from_str::<Verdict>(&newer).is_err());
    assert_eq!(json!(verdict)["wrong"][0]["what"], "overlay.subnet usable");
}

fn waiver(owner: &str) -> Waiver {
    let expires = "2026-06-30".parse().expect("a date");
    Waiver { owner: owner.to_owned(), reason: "being replaced".to_owned(), expires }
}

/// The route fails, and this waiver lets it.
fn waived(facts: &mut Facts, by: Option<&str>) {
    let route = check(facts, "route.drone");
    (route.verdict, route.waiver) = (Measured::Fail, by.map(waiver));
}

#[test]
fn a_claim_with_a_waiver_holds_while_the_same_waiver_does() {
    let ledger = claimed(|claim| waived(&mut claim.facts, Some("ops")));
    let same = judged(&ledger, measured(|facts| waived(facts, Some("ops"))));
    assert_eq!((same.outcome, said(&same.wrong), said(&same.moved)), (Outcome::Pass, Vec::new(), Vec::new()));
    assert!(same.measured.expect("measured").said().ends_with("PASS with 1 check waived"));
    let mended = judged(&ledger, measured(|_| ()));
    assert_eq!(mended.outcome, Outcome::Pass);
    let moved = said(&mended.moved);
    assert!(moved[0].starts_with("route.drone waiver: claimed waived by ops until 2026-06-30"), "{moved:?}");
    assert!(moved[1].starts_with("route.drone verdict: claimed FAIL, measured PASS"), "{moved:?}");
}

#[test]
fn an_open_check_that_the_claim_does_not_waive_so_is_wrong() {
    let with = claimed(|claim| waived(&mut claim.facts, Some("ops")));
    let expired = judged(&with, measured(|facts| waived(facts, None)));
    assert_eq!(expired.outcome, Outcome::Fail);
    assert!(said(&expired.wrong).iter().any(|line| line.starts_with("route.drone waiver: ")), "{expired:?}");
    let other = judged(&with, measured(|facts| waived(facts, Some("builder"))));
    assert_eq!((other.outcome, other.wrong.len()), (Outcome::Fail, 1), "{other:?}");
    let new = judged(&claimed(|_| ()), measured(|facts| waived(facts, Some("ops"))));
    assert_eq!(new.outcome, Outcome::Fail, "it passed when it was claimed: {new:?}");
}
