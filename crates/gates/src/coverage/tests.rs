//! Each gap by itself: the judging functions would see most of them too, and must not be the only ones that do.

use pvcheck_journal::Incomplete;

use super::*;
use crate::cause::{ChurnFailure, ChurnRefusal};
use crate::guard_facts::GuardFile;
use crate::testing::{blind_fix_plan, blind_fixed, blind_m1, blind_m2, done, seen};

const CONFIG: &str = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[[route]]\nname = \"a\"\n\
                      url = \"http://a.example/\"\n[[route]]\nname = \"b\"\nurl = \"http://b.example/\"\n";

/// Every need, so that one that is added is not forgotten here.
const NEEDS: [Need; 19] = [
    Need::Canary,
    Need::CanaryRoute,
    Need::CensusAfter,
    Need::CensusBefore,
    Need::Churn,
    Need::Declared,
    Need::Deployed,
    Need::Guard,
    Need::Journal,
    Need::Leaked,
    Need::Plan,
    Need::Proof,
    Need::Record,
    Need::Residue,
    Need::Routes,
    Need::RoutesAfter,
    Need::RoutesDuring,
    Need::Snapshot,
    Need::Window,
];

fn config() -> Config {
    Config::parse("pvcheck.toml", CONFIG).expect("a sound configuration")
}

fn churned() -> ChurnOutcome {
    done().churn.known().expect("it ran").clone()
}

#[test]
fn facts_without_an_observation_have_a_gap_for_every_need() {
    let config = config();
    let overlay = config.overlay().expect("one");
    for about in [Check::SwarmWaiting, Check::OverlayLeaked(overlay), Check::Route(&config.routes[0])] {
        for need in NEEDS {
            assert!(blind_m1().gap(&config, about, need).is_some(), "m1, {need:?}");
            assert!(blind_m2().gap(&config, about, need).is_some(), "m2, {need:?}");
            assert!(blind_fix_plan().gap(&config, about, need).is_some(), "pvfix.m1, {need:?}");
            assert!(blind_fixed().gap(&config, about, need).is_some(), "pvfix.m2, {need:?}");
        }
    }
}

#[test]
fn a_gate_has_a_gap_where_the_need_is_of_the_other_one() {
    let config = config();
    let of_m1 = M1Facts { routes: seen(Vec::new()), ..blind_m1() };
    for need in [Need::Canary, Need::Churn, Need::Residue, Need::RoutesAfter, Need::RoutesDuring] {
        assert_eq!(of_m1.gap(&config, Check::SwarmWaiting, need), Some(never_observed()), "{need:?}");
    }
    assert_eq!(done().gap(&config, Check::SwarmWaiting, Need::Snapshot), Some(never_observed()));
}

#[test]
fn a_check_about_no_overlay_has_no_count() {
    let facts = done();
    let config = config();
    let overlay = config.overlay().expect("one");
    assert_eq!(facts.gap(&config, Check::OverlayLeaked(overlay), Need::Leaked), None, "the churn counted it");
    assert_eq!(facts.gap(&config, Check::Residue, Need::Leaked), Some(never_observed()));
    assert_eq!(facts.leaks("other").err(), Some(never_observed()), "a churn counts its own overlay alone");
    assert_eq!(blind_m1().gap(&config, Check::Residue, Need::Leaked), Some(never_observed()));
}

#[test]
fn a_log_of_which_a_part_is_missing_is_doubted() {
    let mut scan = done().journal.known().expect("it was read").clone();
    (scan.complete, scan.incomplete) = (false, vec![Incomplete::Rotated]);
    assert!(matches!(doubt(&scan), Some(Reason::LogInconclusive { .. })));
    let facts = M1Facts { journal: seen(scan.clone()), ..blind_m1() };
    assert!(facts.gap(&config(), Check::JournalExhaustion, Need::Journal).is_some());
    let facts = M2Facts { journal: seen(scan), ..blind_m2() };
    let gap = facts.gap(&config(), Check::JournalNew, Need::Journal);
    assert_eq!(gap, Some(Reason::LogIncomplete));
}

#[test]
fn a_canary_without_an_answer_was_not_asked() {
    let asked = done().canary.known().expect("it ran").clone();
    assert_eq!(canary_not_asked(&asked), None);
    let never = CanaryFacts { route: None, ..asked };
    assert_eq!(canary_not_asked(&never), Some(Reason::CanaryNotAsked));
    let facts = M2Facts { canary: seen(never), ..blind_m2() };
    let gap = |need| facts.gap(&config(), Check::CanaryRoute, need);
    assert_eq!((gap(Need::Canary), gap(Need::CanaryRoute)), (None, Some(Reason::CanaryNotAsked)));
}

