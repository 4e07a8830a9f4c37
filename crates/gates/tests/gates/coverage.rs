//! No PASS unless every observation that it needs was made, and made whole.
//!
//! Facts are generated (healthy, or with faults in them), then any of their observations is taken away or cut short. A check
//! that needs one of those must not pass; a check that needs none of them must not change.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::sample::select;
use pvcheck_gates::{
    ChurnOutcome, ChurnRefusal, Config, GateReport, LeakFact, M1Facts, M2Facts, Need, Observed, Seen, Unseen,
    Verdict, judge_m1, judge_m2,
};
use pvcheck_journal::Incomplete;
use pvcheck_swarm::{Census, Churn, Doubt, Order};

use crate::collect::{World, m2_run};
use crate::support::*;

/// How an observation is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spoil {
    /// The canary was not seen.
    Canary,
    /// Its route was not asked.
    CanaryRoute,
    /// The census after the churn is cut short.
    CensusAfter,
    /// The census before the churn is cut short.
    CensusBefore,
    /// The churn was not seen.
    Churn,
    /// A guardrail refused it.
    ChurnRefused,
    /// The log was not read.
    Journal,
    /// Lines of the log are missing.
    JournalCut,
    /// No count was made.
    Leaked,
    /// The count is cut short.
    LeakedCut,
    /// The count is of another overlay.
    LeakedElsewhere,
    /// What is left was not listed.
    Residue,
    /// The routes were not asked.
    Routes,
    /// They were asked afterwards no more.
    RoutesAfter,
    /// One of them was not, afterwards.
    RoutesAfterCut,
    /// They were not asked under way.
    RoutesDuring,
    /// They were to be, and not one round ended.
    RoutesDuringCut,
    /// Some of them were not, or none.
    RoutesCut,
    /// The Swarm was not read.
    Snapshot,
}

impl Spoil {
    const OF_M1: [Self; 8] = [
        Self::Snapshot,
        Self::Routes,
        Self::RoutesCut,
        Self::Journal,
        Self::JournalCut,
        Self::Leaked,
        Self::LeakedCut,
        Self::LeakedElsewhere,
    ];
    const OF_M2: [Self; 15] = [
        Self::Canary,
        Self::CanaryRoute,
        Self::CensusAfter,
        Self::CensusBefore,
        Self::Churn,
        Self::ChurnRefused,
        Self::Journal,
        Self::JournalCut,
        Self::Residue,
        Self::Routes,
        Self::RoutesCut,
        Self::RoutesAfter,
        Self::RoutesAfterCut,
        Self::RoutesDuring,
        Self::RoutesDuringCut,
    ];

