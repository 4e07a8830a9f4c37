//! Signatures as TOML has them, the built-in ones and a user's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::Origin;
use crate::signature::{Class, Place, Reclassify, Rule, Signature};

/// The fewest characters of a text that says something: `e` is in nearly every record.
const FEWEST_CHARS: usize = 4;

/// The entries of a TOML text, in its order.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, toml::de::Error> {
    toml::from_str(text).map(|File { signature }| signature)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    signature: Vec<Entry>,
}

/// A signature with its examples. What the fields mean is in docs/journal.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) class: Class,
    pub(super) place: Place,
    #[serde(default)]
    pub(super) versions: Option<String>,
    pub(super) meaning: String,
    pub(super) remedy: String,
    pub(super) source: String,
    /// When it is another signature instead.
    #[serde(default)]
    pub(super) instead: Option<Instead>,
    /// What each pattern asks in addition.
    #[serde(default)]
    all: Pattern,
    #[serde(default)]
    pattern: Vec<Pattern>,
    #[serde(default)]
    pub(super) matches: Vec<String>,
    #[serde(default)]
    pub(super) matches_not: Vec<String>,
}

/// The condition under which a record counts as the signature of this id.
#[derive(Debug, Deserialize)]
pub(super) enum Instead {
    #[serde(rename = "if_network_is_old")]
    NetworkIsOld(String),
    #[serde(rename = "if_starting_up")]
    StartingUp(String),
    #[serde(rename = "if_without_ipvs")]
    WithoutIpvs(String),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pattern {
    #[serde(default)]
    error: Vec<String>,
    #[serde(default)]
    message: Vec<String>,
    #[serde(default)]
    exact: Option<String>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    origin: Option<Origin>,
}

impl Entry {
    /// Its patterns, each with what all of them ask.
    pub(super) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.pattern.iter().map(|pattern| pattern.clone().and(&self.all))
    }

    /// How many bytes `all` comes to, which each pattern has.
    pub(super) fn repeated_bytes(&self) -> usize {
        self.pattern.len() * self.all.bytes()
    }

    /// The signature. Its texts live until the process ends: a catalogue is read once and used to the end.
    pub(super) fn kept(self, is_added: bool) -> &'static Signature {
        let rules: Vec<Rule> = self.patterns().map(Pattern::kept).collect();
        Box::leak(Box::new(Signature {
            id: keep(self.id),
            class: self.class,
            place: self.place,
            rules: rules.leak(),
            reclassify: self.instead.map_or(Reclassify::Never, Instead::kept),
            meaning: keep(self.meaning),
            remedy: keep(self.remedy),
            source: keep(self.source),
            versions: self.versions.map_or("", keep),
            is_added,
        }))
    }
}

impl Instead {
    fn kept(self) -> Reclassify {
        match self {
            Self::NetworkIsOld(id) => Reclassify::IfNetworkIsOld(keep(id)),
            Self::StartingUp(id) => Reclassify::IfStartingUp(keep(id)),
            Self::WithoutIpvs(id) => Reclassify::IfWithoutIpvs(keep(id)),
        }
    }
}

impl Pattern {
    /// True iff it asks for a text that not every record has: a whole message, or one of four characters or more, beside which
    /// others may be shorter. None is empty.
    pub(super) fn is_narrow(&self) -> bool {
        let chars = |text: &String| text.trim().chars().count();
        let parts = || self.error.iter().chain(&self.message).map(chars);
        let others = self.exact.iter().chain(&self.without).map(chars);
        let is_long = self.exact.is_some() || parts().any(|chars| FEWEST_CHARS <= chars);
        is_long && parts().chain(others).all(|chars| 0 < chars)
    }

    fn bytes(&self) -> usize {
        let lists = self.error.iter().chain(&self.message).chain(&self.without).chain(&self.exact);
        lists.chain(self.fields.keys()).chain(self.fields.values()).map(String::len).sum()
    }

    fn and(mut self, all: &Self) -> Self {
        self.error.extend_from_slice(&all.error);
        self.message.extend_from_slice(&all.message);
        self.without.extend_from_slice(&all.without);
        self.fields.extend(all.fields.clone());
        Self { exact: self.exact.or_else(|| all.exact.clone()), origin: self.origin.or(all.origin), ..self }
    }

    fn kept(self) -> Rule {
        let fields: Vec<_> = self.fields.into_iter().map(|(key, value)| (keep(key), keep(value))).collect();
        Rule {
            inner: keep_all(self.error),
            message: keep_all(self.message),
            exact: self.exact.map(|text| keep(text.trim().to_owned())),
            without: keep_all(self.without),
            fields: fields.leak(),
            origin: self.origin,
        }
    }
}

fn keep(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn keep_all(texts: Vec<String>) -> &'static [&'static str] {
    let texts: Vec<&'static str> = texts.into_iter().map(keep).collect();
    texts.leak()
}
