//! What the guard remembers from run to run: what it counted, what it did, how that ended.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::NetworkId;
use pvcheck_gates::{GuardConfig, Rung};
use pvcheck_swarm::RunId;
use serde::{Deserialize, Serialize};

use crate::ahead::Counted;
use crate::signs::Brake;
use crate::table::{RAN_OUT, is_ahead};

/// The version of the file's format.
const SCHEMA: &str = "pvcheck/v1";
/// The most counts that are kept of a network: four a day for seven weeks.
const MOST_COUNTS: usize = 200;
/// The most acts that are kept.
const MOST_ACTS: usize = 100;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What the guard remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub(crate) schema: String,
    /// The Swarm that all of it is of; `None` before the first run.
    pub swarm: Option<String>,
    /// What was counted of each network, the oldest first.
    pub counts: BTreeMap<NetworkId, Vec<Counted>>,
    /// What was done, the oldest first.
    pub acts: Vec<Act>,
    /// When nothing was full, for the last time since the last cure began.
    pub well: Option<Timestamp>,
    /// When nothing was full soon, for the last time since the last cure began.
    pub far: Option<Timestamp>,
    /// When a person was called for the last time, by the row of the table.
    pub called: BTreeMap<String, Timestamp>,
}

/// Something that the guard did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// What.
    pub rung: Rung,
    /// The row of the table that asked for it.
    pub row: String,
    /// The run that did it.
    pub run: RunId,
    /// When it was begun: this is written before anything is done.
    pub begun: Timestamp,
    /// How it ended; `null` if it was interrupted.
    pub end: Option<End>,
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Whether it helped.
    pub outcome: Outcome,
    /// Why it did not, or why that is not known.
    pub why: Option<String>,
}

/// Whether an act helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was proved that it did.
    Helped,
    /// It was proved that it did not.
    DidNotHelp,
    /// That is not known.
    Unknown,
    /// It was refused before anything was done, so that it counts for nothing.
    NotBegun,
}

/// Why a file is not what the guard remembers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMemory {
    /// It cannot be understood.
    #[error(
        "damaged ({why}); without it a cure could be done twice: look what the guard did last, then move it away"
    )]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// It is of another version.
    #[error("its schema is `{schema}`, and this version knows `{SCHEMA}`; run the version that wrote it")]
    Schema {
        /// Its schema.
        schema: String,
    },
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            swarm: None,
            counts: BTreeMap::new(),
            acts: Vec::new(),
            well: None,
            far: None,
            called: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Reads it.
    ///
    /// # Errors
    /// If the text is not what [`Memory::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, NotMemory> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let damaged = |error: serde_json::Error| NotMemory::Damaged { why: error.to_string() };
        let Head { schema } = serde_json::from_str(text).map_err(damaged)?;
        if schema != SCHEMA {
            return Err(NotMemory::Schema { schema });
        }
        serde_json::from_str(text).map_err(damaged)
    }

    /// The text of its file.
    ///
    /// # Errors
    /// Never in practice: it has no type that JSON cannot hold.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Remembers a count.
    pub fn count(&mut self, network: &NetworkId, counted: Counted) {
        let all = self.counts.entry(network.clone()).or_default();
        all.push(counted);
        all.drain(..all.len().saturating_sub(MOST_COUNTS));
    }

    /// Remembers that an act begins.
    pub fn begin(&mut self, rung: Rung, row: &str, run: &RunId, at: Timestamp) {
        if rung != Rung::Drain {
            // What was in order before it says nothing of it. That is told by the order of events: a clock may be put back.
            (self.well, self.far) = (None, None);
        }
        self.acts.push(Act { rung, row: row.to_owned(), run: run.clone(), begun: at, end: None });
        while MOST_ACTS < self.acts.len() {
            // What is no cure goes first, so that the last cure is never forgotten.
            let older = &self.acts[..MOST_ACTS];
            self.acts.remove(older.iter().position(|act| !act.is_cure()).unwrap_or(0));
        }
    }

    /// Remembers how the last act ended.
    pub fn end(&mut self, end: End) {
        if let Some(act) = self.acts.last_mut() {
            act.end = Some(end);
        }
    }

    /// The cures that were begun.
    fn cures(&self) -> impl DoubleEndedIterator<Item = &Act> {
        self.acts.iter().filter(|act| act.is_cure())
    }

    /// From when to when the guard last dealt with an exhaustion, by a cure or by calling a person because of the log: what the
    /// engine logged before is over. A drain does not: what leaked is leaked after it.
    pub fn dealt_with(&self) -> Option<(Timestamp, Timestamp)> {
        let acts = self.cures().map(|act| (act.begun, act.end.as_ref().map_or(act.begun, |end| end.at)));
        let called = self.called.get(RAN_OUT).map(|at| (*at, *at));
        acts.chain(called).max_by_key(|(_, end)| *end)
    }

    /// What keeps the guard from another cure. `unfinished` is the run of a reclaim that is at work or was interrupted. Only the
    /// guard's own is its to finish: that of another process may be at work.
    pub fn brake(&self, config: &GuardConfig, unfinished: Option<&RunId>, now: Timestamp) -> Brake {
        let own = |run: &RunId| self.acts.last().is_some_and(|act| act.run == *run);
        match unfinished {
            Some(run) if own(run) => return Brake::Unfinished,
            Some(_) => return Brake::Foreign,
            None => {}
        }
        let Some(last) = self.cures().next_back() else { return Brake::Free };
        let helped = last.end.as_ref().is_some_and(|end| end.outcome == Outcome::Helped);
        // A cure for what was to come is done while nothing is full, so that this says nothing of it.
        let in_order = if is_ahead(&last.row) { self.far } else { self.well };
        let cooldown = SignedDuration::try_from(config.cooldown()).unwrap_or(SignedDuration::MAX);
        if !helped && in_order.is_none() {
            Brake::Failed
        } else if self.in_a_day(now, |act| act.rung != Rung::Drain) >= u64::from(config.cures_a_day) {
            Brake::Spent
        } else if recent(last.begun, now, cooldown) {
            Brake::Cooling
        } else {
            Brake::Free
        }
    }

    /// True iff what pvcheck left may be removed once more: a removal that never helps must not be repeated without end.
    pub fn may_drain(&self, config: &GuardConfig, now: Timestamp) -> bool {
        self.in_a_day(now, |act| act.rung == Rung::Drain) < u64::from(config.cures_a_day)
    }

    fn in_a_day(&self, now: Timestamp, which: fn(&Act) -> bool) -> u64 {
        let lately = |act: &&Act| act.was_begun() && which(act) && recent(act.begun, now, DAY);
        self.acts.iter().filter(lately).count() as u64
    }

    /// True iff a person is to be called for this row: not again and again for the same one.
    pub fn calls(&self, config: &GuardConfig, row: &str, now: Timestamp) -> bool {
        let cooldown = SignedDuration::try_from(config.cooldown()).unwrap_or(SignedDuration::MAX);
        !self.called.get(row).is_some_and(|at| recent(*at, now, cooldown))
    }
}