    /// What is not whole then.
    fn takes(self) -> &'static [Need] {
        match self {
            Self::Canary => &[Need::Canary, Need::CanaryRoute],
            Self::CanaryRoute => &[Need::CanaryRoute],
            Self::CensusAfter => &[Need::CensusAfter],
            // What was leaked already is what the census before the churn says.
            Self::CensusBefore => &[Need::CensusBefore, Need::Leaked],
            Self::Churn | Self::ChurnRefused => {
                &[Need::Churn, Need::CensusBefore, Need::CensusAfter, Need::Leaked]
            }
            Self::Journal | Self::JournalCut => &[Need::Journal],
            Self::Leaked | Self::LeakedCut | Self::LeakedElsewhere => &[Need::Leaked],
            Self::Residue => &[Need::Residue],
            Self::Routes | Self::RoutesCut => &[Need::Routes],
            Self::RoutesAfter | Self::RoutesAfterCut => &[Need::RoutesAfter],
            Self::RoutesDuring | Self::RoutesDuringCut => &[Need::RoutesDuring],
            Self::Snapshot => &[Need::Snapshot],
        }
    }

    fn spoil_m1(self, facts: &mut M1Facts) {
        match self {
            Self::Snapshot => take(&mut facts.snapshot),
            Self::Routes => take(&mut facts.routes),
            Self::RoutesCut => with(&mut facts.routes, Vec::clear),
            Self::Journal => take(&mut facts.journal),
            Self::JournalCut => with(&mut facts.journal, cut_log),
            Self::Leaked => take(&mut facts.leaked),
            Self::LeakedCut => with(&mut facts.leaked, |all| all.iter_mut().for_each(cut_count)),
            Self::LeakedElsewhere => {
                with(&mut facts.leaked, |all| all.iter_mut().for_each(|fact| fact.overlay = "other".into()));
            }
            _ => unreachable!("{self:?} is not of m1"),
        }
    }

    fn spoil_m2(self, facts: &mut M2Facts) {
        match self {
            Self::Canary => take(&mut facts.canary),
            Self::CanaryRoute => with(&mut facts.canary, |canary| canary.route = None),
            Self::CensusAfter => {
                with(&mut facts.churn, |outcome| in_churn(outcome, |c| cut(&mut c.census_after)));
            }
            Self::CensusBefore => {
                with(&mut facts.churn, |outcome| in_churn(outcome, |c| cut(&mut c.census_before)));
            }
            Self::Churn => take(&mut facts.churn),
            Self::ChurnRefused => with(&mut facts.churn, |outcome| {
                *outcome = ChurnOutcome::Refused(ChurnRefusal::LockHeld { error: "held".into() });
            }),
            Self::Journal => take(&mut facts.journal),
            Self::JournalCut => with(&mut facts.journal, cut_log),
            Self::Residue => take(&mut facts.residue),
            Self::Routes => take(&mut facts.routes),
            Self::RoutesCut => with(&mut facts.routes, |routes| drop(routes.pop())),
            Self::RoutesAfter => take(&mut facts.routes_after),
            Self::RoutesAfterCut => with(&mut facts.routes_after, |routes| drop(routes.pop())),
            Self::RoutesDuring => take(&mut facts.routes_during),
            Self::RoutesDuringCut => with(&mut facts.routes_during, |watch| watch.rounds = 0),
            Self::Leaked | Self::LeakedCut | Self::LeakedElsewhere | Self::Snapshot => {
                unreachable!("{self:?} is not of m2")
            }
        }
    }
}

pub(crate) fn take<T>(observed: &mut Observed<T>) {
    observed.seen = Seen::Unknown(Unseen::Failed { error: "taken away".into() });
}

/// Changes what was seen, if another fault has not taken it away.
pub(crate) fn with<T>(observed: &mut Observed<T>, change: impl FnOnce(&mut T)) {
    if let Seen::Known(seen) = &mut observed.seen {
        change(seen);
    }
}

fn in_churn(outcome: &mut ChurnOutcome, change: impl FnOnce(&mut Churn)) {
    if let ChurnOutcome::Done(churn) = outcome {
        change(churn);
    }
}

/// Incomplete, with its numbers left in place: it is for the judge not to believe them.
fn cut(census: &mut Census) {
    (census.complete, census.reason) = (false, Some(Doubt::TimeUp));
}

pub(crate) fn cut_count(fact: &mut LeakFact) {
    if let Seen::Known(census) = &mut fact.census {
        cut(census);
    }
}

pub(crate) fn cut_log(scan: &mut pvcheck_journal::Scan) {
    (scan.complete, scan.incomplete) = (false, vec![Incomplete::Rotated]);
}

/// A fault in what is seen, so that the checks are not all of one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    Leaks,
    Replicas,
    Route,
    Subnet,
}

impl Broken {
    const ALL: [Self; 4] = [Self::Leaks, Self::Replicas, Self::Route, Self::Subnet];

    fn break_m1(self, facts: &mut M1Facts) {
        match self {
            Self::Leaks => facts.leaked = known("allocator", vec![counted("proxy", 7)]),
            Self::Replicas => with(&mut facts.snapshot, |s| s.tasks.retain(|t| t.slot != Some(1))),
            Self::Route => with(&mut facts.routes, |routes| routes[0].status = Some(502)),
            Self::Subnet => with(&mut facts.snapshot, |s| s.networks.retain(|n| n.name != "proxy")),
        }
    }
}

