//! The scan itself: one record after the other.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::catalogue::Catalogue;
use crate::circumstances::{OwnNoise, RemovedNetworks};
use crate::ids::TaskId;
use crate::record::{Form, Origin, Record};
use crate::scan::{Incomplete, MAX_SAMPLES, MAX_SUBJECTS, Matched, Note, Sample, Scan};
use crate::signature::{Class, Reclassify, START_UP, Signature};
use crate::subjects::Subjects;
use crate::window::{Since, Window};

/// At most this many tasks are learned from lines that name one of pvcheck's own services.
const MAX_LEARNED: usize = 100_000;

/// Scans records that are in memory. Pure; see [`Scanner`] for logs of any size.
pub fn scan<R: Borrow<Record>>(
    records: impl IntoIterator<Item = R>,
    window: Window,
    catalogue: &Catalogue,
    own: &OwnNoise,
) -> Scan {
    let mut scanner = Scanner::new(catalogue, window).own(own.clone());
    for record in records {
        scanner.push(record.borrow());
    }
    scanner.finish()
}

/// A scan in progress. It takes one record after the other, in the log's order, and keeps none: the catalogue bounds
/// its memory, not the log.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    catalogue: &'a Catalogue,
    source: String,
    since: Since,
    window: Window,
    own: OwnNoise,
    removed: Option<RemovedNetworks>,
    learned: BTreeSet<TaskId>,
    read: u64,
    start: Option<Start>,
    engine_start: Option<Timestamp>,
    incomplete: Vec<Incomplete>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    at: Option<Timestamp>,
}

/// The counts of the window, reset when a later start is found.
#[derive(Clone, Debug, Default)]
struct Tally {
    records: u64,
    matched: Vec<Matched>,
    own: Vec<Matched>,
    unclassified: u64,
    own_unclassified: u64,
    samples: Vec<Sample>,
    untimed_left_out: u64,
    unparsed: u64,
    cut: u64,
    foreign: u64,
}

impl<'a> Scanner<'a> {
    /// Scans the window.
    pub fn new(catalogue: &'a Catalogue, window: Window) -> Self {
        Self {
            catalogue,
            source: String::new(),
            since: window.from.map_or(Since::Beginning, Since::At),
            window,
            own: OwnNoise::none(),
            removed: None,
            learned: BTreeSet::new(),
            read: 0,
            start: None,
            engine_start: None,
            incomplete: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Scans from a beginning that may have to be found in the records, up to `to`.
    pub fn since(catalogue: &'a Catalogue, since: Since, to: Option<Timestamp>) -> Self {
        let from = if let Since::At(at) = since { Some(at) } else { None };
        Self { since, ..Self::new(catalogue, Window { from, to }) }
    }

    /// Counts what pvcheck's own censuses caused apart from findings.
    #[must_use]
    pub fn own(mut self, own: OwnNoise) -> Self {
        self.own = own;
        self
    }

    /// Distinguishes traces of a removal from lines about networks that were removed long ago.
    #[must_use]
    pub fn removed(mut self, removed: RemovedNetworks) -> Self {
        self.removed = Some(removed);
        self
    }

    /// Names the source in the result.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Notes that records are missing: see [`Scan::complete`].
    pub fn note_incomplete(&mut self, reason: Incomplete) {
        self.incomplete.push(reason);
    }

    /// Takes the next record.
    pub fn push(&mut self, record: &Record) {
        self.read += 1;
        let found = self.catalogue.classify(record);
        if let Some(signature) = found {
            self.mark(signature, record);
        }
        // After `mark`: a start before the window still decides which lines fall into an engine's start-up.
        if !self.window.contains(record.at) {
            self.tally.untimed_left_out += u64::from(record.at.is_none());
            return;
        }
        self.tally.records += 1;
        self.tally.unparsed += u64::from(record.form == Form::Unparsed);
        self.tally.cut += u64::from(record.cut_bytes > 0);
        self.tally.foreign += u64::from(record.origin == Origin::Other);
        // Errors of containers are frequent and say nothing about the engine, so they are not counted as
        // unclassified.
        let is_error = record.level.is_error() && record.origin != Origin::Other;
        if found.is_some() || is_error {
            self.count(record, found);
        }
    }

    /// What was found.
    pub fn finish(self) -> Scan {
        let Tally { records, matched, own, unclassified, own_unclassified, samples, .. } = self.tally;
        let mut incomplete = self.incomplete;
        let gaps: u64 =
            matched.iter().filter(|matched| matched.class == Class::Gap).map(|matched| matched.count).sum();
        // journald drops lines in bursts, which is just when many allocations fail: a count of such a window is a
        // lower bound.
        if gaps > 0 {
            incomplete.push(Incomplete::Suppressed { places: gaps });
        }
        let sought = self.since.is_sought();
        let mut notes = Vec::new();
        notes.extend((sought && self.start.is_none()).then_some(Note::NoStartMarker));
        notes.extend((self.read == 0).then_some(Note::NothingRead));
        let counted = [
            (self.tally.untimed_left_out, Note::UntimedLeftOut { count: self.tally.untimed_left_out }),
            (self.tally.unparsed, Note::Unparsed { count: self.tally.unparsed }),
            (self.tally.cut, Note::Cut { count: self.tally.cut }),
            (self.tally.foreign, Note::Foreign { count: self.tally.foreign }),
        ];
        notes.extend(counted.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note));
        let from = self.start.map_or(self.window.from, |start| start.at);
        Scan {
            source: self.source,
            since: self.since,
            start_found: sought.then_some(self.start.is_some()),
            window: Window { from, to: self.window.to },
            complete: incomplete.is_empty(),
            incomplete,
            read: self.read,
            records,
            matched,
            own,
            unclassified_errors: unclassified,
            own_unclassified_errors: own_unclassified,
            samples,
            notes,
        }
    }

    /// Remembers starts, and resets the counts at each where the scan is to begin at the last one.
    fn mark(&mut self, signature: &Signature, record: &Record) {
        let is_start = match signature.class {
            Class::EngineStart => {
                self.engine_start = record.at.or(self.engine_start);
                self.since.is_sought()
            }
            // The other lines of this class come later than the moment when the new leader's allocator is made.
            Class::LeaderChange => self.since == Since::AllocatorStart && signature.id == "leader-elected",
            _ => false,
        };
        if is_start && self.before_end(record) {
            self.start = Some(Start { at: record.at });
            // What came before belongs to an allocator that no longer exists.
            self.tally = Tally::default();
        }
    }

    fn before_end(&self, record: &Record) -> bool {
        self.window.to.is_none_or(|to| record.at.is_some_and(|at| at <= to))
    }

    fn count(&mut self, record: &Record, found: Option<&'static Signature>) {
        let subjects = Subjects::of(record);
        let signature = found.map(|signature| self.reclassified(signature, record, &subjects));
        if self.is_own(record, signature, &subjects) {
            match signature {
                Some(signature) => tally(&mut self.tally.own, signature, record, &subjects),
                None => self.tally.own_unclassified += 1,
            }
            return;
        }
        match signature {
            Some(signature) => tally(&mut self.tally.matched, signature, record, &subjects),
            None => self.tally.unclassified += 1,
        }
        self.sample(record, signature.map(|signature| signature.id));
    }

    fn reclassified(
        &self,
        signature: &'static Signature,
        record: &Record,
        subjects: &Subjects,
    ) -> &'static Signature {
        let (applies, id) = match signature.reclassify {
            Reclassify::Never => (false, ""),
            Reclassify::IfNetworkIsOld(id) => {
                (self.removed.as_ref().is_some_and(|removed| removed.are_old(record, &subjects.networks)), id)
            }
            Reclassify::IfStartingUp(id) => (self.is_starting_up(record), id),
        };
        if applies { self.catalogue.get(id).unwrap_or(signature) } else { signature }
    }

