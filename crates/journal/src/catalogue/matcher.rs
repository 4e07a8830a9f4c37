//! The compiled catalogue: which signature a record is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, PatternID};

use super::entry;
use crate::record::{Form, Origin, Record};
use crate::signature::{Class, Rule, Signature};

/// The built-in signatures. Order matters: of two that both match by their inner error, or both by message only, the first wins.
pub(super) const BUILTIN: &str = include_str!("signatures.toml");

/// The message under which an engine logs why a task failed (swarmkit `agent/exec/controller.go` Do).
const FATAL: &str = "fatal task error";
/// The signature of what is about networks and matches nothing else.
const UNKNOWN: &str = "task-network-unknown";
/// The signature of the lines that a bulk census causes and that carry no id.
pub(crate) const CENSUS_NOISE: &str = "node-without-id";

/// Every known signature, compiled into one automaton.
///
/// A record is at most one signature. Rules on the inner error are tried before rules on the message, because the
/// message alone does not decide; among the latter, those that require the whole message go first. Entries of the user's are
/// tried after the built-in ones, of which they may replace noise and the error that is not known, and hide no finding.
#[derive(Debug)]
pub struct Catalogue {
    signatures: Vec<&'static Signature>,
    rules: Rules,
    /// The rules of the user's entries.
    added: Rules,
    automaton: AhoCorasick,
}

/// Rules in the order in which they are tried.
#[derive(Debug)]
struct Rules {
    all: Vec<Compiled>,
    /// The places of the rules that have a pattern as their longest text, by its number: a rule is tried only where that occurs.
    by_longest: Vec<Vec<usize>>,
}

/// A rule whose texts are numbers of patterns of the automaton.
#[derive(Debug)]
struct Compiled {
    rule: &'static Rule,
    signature: &'static Signature,
    inner: Vec<PatternID>,
    message: Vec<PatternID>,
    without: Vec<PatternID>,
    /// The longest of the texts that it asks for.
    longest: PatternID,
}

impl Catalogue {
    /// The built-in catalogue.
    pub fn builtin() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let entries = entry::read(BUILTIN).expect("the built-in entries are read by every test");
            let table: Vec<_> = entries.into_iter().map(|entry| entry.kept(false)).collect();
            Catalogue::compile(&table, &[])
        });
        &CATALOGUE
    }

    /// The built-in signatures, and those of a user.
    pub(super) fn compile(table: &[&'static Signature], added: &[&'static Signature]) -> Self {
        let mut texts = Texts::default();
        let (rules, added_rules) = (texts.rules(table), texts.rules(added));
        // A table of all transitions is the fastest, and grows with the texts: a user's may be many.
        let kind = added.is_empty().then_some(AhoCorasickKind::DFA);
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(kind)
            .build(&texts.0)
            .expect("the built-in texts and at most 256 KiB of a user's fit an automaton");
        let signatures = table.iter().chain(added).copied().collect();
        Self { signatures, rules, added: added_rules, automaton }
    }

    /// Every signature, in the table's order, the user's last.
    pub fn signatures(&self) -> impl Iterator<Item = &'static Signature> {
        self.signatures.iter().copied()
    }

    pub(super) fn all(&self) -> &[&'static Signature] {
        &self.signatures
    }

    /// The signature of that id.
    pub fn get(&self, id: &str) -> Option<&'static Signature> {
        self.signatures.iter().copied().find(|signature| signature.id == id)
    }

    /// Which signature the record is; `None` if it is not a known one, or if neither the engine nor
    /// systemd wrote it.
    /// What depends on other records is decided by a [`Scanner`](crate::Scanner) only.
    pub fn classify(&self, record: &Record) -> Option<&'static Signature> {
        if record.origin == Origin::Other {
            return None;
        }
        let message = self.find(&record.message);
        let error = record.error.as_deref().map(|error| self.find(error));
        // Most lines hold no pattern: one pass of the automaton decides, and no rule is tried.
        if message.is_empty() && error.as_ref().is_none_or(Vec::is_empty) {
            return None;
        }
        // Engines put the cause into `error`; without that field the message itself is the cause.
        let inner = error.as_ref().unwrap_or(&message);
        match self.rules.first(record, inner, &message, |_| true) {
            Some(known) if !is_vague(known) => Some(known),
            vague => {
                // What is a finding stays one.
                let is_finding = vague.is_some_and(|vague| vague.class.is_finding());
                let may = |added: &Signature| !is_finding || added.class.is_finding();
                self.added.first(record, inner, &message, may).or(vague)
            }
        }
    }

    /// The signature of the error that a task shows (`Status.Err` of the API, `docker service ps --no-trunc`); `None` if it is
    /// not about networks, addresses or load balancers. The texts are those that the node logs as `fatal task error`.
    pub fn of_task_error(&self, error: &str) -> Option<&'static Signature> {
        let shown = Record {
            error: Some(error.to_owned()),
            message: FATAL.to_owned(),
            ..Record::bare(Form::Text, error)
        };
        let known = self.classify(&shown);
        if known.is_some_and(|known| known.id != UNKNOWN) {
            return known;
        }
        // Some texts are known as messages only, because they are logged with a cause of their own.
        let logged = self.classify(&Record::bare(Form::Plain, error));
        logged.filter(|signature| signature.class.is_finding()).or(known)
    }

    fn find(&self, text: &str) -> Vec<PatternID> {
        let found = self.automaton.find_overlapping_iter(text).map(|found| found.pattern());
        // Each once, however often a long line has it.
        found.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// True iff an entry of the user's may say more of the same record: it is noise, or an error that is not known.
fn is_vague(signature: &Signature) -> bool {
    signature.class == Class::Noise || signature.id == UNKNOWN
}

impl Rules {
    fn new(all: Vec<Compiled>) -> Self {
        let patterns = all.iter().map(|compiled| compiled.longest.as_usize() + 1).max().unwrap_or(0);
        let mut by_longest = vec![Vec::new(); patterns];
        for (place, compiled) in all.iter().enumerate() {
            by_longest[compiled.longest.as_usize()].push(place);
        }
        Self { all, by_longest }
    }

    /// The signature of the first rule that matches and whose signature may; `inner` and `message` are the patterns that occur
    /// in these texts.
    fn first(
        &self,
        record: &Record,
        inner: &[PatternID],
        message: &[PatternID],
        may: impl Fn(&Signature) -> bool,
    ) -> Option<&'static Signature> {
        let mut first = usize::MAX;
        for pattern in inner.iter().chain(message) {
            let Some(places) = self.by_longest.get(pattern.as_usize()) else { continue };
            let mut earlier = places.iter().take_while(|place| **place < first);
            let is_it = |rule: &Compiled| may(rule.signature) && rule.holds(record, inner, message);
            if let Some(place) = earlier.find(|place| is_it(&self.all[**place])) {
                first = *place;
            }
        }
        self.all.get(first).map(|compiled| compiled.signature)
    }
}