fn m1() -> &'static M1Facts {
    static FACTS: OnceLock<M1Facts> = OnceLock::new();
    FACTS.get_or_init(|| on_a_runtime(|| facts(cc_ci())))
}

fn m2() -> &'static (Config, M2Facts) {
    static FACTS: OnceLock<(Config, M2Facts)> = OnceLock::new();
    FACTS.get_or_init(|| {
        on_a_runtime(|| async {
            let world = World::new(cc_ci()).await;
            let facts = m2_run(&world, Order::Drained).await.expect("everything is configured");
            (world.config.clone(), facts)
        })
    })
}

/// Property tests are not async, and may be called from a thread that has a runtime already.
pub(crate) fn on_a_runtime<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let builder = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            builder.expect("a runtime").block_on(work())
        };
        scope.spawn(run).join().expect("no panic")
    })
}

pub(crate) fn assert_covered(
    before: &GateReport,
    after: &GateReport,
    taken: &BTreeSet<Need>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(before.checks.len(), after.checks.len());
    for (whole, spoilt) in before.checks.iter().zip(&after.checks) {
        prop_assert_eq!(&whole.id, &spoilt.id);
        let lacks: Vec<_> = spoilt.needs.iter().filter(|need| taken.contains(need)).collect();
        if lacks.is_empty() {
            prop_assert_eq!(whole, spoilt, "it changed with something that it does not need");
        } else {
            prop_assert_ne!(spoilt.verdict, Verdict::Pass, "{} passed without {:?}", spoilt.id, lacks);
        }
    }
    let open = after.checks.iter().any(|check| check.required && check.verdict != Verdict::Pass);
    prop_assert_eq!(open, after.verdict != Verdict::Pass);
    Ok(())
}

fn taken(spoils: &BTreeSet<Spoil>) -> BTreeSet<Need> {
    spoils.iter().flat_map(|spoil| spoil.takes()).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_check_of_m1_passes_without_what_it_needs(
        broken in btree_set(select(&Broken::ALL[..]), 0..=2),
        spoils in btree_set(select(&Spoil::OF_M1[..]), 1..=8),
    ) {
        let mut facts = m1().clone();
        for fault in &broken {
            fault.break_m1(&mut facts);
        }
        let before = judge_m1(&config(), &facts);
        for spoil in &spoils {
            spoil.spoil_m1(&mut facts);
        }
        assert_covered(&before, &judge_m1(&config(), &facts), &taken(&spoils))?;
    }

    #[test]
    fn no_check_of_m2_passes_without_what_it_needs(
        spoils in btree_set(select(&Spoil::OF_M2[..]), 1..=15),
    ) {
        let (config, facts) = m2();
        let before = judge_m2(config, facts);
        let mut facts = facts.clone();
        for spoil in &spoils {
            spoil.spoil_m2(&mut facts);
        }
        assert_covered(&before, &judge_m2(config, &facts), &taken(&spoils))?;
    }
}

/// The properties say nothing about a need that no spoil takes.
#[test]
fn every_need_of_every_check_can_be_taken_away() {
    let (config, facts) = m2();
    let takes = |spoils: &[Spoil]| taken(&spoils.iter().copied().collect());
    for (report, takes) in [
        (judge_m1(&crate::support::config(), m1()), takes(&Spoil::OF_M1)),
        (judge_m2(config, facts), takes(&Spoil::OF_M2)),
    ] {
        assert_eq!(report.verdict, Verdict::Pass);
        for check in &report.checks {
            assert!(!check.needs.is_empty(), "{} passes whatever was seen", check.id);
            assert!(check.needs.iter().all(|need| takes.contains(need)), "{}: {:?}", check.id, check.needs);
        }
    }
}