#[test]
fn a_churn_that_did_not_end_is_no_churn() {
    let refusal = ChurnRefusal::LockHeld { error: "held".into() };
    let failure = ChurnFailure::Recorded("the engine is gone".into());
    let config = config();
    for (outcome, why) in [
        (ChurnOutcome::Refused(refusal.clone()), Reason::ChurnRefused(refusal)),
        (ChurnOutcome::Failed(failure.clone()), Reason::ChurnBrokeOff(failure)),
    ] {
        let facts = M2Facts { churn: seen(outcome), ..blind_m2() };
        for need in [Need::Churn, Need::CensusBefore, Need::CensusAfter] {
            assert_eq!(facts.gap(&config, Check::ChurnLeaks, need), Some(why.clone()), "{need:?}");
        }
    }
    let facts = M2Facts { churn: seen(churned()), ..blind_m2() };
    for need in [Need::Churn, Need::CensusBefore, Need::CensusAfter] {
        assert_eq!(facts.gap(&config, Check::ChurnLeaks, need), None, "{need:?}");
    }
}

#[test]
fn each_census_of_a_churn_is_asked_about_by_itself() {
    let config = config();
    for (spoilt, other, need) in [
        (When::Before, Need::CensusAfter, Need::CensusBefore),
        (When::After, Need::CensusBefore, Need::CensusAfter),
    ] {
        let mut outcome = churned();
        let ChurnOutcome::Done(churn) = &mut outcome else { panic!("it ended") };
        match spoilt {
            When::Before => churn.census_before.complete = false,
            When::After => churn.census_after.complete = false,
        }
        let facts = M2Facts { churn: seen(outcome), ..blind_m2() };
        assert!(facts.gap(&config, Check::ChurnLeaks, need).is_some());
        assert_eq!(facts.gap(&config, Check::ChurnLeaks, other), None);
    }
}

#[test]
fn a_route_that_was_not_asked_is_missed_by_its_own_check_and_by_those_about_all() {
    let config = config();
    let template = done().canary.known().and_then(|c| c.route.clone()).expect("it was asked");
    let answer = |name: &str| RouteFact { name: name.to_owned(), ..template.clone() };
    let missing = Some(Reason::RouteNotAsked);
    let (a, b) = (Check::Route(&config.routes[0]), Check::Route(&config.routes[1]));
    let gap = |about, facts: &[RouteFact]| missing_route(&config, about, facts);
    assert_eq!(gap(a, &[answer("a")]), None);
    assert_eq!(gap(b, &[answer("a")]), missing);
    assert_eq!(gap(Check::RoutesBefore, &[answer("a")]), missing);
    assert_eq!(gap(Check::RoutesBefore, &[]), missing);
    assert_eq!(gap(Check::RoutesBefore, &[answer("a"), answer("b")]), None);

    let watch = |rounds| RouteWatch { rounds, died: None, routes: vec![answer("a"), answer("b")] };
    assert_eq!(not_watched(&config, Check::RoutesDuring, &watch(1)), None);
    assert_eq!(not_watched(&config, Check::RoutesDuring, &watch(0)), missing);
}

#[test]
fn a_guard_that_was_searched_for_other_patterns_was_not_searched() {
    let text = format!("{CONFIG}[guard]\nfile = \"run.sh\"\ncontains = ['a', 'b']\nabsent = ['c']\n");
    let config = Config::parse("pvcheck.toml", &text).expect("a sound configuration");
    let about = Check::Guard(config.guard.as_ref().expect("a guard"));
    let found = |pattern: &&str| GuardMatch { pattern: (*pattern).to_owned(), lines: Vec::new(), more: 0 };
    let searched = |contains: &[&str], absent: &[&str]| {
        GuardFound::File(GuardFile {
            modified: jiff::Timestamp::UNIX_EPOCH,
            bytes: 0,
            digest: String::new(),
            contains: contains.iter().map(found).collect(),
            absent: absent.iter().map(found).collect(),
        })
    };
    let gap = |about, found| {
        let guard = seen(GuardFact { path: "run.sh".into(), found });
        M1Facts { guard: Some(guard), ..blind_m1() }.gap(&config, about, Need::Guard)
    };
    assert_eq!(gap(about, searched(&["b", "a"], &["c"])), None);
    assert_eq!(gap(about, GuardFound::Nothing), None, "nothing has no line of any pattern");
    let others: [(&[&str], &[&str]); 3] = [(&["a"], &["c"]), (&["a", "b"], &[]), (&["a", "c"], &["c"])];
    for (contains, absent) in others {
        assert_eq!(gap(about, searched(contains, absent)), Some(never_observed()), "{contains:?}");
    }
    assert_eq!(gap(Check::SwarmWaiting, searched(&["a", "b"], &["c"])), Some(never_observed()));
    let unread = M1Facts { guard: Some(crate::testing::unseen()), ..blind_m1() };
    assert!(unread.gap(&config, about, Need::Guard).is_some());
}
