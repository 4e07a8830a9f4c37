//! How much of what a check needs was observed.
//!
//! Each check has a row of [`Need`]s ([`Check::needs`](crate::check::Check::needs)). Facts answer for every need whether it
//! was observed whole, and a judging function can make a PASS only out of a [`Sight`](crate::judge) that found no gap in
//! that row. So no check passes on an observation that was not made or is not complete, whoever writes the check.

use pvcheck_journal::Scan;
use pvcheck_routes::RouteFact;
use pvcheck_swarm::Census;

use crate::cause::Unseen;
use crate::check::Check;
use crate::config::{Config, Pattern, RouteConfig};
use crate::facts::{CanaryFacts, ChurnOutcome, M1Facts, M2Facts, RouteWatch};
use crate::fault::{IncompleteCensus, When};
use crate::fix_facts::{FixPlanFacts, FixedFacts};
use crate::guard_facts::{GuardFact, GuardFound, GuardMatch, match_of};
use crate::harness::{end_not_seen, sound};
use crate::harness_facts::HarnessFact;
use crate::harness_reason::{HarnessLack, HarnessReason};
use crate::leaks::{Leaks, census_of, leaks};
use crate::need::Need;
use crate::observed::{Observed, Seen};
use crate::reason::Reason;
use crate::run_facts::RunFacts;

#[cfg(test)]
mod tests;

/// Facts that know how much of them was observed.
pub(crate) trait Coverage {
    /// Why a check cannot pass on what these facts have of `need`; `None` iff it was observed whole.
    fn gap(&self, config: &Config, about: Check<'_>, need: Need) -> Option<Reason>;
}

impl Coverage for M1Facts {
    fn gap(&self, config: &Config, about: Check<'_>, need: Need) -> Option<Reason> {
        match need {
            Need::Guard => {
                let seen = self.guard.as_ref();
                seen.map_or_else(
                    || Some(never_observed()),
                    |guard| guard.gap(|fact| not_searched(about, fact)),
                )
            }
            Need::Journal => {
                self.journal.gap(|scan| doubt(scan).or_else(|| other_window(config, about, scan)))
            }
            Need::Leaked => not_counted(about, |overlay| self.leaks(overlay)),
            Need::Routes => self.routes.gap(|facts| missing_route(config, about, facts)),
            Need::Snapshot => self.snapshot.gap(|_| None),
            _ => Some(never_observed()),
        }
    }
}

impl Coverage for M2Facts {
    fn gap(&self, config: &Config, about: Check<'_>, need: Need) -> Option<Reason> {
        match need {
            Need::Canary => self.canary.gap(|_| None),
            Need::CanaryRoute => self.canary.gap(canary_not_asked),
            Need::CensusAfter => self.churn.gap(|churn| incomplete(churn, When::After)),
            Need::CensusBefore => self.churn.gap(|churn| incomplete(churn, When::Before)),
            Need::Churn => self.churn.gap(not_done),
            Need::Harness => self.harness.gap(|all| no_run(about, all)),
            // Records since the mark: without any, the engine had nothing to say, which a complete log may well show.
            Need::Journal => self.journal.gap(|scan| (!scan.complete).then_some(Reason::LogIncomplete)),
            Need::Leaked => not_counted(about, |overlay| self.leaks(overlay)),
            Need::Residue => self.residue.gap(|_| None),
            Need::RoutesAfter => self.routes_after.gap(|facts| missing_route(config, about, facts)),
            Need::RoutesDuring => self.routes_during.gap(|watch| not_watched(config, about, watch)),
            Need::Routes => self.routes.gap(|facts| missing_route(config, about, facts)),
            _ => Some(never_observed()),
        }
    }
}

impl Coverage for FixPlanFacts {
    fn gap(&self, _: &Config, _: Check<'_>, need: Need) -> Option<Reason> {
        match need {
            Need::Declared => self.creation.gap(|creation| creation.declared.gap()),
            Need::Plan => self.plan.gap(|_| None),
            Need::Snapshot => self.snapshot.gap(|_| None),
            Need::Window => self.window.gap(|_| None),
            _ => Some(never_observed()),
        }
    }
}

impl Coverage for FixedFacts {
    fn gap(&self, config: &Config, about: Check<'_>, need: Need) -> Option<Reason> {
        match need {
            Need::Declared => self.creation.gap(|creation| creation.declared.gap()),
            Need::Deployed => self.creation.gap(|creation| creation.deployed.gap()),
            Need::Activation => self.creation.gap(|creation| {
                creation.activation.as_ref().map_or_else(|| Some(never_observed()), Seen::gap)
            }),
            Need::Proof => self.proof.gap(|_| None),
            Need::Record => about
                .overlay()
                .map_or_else(|| Some(never_observed()), |overlay| self.record_of(overlay).err()),
            need => self.control.gap(config, about, need),
        }
    }
}

impl Coverage for RunFacts {
    fn gap(&self, _: &Config, about: Check<'_>, need: Need) -> Option<Reason> {
        let (Need::Report, Check::Precondition(gate)) = (need, about) else {
            return Some(never_observed());
        };
        let before = self.before.iter().find(|before| before.gate == gate);
        before.map_or_else(|| Some(never_observed()), |before| before.newest.gap(|_| None))
    }
}

impl<T> Seen<T> {
    /// Why this was not seen; `None` iff it was.
    fn gap(&self) -> Option<Reason> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(Reason::NotSeen(why.clone())),
        }
    }
}

/// A need that these facts have no observation for: a row of a check that stands in the wrong gate.
fn never_observed() -> Reason {
    Reason::NotSeen(Unseen::NotRecorded)
}

