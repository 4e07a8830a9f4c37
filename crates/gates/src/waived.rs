//! Which open checks a gate passes without, for a while.
//!
//! A waiver changes no verdict of a check. It takes an open check out of the sum of its gate, and is told wherever the gate is.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use pvcheck_routes::Verdict;
use thiserror::Error;

use crate::check::{Check, Subjects, checks_of};
use crate::config::{CheckPattern, Config, WaiverConfig};
use crate::explain::catalogue;
use crate::gate_report::{CheckReport, GateReport};
use crate::own_gate::{hint, names, near};
use crate::waiver::{Waiver, WaiverNote, WaiverState};

/// How far ahead a waiver may end, in days: what is to stay open for longer belongs into what the configuration expects.
const MOST_DAYS: i32 = 90;

/// Why a waiver cannot be used. One line, which names it and what to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WaiverError {
    /// It names no check of this configuration.
    #[error("[[waiver]] of `{check}` names no check of this configuration; {}", hint(.near))]
    NothingMatches {
        /// What it names.
        check: String,
        /// The ids that are spelled most alike, at most three.
        near: Vec<String>,
    },
    /// It is of a precondition.
    #[error("[[waiver]] of `{check}`: a precondition cannot be waived; take its gate out of `requires`")]
    OfPrecondition {
        /// What it names.
        check: String,
    },
    /// It ends too late.
    #[error(
        "[[waiver]] of `{check}` ends on {expires}, and may end on {latest} at the latest, {MOST_DAYS} days ahead"
    )]
    TooFarAhead {
        /// What it names.
        check: String,
        /// Its last day.
        expires: Date,
        /// The latest that it may have.
        latest: Date,
    },
}

/// Every waiver of the configuration that a run at this time could not use as it stands.
///
/// One that has expired is none of them: it does not count, and the reports say so.
pub fn waiver_errors(config: &Config, now: Timestamp) -> Vec<WaiverError> {
    let latest = latest(today(now));
    let all = every_check(config);
    let error = |waiver: &WaiverConfig| {
        let check = waiver.check.to_string();
        if waiver.check.as_str().starts_with("precondition.") {
            return Some(WaiverError::OfPrecondition { check });
        }
        if !all.iter().any(|one| names(&waiver.check, *one, config)) {
            return Some(WaiverError::NothingMatches { check, near: near(&waiver.check, config, &all) });
        }
        let expires = waiver.expires;
        (latest < expires).then_some(WaiverError::TooFarAhead { check, expires, latest })
    };
    config.waivers.iter().filter_map(error).collect()
}

/// The waivers whose last day is over at this time.
pub(crate) fn expired(config: &Config, now: Timestamp) -> impl Iterator<Item = &WaiverConfig> {
    config.waivers.iter().filter(move |waiver| waiver.expires < today(now))
}

/// The report with what the configuration waives at this time. Each open required check that a waiver names gets it, the first
/// of several, and does not count for the gate; a gate of which no required check is left has shown nothing, and is unknown.
pub(crate) fn waived(config: &Config, at: Timestamp, mut report: GateReport) -> GateReport {
    let all = every_check(config);
    for waiver in &config.waivers {
        let named = report.checks.iter().filter(|check| is_named(&waiver.check, &check.id, config, &all));
        if named.count() == 0 {
            continue;
        }
        let (state, waived) = match state(waiver, at) {
            WaiverState::InUse => match waive(&mut report.checks, waiver, config, &all) {
                none if none.is_empty() => (WaiverState::NotNeeded, none),
                some => (WaiverState::InUse, some),
            },
            other => (other, Vec::new()),
        };
        report.waivers.push(WaiverNote {
            check: waiver.check.to_string(),
            waiver: said(waiver),
            state,
            waived,
        });
    }
    report.verdict = GateReport::sum(&report.checks);
    report
}

/// Waives the open checks that it names, and returns their ids.
fn waive(
    checks: &mut [CheckReport],
    waiver: &WaiverConfig,
    config: &Config,
    all: &[Check<'_>],
) -> Vec<String> {
    let is_open =
        |check: &CheckReport| check.required && check.verdict != Verdict::Pass && check.waiver.is_none();
    let open =
        checks.iter_mut().filter(|check| is_open(check) && is_named(&waiver.check, &check.id, config, all));
    open.map(|check| {
        check.waiver = Some(said(waiver));
        check.id.clone()
    })
    .collect()
}

fn said(waiver: &WaiverConfig) -> Waiver {
    let WaiverConfig { owner, reason, expires, .. } = waiver.clone();
    Waiver { owner, reason, expires }
}

/// Whether it counts at this time: `InUse` where it does.
fn state(waiver: &WaiverConfig, at: Timestamp) -> WaiverState {
    let today = today(at);
    if waiver.expires < today {
        WaiverState::Expired
    } else if latest(today) < waiver.expires {
        // It is refused before a run; here it may come from a file that was edited.
        WaiverState::TooFarAhead
    } else {
        WaiverState::InUse
    }
}

/// The day in UTC: a run must come to the same on every machine.
fn today(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn latest(today: Date) -> Date {
    today.saturating_add(MOST_DAYS.days())
}

/// Every check that the configuration can have, but for preconditions.
fn every_check(config: &Config) -> Vec<Check<'_>> {
    let kinds: Vec<_> = catalogue().map(|row| row.kind).collect();
    checks_of(&kinds, Subjects::of(config))
}

/// True iff the pattern names the check of this id: by the id, or by that of a row that several overlays share.
fn is_named(pattern: &CheckPattern, id: &str, config: &Config, all: &[Check<'_>]) -> bool {
    // A gate of a renewal has services that the configuration does not know.
    let mut known = all.iter().filter(|check| check.id(config) == id).peekable();
    if known.peek().is_none() {
        return pattern.matches(id);
    }
    known.any(|check| names(pattern, *check, config))
}
