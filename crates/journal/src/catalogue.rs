//! The table of signatures, and what makes it quick to ask.

mod allocation;
mod quiet;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, PatternID};
use regex::Regex;

use crate::ids::{NetworkId, NodeId, ServiceId, TaskId};
use crate::record::{Origin, Record};
use crate::signature::{Rule, Signature};

pub(crate) use self::quiet::CENSUS_NOISE;

/// Order matters: of two signatures that both match by their inner error, or both by message only, the first wins.
const TABLE: &[&[Signature]] = &[allocation::SIGNATURES, upkeep::SIGNATURES, quiet::SIGNATURES];

/// All signatures that are known, compiled.
///
/// A record is at most one signature. Rules that ask for the inner error are tried before those that know the message
/// only, because the message alone does not decide; among these, the ones that know the whole of it go first.
#[derive(Debug)]
pub struct Catalogue {
    signatures: Vec<&'static Signature>,
    rules: Vec<Compiled>,
    automaton: AhoCorasick,
}

/// A rule whose texts are numbers of patterns of the automaton.
#[derive(Debug)]
struct Compiled {
    rule: &'static Rule,
    signature: &'static Signature,
    inner: Vec<PatternID>,
    message: Vec<PatternID>,
    without: Vec<PatternID>,
}

impl Catalogue {
    /// The catalogue that this crate knows.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(Catalogue::compile);
        &BUILTIN
    }

    fn compile() -> Self {
        let signatures: Vec<_> = TABLE.iter().copied().flatten().collect();
        let all = signatures
            .iter()
            .flat_map(|signature| signature.rules.iter().map(move |rule| (rule, *signature)));
        let mut texts = Texts::default();
        let mut rules: Vec<_> = all.map(|(rule, signature)| texts.compile(rule, signature)).collect();
        rules.sort_by_key(|compiled| compiled.rule.rank());
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&texts.0)
            .expect("a hundred short texts fit an automaton");
        Self { signatures, rules, automaton }
    }

    /// Every signature, in the table's order.
    pub fn signatures(&self) -> impl Iterator<Item = &'static Signature> {
        self.signatures.iter().copied()
    }

    /// The signature of that id.
    pub fn get(&self, id: &str) -> Option<&'static Signature> {
        self.signatures.iter().copied().find(|signature| signature.id == id)
    }

    /// Which signature the record is; `None` if it is none, or was written by somebody else than the engine or systemd.
    /// What depends on other records ([`Turn`](crate::Turn)) is not decided here.
    pub fn classify(&self, record: &Record) -> Option<&'static Signature> {
        if record.origin == Origin::Other {
            return None;
        }
        let message = self.find(&record.message);
        let error = record.error.as_deref().map(|error| self.find(error));
        if message.is_empty() && error.as_ref().is_none_or(Vec::is_empty) {
            return None;
        }
        let inner = error.as_ref().unwrap_or(&message);
        self.rules
            .iter()
            .find(|compiled| compiled.holds(record, inner, &message))
            .map(|compiled| compiled.signature)
    }

    fn find(&self, text: &str) -> Vec<PatternID> {
        self.automaton.find_overlapping_iter(text).map(|found| found.pattern()).collect()
    }
}

impl Compiled {
    /// `inner` and `message` are the texts that occur there.
    fn holds(&self, record: &Record, inner: &[PatternID], message: &[PatternID]) -> bool {
        let rule = self.rule;
        self.inner.iter().all(|text| inner.contains(text))
            && self.message.iter().all(|text| message.contains(text))
            && !self.without.iter().any(|text| inner.contains(text) || message.contains(text))
            && rule.exact.is_none_or(|exact| record.message.trim() == exact)
            && rule.origin.is_none_or(|origin| record.origin == origin)
    }
}

/// The automaton's patterns, each once.
#[derive(Default)]
struct Texts(Vec<&'static str>);

impl Texts {
    fn compile(&mut self, rule: &'static Rule, signature: &'static Signature) -> Compiled {
        // A whole message is a pattern too, so that a record without any pattern needs no rule.
        if let Some(exact) = rule.exact {
            self.number(exact);
        }
        let mut numbers = |texts: &[&'static str]| texts.iter().map(|text| self.number(text)).collect();
        let (inner, message, without) = (numbers(rule.inner), numbers(rule.message), numbers(rule.without));
        Compiled { rule, signature, inner, message, without }
    }

    fn number(&mut self, text: &'static str) -> PatternID {
        let place = self.0.iter().position(|known| known.eq_ignore_ascii_case(text)).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        });
        PatternID::new(place).expect("a hundred texts have small numbers")
    }
}

/// Whom a record is about, as far as it says so.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subjects {
    /// Networks, by id or, where the engine writes it, by name.
    pub networks: BTreeSet<NetworkId>,
    /// Services.
    pub services: BTreeSet<ServiceId>,
    /// Tasks.
    pub tasks: BTreeSet<TaskId>,
    /// Nodes. The `node.id` field is not among them: it names the engine that logged.
    pub nodes: BTreeSet<NodeId>,
}

impl Subjects {
    /// Takes the ids out of a record's message, its error, and the fields that swarmkit and libnetwork use for them.
    pub fn of(record: &Record) -> Self {
        let mut subjects = Self::default();
        for text in [Some(&record.message), record.error.as_ref()].into_iter().flatten() {
            subjects.read(text);
        }
        for (key, value) in &record.fields {
            subjects.take(key, value);
        }
        subjects
    }

    fn read(&mut self, text: &str) {
        // An id is 25 characters of base 36, or 64 hex digits for what is local to a node. `node  cannot` has none.
        static NAMED: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?i)\b(service|task|network|node)(?: ID)?:? \(?([0-9a-z]{25}|[0-9a-f]{64})\b")
                .expect("tested")
        });
        static NAME: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\bnetwork (\S+)(?: \S+)? (?:remove failed|is in use by|has active endpoints|id \S+ has active)")
                .expect("tested")
        });
        for found in NAMED.captures_iter(text) {
            let id = &found[2];
            match found[1].to_ascii_lowercase().as_str() {
                "service" => drop(self.services.insert(id.into())),
                "task" => drop(self.tasks.insert(id.into())),
                "network" => drop(self.networks.insert(id.into())),
                _ => drop(self.nodes.insert(id.into())),
            }
        }
        if let Some(found) = NAME.captures(text) {
            self.networks.insert(found[1].into());
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "service.id" => drop(self.services.insert(value.into())),
            "task.id" => drop(self.tasks.insert(value.into())),
            "vip.network" | "network" | "network.id" | "nid" => drop(self.networks.insert(value.into())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