/// No check but one about an overlay can rest on a count.
fn not_counted(about: Check<'_>, leaks: impl FnOnce(&str) -> Result<Leaks, Reason>) -> Option<Reason> {
    about.overlay().map_or_else(|| Some(never_observed()), |overlay| leaks(&overlay.name).err())
}

fn doubt(scan: &Scan) -> Option<Reason> {
    scan.doubt().map(|doubt| Reason::LogInconclusive { doubt: doubt.to_string() })
}

/// A log that was scanned from elsewhere on than the configuration says.
fn other_window(config: &Config, about: Check<'_>, scan: &Scan) -> Option<Reason> {
    let is_other = matches!(about, Check::JournalExhaustion) && scan.since != config.journal.begins();
    is_other.then(never_observed)
}

fn canary_not_asked(canary: &CanaryFacts) -> Option<Reason> {
    canary.route.is_none().then_some(Reason::CanaryNotAsked)
}

/// A route of the check's own, or a core route where it is about all of those, that has no answer.
fn missing_route(config: &Config, about: Check<'_>, facts: &[RouteFact]) -> Option<Reason> {
    let asked = |route: &RouteConfig| facts.iter().any(|fact| fact.name == route.name);
    match about {
        Check::Route(route) => (!asked(route)).then_some(Reason::RouteNotAsked),
        // Without a single route there is nothing that could have answered.
        _ if config.core_routes().next().is_none() => Some(Reason::NoCoreRoute),
        _ => (facts.is_empty() || !config.core_routes().all(asked)).then_some(Reason::RouteNotAsked),
    }
}

/// A watch that ended before its first round has seen nothing.
fn not_watched(config: &Config, about: Check<'_>, watch: &RouteWatch) -> Option<Reason> {
    let asked = if watch.rounds == 0 { &[][..] } else { &watch.routes };
    missing_route(config, about, asked)
}

/// A harness that was not seen, or of which there is no result, nothing on the overlay or no look at its end.
fn no_run(about: Check<'_>, all: &[HarnessFact]) -> Option<Reason> {
    let Check::Harness(harness) = about else { return Some(never_observed()) };
    let Some(fact) = all.iter().find(|fact| fact.name == harness.name) else { return Some(never_observed()) };
    let not_joined = || {
        let network = fact.watch.network.clone();
        fact.watch.joined.is_empty().then_some(HarnessLack::NotJoined { network })
    };
    let lack = sound(fact).err().or_else(not_joined).or_else(|| end_not_seen(fact));
    lack.map(|lack| Reason::Harness(HarnessReason::NotShown(vec![lack])))
}

/// A guard whose file was searched for other patterns than the configuration has.
fn not_searched(about: Check<'_>, fact: &GuardFact) -> Option<Reason> {
    let Check::Guard(guard) = about else { return Some(never_observed()) };
    let GuardFound::File(file) = &fact.found else { return None };
    let searched = |patterns: &[Pattern], found: &[GuardMatch]| {
        patterns.iter().all(|pattern| match_of(found, pattern.as_str()).is_some())
    };
    let is_whole = searched(&guard.contains, &file.contains) && searched(&guard.absent, &file.absent);
    (!is_whole).then(never_observed)
}

fn not_done(outcome: &ChurnOutcome) -> Option<Reason> {
    match outcome {
        ChurnOutcome::Done(_) => None,
        ChurnOutcome::Refused(why) => Some(Reason::ChurnRefused(why.clone())),
        ChurnOutcome::Failed(why) => Some(Reason::ChurnBrokeOff(why.clone())),
    }
}

fn incomplete(outcome: &ChurnOutcome, when: When) -> Option<Reason> {
    let ChurnOutcome::Done(churn) = outcome else { return not_done(outcome) };
    let census: &Census = match when {
        When::Before => &churn.census_before,
        When::After => &churn.census_after,
    };
    let reason = || census.reason.as_ref().map(ToString::to_string);
    (!census.complete).then(|| Reason::CensusIncomplete(vec![IncompleteCensus { when, reason: reason() }]))
}

impl M1Facts {
    /// The leaked addresses of this overlay, or why their number is unknown.
    pub(crate) fn leaks(&self, overlay: &str) -> Result<Leaks, Reason> {
        leaks(overlay, census_of(&self.leaked, overlay), self.snapshot.known())
    }
}

impl M2Facts {
    /// The addresses of this overlay that were leaked before the gate began, or why their number is unknown.
    pub(crate) fn leaks(&self, overlay: &str) -> Result<Leaks, Reason> {
        // On the overlay that was churned the first census is the count; its second one has the churn's own leaks in it.
        let census = self.churn.sight().map_err(|why| Reason::NotSeen(why.clone()));
        let before = census.and_then(|outcome| match outcome {
            ChurnOutcome::Done(churn) if churn.network == overlay => Ok(&churn.census_before),
            ChurnOutcome::Done(_) => Err(never_observed()),
            ChurnOutcome::Refused(why) => Err(Reason::ChurnRefused(why.clone())),
            ChurnOutcome::Failed(why) => Err(Reason::ChurnBrokeOff(why.clone())),
        });
        leaks(overlay, census_of(&self.leaked, overlay).or(before), None)
    }
}

impl<T> Observed<T> {
    /// Why this is not whole: it was not seen, or `part` says what is missing. `None` iff it is whole.
    pub(crate) fn gap(&self, part: impl FnOnce(&T) -> Option<Reason>) -> Option<Reason> {
        match self.sight() {
            Ok(seen) => part(seen),
            Err(why) => Some(Reason::NotSeen(why.clone())),
        }
    }
}