impl Compiled {
    /// True iff the rule matches; `inner` and `message` are the patterns that occur in these texts.
    fn holds(&self, record: &Record, inner: &[PatternID], message: &[PatternID]) -> bool {
        let rule = self.rule;
        self.inner.iter().all(|text| inner.contains(text))
            && self.message.iter().all(|text| message.contains(text))
            && !self.without.iter().any(|text| inner.contains(text) || message.contains(text))
            && rule.exact.is_none_or(|exact| record.message.trim() == exact)
            && rule
                .fields
                .iter()
                .all(|(key, value)| record.fields.get(*key).is_some_and(|given| given == value))
            && rule.origin.is_none_or(|origin| record.origin == origin)
    }
}

/// The automaton's patterns, each once.
#[derive(Default)]
struct Texts(Vec<&'static str>);

impl Texts {
    /// Compiles the rules of these signatures, in the order in which they are tried.
    fn rules(&mut self, signatures: &[&'static Signature]) -> Rules {
        let all = signatures
            .iter()
            .flat_map(|signature| signature.rules.iter().map(move |rule| (rule, *signature)));
        let mut rules: Vec<_> = all.map(|(rule, signature)| self.compile(rule, signature)).collect();
        // Stable, so that within a rank the order of the table decides.
        rules.sort_by_key(|compiled| compiled.rule.rank());
        Rules::new(rules)
    }

    fn compile(&mut self, rule: &'static Rule, signature: &'static Signature) -> Compiled {
        // A whole message is a pattern too, so that a record without any pattern needs no rule.
        let asked = rule.inner.iter().chain(rule.message).copied().chain(rule.exact);
        let longest = asked.max_by_key(|text| text.len()).expect("each pattern of an entry asks for a text");
        let longest = self.number(longest);
        let mut numbers = |texts: &[&'static str]| texts.iter().map(|text| self.number(text)).collect();
        let (inner, message, without) = (numbers(rule.inner), numbers(rule.message), numbers(rule.without));
        Compiled { rule, signature, inner, message, without, longest }
    }

    fn number(&mut self, text: &'static str) -> PatternID {
        let place = self.0.iter().position(|known| known.eq_ignore_ascii_case(text)).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        });
        PatternID::new(place).expect("a hundred texts have small numbers")
    }
}
