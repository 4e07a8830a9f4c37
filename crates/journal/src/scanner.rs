//! The scan itself: one record after the other.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::Catalogue;
use crate::circumstances::{OwnNoise, RemovedNetworks};
use crate::coverage::{Coverage, Role};
use crate::engine;
use crate::ids::TaskId;
use crate::incomplete::{Incomplete, Note};
use crate::record::{Form, Origin, Record};
use crate::redact::redact;
use crate::scan::{MAX_SAMPLES, MAX_SUBJECTS, Matched, Sample, Scan};
use crate::signature::{Class, Reclassify, START_UP, Signature, WITHOUT_IPVS};
use crate::subjects::Subjects;
use crate::window::{Since, Window};

/// At most this many tasks are learned from lines that name one of pvcheck's own services.
const MAX_LEARNED: usize = 100_000;

/// A record may be so much older than the one before it: several threads write one log, and journald sorts by when it
/// received them.
const DISORDER: SignedDuration = SignedDuration::from_mins(1);
/// How much is shown of a record that was not understood, in characters.
const SHOWN_CHARS: usize = 120;

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
    removed: RemovedNetworks,
    learned: BTreeSet<TaskId>,
    read: u64,
    /// What the caller says of the role, and what the log's last word is.
    role: Role,
    role_seen: Role,
    /// True iff the engine has said since its start that its kernel has no IPVS.
    without_ipvs: bool,
    /// The start that was found, and a later time that the log has before it.
    not_in_order: Option<(Timestamp, Timestamp)>,
    reaches_back: bool,
    coverage: Coverage,
    /// True iff a record of the window has come, by its time, and the window has no end.
    inside: bool,
    start: Option<Start>,
    engine_start: Option<Timestamp>,
    leader_change: Option<Timestamp>,
    incomplete: Vec<Incomplete>,
    /// Findings before the window.
    before: Vec<Matched>,
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
    /// Of these, the ones that the engine may have written.
    untimed_engine: u64,
    unparsed: u64,
    not_understood: u64,
    first_not_understood: Option<String>,
    cut: u64,
    /// Of these, the ones that the engine may have written.
    cut_engine: u64,
    foreign: u64,
    /// Records whose writer is the engine, by name or by assumption.
    engine: u64,
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
            removed: RemovedNetworks::default(),
            learned: BTreeSet::new(),
            read: 0,
            role: Role::Unknown,
            role_seen: Role::Unknown,
            without_ipvs: false,
            not_in_order: None,
            reaches_back: false,
            coverage: Coverage::default(),
            inside: false,
            start: None,
            engine_start: None,
            leader_change: None,
            incomplete: Vec::new(),
            before: Vec::new(),
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
        self.removed = removed;
        self
    }

    /// Names the source in the result.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Says which role the log's engine has, as the caller knows it from the Swarm. Without it the log itself decides; where
    /// the log says that it does not lead, that counts whatever the caller says, because the leadership moved.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The moment from which on it counts, if one was given. It leaves out by itself what was written before, so that a source
    /// may push such records too.
    pub(crate) fn begins(&self) -> Option<Timestamp> {
        if let Since::At(at) = self.since { Some(at) } else { None }
    }

    /// Says that the source has records from before the window, although none of them will be pushed.
    pub fn note_reaches_back(&mut self) {
        self.reaches_back = true;
    }

    /// Notes that records are missing: see [`Scan::complete`].
    pub fn note_incomplete(&mut self, reason: Incomplete) {
        self.incomplete.push(reason);
    }

    /// Takes the next record.
    pub fn push(&mut self, record: &Record) {
        self.read += 1;
        self.coverage.saw(record.at);
        let found = self.catalogue.classify(record);
        self.coverage.engine += u64::from(engine::is_dockerds(record, found));
        self.role_seen = engine::role(record, found).unwrap_or(self.role_seen);
        if let Some(signature) = found {
            self.mark(signature, record);
        }
        let is_foreign = record.origin == Origin::Other;
        // After `mark`: a start before the window still decides which lines fall into an engine's start-up.
        // A log is written in order, and the raft library of the engine writes lines in a form of its own, whose time has no
        // zone: such a line is in a window without an end once a record of it has come, and not in one that begins later.
        let is_inside = self.window.contains(record.at) || (record.at.is_none() && self.inside);
        if !is_inside {
            // Not in a log of which a part is in the window already: it is in no order.
            let is_before = self.window.from.zip(record.at).is_some_and(|(from, at)| at < from);
            if is_before && self.tally.records == 0 {
                self.tally.untimed_engine = 0;
            }
            if let Some(signature) = found.filter(|signature| is_before && signature.class.is_finding()) {
                self.count_before(signature, record);
            }
            self.tally.untimed_left_out += u64::from(record.at.is_none());
            self.tally.untimed_engine += u64::from(record.at.is_none() && !is_foreign);
            return;
        }
        self.inside |= record.at.is_some() && self.window.from.is_some() && self.window.to.is_none();
        // An entry of the user's may be of few letters, and says nothing of the form of a line.
        self.tally.covers(record, found.is_some_and(|signature| !signature.is_added));
        // Errors of containers are frequent and say nothing about the engine, so they are not counted as
        // unclassified.
        let is_error = record.level.is_error() && !is_foreign;
        if found.is_some() || is_error {
            self.count(record, found);
        }
    }

    /// What was found.
    pub fn finish(self) -> Scan {
        let (incomplete, notes) = (self.lacks(), self.notes());
        let coverage = self.covered();
        let Tally { records, matched, own, unclassified, own_unclassified, samples, .. } = self.tally;
        let from = self.start.map_or(self.window.from, |start| start.at);
        Scan {
            source: self.source,
            since: self.since,
            start_found: self.since.is_sought().then_some(self.start.is_some()),
            window: Window { from, to: self.window.to },
            engine_start: self.engine_start,
            leader_change: self.leader_change,
            complete: incomplete.is_empty(),
            incomplete,
            coverage: Some(coverage),
            read: self.read,
            records,
            matched,
            own,
            unclassified_errors: unclassified,
            own_unclassified_errors: own_unclassified,
            before: self.before,
            samples,
            notes,
        }
    }

    fn covered(&self) -> Coverage {
        let Tally { records, not_understood, foreign, .. } = self.tally;
        Coverage {
            understood: records - not_understood,
            not_understood,
            foreign,
            role: self.known_role(),
            ..self.coverage
        }
    }

    /// An engine that leads now may have followed for a part of the window. What waits for an address is logged again by each
    /// new leader (swarmkit `allocator/network.go` doNetworkInit), so its own log suffices; one that follows now never sees it.
    fn known_role(&self) -> Role {
        match (self.role, self.role_seen) {
            (_, Role::Follower) | (Role::Follower, _) => Role::Follower,
            (Role::Leader, _) | (_, Role::Leader) => Role::Leader,
            (Role::Unknown, Role::Unknown) => Role::Unknown,
        }
    }

    /// Why finding nothing would prove nothing. What explains most comes first.
    fn lacks(&self) -> Vec<Incomplete> {
        let tally = &self.tally;
        let mut lacks = self.incomplete.clone();
        let mut add = |is_so: bool, reason: Incomplete| lacks.extend(is_so.then_some(reason));
        // A log of another program explains everything else, so that nothing more is said of it.
        let is_foreign = 0 < self.read && self.coverage.engine == 0;
        add(is_foreign, Incomplete::NotAnEngineLog { records: self.read });
        if is_foreign {
            return lacks;
        }
        // systemd writes about a unit that never came up too.
        add(tally.engine == 0, Incomplete::NoRecords { read: self.read });
        let is_sought = self.since.is_sought();
        add(is_sought && self.start.is_none(), Incomplete::NoStart);
        if let Some((start, newest)) = self.not_in_order {
            add(true, Incomplete::NotInOrder { start, newest });
        }
        if let Since::At(asked) = self.since {
            let first = self.coverage.first;
            let reaches = self.reaches_back || first.is_some_and(|first| first <= asked);
            add(0 < self.read && !reaches, Incomplete::NotThatFarBack { asked, first });
        }
        add(0 < tally.untimed_engine, Incomplete::NoTimes { records: tally.untimed_engine });
        if let Some(first) = &tally.first_not_understood {
            let (records, first) = (tally.not_understood, first.clone());
            add(true, Incomplete::NotUnderstood { records, first });
        }
        add(0 < tally.cut_engine, Incomplete::Cut { records: tally.cut_engine });
        // journald drops lines in bursts, which is just when many allocations fail: a count of such a window is a
        // lower bound.
        let gaps: u64 = tally.matched.iter().filter(|m| m.class == Class::Gap).map(|m| m.count).sum();
        add(0 < gaps, Incomplete::Suppressed { places: gaps });
        add(self.known_role() == Role::Follower, Incomplete::LeaderOnly);
        lacks
    }

    fn notes(&self) -> Vec<Note> {
        let tally = &self.tally;
        let mut notes = Vec::new();
        let mut add = |is_so: bool, note: Note| notes.extend(is_so.then_some(note));
        add(self.since.is_sought() && self.start.is_none(), Note::NoStartMarker);
        add(self.read == 0, Note::NothingRead);
        for (count, note) in [
            (tally.untimed_left_out, Note::UntimedLeftOut { count: tally.untimed_left_out }),
            (tally.unparsed, Note::Unparsed { count: tally.unparsed }),
            (tally.cut, Note::Cut { count: tally.cut }),
            (tally.foreign, Note::Foreign { count: tally.foreign }),
        ] {
            add(0 < count, note);
        }
        add(0 < self.coverage.engine && self.known_role() == Role::Unknown, Note::LeaderOnly);
        notes
    }

    /// Remembers starts, and resets the counts at each where the scan is to begin at the last one.
    fn mark(&mut self, signature: &Signature, record: &Record) {
        self.without_ipvs |= signature.id == WITHOUT_IPVS;
        let is_start = match signature.class {
            Class::EngineStart => {
                self.engine_start = record.at.or(self.engine_start);
                // With another kernel it says so again.
                self.without_ipvs = false;
                self.since.is_sought()
            }
            // The other lines of this class come later than the moment when the new leader's allocator is made.
            Class::LeaderChange if signature.id == "leader-elected" => {
                self.leader_change = record.at.or(self.leader_change);
                self.since == Since::AllocatorStart
            }
            _ => false,
        };
        if is_start && self.before_end(record) {
            self.start = Some(Start { at: record.at });
            // The newest first, as Loki answers: what is dropped here is the window.
            let newest = self.coverage.last;
            let is_late = |(start, newest): &(Timestamp, Timestamp)| DISORDER < newest.duration_since(*start);
            self.not_in_order = record.at.zip(newest).filter(is_late);
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

    fn count_before(&mut self, signature: &'static Signature, record: &Record) {
        let subjects = Subjects::of(record);
        let signature = self.reclassified(signature, record, &subjects);
        if signature.class.is_finding() && !self.is_own(record, Some(signature), &subjects) {
            tally(&mut self.before, signature, record, &subjects);
        }
    }

    fn reclassified(
        &self,
        signature: &'static Signature,
        record: &Record,
        subjects: &Subjects,
    ) -> &'static Signature {
        let (applies, id) = match signature.reclassify {
            Reclassify::Never => (false, ""),
            Reclassify::IfNetworkIsOld(id) => (self.removed.are_old(record, &subjects.networks), id),
            Reclassify::IfStartingUp(id) => (self.is_starting_up(record), id),
            Reclassify::IfWithoutIpvs(id) => (self.without_ipvs, id),
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

impl Tally {
    /// Counts a record of the window by how far it was understood.
    fn covers(&mut self, record: &Record, is_known: bool) {
        let is_foreign = record.origin == Origin::Other;
        self.records += 1;
        self.unparsed += u64::from(record.form == Form::Unparsed);
        self.cut += u64::from(record.cut_bytes > 0);
        self.cut_engine += u64::from(record.cut_bytes > 0 && !is_foreign);
        self.foreign += u64::from(is_foreign);
        self.engine += u64::from(record.origin == Origin::Engine);
        // A line without a format that is a signature all the same was understood: the first line of a Go panic.
        if record.form == Form::Unparsed && !is_known {
            self.not_understood += 1;
            let shown = || redact(&record.raw).chars().map(printable).take(SHOWN_CHARS).collect();
            self.first_not_understood.get_or_insert_with(shown);
        }
    }
}

/// A log line may hold what its writer wanted a terminal to do.
fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
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
