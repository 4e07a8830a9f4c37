//! No PASS of a renewal's gates unless every observation that it needs was made, and made whole.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::collection::btree_set;
use proptest::prelude::*;
use pvcheck_gates::{
    Config, FixPlanFacts, FixedFacts, Need, Seen, Unseen, Verdict, judge_fix_plan, judge_fixed,
};

use crate::coverage::{assert_covered, cut_count, cut_log, on_a_runtime, take, with};
use crate::{fix, fixed};

/// What is taken from the facts, and the needs that are not whole then.
type Spoil<F> = (&'static [Need], fn(&mut F));

fn unread<T>(seen: &mut Seen<T>) {
    *seen = Seen::Unknown(Unseen::Failed { error: "taken away".into() });
}

const OF_PLAN: [Spoil<FixPlanFacts>; 5] = [
    (&[Need::Plan], |facts| take(&mut facts.plan)),
    (&[Need::Snapshot], |facts| take(&mut facts.snapshot)),
    (&[Need::Window], |facts| take(&mut facts.window)),
    (&[Need::Declared], |facts| take(&mut facts.creation)),
    (&[Need::Declared], |facts| with(&mut facts.creation, |creation| unread(&mut creation.declared))),
];

const OF_FIXED: [Spoil<FixedFacts>; 13] = [
    (&[Need::Record], |facts| take(&mut facts.record)),
    (&[Need::Record], |facts| with(&mut facts.record, |saved| saved.record.network = "other".into())),
    (&[Need::Record], |facts| with(&mut facts.record, |saved| saved.record.cluster = "other".into())),
    (&[Need::Proof], |facts| take(&mut facts.proof)),
    (&[Need::Declared, Need::Deployed], |facts| take(&mut facts.creation)),
    (&[Need::Declared], |facts| with(&mut facts.creation, |creation| unread(&mut creation.declared))),
    (&[Need::Deployed], |facts| with(&mut facts.creation, |creation| unread(&mut creation.deployed))),
    (&[Need::Routes], |facts| take(&mut facts.control.routes)),
    (&[Need::Routes], |facts| with(&mut facts.control.routes, Vec::clear)),
    (&[Need::Journal], |facts| take(&mut facts.control.journal)),
    (&[Need::Journal], |facts| with(&mut facts.control.journal, cut_log)),
    (&[Need::Leaked], |facts| take(&mut facts.control.leaked)),
    (&[Need::Leaked], |facts| {
        with(&mut facts.control.leaked, |all| all.iter_mut().for_each(cut_count));
    }),
];

fn plan() -> &'static (Config, FixPlanFacts) {
    static FACTS: OnceLock<(Config, FixPlanFacts)> = OnceLock::new();
    FACTS.get_or_init(|| {
        on_a_runtime(|| async {
            let (world, facts) = fix::healthy().await;
            (world.config.clone(), facts.clone())
        })
    })
}

fn after() -> &'static (Config, FixedFacts) {
    static FACTS: OnceLock<(Config, FixedFacts)> = OnceLock::new();
    FACTS.get_or_init(|| {
        on_a_runtime(|| async {
            let (world, facts) = fixed::healthy().await;
            (world.config.clone(), facts.clone())
        })
    })
}

fn spoilt<F>(facts: &mut F, table: &[Spoil<F>], which: &BTreeSet<usize>) -> BTreeSet<Need> {
    let mut taken = BTreeSet::new();
    for (needs, spoil) in which.iter().map(|at| &table[*at]) {
        taken.extend(needs.iter().copied());
        spoil(facts);
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_check_of_the_plan_passes_without_what_it_needs(which in btree_set(0..OF_PLAN.len(), 1..=5)) {
        let (config, facts) = plan();
        let before = judge_fix_plan(config, facts);
        let mut facts = facts.clone();
        let taken = spoilt(&mut facts, &OF_PLAN, &which);
        assert_covered(&before, &judge_fix_plan(config, &facts), &taken)?;
    }

    #[test]
    fn no_check_of_the_proof_passes_without_what_it_needs(which in btree_set(0..OF_FIXED.len(), 1..=13)) {
        let (config, facts) = after();
        let before = judge_fixed(config, facts);
        let mut facts = facts.clone();
        let taken = spoilt(&mut facts, &OF_FIXED, &which);
        assert_covered(&before, &judge_fixed(config, &facts), &taken)?;
    }
}

/// Without the snapshot nothing that is about the Swarm passes.
#[test]
fn without_the_swarm_only_files_and_routes_are_known() {
    let (config, facts) = after();
    let mut facts = facts.clone();
    take(&mut facts.control.snapshot);
    let report = judge_fixed(config, &facts);
    for check in report.checks.iter().filter(|check| check.needs.contains(&Need::Snapshot)) {
        assert_ne!(check.verdict, Verdict::Pass, "{}", check.id);
    }
}

/// The properties say nothing about a need that no spoil takes.
#[test]
fn every_need_of_every_check_can_be_taken_away() {
    let takes = |needs: &mut dyn Iterator<Item = &[Need]>| needs.flatten().copied().collect::<BTreeSet<_>>();
    let (config, facts) = plan();
    let (fixed_config, fixed) = after();
    let mut of_fixed = takes(&mut OF_FIXED.iter().map(|(needs, _)| *needs));
    of_fixed.insert(Need::Snapshot);
    for (report, takes) in [
        (judge_fix_plan(config, facts), takes(&mut OF_PLAN.iter().map(|(needs, _)| *needs))),
        (judge_fixed(fixed_config, fixed), of_fixed),
    ] {
        assert_eq!(report.verdict, Verdict::Pass);
        for check in &report.checks {
            assert!(!check.needs.is_empty(), "{} passes whatever was seen", check.id);
            assert!(check.needs.iter().all(|need| takes.contains(need)), "{}: {:?}", check.id, check.needs);
        }
    }
}