    fn is_starting_up(&self, record: &Record) -> bool {
        let (Some(start), Some(at)) = (self.engine_start, record.at) else { return false };
        let after = at.duration_since(start);
        !after.is_negative() && after.unsigned_abs() <= START_UP
    }

    fn is_own(&mut self, record: &Record, signature: Option<&Signature>, subjects: &Subjects) -> bool {
        // Tasks are learned: the first line about one of our tasks names its service, later ones may name the task
        // alone.
        let owns = self.own.owns(record, signature, subjects) || !self.learned.is_disjoint(&subjects.tasks);
        if owns && self.learned.len() < MAX_LEARNED {
            self.learned.extend(subjects.tasks.iter().cloned());
        }
        owns
    }

    fn sample(&mut self, record: &Record, signature: Option<&str>) {
        let samples = &mut self.tally.samples;
        if samples.iter().filter(|sample| sample.signature.as_deref() == signature).count() < MAX_SAMPLES {
            samples.push(Sample::of(signature, record));
        }
    }
}

fn tally(all: &mut Vec<Matched>, signature: &Signature, record: &Record, subjects: &Subjects) {
    let place = all.iter().position(|matched| matched.signature == signature.id).unwrap_or_else(|| {
        all.push(fresh(signature));
        all.len() - 1
    });
    let matched = &mut all[place];
    matched.count += 1;
    matched.first = matched.first.into_iter().chain(record.at).min();
    matched.last = matched.last.into_iter().chain(record.at).max();
    let more = [
        add(&mut matched.networks, &subjects.networks),
        add(&mut matched.services, &subjects.services),
        add(&mut matched.nodes, &subjects.nodes),
    ];
    matched.more |= more.contains(&true);
}

fn fresh(signature: &Signature) -> Matched {
    Matched {
        signature: signature.id.to_owned(),
        class: signature.class,
        meaning: signature.meaning.to_owned(),
        remedy: signature.remedy.to_owned(),
        count: 0,
        first: None,
        last: None,
        networks: BTreeSet::new(),
        services: BTreeSet::new(),
        nodes: BTreeSet::new(),
        more: false,
    }
}

/// Adds up to the limit; true if something was left out.
fn add<T: Clone + Ord>(all: &mut BTreeSet<T>, some: &BTreeSet<T>) -> bool {
    for id in some {
        if all.len() < MAX_SUBJECTS {
            all.insert(id.clone());
        } else if !all.contains(id) {
            return true;
        }
    }
    false
}