impl Act {
    fn was_begun(&self) -> bool {
        self.end.as_ref().is_none_or(|end| end.outcome != Outcome::NotBegun)
    }

    /// True iff it is a cure that was begun: anything but a drain, which gives no leaked address back.
    fn is_cure(&self) -> bool {
        self.rung != Rung::Drain && self.was_begun()
    }
}

/// True iff `at` is less than `span` before `now`. A time that is still to come is recent: the clock was put back, and then
/// nothing says how long ago it was.
fn recent(at: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    now.duration_since(at) < span
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3_600).expect("a time")
    }

    fn run() -> RunId {
        RunId::from_label("r1")
    }

    fn end(hour: i64, outcome: Outcome) -> End {
        End { at: at(hour), outcome, why: None }
    }

    /// A memory in which this was done at this hour.
    fn done(hour: i64, rung: Rung, outcome: Option<Outcome>) -> Memory {
        let mut memory = Memory::default();
        memory.begin(rung, "full-restart", &run(), at(hour));
        if let Some(outcome) = outcome {
            memory.end(end(hour, outcome));
        }
        memory
    }

    fn brake(memory: &Memory, hour: i64) -> Brake {
        memory.brake(&GuardConfig::default(), None, at(hour))
    }

    #[test]
    fn a_cure_that_helped_is_rested_from() {
        let memory = done(0, Rung::Restart, Some(Outcome::Helped));
        assert_eq!([1, 5, 6].map(|hour| brake(&memory, hour)), [Brake::Cooling, Brake::Cooling, Brake::Free]);
        assert_eq!(brake(&memory, -3), Brake::Cooling, "the clock was put back");
        assert_eq!(memory.dealt_with(), Some((at(0), at(0))));
    }

    #[test]
    fn a_cure_that_failed_or_broke_off_is_not_done_again_until_all_was_well() {
        for outcome in [Some(Outcome::DidNotHelp), Some(Outcome::Unknown), None] {
            let mut memory = done(0, Rung::Borrow, outcome);
            assert_eq!([1, 100].map(|hour| brake(&memory, hour)), [Brake::Failed; 2], "{outcome:?}");
            memory.well = Some(at(2));
            assert_eq!(
                [3, 100].map(|hour| brake(&memory, hour)),
                [Brake::Cooling, Brake::Free],
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn a_cure_of_what_is_to_come_is_not_done_again_until_it_is_far() {
        let mut memory = Memory::default();
        memory.begin(Rung::Borrow, "near-borrow", &run(), at(0));
        memory.end(end(0, Outcome::DidNotHelp));
        memory.well = Some(at(1));
        assert_eq!(brake(&memory, 100), Brake::Failed, "nothing was full before it, either");
        memory.far = Some(at(2));
        assert_eq!(brake(&memory, 100), Brake::Free);
    }

    #[test]
    fn a_clock_that_was_ahead_lifts_no_brake() {
        let mut memory = Memory { well: Some(at(5_000)), far: Some(at(5_000)), ..Memory::default() };
        memory.begin(Rung::Restart, "full-restart", &run(), at(0));
        memory.end(end(0, Outcome::DidNotHelp));
        assert_eq!(brake(&memory, 1), Brake::Failed);
        memory.well = Some(at(1));
        memory.begin(Rung::Drain, "full-drain", &run(), at(2));
        assert_eq!(memory.well, Some(at(1)), "a drain cures nothing, and takes nothing back");
    }

    #[test]
    fn the_last_cure_is_not_forgotten_for_drains() {
        let mut memory = done(0, Rung::Restart, Some(Outcome::DidNotHelp));
        for hour in 1..300 {
            memory.begin(Rung::Drain, "near-drain", &run(), at(hour));
            memory.end(end(hour, Outcome::Helped));
        }
        assert_eq!((memory.acts.len(), brake(&memory, 300)), (MOST_ACTS, Brake::Failed));
        for hour in 300..600 {
            memory.begin(Rung::Restart, "full-restart", &run(), at(hour));
        }
        assert_eq!((memory.acts.len(), memory.acts[0].begun), (MOST_ACTS, at(500)));
    }

    #[test]
    fn so_many_cures_a_day_and_no_more() {
        let mut memory = done(0, Rung::HandOver, Some(Outcome::Helped));
        memory.begin(Rung::HandOver, "full-hand-over", &run(), at(8));
        memory.end(end(8, Outcome::Helped));
        assert_eq!([16, 23, 24].map(|hour| brake(&memory, hour)), [Brake::Spent, Brake::Spent, Brake::Free]);
    }

    #[test]
    fn what_was_refused_counts_for_nothing_and_a_drain_is_no_cure() {
        let refused = done(0, Rung::Restart, Some(Outcome::NotBegun));
        assert_eq!((brake(&refused, 1), refused.dealt_with()), (Brake::Free, None));
        let mut drained = done(0, Rung::Drain, None);
        assert_eq!((brake(&drained, 1), drained.dealt_with()), (Brake::Free, None));
        let config = GuardConfig::default();
        assert!(drained.may_drain(&config, at(1)));
        drained.begin(Rung::Drain, "full-drain", &run(), at(1));
        assert!(!drained.may_drain(&config, at(2)) && drained.may_drain(&config, at(24)));
    }

    #[test]
    fn an_unfinished_reclaim_goes_before_everything() {
        let config = GuardConfig::default();
        let other = RunId::from_label("r2");
        assert_eq!(done(0, Rung::Borrow, None).brake(&config, Some(&run()), at(0)), Brake::Unfinished);
        assert_eq!(done(0, Rung::Borrow, None).brake(&config, Some(&other), at(0)), Brake::Foreign);
        assert_eq!(Memory::default().brake(&config, Some(&other), at(0)), Brake::Foreign);
        assert_eq!(Memory::default().brake(&config, None, at(0)), Brake::Free);
    }

    #[test]
    fn a_person_is_called_once_for_one_reason() {
        let mut memory = Memory::default();
        let config = GuardConfig::default();
        assert!(memory.calls(&config, "full-no-way", at(0)));
        memory.called.insert("full-no-way".into(), at(0));
        assert!(!memory.calls(&config, "full-no-way", at(5)) && memory.dealt_with().is_none());
        assert!(memory.calls(&config, "full-no-way", at(6)) && memory.calls(&config, "ran-out", at(1)));
        memory.called.insert(RAN_OUT.into(), at(7));
        memory.called.insert("in-vain".into(), at(8));
        assert_eq!(memory.dealt_with(), Some((at(7), at(7))), "a person knows of the lines before");
    }

    #[test]
    fn it_is_read_back_and_stays_small() {
        let mut memory = done(0, Rung::Borrow, None);
        for hour in 0..300 {
            memory.count(&NetworkId::new("n"), Counted { at: at(hour), leaked: 1, owned: 2 });
            memory.begin(Rung::Drain, "near-drain", &run(), at(hour));
        }
        let kept = &memory.counts[&NetworkId::new("n")];
        assert_eq!((kept.len(), kept[0].at, memory.acts.len()), (MOST_COUNTS, at(100), MOST_ACTS));
        let text = memory.to_json().expect("JSON");
        assert_eq!(Memory::from_json(&text), Ok(memory));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let whole = Memory::default().to_json().expect("JSON");
        for text in ["", "{}", "null", &whole[..whole.len() / 2], &whole.replace("acts", "axes")] {
            let error = Memory::from_json(text).expect_err(text);
            assert!(matches!(error, NotMemory::Damaged { .. }), "{text}: {error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        let later = Memory::from_json(&whole.replace("pvcheck/v1", "pvcheck/v9")).expect_err("later");
        assert_eq!(later, NotMemory::Schema { schema: "pvcheck/v9".into() });
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,300}") {
            prop_assert!(Memory::from_json(&text).is_err());
        }
    }
}
